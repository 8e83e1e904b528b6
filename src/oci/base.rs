//! The base image: a layout on the disk that other tools wrote.
//!
//! Nothing in it is trusted: small files are hashed, and the sizes of layers are compared.

use std::path::Path;

use serde_json::{Map, Value};

use super::digest::{BlobDigest, ContentDescriptor};
use super::error::OciError;
use super::{CONFIG, LAYER, MANIFEST, file};

/// An image of a layout.
pub(super) struct Base {
    /// Its layers, the lowest first.
    pub layers: Vec<ContentDescriptor>,
    /// Its configuration.
    pub config: Map<String, Value>,
    /// The diff IDs in the configuration, one for each layer.
    pub diff_ids: Vec<BlobDigest>,
}

impl Base {
    /// Reads the one image of the layout at `directory`.
    pub(super) fn read(directory: &Path) -> Result<Self, OciError> {
        let marker = directory.join("oci-layout");
        if !marker.is_file() {
            return Err(OciError::NotALayout(directory.to_owned()));
        }
        let layout = file::read_object(&marker)?;
        match layout.get("imageLayoutVersion").and_then(Value::as_str) {
            Some(version) if version.starts_with("1.") => {}
            _ => return Err(OciError::LayoutVersion(marker)),
        }

        let index_path = directory.join("index.json");
        let index = file::read_object(&index_path)?;
        let manifests = array(&index, "manifests", &index_path)?;
        let [manifest] = manifests else {
            return Err(OciError::Images { path: index_path, count: manifests.len() });
        };
        let (manifest, path) = blob(directory, manifest, MANIFEST, &index_path)?;
        let layers = array(&manifest, "layers", &path)?.iter().map(|layer| {
            let layer = ContentDescriptor::parse(layer, &path)?;
            if !layer.media_type.starts_with(LAYER) {
                return Err(OciError::NotALayer {
                    path: path.clone(),
                    media_type: layer.media_type,
                });
            }
            file::check_size(&layer.blob_in(directory), layer.size)?;
            Ok(layer)
        });
        let layers = layers.collect::<Result<Vec<_>, OciError>>()?;
        let config = manifest.get("config").unwrap_or(&Value::Null);
        let (config, path) = blob(directory, config, CONFIG, &path)?;
        let none = Map::new();
        let rootfs = config.get("rootfs").and_then(Value::as_object).unwrap_or(&none);
        let diff_ids = array(rootfs, "diff_ids", &path)?.iter().map(|digest| {
            serde_json::from_value(digest.clone()).map_err(|source| OciError::json(&path, source))
        });
        let diff_ids = diff_ids.collect::<Result<Vec<BlobDigest>, OciError>>()?;
        if diff_ids.len() != layers.len() {
            return Err(OciError::DiffIds { path, layers: layers.len(), diff_ids: diff_ids.len() });
        }
        Ok(Self { layers, config, diff_ids })
    }
}

fn array<'v>(
    object: &'v Map<String, Value>,
    key: &'static str,
    path: &Path,
) -> Result<&'v [Value], OciError> {
    match object.get(key) {
        Some(Value::Array(values)) => Ok(values),
        _ => Err(OciError::NoList { path: path.to_owned(), key }),
    }
}

/// The JSON blob of a descriptor that is in the file at `path`, and the path of the blob.
fn blob(
    directory: &Path,
    descriptor: &Value,
    media_type: &'static str,
    path: &Path,
) -> Result<(Map<String, Value>, std::path::PathBuf), OciError> {
    let descriptor = ContentDescriptor::parse(descriptor, path)?;
    if descriptor.media_type != media_type {
        return Err(OciError::MediaType {
            path: path.to_owned(),
            media_type: descriptor.media_type,
            expected: media_type,
        });
    }
    let path = descriptor.blob_in(directory);
    let bytes = file::read(&path)?;
    if BlobDigest::of(&bytes) != descriptor.digest {
        return Err(OciError::Mismatch(path));
    }
    let object = serde_json::from_slice(&bytes).map_err(|source| OciError::json(&path, source))?;
    Ok((object, path))
}

//! OCI image layouts (image-spec, "Image Layout"): one image of layers that are already written.
//!
//! Knows descriptors, manifests and configurations; must not know how a layer was made. No layer is hashed: its
//! digest is that of its descriptor.

mod base;
mod config;
mod digest;
mod error;
mod file;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use base::Base;
use digest::{ContentDescriptor, LayerDescriptor};
pub use error::OciError;
pub use file::MOST_JSON;

/// The media types of a manifest, a configuration and an index, and the version of the layout.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYOUT_VERSION: &str = "1.0.0";
/// What a layer's media type begins with.
const LAYER: &str = "application/vnd.oci.image.layer.";

/// An image to write.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The directory to write. It is made if it does not exist.
    pub out: PathBuf,
    /// The layers, the lowest first: each with the file of its descriptor.
    pub layers: Vec<(PathBuf, PathBuf)>,
    /// The layout of the image below them.
    pub base: Option<PathBuf>,
    /// A file with what is in the image's configuration, in JSON.
    pub config: Option<PathBuf>,
    /// The name of the image in the layout.
    pub tag: String,
}

impl Layout {
    /// Writes the layout. `index.json` is written last: a directory without it is not finished.
    ///
    /// # Errors
    ///
    /// If an input is invalid, or the output cannot be written.
    pub fn write(&self) -> Result<(), OciError> {
        let base = self.base.as_deref().map(Base::read).transpose()?;
        let layers = self.layers.iter().map(|(blob, descriptor)| {
            let descriptor = LayerDescriptor::read(descriptor)?;
            file::check_size(blob, descriptor.size)?;
            Ok((blob.as_path(), descriptor))
        });
        let layers = layers.collect::<Result<Vec<_>, OciError>>()?;
        let given = match &self.config {
            Some(path) => file::read_object(path)?,
            None => Map::new(),
        };
        let diff_ids = layers.iter().map(|(_, layer)| layer.diff_id.clone());
        let config =
            config::merged(base.as_ref(), given, diff_ids.collect(), self.config.as_deref())?;

        file::make_empty_directory(&self.out)?;
        let blobs = self.out.join("blobs/sha256");
        fs::create_dir_all(&blobs)
            .map_err(|source| OciError::Write { path: blobs.clone(), source })?;
        let mut descriptors = Vec::new();
        if let (Some(base), Some(directory)) = (&base, &self.base) {
            for layer in &base.layers {
                file::copy_blob(&layer.blob_in(directory), &blobs, layer)?;
                descriptors.push(layer.value.clone());
            }
        }
        for (blob, layer) in &layers {
            let descriptor = layer.descriptor();
            file::copy_blob(blob, &blobs, &descriptor)?;
            descriptors.push(descriptor.value);
        }
        let config = file::write_json_blob(&blobs, CONFIG, &Value::Object(config))?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.value,
            "layers": descriptors,
        });
        let mut manifest = file::write_json_blob(&blobs, MANIFEST, &manifest)?;
        manifest.value["annotations"] = json!({ "org.opencontainers.image.ref.name": self.tag });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [manifest.value],
        });
        file::write_json(
            &self.out.join("oci-layout"),
            &json!({ "imageLayoutVersion": LAYOUT_VERSION }),
        )?;
        file::write_json(&self.out.join("index.json"), &index)
    }
}

impl ContentDescriptor {
    /// Where its blob is in the layout at `directory`.
    fn blob_in(&self, directory: &Path) -> PathBuf {
        directory.join("blobs/sha256").join(self.digest.hex())
    }
}

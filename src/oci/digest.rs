//! Digests and descriptors, as JSON has them.
//!
//! A digest names a file, so only a checked one is joined to a path.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{BadDescriptor, OciError};
use super::{LAYER, file};

/// A SHA-256: `sha256:` and 64 digits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct BlobDigest(String);

impl BlobDigest {
    const ALGORITHM: &str = "sha256:";

    pub(super) fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        let digits = sha2::Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        Self(Self::ALGORITHM.to_owned() + &digits)
    }

    /// The digits.
    pub(super) fn hex(&self) -> &str {
        &self.0[Self::ALGORITHM.len()..]
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BlobDigest {
    type Error = BadDescriptor;

    fn try_from(text: String) -> Result<Self, BadDescriptor> {
        let digits = text.strip_prefix(Self::ALGORITHM).unwrap_or_default();
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match digits.len() == 64 && digits.bytes().all(is_digit) {
            true => Ok(Self(text)),
            false => Err(BadDescriptor::Digest(text)),
        }
    }
}

/// A descriptor of a blob, with all its fields.
#[derive(Clone, Debug)]
pub(super) struct ContentDescriptor {
    pub media_type: String,
    pub digest: BlobDigest,
    pub size: u64,
    /// As it is in the JSON.
    pub value: Value,
}

/// What is read of a descriptor.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescriptorFields {
    media_type: String,
    digest: BlobDigest,
    size: u64,
}

impl ContentDescriptor {
    pub(super) fn new(media_type: &str, digest: BlobDigest, size: u64) -> Self {
        let value = json!({ "mediaType": media_type, "digest": digest.as_str(), "size": size });
        Self { media_type: media_type.to_owned(), digest, size, value }
    }

    /// The descriptor in `value`, which is in the file at `path`.
    pub(super) fn parse(value: &Value, path: &Path) -> Result<Self, OciError> {
        let DescriptorFields { media_type, digest, size } =
            DescriptorFields::deserialize(value).map_err(|source| OciError::json(path, source))?;
        Ok(Self { media_type, digest, size, value: value.clone() })
    }
}

/// What `layer --descriptor` writes.
#[derive(Debug, Deserialize)]
pub(super) struct LayerDescriptor {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: BlobDigest,
    pub size: u64,
    pub diff_id: BlobDigest,
}

impl LayerDescriptor {
    pub(super) fn read(path: &Path) -> Result<Self, OciError> {
        let value = Value::Object(file::read_object(path)?);
        let layer = Self::deserialize(&value).map_err(|source| OciError::json(path, source))?;
        match layer.media_type.starts_with(LAYER) {
            true => Ok(layer),
            false => {
                Err(OciError::NotALayer { path: path.to_owned(), media_type: layer.media_type })
            }
        }
    }

    pub(super) fn descriptor(&self) -> ContentDescriptor {
        ContentDescriptor::new(&self.media_type, self.digest.clone(), self.size)
    }
}

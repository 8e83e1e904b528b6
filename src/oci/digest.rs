//! Digests and descriptors, as JSON has them.
//!
//! A digest names a file, so nothing but a checked one is ever joined to a path.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{BadDescriptor, OciError};
use super::{LAYER, file};

/// A SHA-256: `sha256:` and 64 digits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Digest(String);

impl Digest {
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

impl TryFrom<String> for Digest {
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

/// A descriptor of a blob, with whatever else stands in it.
#[derive(Clone, Debug)]
pub(super) struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    /// The whole of it.
    pub value: Value,
}

/// What is read of a descriptor.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    media_type: String,
    digest: Digest,
    size: u64,
}

impl Descriptor {
    pub(super) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        let value = json!({ "mediaType": media_type, "digest": digest.as_str(), "size": size });
        Self { media_type: media_type.to_owned(), digest, size, value }
    }

    /// The descriptor in `value`, which stands in the file at `path`.
    pub(super) fn parse(value: &Value, path: &Path) -> Result<Self, OciError> {
        let Fields { media_type, digest, size } =
            Fields::deserialize(value).map_err(|source| OciError::json(path, source))?;
        Ok(Self { media_type, digest, size, value: value.clone() })
    }
}

/// What `layer --descriptor` writes.
#[derive(Debug, Deserialize)]
pub(super) struct LayerDescriptor {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: Digest,
    pub size: u64,
    pub diff_id: Digest,
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

    pub(super) fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest.clone(), self.size)
    }
}

//! The descriptor and counts of a written layer.
//!
//! Knows digests and numbers; must not know how they were computed.

use serde::{Deserialize, Serialize, Serializer};

use super::codec::Codec;

/// The version of everything that a layer's bytes depend on besides its spec and contents: the cuts, the codecs'
/// versions and settings. Raising it is a breaking change.
pub const FORMAT_VERSION: u32 = 1;

/// A SHA-256, in text `sha256:` and 64 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = self.0.iter().map(|byte| format!("{byte:02x}"));
        serializer.serialize_str(&format!("sha256:{}", digits.collect::<String>()))
    }
}

/// The descriptor of a layer (OCI image specification, "OCI Content Descriptors"), and its diff ID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Descriptor {
    /// `application/vnd.oci.image.layer.v1.tar`, with `+gzip` or `+zstd` if it is compressed.
    #[serde(rename = "mediaType")]
    pub media_type: &'static str,
    /// Of the layer as it was written.
    pub digest: Digest,
    /// Of the layer as it was written, in bytes.
    pub size: u64,
    /// Of the uncompressed tar.
    pub diff_id: Digest,
}

impl Descriptor {
    pub(super) fn new(codec: Codec, digest: Digest, size: u64, diff_id: Digest) -> Self {
        Self { media_type: codec.media_type(), digest, size, diff_id }
    }

    /// The descriptor as JSON, on one line.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(|text| text + "\n")
    }
}

/// Numbers of one layer, for the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerCounts {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// 0 without compression: there are no frames then.
    pub frames_made: usize,
    /// 0 without compression.
    pub frames_reused: usize,
    /// The uncompressed tar, in bytes.
    pub bytes_raw: u64,
    /// The layer as it was written, in bytes.
    pub bytes_compressed: u64,
    /// How long it took.
    pub seconds: Seconds,
}

/// How long each step took, summed over the threads that did it at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Cutting the tar and looking up its frames.
    pub plan: f64,
    /// Reading contents, and checking them against their identities.
    pub read: f64,
    /// Compressing frames.
    pub compress: f64,
    /// Reading frames back, and checking them against their checksums.
    pub reuse: f64,
    /// SHA-256 of the uncompressed tar.
    pub hash_raw: f64,
    /// SHA-256 of the layer.
    pub hash_blob: f64,
    /// Writing the layer.
    pub write: f64,
    /// From the first step to the last, in elapsed time.
    pub total: f64,
}

impl Seconds {
    pub(super) fn add(&mut self, other: &Self) {
        self.plan += other.plan;
        self.read += other.read;
        self.compress += other.compress;
        self.reuse += other.reuse;
        self.hash_raw += other.hash_raw;
        self.hash_blob += other.hash_blob;
        self.write += other.write;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_has_the_names_of_the_image_specification() {
        let descriptor = Descriptor::new(Codec::None, Digest([0xab; 32]), 1, Digest([1; 32]));
        let (ab, one) = ("ab".repeat(32), "01".repeat(32));
        assert_eq!(
            descriptor.to_json().unwrap(),
            format!(
                "{{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:{ab}\",\
                 \"size\":1,\"diff_id\":\"sha256:{one}\"}}\n"
            )
        );
    }
}

//! Why a layout cannot be written. Each error, with its causes, is one sentence.

use std::io;
use std::path::{Path, PathBuf};

use super::file::MOST_JSON;
use crate::display::Escaped;

/// Why a layout cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A file cannot be read.
    #[error("{}: cannot be read", Escaped::path(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file or directory cannot be written.
    #[error("{}: cannot be written", Escaped::path(.path))]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The output has files already.
    #[error("{}: --out is not empty; give a new directory", Escaped::path(.0))]
    NotEmpty(PathBuf),
    /// A JSON file is longer than any that is valid.
    #[error("{}: longer than {MOST_JSON} bytes, the limit of an image's JSON", Escaped::path(.0))]
    Long(PathBuf),
    /// A file is not the JSON that it must be.
    #[error("{}: not the JSON that an image has here", Escaped::path(.path))]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A list is missing.
    #[error("{}: no list {key:?}; the image is damaged", Escaped::path(.path))]
    NoList {
        /// The file.
        path: PathBuf,
        /// The list.
        key: &'static str,
    },
    /// The base has no `oci-layout`.
    #[error("{}: not an OCI image layout, since it has no file oci-layout; make one with skopeo copy … oci:DIRECTORY", Escaped::path(.0))]
    NotALayout(PathBuf),
    /// The base is a layout of another version.
    #[error("{}: not version 1 of the OCI image layout", Escaped::path(.0))]
    LayoutVersion(PathBuf),
    /// The base holds none or several images.
    #[error("{}: {count} images in a base, which must have one; copy the one to use with skopeo copy", Escaped::path(.path))]
    Images {
        /// The index.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// A descriptor is of another type than it must be.
    #[error("{}: {media_type:?} where {expected} is required; convert the image with skopeo copy --format=oci", Escaped::path(.path))]
    MediaType {
        /// The file with the descriptor.
        path: PathBuf,
        /// Its type.
        media_type: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A descriptor is not of a layer.
    #[error("{}: {media_type:?} is not the type of an OCI layer; convert the image with skopeo copy --format=oci", Escaped::path(.path))]
    NotALayer {
        /// The file with the descriptor.
        path: PathBuf,
        /// Its type.
        media_type: String,
    },
    /// A blob is not what its descriptor says.
    #[error("{}: not the size or digest that its descriptor says; the image or layer is damaged, make it again", Escaped::path(.0))]
    Mismatch(PathBuf),
    /// The base's configuration does not belong to its manifest.
    #[error("{}: {diff_ids} diff IDs for {layers} layers; the image is damaged", Escaped::path(.path))]
    DiffIds {
        /// The configuration.
        path: PathBuf,
        /// How many layers.
        layers: usize,
        /// How many diff IDs.
        diff_ids: usize,
    },
    /// The configuration that is given has a field that cannot be given.
    #[error("{}: {key:?} cannot be given in this form; see the fields of an image configuration", Escaped::path(.path))]
    Config {
        /// The file.
        path: PathBuf,
        /// The field.
        key: String,
    },
}

impl OciError {
    pub(super) fn json(path: &Path, source: serde_json::Error) -> Self {
        Self::Json { path: path.to_owned(), source }
    }
}

/// What is wrong with a descriptor.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadDescriptor {
    #[error("{0:?} is not a SHA-256 digest, which this program requires")]
    Digest(String),
}

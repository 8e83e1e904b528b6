//! Files of a layout.
//!
//! Knows how they are read, copied and written; must not know what is in them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::digest::{BlobDigest, ContentDescriptor};
use super::error::OciError;

/// The longest manifest, index, configuration or descriptor that is read: what registries accept, in bytes.
pub const MOST_JSON: u64 = 4 << 20;

/// The file at `path`, if it is no longer than [`MOST_JSON`].
pub(super) fn read(path: &Path) -> Result<Vec<u8>, OciError> {
    let read_error = |source| OciError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read_error)?;
    let mut bytes = Vec::new();
    file.take(MOST_JSON + 1).read_to_end(&mut bytes).map_err(read_error)?;
    match bytes.len() as u64 > MOST_JSON {
        true => Err(OciError::Long(path.to_owned())),
        false => Ok(bytes),
    }
}

/// The JSON object in the file at `path`.
pub(super) fn read_object(path: &Path) -> Result<Map<String, Value>, OciError> {
    serde_json::from_slice(&read(path)?).map_err(|source| OciError::json(path, source))
}

/// Checks that the file at `path` has `size` bytes.
pub(super) fn check_size(path: &Path, size: u64) -> Result<(), OciError> {
    let metadata =
        fs::metadata(path).map_err(|source| OciError::Read { path: path.to_owned(), source })?;
    match metadata.is_file() && metadata.len() == size {
        true => Ok(()),
        false => Err(OciError::Mismatch(path.to_owned())),
    }
}

/// Creates `directory`, unless it is there and empty.
pub(super) fn make_empty_directory(directory: &Path) -> Result<(), OciError> {
    let write_error = |source| OciError::Write { path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(write_error)?;
    match fs::read_dir(directory).map_err(write_error)?.next() {
        None => Ok(()),
        Some(_) => Err(OciError::NotEmpty(directory.to_owned())),
    }
}

/// Copies the blob of `descriptor` at `from` into the directory `blobs`. The bytes stay in the kernel, and blocks
/// are shared where the file system can.
pub(super) fn copy_blob(
    from: &Path,
    blobs: &Path,
    descriptor: &ContentDescriptor,
) -> Result<(), OciError> {
    let to = blobs.join(descriptor.digest.hex());
    let mut source =
        File::open(from).map_err(|source| OciError::Read { path: from.to_owned(), source })?;
    let copied = match File::create_new(&to) {
        Ok(mut file) => io::copy(&mut source, &mut file),
        // Another layer has the same bytes.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => Err(error),
    };
    match copied {
        Ok(size) if size == descriptor.size => Ok(()),
        Ok(_) => Err(OciError::Mismatch(from.to_owned())),
        Err(source) => Err(OciError::Write { path: to, source }),
    }
}

/// Writes `value` as a blob into the directory `blobs`.
pub(super) fn write_json_blob(
    blobs: &Path,
    media_type: &str,
    value: &Value,
) -> Result<ContentDescriptor, OciError> {
    let text = value.to_string();
    let digest = BlobDigest::of(text.as_bytes());
    write(&blobs.join(digest.hex()), &text)?;
    Ok(ContentDescriptor::new(media_type, digest, text.len() as u64))
}

/// Writes `value` to `path`.
pub(super) fn write_json(path: &Path, value: &Value) -> Result<(), OciError> {
    write(path, &value.to_string())
}

fn write(path: &Path, text: &str) -> Result<(), OciError> {
    fs::write(path, text).map_err(|source| OciError::Write { path: path.to_owned(), source })
}

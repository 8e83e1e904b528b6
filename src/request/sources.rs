//! Sources on the disk: what stat(2) says of them, and the hash of their bytes.
//!
//! Knows system calls for one source; must not know rows or requests.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use super::host::{SourceQuery, SourceState};
use crate::layer::rows::OnDisk;
use crate::layer::{self, ContentIdentity, FileStamp, Time};

/// How much of a source is read at once, in bytes.
const PIECE: usize = 256 << 10;

/// What a source below `root` is. If `must_last`, its identity tells it from every later state as well, for which
/// a file that was changed just now is read.
pub(super) fn state(
    root: &Path,
    query: &SourceQuery<'_>,
    must_last: bool,
) -> io::Result<SourceState> {
    let path = root.join(OsStr::from_bytes(query.path));
    let now = SystemTime::now();
    let metadata = if query.follows { path.metadata()? } else { path.symlink_metadata()? };
    let on_disk = on_disk(&metadata);
    let identity = match query.listed {
        Some(listed) => ContentIdentity::Listed(listed),
        None if must_last && metadata.is_file() && !on_disk.stamp.is_settled(now) => {
            ContentIdentity::Hashed(hash(root, query.path, &|| false)?)
        }
        None => ContentIdentity::Stamp(on_disk.stamp),
    };
    Ok(SourceState { is_file: metadata.is_file(), on_disk, identity })
}

fn on_disk(metadata: &Metadata) -> OnDisk {
    OnDisk {
        uid: metadata.uid(),
        gid: metadata.gid(),
        mode: metadata.mode() & 0o7777,
        time: Time {
            seconds: metadata.mtime(),
            nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or_default(),
        },
        links: metadata.nlink(),
        stamp: FileStamp::new(metadata),
    }
}

/// The BLAKE3 of a source. The request fails elsewhere once it is cancelled: then any hash will do.
pub(super) fn hash(
    root: &Path,
    source: &[u8],
    is_cancelled: &(dyn Fn() -> bool + Sync),
) -> io::Result<[u8; 32]> {
    let mut file = layer::open(&root.join(OsStr::from_bytes(source)))?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => drop(hasher.update(&piece[..length])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if is_cancelled() {
            break;
        }
    }
    Ok(*hasher.finalize().as_bytes())
}

//! Sources on the disk: their state by stat(2), and the digest of their bytes.
//!
//! Knows system calls for one source; must not know rows or requests.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, FileType, Stat};

use super::host::{SourceQuery, SourceState};
use crate::fs::{self, SEARCH_ONLY};
use crate::layer::rows::OnDisk;
use crate::layer::{self, ContentIdentity, FileStamp, Time};
use crate::path;

/// How much of a source is read at once, in bytes.
const PIECE: usize = 256 << 10;

/// The fewest sources of one directory for which the directory is opened, and they are looked up in it.
const WORTH_OPENING: usize = 4;

/// The states of sources below `root`, in order. If `must_last`, the identity of each also differs from those of
/// later states: for this, a file that changed just now is hashed.
pub(super) fn states(
    root: &Path,
    queries: &[&SourceQuery<'_>],
    must_last: bool,
) -> Vec<io::Result<SourceState>> {
    let directory_of = |query: &&SourceQuery<'_>| path::split(query.path).0.len();
    let same_directory = |one: &&SourceQuery<'_>, other: &&SourceQuery<'_>| {
        one.path[..directory_of(one)] == other.path[..directory_of(other)]
    };
    let mut states = Vec::with_capacity(queries.len());
    for siblings in queries.chunk_by(same_directory) {
        let directory = &siblings[0].path[..directory_of(&siblings[0])];
        let opened = (siblings.len() >= WORTH_OPENING)
            .then(|| open_directory(&root.join(OsStr::from_bytes(directory))).ok())
            .flatten();
        // Before the first stat: an earlier time settles fewer stamps, which is safe.
        let now = SystemTime::now();
        for query in siblings {
            let flags = match query.follows {
                true => AtFlags::empty(),
                false => AtFlags::SYMLINK_NOFOLLOW,
            };
            let stat = match &opened {
                Some(directory) => fs::stat(directory, path::split(query.path).1, flags),
                None => fs::stat(CWD, &root.join(OsStr::from_bytes(query.path)), flags),
            };
            let stat = stat.map_err(io::Error::from);
            states.push(stat.and_then(|stat| state(root, query, &stat, now, must_last)));
        }
    }
    states
}

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    fs::open(CWD, path, SEARCH_ONLY)
}

fn state(
    root: &Path,
    query: &SourceQuery<'_>,
    stat: &Stat,
    now: SystemTime,
    must_last: bool,
) -> io::Result<SourceState> {
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let on_disk = on_disk(stat);
    let identity = match query.listed {
        Some(listed) => ContentIdentity::Listed(listed),
        None if must_last && is_file && !on_disk.stamp.is_settled(now) => {
            ContentIdentity::Hashed(hash(root, query.path, &|| false)?)
        }
        None => ContentIdentity::Stamp(on_disk.stamp),
    };
    Ok(SourceState { is_file, on_disk, identity })
}

#[allow(clippy::unnecessary_cast, reason = "the types of these fields differ between systems")]
fn on_disk(stat: &Stat) -> OnDisk {
    let time = |seconds: i64, nanoseconds: i64| {
        i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
    };
    let (modified, changed) = (stat.st_mtime as i64, stat.st_ctime as i64);
    OnDisk {
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode as u32 & 0o7777,
        time: Time { seconds: modified, nanoseconds: stat.st_mtime_nsec as u32 },
        links: stat.st_nlink as u64,
        stamp: FileStamp {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: time(modified, stat.st_mtime_nsec as i64),
            changed: time(changed, stat.st_ctime_nsec as i64),
        },
    }
}

/// The BLAKE3 digest of a source. If the request is cancelled, it is wrong: nothing uses it, since the caller fails.
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

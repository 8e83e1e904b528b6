//! The system calls: one directory or one name at a time, from any thread.
//!
//! Knows what the kernel says, and what may be remembered of it; must not know what a request has
//! asked before.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat_raw, statat};
use rustix::io::Errno;

use super::cache::{Cache, CachedDirectory, Identity, LookedUp, Moment, Origin, Stamp};
use super::listing::{Listing, Scratch};
use crate::resolve::{Entry, Wanted};

/// How directories are opened.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How directories are opened that are asked for names: that takes no right to read them.
#[cfg(target_os = "linux")]
const BESIDE: OFlags = DIRECTORY.union(OFlags::PATH);
#[cfg(not(target_os = "linux"))]
const BESIDE: OFlags = DIRECTORY;

/// A look-up costs about as much as listing this many names: where more stand beside each name that
/// is asked for, the names are looked up.
const NAMES_PER_LOOK_UP: usize = 8;
/// A listing of this many names is always worth it.
const SMALL: usize = 1024;
/// In a sandbox every name is a link, mostly, so that a listing takes four system calls more than
/// looking up the names that are asked for. Beyond this many names that is not worth the risk that
/// they are files after all.
const FEW: usize = 32;
/// How much of what `stat` gives as the size of a directory one name takes at most, in bytes.
const NAME_BYTES: usize = 40;

/// The most that a link holds, in bytes, and one more: PATH_MAX where it is largest.
const LONGEST_TARGET: usize = 4096;

/// Asks the file system, by paths relative to a root.
pub(super) struct Probe<'c> {
    pub cache: &'c Cache,
    cancelled: &'c (dyn Fn() -> bool + Sync),
    root: OwnedFd,
    /// When the request began: what is read is read later than this.
    started: Moment,
    /// Nothing was remembered when the request began: asking the cache first would be in vain.
    cold: bool,
}

/// What is to be expected of a directory that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Nothing.
    Unknown,
    /// Nobody has asked for it before: nothing is lost by opening it to find out.
    New,
    /// It lies in a sandbox: it was made for this request, most likely, and nobody will ask for it
    /// again.
    Sandboxed,
}

/// What stands at a location.
pub(super) enum StatResult {
    /// A directory.
    Directory(FoundDirectory),
    /// Anything else, or nothing.
    Other(LookedUp),
    /// The directory that it is in does not let itself be asked.
    Unknown(Errno),
}

/// What asking for a directory gave.
pub(super) struct FoundDirectory {
    /// Which directory it is.
    pub identity: Identity,
    /// What is known of it.
    pub known: Arc<CachedDirectory>,
    /// Where that comes from.
    pub origin: Origin,
}

/// Why there is no answer.
pub(super) enum Trouble {
    /// The request was cancelled.
    Cancelled,
    /// The system said so.
    Errno(Errno),
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// What the system said, in its words.
pub(super) fn reason(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

/// A directory is listed up to this many names, if `asked` of them will be asked for.
fn most(asked: u32) -> usize {
    SMALL + asked as usize * NAMES_PER_LOOK_UP
}

/// Whether a directory has more names than that by the size that `stat` gives.
fn is_large(stat: &Stat, asked: u32) -> bool {
    stat.st_size as usize / NAME_BYTES > most(asked)
}

impl<'c> Probe<'c> {
    /// Asks below the directory `root`.
    pub(super) fn new(
        root: OwnedFd,
        cache: &'c Cache,
        cancelled: &'c (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self { cache, cancelled, root, started: Moment::now(), cold: cache.is_empty() }
    }

    /// The directory at `path`, of which `asked` names will be asked for: as it is remembered, or read.
    pub(super) fn read_dir_cached(
        &self,
        path: &CStr,
        asked: u32,
        expected: Expected,
        scratch: &mut Scratch,
    ) -> Result<FoundDirectory, Trouble> {
        if (self.cancelled)() {
            return Err(Trouble::Cancelled);
        }
        if !self.cold && expected != Expected::New {
            let stat = statat(&self.root, path, AtFlags::empty())?;
            if let Some(found) = self.remembered(&stat, asked) {
                return Ok(found);
            }
        }
        self.read(path, asked, scratch)
    }

    /// What stands at the location `path` in a sandbox.
    pub(super) fn stat_entry(
        &self,
        path: &CStr,
        wanted: &Wanted<'_>,
        scratch: &mut Scratch,
    ) -> Result<StatResult, Trouble> {
        if (self.cancelled)() {
            return Err(Trouble::Cancelled);
        }
        let stat = match statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP) => {
                return Ok(StatResult::Other(Entry::Absent));
            }
            Err(errno @ (Errno::ACCESS | Errno::PERM)) => return Ok(StatResult::Unknown(errno)),
            Err(other) => return Err(other.into()),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {}
            FileType::Symlink => {
                let seen = self.look_up(self.root(), path, &mut Vec::new())?;
                return Ok(StatResult::Other(seen));
            }
            _ => return Ok(StatResult::Other(Entry::Plain(()))),
        }
        if let Some(found) = self.remembered(&stat, wanted.asked) {
            return Ok(StatResult::Directory(found));
        }
        let stamp = Stamp::new(&stat);
        // A directory that was met before is here to stay, and worth reading.
        if wanted.names.len() > FEW || self.by_look_ups(stamp).1 == Origin::Memory {
            return self.read(path, wanted.asked, scratch).map(StatResult::Directory);
        }
        let names = Listing::of_names(&self.root, path, wanted.names, self.cache.names(), scratch);
        let Some(names) = names else {
            return self.read(path, wanted.asked, scratch).map(StatResult::Directory);
        };
        // The path may have led elsewhere: only this request may believe what was seen there.
        let known = Arc::new(CachedDirectory::listed(stamp, names));
        let found =
            FoundDirectory { identity: stamp.identity, known, origin: Origin::FirstReading };
        Ok(StatResult::Directory(found))
    }

    /// What is remembered of a directory of which `asked` names will be asked for, if it will do.
    fn remembered(&self, stat: &Stat, asked: u32) -> Option<FoundDirectory> {
        if self.cold {
            return None;
        }
        let stamp = Stamp::new(stat);
        let enough = |known: &CachedDirectory| known.will_do(most(asked)) || is_large(stat, asked);
        let known = self.cache.get(&stamp, enough)?;
        Some(FoundDirectory { identity: stamp.identity, known, origin: Origin::Memory })
    }

    /// The directory at `path`, read unless somebody else does.
    fn read(
        &self,
        path: &CStr,
        asked: u32,
        scratch: &mut Scratch,
    ) -> Result<FoundDirectory, Trouble> {
        let directory = match openat(&self.root, path, DIRECTORY, Mode::empty()) {
            Ok(directory) => directory,
            // It may still let its names be looked up, which takes no descriptor either.
            Err(Errno::ACCESS | Errno::PERM | Errno::MFILE | Errno::NFILE) => {
                return self.stat_dir(path);
            }
            Err(other) => return Err(other.into()),
        };
        let stat = fstat(&directory)?;
        let stamp = Stamp::new(&stat);
        let (most, is_large) = (most(asked), is_large(&stat, asked));
        let enough = |known: &CachedDirectory| known.will_do(most) || is_large;
        let read = || -> Result<CachedDirectory, Errno> {
            if is_large {
                return Ok(CachedDirectory::by_look_ups(stamp));
            }
            Ok(match Listing::read(&directory, most, self.cache.names(), scratch)? {
                Some(listing) => CachedDirectory::listed(stamp, listing),
                None => CachedDirectory::too_large(stamp, most),
            })
        };
        let (known, origin) = self.cache.get_or_read(stamp, self.started, enough, read)?;
        Ok(FoundDirectory { identity: stamp.identity, known, origin })
    }

    /// The directory at `path` by one `stat`, without reading it.
    pub(super) fn stat_dir(&self, path: &CStr) -> Result<FoundDirectory, Trouble> {
        if (self.cancelled)() {
            return Err(Trouble::Cancelled);
        }
        let stat = statat(&self.root, path, AtFlags::empty())?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        let stamp = Stamp::new(&stat);
        let (known, origin) = self.by_look_ups(stamp);
        Ok(FoundDirectory { identity: stamp.identity, known, origin })
    }

    /// What is known of the directory with `stamp`, which is asked for a few names only.
    pub(super) fn by_look_ups(&self, stamp: Stamp) -> (Arc<CachedDirectory>, Origin) {
        let read = || Ok::<_, std::convert::Infallible>(CachedDirectory::by_look_ups(stamp));
        match self.cache.get_or_read(stamp, self.started, |_| true, read) {
            Ok(known) => known,
            Err(never) => match never {},
        }
    }

    /// Opens the directory at `path` to look names up in it, if it is still the one that `known` tells
    /// of. The path may lead elsewhere by now: what is seen there must not be remembered of it.
    pub(super) fn open(&self, path: &CStr, known: &CachedDirectory) -> Option<OwnedFd> {
        let directory = openat(&self.root, path, BESIDE, Mode::empty()).ok()?;
        let stat = fstat(&directory).ok()?;
        (Stamp::new(&stat) == known.stamp).then_some(directory)
    }

    /// The directory that all paths are relative to.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// What stands at `path`, relative to the directory `from`.
    pub(super) fn look_up(
        &self,
        from: BorrowedFd<'_>,
        path: &CStr,
        text: &mut Vec<u8>,
    ) -> Result<LookedUp, Trouble> {
        text.clear();
        text.reserve(LONGEST_TARGET);
        match readlinkat_raw(from, path, text.spare_capacity_mut()) {
            Ok((target, _)) => Ok(Entry::Symlink(Arc::from(&*target))),
            Err(Errno::INVAL) => Ok(Entry::Plain(())),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP) => {
                Ok(Entry::Absent)
            }
            Err(other) => Err(other.into()),
        }
    }
}

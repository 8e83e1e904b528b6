//! The system calls, for one directory or one name at a time, from any thread.
//!
//! Knows the kernel's answers, and what of them may be cached; must not know the earlier questions of a
//! request.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::cache::{Cache, CachedDirectory, Identity, LookupResult, Moment, Origin, Stamp};
use super::calls::{open, read_link, stat, stat_opened};
use super::listing::{DirectoryListing, Scratch};
use super::place::{DIRECTORY, Place, SEARCH_ONLY};
use crate::error;
use crate::resolve::{Entry, Wanted};

/// A lookup costs about as much as listing this many names. If a directory has more names for each wanted
/// name, the names are looked up.
const NAMES_PER_LOOKUP: usize = 8;
/// A directory with at most this many names is always listed.
const ALWAYS_LISTED: usize = 1024;
/// In a sandbox, names of a directory up to this many are looked up instead of listed. Most names of a sandbox
/// are symlinks, and then a listing takes four system calls more than the lookups. With more names this gain
/// is not worth the cost if they are files after all.
const MAX_SANDBOX_LOOKUPS: usize = 32;
/// The most bytes that one name adds to the `st_size` of a directory.
const MAX_BYTES_PER_NAME: usize = 40;

/// The longest target of a symlink in bytes, and one more: the largest PATH_MAX of any system.
const LONGEST_TARGET: usize = 4096;

/// Asks the file system about paths relative to a root.
pub(super) struct Probe<'c> {
    pub cache: &'c Cache,
    cancelled: &'c (dyn Fn() -> bool + Sync),
    root: OwnedFd,
    /// When the request began. Every read begins later.
    started: Moment,
    /// The cache was empty when the request began: a lookup in it would find nothing.
    cold: bool,
}

/// What to expect of a directory before it is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// It may be cached.
    Unknown,
    /// It is probably not cached, so it is opened without a `stat` first.
    New,
    /// It is in a sandbox: it was probably made for this request alone.
    Sandboxed,
}

/// What `stat` found at a location.
pub(super) enum StatResult {
    /// A directory.
    Directory(ProbedDirectory),
    /// Not a directory, or nothing.
    Other(LookupResult),
    /// Permission denied: the parent directory cannot be searched.
    Unsearchable(Errno),
}

/// A directory that was probed.
pub(super) struct ProbedDirectory {
    /// Its identity.
    pub identity: Identity,
    /// Its known names.
    pub cached: Arc<CachedDirectory>,
    /// Where these come from.
    pub origin: Origin,
}

/// Why a probe failed.
pub(super) enum ProbeError {
    /// The request was cancelled.
    Cancelled,
    /// A system call failed.
    Errno(Errno),
}

impl From<Errno> for ProbeError {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// Errno's phrase.
pub(super) fn reason(errno: Errno) -> String {
    error::phrase(&errno.into())
}

/// A directory of which `lookups` names are wanted is listed if it has at most this many names.
fn max_names(lookups: u32) -> usize {
    ALWAYS_LISTED + lookups as usize * NAMES_PER_LOOKUP
}

/// Whether a directory has more names than that, by its `st_size`.
fn is_large(stat: &Stat, lookups: u32) -> bool {
    stat.st_size as usize / MAX_BYTES_PER_NAME > max_names(lookups)
}

impl<'c> Probe<'c> {
    /// A probe of the tree below the directory `root`.
    pub(super) fn new(
        root: OwnedFd,
        cache: &'c Cache,
        cancelled: &'c (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self { cache, cancelled, root, started: Moment::now(), cold: cache.is_empty() }
    }

    /// The directory at `place`, of which `lookups` names are wanted, from the cache or read.
    pub(super) fn read_dir_cached(
        &self,
        place: Place<'_>,
        lookups: u32,
        expected: Expected,
        scratch: &mut Scratch,
    ) -> Result<ProbedDirectory, ProbeError> {
        if (self.cancelled)() {
            return Err(ProbeError::Cancelled);
        }
        if !self.cold && expected != Expected::New {
            let stat = stat(place.from, place.path, AtFlags::empty())?;
            if let Some(found) = self.cached(&stat, lookups) {
                return Ok(found);
            }
        }
        self.read_dir(place, lookups, scratch)
    }

    /// What is at `place` in a sandbox.
    pub(super) fn stat_entry(
        &self,
        place: Place<'_>,
        wanted: &Wanted<'_>,
        scratch: &mut Scratch,
    ) -> Result<StatResult, ProbeError> {
        if (self.cancelled)() {
            return Err(ProbeError::Cancelled);
        }
        let stat = match stat(place.from, place.path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP) => {
                return Ok(StatResult::Other(Entry::Absent));
            }
            Err(errno @ (Errno::ACCESS | Errno::PERM)) => {
                return Ok(StatResult::Unsearchable(errno));
            }
            Err(other) => return Err(other.into()),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {}
            FileType::Symlink => {
                let result = self.lookup(place, &mut Vec::new())?;
                return Ok(StatResult::Other(result));
            }
            _ => return Ok(StatResult::Other(Entry::Plain(()))),
        }
        if let Some(found) = self.cached(&stat, wanted.lookups) {
            return Ok(StatResult::Directory(found));
        }
        let stamp = Stamp::new(&stat);
        // A directory that an earlier request visited is likely to stay, and worth reading.
        if wanted.names.len() > MAX_SANDBOX_LOOKUPS || self.unlisted(stamp).1 == Origin::Cached {
            return self.read_dir(place, wanted.lookups, scratch).map(StatResult::Directory);
        }
        let names =
            DirectoryListing::look_up_names(place, wanted.names, self.cache.names(), scratch);
        let Some(names) = names else {
            return self.read_dir(place, wanted.lookups, scratch).map(StatResult::Directory);
        };
        // The path may have led to another directory meanwhile: only this request may use the result.
        let cached = Arc::new(CachedDirectory::listed(stamp, names));
        let found = ProbedDirectory { identity: stamp.identity, cached, origin: Origin::FirstRead };
        Ok(StatResult::Directory(found))
    }

    /// The cached directory, if it is sufficient for `lookups` names.
    fn cached(&self, stat: &Stat, lookups: u32) -> Option<ProbedDirectory> {
        if self.cold {
            return None;
        }
        let stamp = Stamp::new(stat);
        let is_sufficient = |cached: &CachedDirectory| {
            cached.is_listed_up_to(max_names(lookups)) || is_large(stat, lookups)
        };
        let cached = self.cache.get(&stamp, is_sufficient)?;
        Some(ProbedDirectory { identity: stamp.identity, cached, origin: Origin::Cached })
    }

    /// Reads the directory at `place`, unless another request does so at the same time or has done so.
    fn read_dir(
        &self,
        place: Place<'_>,
        lookups: u32,
        scratch: &mut Scratch,
    ) -> Result<ProbedDirectory, ProbeError> {
        let directory = match open(place.from, place.path, DIRECTORY) {
            Ok(directory) => directory,
            // Lookups may still work: they need neither read permission nor a descriptor.
            Err(Errno::ACCESS | Errno::PERM | Errno::MFILE | Errno::NFILE) => {
                return self.stat_dir(place);
            }
            Err(other) => return Err(other.into()),
        };
        let stat = stat_opened(&directory)?;
        let stamp = Stamp::new(&stat);
        let (max_names, is_large) = (max_names(lookups), is_large(&stat, lookups));
        let is_sufficient =
            |cached: &CachedDirectory| cached.is_listed_up_to(max_names) || is_large;
        let read = || -> Result<CachedDirectory, Errno> {
            if is_large {
                return Ok(CachedDirectory::unlisted(stamp));
            }
            Ok(match DirectoryListing::read(&directory, max_names, self.cache.names(), scratch)? {
                Some(listing) => CachedDirectory::listed(stamp, listing),
                None => CachedDirectory::too_large(stamp, max_names),
            })
        };
        let (cached, origin) = self.cache.get_or_read(stamp, self.started, is_sufficient, read)?;
        Ok(ProbedDirectory { identity: stamp.identity, cached, origin })
    }

    /// The directory at `place` by one `stat`, without reading it.
    pub(super) fn stat_dir(&self, place: Place<'_>) -> Result<ProbedDirectory, ProbeError> {
        if (self.cancelled)() {
            return Err(ProbeError::Cancelled);
        }
        let stat = stat(place.from, place.path, AtFlags::empty())?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        let stamp = Stamp::new(&stat);
        let (cached, origin) = self.unlisted(stamp);
        Ok(ProbedDirectory { identity: stamp.identity, cached, origin })
    }

    /// The directory with `stamp`, from the cache or without a listing.
    pub(super) fn unlisted(&self, stamp: Stamp) -> (Arc<CachedDirectory>, Origin) {
        let read = || Ok::<_, std::convert::Infallible>(CachedDirectory::unlisted(stamp));
        match self.cache.get_or_read(stamp, self.started, |_| true, read) {
            Ok(cached) => cached,
            Err(never) => match never {},
        }
    }

    /// Opens the directory at `path` for lookups, if its stamp is still that of `cached`. If the path leads to
    /// another directory by now, lookups there must not be added to `cached`.
    pub(super) fn open_unchanged(&self, path: &CStr, cached: &CachedDirectory) -> Option<OwnedFd> {
        let directory = open(&self.root, path, SEARCH_ONLY).ok()?;
        let stat = stat_opened(&directory).ok()?;
        (Stamp::new(&stat) == cached.stamp).then_some(directory)
    }

    /// The directory that all paths are relative to.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The place of `path`, which is relative to that directory.
    pub(super) fn at<'p>(&'p self, path: &'p CStr) -> Place<'p> {
        Place { from: self.root(), path }
    }

    /// What is at `place`.
    pub(super) fn lookup(
        &self,
        place: Place<'_>,
        text: &mut Vec<u8>,
    ) -> Result<LookupResult, ProbeError> {
        text.reserve(LONGEST_TARGET);
        match read_link(place.from, place.path, text) {
            Ok(target) => Ok(Entry::Symlink(Arc::from(target))),
            Err(Errno::INVAL) => Ok(Entry::Plain(())),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP) => {
                Ok(Entry::Absent)
            }
            Err(other) => Err(other.into()),
        }
    }
}

//! The cache of directories, which outlives a request.
//!
//! Knows identities, times and sizes in memory; must not know paths, nor how a directory is read.
//!
//! # When a cached directory may be used
//!
//! Whenever a name in a directory changes, the kernel sets the directory's `mtime` and `ctime`. A user can
//! set `mtime` back, but not `ctime`. So a listing is still right if device, inode, `mtime` and `ctime` are
//! the same as *before* the directory was read.
//!
//! There is one exception, which git calls "racily clean". The clock that sets these times moves in ticks (a
//! jiffy, 1 to 10 ms; 1 s or 2 s on some file systems). If a directory is changed, read, and changed again
//! within one tick, its times are the same before and after the second change. The wrong listing would stay
//! in use: a symlink that was replaced by a file would still be written as a link. Therefore a listing is
//! cached only if both times are at least `SETTLE_SECONDS` before the read began. A later change then sets
//! another time (docs/design.md, "The cache").

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use dashmap::DashMap;
use hashbrown::HashMap;
use rustix::fs::Stat;

use super::listing::{DirectoryListing, NameHasher};
use crate::resolve::Entry;

/// How long a directory must have been unchanged before it is read, in seconds.
const SETTLE_SECONDS: i64 = 2;

/// The identity of a directory. It does not depend on the path by which the directory is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

/// A directory's identity and times, from one system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The identity.
    pub identity: Identity,
    /// `st_mtime`: seconds since 1970, and nanoseconds.
    pub modified: (i64, i64),
    /// `st_ctime`: seconds since 1970, and nanoseconds.
    pub changed: (i64, i64),
}

impl Stamp {
    /// The stamp of a directory with the given `stat`.
    // The types of the fields differ between operating systems.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    pub fn new(stat: &Stat) -> Self {
        Self {
            identity: Identity { device: stat.st_dev as u64, inode: stat.st_ino as u64 },
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// Whether a read that begins at `now` may be cached. Not if the file system has no times: no system call sets
    /// `ctime`, so where it is 0, no change would change it.
    fn is_settled(&self, now: Moment) -> bool {
        let before = (now.0 - SETTLE_SECONDS, now.1);
        self.changed != (0, 0) && self.modified <= before && self.changed <= before
    }
}

/// A time of the clock that sets `mtime` and `ctime`: seconds since 1970, and nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Moment(i64, i64);

impl Moment {
    /// The current time. If the clock is before 1970, nothing is cached.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(since.as_secs() as i64, since.subsec_nanos().into())
    }
}

/// The known names of a directory in the state that its stamp identifies.
#[derive(Debug)]
pub struct CachedDirectory {
    /// The identity, and the times at which the names were valid.
    pub stamp: Stamp,
    /// Its names, if it was read. A listing in the cache is complete; one of a sandbox may be partial.
    pub listing: Option<DirectoryListing>,
    /// The directory has more names than this. `None` if the number is not known.
    more_names_than: Option<usize>,
    /// The results of single lookups, by name.
    lookups: Mutex<HashMap<Box<[u8]>, LookupResult>>,
    /// The memory that this takes, in bytes. Part of `Cache::held` while the cache holds this.
    bytes: AtomicUsize,
}

/// What a lookup of one name found.
pub(super) type LookupResult = Entry<Arc<[u8]>>;

impl CachedDirectory {
    /// A directory with a listing of all or some of its names.
    pub fn listed(stamp: Stamp, listing: DirectoryListing) -> Self {
        Self::new(stamp, Some(listing), None)
    }

    /// A directory with more names than `max_names`. It is not read to its end; its names are looked up.
    pub fn too_large(stamp: Stamp, max_names: usize) -> Self {
        Self::new(stamp, None, Some(max_names))
    }

    /// A directory without a listing. Its names are looked up.
    pub fn unlisted(stamp: Stamp) -> Self {
        Self::new(stamp, None, None)
    }

    fn new(
        stamp: Stamp,
        listing: Option<DirectoryListing>,
        more_names_than: Option<usize>,
    ) -> Self {
        let bytes = size_of::<Self>() + size_of::<Slot>() + size_of::<(Identity, Arc<Slot>)>();
        let bytes = AtomicUsize::new(bytes + listing.as_ref().map_or(0, DirectoryListing::bytes));
        Self { stamp, listing, more_names_than, lookups: Mutex::default(), bytes }
    }

    /// Whether the directory need not be read up to `max_names` names: its listing is complete, or it is
    /// known to have more names.
    pub fn is_listed_up_to(&self, max_names: usize) -> bool {
        self.is_complete() || self.more_names_than.is_some_and(|more| more >= max_names)
    }

    /// Whether all its names are known.
    pub fn is_complete(&self) -> bool {
        self.listing.as_ref().is_some_and(DirectoryListing::is_complete)
    }

    /// What an earlier lookup of `name` found.
    pub fn lookup(&self, name: &[u8]) -> Option<LookupResult> {
        lock(&self.lookups).get(name).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic of another thread leaves no partial entry: each is inserted by one call.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the names of a directory come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The cache.
    Cached,
    /// The directory was read: the cached state is outdated, or not sufficient.
    Reread,
    /// The directory was read: it was not cached.
    FirstRead,
}

/// Directories, by identity. Shared by all requests of a process.
pub struct Cache {
    directories: DashMap<Identity, Arc<Slot>, foldhash::fast::RandomState>,
    names: NameHasher,
    /// The most memory to hold, in bytes.
    limit: usize,
    held: AtomicUsize,
    use_count: AtomicU64,
}

/// The slot of one directory. Its lock is held while the directory is read, so concurrent requests read it
/// once.
#[derive(Debug, Default)]
struct Slot {
    state: Mutex<SlotState>,
    last_used: AtomicU64,
}

#[derive(Debug, Default)]
struct SlotState {
    directory: Option<Arc<CachedDirectory>>,
    /// The cache has removed this slot: a directory put here would be neither found nor counted.
    evicted: bool,
}

impl Cache {
    /// The default limit, in bytes.
    pub const DEFAULT_LIMIT: usize = 256 << 20;

    /// An empty cache that holds `limit` bytes at most.
    pub fn new(limit: usize) -> Self {
        Self {
            directories: DashMap::default(),
            names: NameHasher::default(),
            limit,
            held: AtomicUsize::new(0),
            use_count: AtomicU64::new(0),
        }
    }

    /// The hash by which listings store `name`.
    pub fn hash(&self, name: &[u8]) -> u64 {
        self.names.hash_one(name)
    }

    /// The hash function of names.
    pub fn names(&self) -> &NameHasher {
        &self.names
    }

    /// The memory that is held, in bytes.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether the cache holds no directory.
    pub fn is_empty(&self) -> bool {
        self.held() == 0
    }

    /// The cached directory with `stamp`, if it is sufficient.
    pub fn get(
        &self,
        stamp: &Stamp,
        is_sufficient: impl Fn(&CachedDirectory) -> bool,
    ) -> Option<Arc<CachedDirectory>> {
        let slot = self.directories.get(&stamp.identity)?.clone();
        let directory = lock(&slot.state).directory.clone();
        let Some(directory) = directory else {
            self.remove_if_empty(stamp.identity, slot);
            return None;
        };
        if directory.stamp != *stamp || !is_sufficient(&directory) {
            return None;
        }
        self.mark_used(&slot);
        Some(directory)
    }

    /// The cached directory with `stamp`, if it is sufficient; else the result of `read`, which begins no
    /// earlier than `now`.
    pub fn get_or_read<E>(
        &self,
        stamp: Stamp,
        now: Moment,
        is_sufficient: impl Fn(&CachedDirectory) -> bool,
        read: impl FnOnce() -> Result<CachedDirectory, E>,
    ) -> Result<(Arc<CachedDirectory>, Origin), E> {
        let slot = self.directories.entry(stamp.identity).or_default().clone();
        let mut state = lock(&slot.state);
        self.mark_used(&slot);
        if let Some(directory) = state
            .directory
            .as_ref()
            .filter(|directory| directory.stamp == stamp && is_sufficient(directory))
        {
            return Ok((directory.clone(), Origin::Cached));
        }
        let origin = if state.directory.is_some() { Origin::Reread } else { Origin::FirstRead };
        let read = read().map(Arc::new);
        let may_be_cached = stamp.is_settled(now) && !state.evicted;
        let new = read.as_ref().ok().filter(|_| may_be_cached).cloned();
        self.adjust_held(state.directory.as_deref(), new.as_deref());
        state.directory = new;
        let is_empty = state.directory.is_none();
        drop(state);
        if is_empty {
            self.remove_if_empty(stamp.identity, slot);
        }
        self.evict_to_limit();
        Ok((read?, origin))
    }

    /// Adds the result of a lookup of `name` to `directory`.
    pub fn add_lookup(&self, directory: &CachedDirectory, name: &[u8], result: LookupResult) {
        let link = if let Entry::Symlink(text) = &result { text.len() } else { 0 };
        let bytes = size_of::<(Box<[u8]>, LookupResult)>() + name.len() + link;
        if lock(&directory.lookups).insert(name.into(), result).is_some() {
            return;
        }
        let Some(slot) = self.directories.get(&directory.stamp.identity).map(|slot| slot.clone())
        else {
            return;
        };
        let state = lock(&slot.state);
        // A directory that the cache does not hold must not be counted. Its own count and the total change
        // together, under the lock of its slot.
        if state.directory.as_deref().is_some_and(|cached| std::ptr::eq(cached, directory)) {
            directory.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.held.fetch_add(bytes, Ordering::Relaxed);
        }
        let is_empty = state.directory.is_none();
        drop(state);
        if is_empty {
            self.remove_if_empty(directory.stamp.identity, slot);
        }
        self.evict_to_limit();
    }

    /// Removes an empty slot once no other thread uses it, so that directories which are never cached take
    /// no memory.
    fn remove_if_empty(&self, identity: Identity, slot: Arc<Slot>) {
        drop(slot);
        self.directories.remove_if(&identity, |_, slot| {
            // The map is locked: no thread can obtain a slot that only the map refers to.
            Arc::strong_count(slot) == 1 && lock(&slot.state).directory.is_none()
        });
    }

    fn mark_used(&self, slot: &Slot) {
        slot.last_used.store(self.use_count.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    fn adjust_held(&self, removed: Option<&CachedDirectory>, added: Option<&CachedDirectory>) {
        let bytes = |directory: &CachedDirectory| directory.bytes.load(Ordering::Relaxed);
        self.held.fetch_add(added.map_or(0, bytes), Ordering::Relaxed);
        self.held.fetch_sub(removed.map_or(0, bytes), Ordering::Relaxed);
    }

    /// Drops every directory, and the memory of the map.
    pub fn clear(&self) {
        let identities: Vec<Identity> = self.directories.iter().map(|entry| *entry.key()).collect();
        identities.iter().for_each(|identity| self.evict(identity));
        self.directories.shrink_to_fit();
    }

    fn evict(&self, identity: &Identity) {
        if let Some((_, slot)) = self.directories.remove(identity) {
            let mut state = lock(&slot.state);
            state.evicted = true;
            self.adjust_held(state.directory.take().as_deref(), None);
        }
    }

    /// Evicts the least recently used directories until at most three quarters of the limit are held.
    fn evict_to_limit(&self) {
        if self.held() <= self.limit {
            return;
        }
        let mut directories: Vec<_> = self
            .directories
            .iter()
            .map(|entry| (entry.value().last_used.load(Ordering::Relaxed), *entry.key()))
            .collect();
        directories.sort_unstable_by_key(|(used, _)| *used);
        for (_, identity) in directories {
            if self.held() <= self.limit / 4 * 3 {
                break;
            }
            self.evict(&identity);
        }
    }
}

/// The entry that a lookup found. The text of a symlink is copied into `text`.
pub(super) fn borrow_entry(result: LookupResult, text: &mut Vec<u8>) -> Entry<&[u8]> {
    result.map_text(|target| {
        text.clear();
        text.extend_from_slice(&target);
        &text[..]
    })
}

#[cfg(test)]
mod tests;

//! What is remembered of directories from one request to the next.
//!
//! # When a remembered directory may be used
//!
//! A directory's names change only together with its `mtime`; its `mtime` can be set back by hand, but
//! not its `ctime`. So what was read of a directory still holds if device, inode, `mtime` and `ctime`
//! are what they were *before* it was read. With one exception, which git calls "racily clean": the
//! clock that files are stamped by moves in ticks (a jiffy, 1 to 10 ms; 1 s or 2 s on some file
//! systems). If a directory is changed, read, and changed again within one tick, its times are the same
//! before and after the second change, and what was read would be believed for ever although it is
//! wrong: a link turned into a file would still be written as a link. Therefore a reading is
//! remembered only if both times lie at least `SETTLED` before the moment it began: whatever changes
//! the directory later then gets another time.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use dashmap::DashMap;
use hashbrown::HashMap;
use rustix::fs::Stat;

use super::listing::{Listing, NameHasher};
use crate::resolve::Entry;

/// How long a directory must have been left alone before it was read, in seconds.
const SETTLED: i64 = 2;

/// Which directory it is, wherever it is reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

/// A directory's identity and times, as one system call gave them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which directory it is.
    pub identity: Identity,
    /// When its names were changed, in seconds since 1970 and nanoseconds.
    pub modified: (i64, i64),
    /// When anything of it was changed.
    pub changed: (i64, i64),
}

impl Stamp {
    /// The stamp in what `stat` says of a directory.
    // The types of the fields differ from one system to the next.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    pub fn new(stat: &Stat) -> Self {
        Self {
            identity: Identity { device: stat.st_dev as u64, inode: stat.st_ino as u64 },
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// Whether what is read from `now` on may be remembered.
    fn is_settled(&self, now: Moment) -> bool {
        let before = (now.0 - SETTLED, now.1);
        self.modified <= before && self.changed <= before
    }
}

/// A moment by the clock that files are stamped by: seconds since 1970, and nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Moment(i64, i64);

impl Moment {
    /// This moment. A clock that is set before 1970 lets nothing be remembered.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(since.as_secs() as i64, since.subsec_nanos().into())
    }
}

/// What is known of a directory that has a certain stamp.
#[derive(Debug)]
pub struct CachedDirectory {
    /// Which directory it is, and in which state it was read.
    pub stamp: Stamp,
    /// Its names, if it was read. Of what the cache holds that is all of them.
    pub listing: Option<Listing>,
    /// It has more names than this, if it was read no further.
    more_than: Option<usize>,
    /// Names that were asked for one by one.
    looked_up: Mutex<HashMap<Box<[u8]>, LookedUp>>,
    /// The memory that it takes, in bytes; counted by the cache if the cache has it.
    bytes: AtomicUsize,
}

/// What was seen at a name that was asked for.
pub(super) type LookedUp = Entry<Arc<[u8]>>;

impl CachedDirectory {
    /// A directory that was read, or of which some names were asked for.
    pub fn listed(stamp: Stamp, listing: Listing) -> Self {
        Self::new(stamp, Some(listing), None)
    }

    /// A directory with more names than `most`, which is not read to its end: names are looked up.
    pub fn too_large(stamp: Stamp, most: usize) -> Self {
        Self::new(stamp, None, Some(most))
    }

    /// A directory whose names are looked up.
    pub fn by_look_ups(stamp: Stamp) -> Self {
        Self::new(stamp, None, None)
    }

    fn new(stamp: Stamp, listing: Option<Listing>, more_than: Option<usize>) -> Self {
        let bytes = size_of::<Self>() + size_of::<Slot>() + size_of::<(Identity, Arc<Slot>)>();
        let bytes = AtomicUsize::new(bytes + listing.as_ref().map_or(0, Listing::bytes));
        Self { stamp, listing, more_than, looked_up: Mutex::default(), bytes }
    }

    /// Whether nothing is gained by reading the directory, up to `most` names: that was done, or would
    /// be in vain.
    pub fn will_do(&self, most: usize) -> bool {
        self.is_whole() || self.more_than.is_some_and(|more| more >= most)
    }

    /// Whether all its names are known.
    pub fn is_whole(&self) -> bool {
        self.listing.as_ref().is_some_and(Listing::is_whole)
    }

    /// What was seen at `name`, if it was asked for.
    pub fn looked_up(&self, name: &[u8]) -> Option<LookedUp> {
        lock(&self.looked_up).get(name).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic elsewhere leaves whole entries behind: each is put in by one call.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where what is known of a directory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was remembered.
    Memory,
    /// The directory was read, since what was remembered of it does not hold any more, or will not do.
    ReadAgain,
    /// The directory was read, and nothing was remembered of it.
    FirstReading,
}

/// Directories, by identity. Shared by all requests of a process.
pub struct Cache {
    directories: DashMap<Identity, Arc<Slot>, foldhash::fast::RandomState>,
    names: NameHasher,
    /// The most memory to hold, in bytes.
    limit: usize,
    held: AtomicUsize,
    uses: AtomicU64,
}

/// The place of one directory. Its lock is held while the directory is read, so that it is read once
/// however many requests want it.
#[derive(Debug, Default)]
struct Slot {
    place: Mutex<Place>,
    used: AtomicU64,
}

#[derive(Debug, Default)]
struct Place {
    known: Option<Arc<CachedDirectory>>,
    /// The cache has let go of this slot: what is put here would neither be found nor counted.
    retired: bool,
}

impl Cache {
    /// The limit where none is given, in bytes.
    pub const DEFAULT_LIMIT: usize = 256 << 20;

    /// An empty cache that holds `limit` bytes at most.
    pub fn new(limit: usize) -> Self {
        Self {
            directories: DashMap::default(),
            names: NameHasher::default(),
            limit,
            held: AtomicUsize::new(0),
            uses: AtomicU64::new(0),
        }
    }

    /// The hash that listings keep of a name.
    pub fn hash(&self, name: &[u8]) -> u64 {
        self.names.hash_one(name)
    }

    /// The hash of names.
    pub fn names(&self) -> &NameHasher {
        &self.names
    }

    /// The memory that is held, in bytes.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether nothing at all is remembered.
    pub fn is_empty(&self) -> bool {
        self.held() == 0
    }

    /// What is remembered of the directory with `stamp`, if `enough` says that it will do.
    pub fn get(
        &self,
        stamp: &Stamp,
        enough: impl Fn(&CachedDirectory) -> bool,
    ) -> Option<Arc<CachedDirectory>> {
        let slot = self.directories.get(&stamp.identity)?.clone();
        let known = lock(&slot.place).known.clone();
        let Some(known) = known else {
            self.leave(stamp.identity, slot);
            return None;
        };
        if known.stamp != *stamp || !enough(&known) {
            return None;
        }
        self.touch(&slot);
        Some(known)
    }

    /// What is known of the directory with `stamp`: what is remembered, if `enough` says that it will
    /// do, else what `read` finds, which began at `now`.
    pub fn get_or_read<E>(
        &self,
        stamp: Stamp,
        now: Moment,
        enough: impl Fn(&CachedDirectory) -> bool,
        read: impl FnOnce() -> Result<CachedDirectory, E>,
    ) -> Result<(Arc<CachedDirectory>, Origin), E> {
        let slot = self.directories.entry(stamp.identity).or_default().clone();
        let mut place = lock(&slot.place);
        self.touch(&slot);
        if let Some(known) =
            place.known.as_ref().filter(|known| known.stamp == stamp && enough(known))
        {
            return Ok((known.clone(), Origin::Memory));
        }
        let origin = if place.known.is_some() { Origin::ReadAgain } else { Origin::FirstReading };
        let read = read().map(Arc::new);
        let worth = stamp.is_settled(now) && !place.retired;
        let remembered = read.as_ref().ok().filter(|_| worth).cloned();
        self.count(place.known.as_deref(), remembered.as_deref());
        place.known = remembered;
        let is_empty = place.known.is_none();
        drop(place);
        if is_empty {
            self.leave(stamp.identity, slot);
        }
        self.keep_to_the_limit();
        Ok((read?, origin))
    }

    /// Adds what was seen at `name` to what is known of a directory.
    pub fn add(&self, known: &CachedDirectory, name: &[u8], seen: LookedUp) {
        let link = if let Entry::Symlink(text) = &seen { text.len() } else { 0 };
        let bytes = size_of::<(Box<[u8]>, LookedUp)>() + name.len() + link;
        if lock(&known.looked_up).insert(name.into(), seen).is_some() {
            return;
        }
        let Some(slot) = self.directories.get(&known.stamp.identity).map(|slot| slot.clone())
        else {
            return;
        };
        let place = lock(&slot.place);
        // What the cache has let go of, or never had, must not be counted: the count of a directory
        // and that of all change together, while its place is locked.
        if place.known.as_deref().is_some_and(|has| std::ptr::eq(has, known)) {
            known.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.held.fetch_add(bytes, Ordering::Relaxed);
        }
        let is_empty = place.known.is_none();
        drop(place);
        if is_empty {
            self.leave(known.stamp.identity, slot);
        }
        self.keep_to_the_limit();
    }

    /// Gives a slot back in which nothing is remembered. The last one to do so takes it away, so
    /// that directories which are never remembered leave nothing behind.
    fn leave(&self, identity: Identity, slot: Arc<Slot>) {
        drop(slot);
        self.directories.remove_if(&identity, |_, slot| {
            // Nobody gets at a slot that the map alone has while the map is locked.
            Arc::strong_count(slot) == 1 && lock(&slot.place).known.is_none()
        });
    }

    fn touch(&self, slot: &Slot) {
        slot.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    fn count(&self, gone: Option<&CachedDirectory>, come: Option<&CachedDirectory>) {
        let bytes = |known: &CachedDirectory| known.bytes.load(Ordering::Relaxed);
        self.held.fetch_add(come.map_or(0, bytes), Ordering::Relaxed);
        self.held.fetch_sub(gone.map_or(0, bytes), Ordering::Relaxed);
    }

    /// Forgets the directories longest unused, until there is some room below the limit.
    fn keep_to_the_limit(&self) {
        if self.held() <= self.limit {
            return;
        }
        let mut directories: Vec<_> = self
            .directories
            .iter()
            .map(|entry| (entry.value().used.load(Ordering::Relaxed), *entry.key()))
            .collect();
        directories.sort_unstable_by_key(|(used, _)| *used);
        for (_, identity) in directories {
            if self.held() <= self.limit / 4 * 3 {
                break;
            }
            if let Some((_, slot)) = self.directories.remove(&identity) {
                let mut place = lock(&slot.place);
                place.retired = true;
                self.count(place.known.take().as_deref(), None);
            }
        }
    }
}

/// The entry that was seen, with its text in `text`.
pub(super) fn entry(seen: LookedUp, text: &mut Vec<u8>) -> Entry<&[u8]> {
    seen.map_text(|target| {
        text.clear();
        text.extend_from_slice(&target);
        &text[..]
    })
}

#[cfg(test)]
mod tests;

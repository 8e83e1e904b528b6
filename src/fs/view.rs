//! The tree during one request: `stat` is called once for each directory.
//!
//! Knows the directories that the request has visited, and by which path each is reached; must not know what
//! is searched for in them.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use rayon::prelude::*;
use rustix::fs::CWD;
use rustix::io::Errno;

use super::cache::{self, Cache, CachedDirectory, Identity, Origin, Stamp};
use super::calls;
use super::listing::Scratch;
use super::paths::{Paths, ROOT, Reached, c_str};
use super::place::{DIRECTORY, Place, Places};
use super::probe::{Expected, Probe, ProbeError, ProbedDirectory, StatResult, reason};
use crate::resolve::{Directory, Entered, EnteredEntry, Entry, Stopped, Tree, Wanted};

/// How many directories a request listed, and how many it took from the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Directories that were read, or of which wanted names were looked up since they are in a sandbox.
    pub listed: usize,
    /// Directories from the cache.
    pub reused: usize,
}

/// A directory that cannot be searched: permission denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its path: relative to the root, or absolute.
    pub path: Vec<u8>,
    /// Errno's phrase.
    pub reason: String,
}

/// What a view observed beside its answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    /// How many directories were listed and reused.
    pub counts: Counts,
    /// The first directory that cannot be searched.
    pub unreadable: Option<Unreadable>,
}

/// A tree on the file system, during one request.
pub struct View<'c> {
    probe: Probe<'c>,
    paths: Paths,
    /// By the number of the directory.
    directories: Vec<VisitedDirectory>,
    by_identity: HashMap<Identity, Directory, RandomState>,
    counts: Counts,
    unreadable: Option<Unreadable>,
    scratch: Option<Scratch>,
    /// The directory in which names were looked up last.
    opened: Option<(Directory, OwnedFd)>,
    /// Buffers for a path, and for the text of a symlink.
    path: Vec<u8>,
    text: Vec<u8>,
}

/// A directory that the request has visited.
struct VisitedDirectory {
    cached: Arc<CachedDirectory>,
    /// What to expect of the directories in it.
    expected_below: Expected,
}

impl<'c> View<'c> {
    /// The tree below the directory `root`, from now on. With `is_sandbox` the tree was probably made for this
    /// request; the targets of its symlinks were not. `cancelled` is called before each directory is probed.
    pub fn new(
        root: &Path,
        is_sandbox: bool,
        cache: &'c Cache,
        cancelled: &'c (dyn Fn() -> bool + Sync),
    ) -> std::io::Result<Self> {
        let root = calls::open(CWD, root, DIRECTORY)?;
        let stamp = Stamp::new(&calls::stat_opened(&root)?);
        let probe = Probe::new(root, cache, cancelled);
        let (cached, _) = probe.unlisted(stamp);
        let expected_below = if is_sandbox { Expected::Sandboxed } else { Expected::Unknown };
        Ok(Self {
            probe,
            by_identity: HashMap::from_iter([(stamp.identity, ROOT)]),
            paths: Paths::new(),
            directories: vec![VisitedDirectory { cached, expected_below }],
            counts: Counts::default(),
            unreadable: None,
            scratch: None,
            opened: None,
            path: Vec::new(),
            text: Vec::new(),
        })
    }

    /// The observations so far.
    pub fn observations(&self) -> Observations {
        Observations { counts: self.counts, unreadable: self.unreadable.clone() }
    }

    /// The stamp of each directory, by its number.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.directories.iter().map(|visited| visited.cached.stamp)
    }

    /// The path of `name` in `directory`: relative to the root, or absolute.
    pub fn path(&self, directory: Directory, name: &[u8]) -> Vec<u8> {
        let mut path = Vec::new();
        self.paths.write_entry_path(directory, name, &mut path);
        path.pop();
        path
    }

    fn visited(&self, directory: Directory) -> &VisitedDirectory {
        &self.directories[directory.0 as usize]
    }

    /// Adds the directory that was reached as `reached`.
    fn add(&mut self, reached: Reached, found: ProbedDirectory) -> Directory {
        if let Some(&directory) = self.by_identity.get(&found.identity) {
            let visited = &mut self.directories[directory.0 as usize];
            if visited.cached.listing.is_none()
                || found.cached.is_complete() && !visited.cached.is_complete()
            {
                visited.cached = found.cached;
            }
            return directory;
        }
        let expected_below = match reached {
            Reached::In(parent, _)
                if self.visited(parent).expected_below == Expected::Sandboxed =>
            {
                Expected::Sandboxed
            }
            _ if found.cached.listing.is_some() => expected_below(found.origin),
            _ => Expected::Unknown,
        };
        let directory = self.paths.add(reached);
        self.directories.push(VisitedDirectory { cached: found.cached, expected_below });
        self.by_identity.insert(found.identity, directory);
        directory
    }

    /// Enters the directory at `reached` by one `stat`, without reading it.
    fn stat_dir(&mut self, reached: Reached) -> Result<Entered, Stopped> {
        let mut path = std::mem::take(&mut self.path);
        self.paths.write_path(reached, &mut path);
        let found = self.probe.stat_dir(self.probe.at(c_str(&path)));
        let entered = match found {
            Ok(found) => Ok(Entered::Directory(self.add(reached, found))),
            Err(error) => self.classify_error(&path, error),
        };
        self.path = path;
        entered
    }

    /// The result of entering the directory at `path`, where a probe failed with `error`.
    fn classify_error(&mut self, path: &[u8], error: ProbeError) -> Result<Entered, Stopped> {
        let path = path.strip_suffix(b"\0").unwrap_or(path);
        match error {
            ProbeError::Cancelled => Err(Stopped::Cancelled),
            ProbeError::Errno(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP) => {
                Ok(Entered::NotADirectory)
            }
            ProbeError::Errno(errno @ (Errno::ACCESS | Errno::PERM)) => {
                let path = crate::path::split(path).0;
                self.note_unreadable(if path.is_empty() { b"." } else { path }, errno);
                Ok(Entered::Unreadable)
            }
            ProbeError::Errno(errno) => {
                Err(Stopped::Failed { path: path.to_vec(), reason: reason(errno) })
            }
        }
    }

    /// Looks up `name` in `directory`, whose listing does not cover it.
    fn lookup(&mut self, directory: Directory, name: &[u8]) -> Result<Entry<&[u8]>, Stopped> {
        if let Some(result) = self.visited(directory).cached.lookup(name) {
            return Ok(cache::borrow_entry(result, &mut self.text));
        }
        self.open_for_lookup(directory);
        self.paths.write_entry_path(directory, name, &mut self.path);
        let (from, path) = match &self.opened {
            Some((opened, descriptor)) if *opened == directory => {
                (descriptor.as_fd(), &self.path[self.path.len() - name.len() - 1..])
            }
            _ => (self.probe.root(), &self.path[..]),
        };
        match self.probe.lookup(Place { from, path: c_str(path) }, &mut self.text) {
            Ok(result) => {
                self.probe.cache.add_lookup(&self.visited(directory).cached, name, result.clone());
                Ok(cache::borrow_entry(result, &mut self.text))
            }
            Err(error) => {
                let path = std::mem::take(&mut self.path);
                let entered = self.classify_error(&path, error);
                self.path = path;
                entered.map(|entered| match entered {
                    Entered::Unreadable => Entry::Unreadable,
                    _ => Entry::Absent,
                })
            }
        }
    }

    /// Opens a directory for lookups. If its path leads to another directory by now, the names are looked up
    /// by path, and the results are not shared with other requests.
    fn open_for_lookup(&mut self, directory: Directory) {
        // The root is always open, and the path `/` cannot change.
        let is_open = self.opened.as_ref().is_some_and(|(opened, _)| *opened == directory);
        if is_open || matches!(self.paths.reached(directory), Reached::Root | Reached::Top) {
            return;
        }
        self.paths.write_entry_path(directory, b"", &mut self.path);
        let visited = &mut self.directories[directory.0 as usize];
        match self.probe.open_unchanged(c_str(&self.path), &visited.cached) {
            Some(descriptor) => self.opened = Some((directory, descriptor)),
            None if Arc::strong_count(&visited.cached) > 1 => {
                visited.cached = Arc::new(CachedDirectory::unlisted(visited.cached.stamp));
            }
            None => {}
        }
    }

    fn note_unreadable(&mut self, path: &[u8], errno: Errno) {
        let path = path.to_vec();
        self.unreadable.get_or_insert_with(|| Unreadable { path, reason: reason(errno) });
    }

    /// What is at the location of a wanted directory, if that is known without a probe.
    fn known_entry(&mut self, wanted: &Wanted<'_>) -> Result<Option<EnteredEntry>, Stopped> {
        let &Wanted { parent, name, .. } = wanted;
        if let Some(directory) = self.paths.child(parent, name) {
            let is_read = self.visited(directory).cached.is_complete();
            return Ok(is_read.then_some(Entry::Plain(Entered::Directory(directory))));
        }
        // These are probed in parallel: `probe_entry` consults the listing.
        let cached = &self.visited(parent).cached;
        if cached.is_complete() || cached.listing.is_some() && cached.lookup(name).is_none() {
            return Ok(None);
        }
        Ok(match self.lookup(parent, name)? {
            Entry::Plain(()) => None,
            Entry::Absent => Some(Entry::Absent),
            Entry::Unreadable => Some(Entry::Unreadable),
            Entry::Symlink(text) => Some(Entry::Symlink(text.to_vec())),
        })
    }

    /// What is at the location of a wanted directory, from the listing of its parent or by a probe.
    fn probe_entry(
        &self,
        wanted: &Wanted<'_>,
        scratch: &mut ProbeScratch,
    ) -> Result<StatResult, ProbeError> {
        let &Wanted { parent, name, lookups, .. } = wanted;
        match self.listed_entry(parent, name) {
            Some(Entry::Absent) => return Ok(StatResult::Other(Entry::Absent)),
            Some(Entry::Symlink(text)) => {
                return Ok(StatResult::Other(Entry::Symlink(text.into())));
            }
            Some(Entry::Plain(()) | Entry::Unreadable) | None => {}
        }
        let place = scratch.places.of(self.probe.root(), &self.paths, parent, name);
        let expected = self.visited(parent).expected_below;
        // A directory that is wanted again is read, since its listing may be partial.
        if expected == Expected::Sandboxed && self.paths.child(parent, name).is_none() {
            return self.probe.stat_entry(place, wanted, &mut scratch.listing);
        }
        Ok(StatResult::Directory(self.probe.read_dir_cached(
            place,
            lookups,
            expected,
            &mut scratch.listing,
        )?))
    }

    /// Adds the result of a probe to the view.
    fn add_entry(
        &mut self,
        wanted: &Wanted<'_>,
        probed: Result<StatResult, ProbeError>,
    ) -> Result<EnteredEntry, Stopped> {
        let &Wanted { parent, name, lookups, .. } = wanted;
        let mut path = Vec::new();
        Ok(match probed {
            Ok(StatResult::Directory(found)) => {
                self.count_origin(&found);
                let reached = Reached::In(parent, self.paths.add_name(name));
                let cached = found.cached.clone();
                let directory = self.add(reached, found);
                if !Arc::ptr_eq(&cached, &self.visited(directory).cached) {
                    // It was reached by another path before, with other wanted names.
                    self.read_all(&[(directory, lookups)])?;
                }
                Entry::Plain(Entered::Directory(directory))
            }
            Ok(StatResult::Other(result)) => {
                if self.is_unlisted(parent, name) {
                    self.probe.cache.add_lookup(&self.visited(parent).cached, name, result.clone());
                } else if self
                    .listed_entry(parent, name)
                    .is_none_or(|entry| entry == Entry::Plain(()))
                {
                    // The listing or a lookup found no symlink here, and this request keeps to that,
                    // whatever is here now.
                    return Ok(Entry::Plain(Entered::NotADirectory));
                }
                match result {
                    Entry::Absent => Entry::Absent,
                    Entry::Plain(()) => Entry::Plain(Entered::NotADirectory),
                    Entry::Symlink(text) => Entry::Symlink(text.to_vec()),
                    Entry::Unreadable => Entry::Unreadable,
                }
            }
            Ok(StatResult::Unsearchable(errno)) => {
                self.paths.write_entry_path(parent, name, &mut path);
                let entered = self.classify_error(&path, errno.into())?;
                if self.is_unlisted(parent, name) {
                    Entry::Unreadable
                } else {
                    Entry::Plain(entered)
                }
            }
            Err(error) => {
                self.paths.write_entry_path(parent, name, &mut path);
                Entry::Plain(self.classify_error(&path, error)?)
            }
        })
    }

    /// Whether `directory` has a partial listing, and `name` is neither in it nor looked up. Only this request
    /// uses a partial listing.
    fn is_unlisted(&self, directory: Directory, name: &[u8]) -> bool {
        let cached = &self.visited(directory).cached;
        cached.listing.is_some()
            && self.listed_entry(directory, name).is_none()
            && cached.lookup(name).is_none()
    }

    /// What is at `name` in `directory`, if the listing covers it.
    fn listed_entry(&self, directory: Directory, name: &[u8]) -> Option<Entry<&[u8]>> {
        let listing = self.visited(directory).cached.listing.as_ref()?;
        let hash = self.probe.cache.hash(name);
        listing.covers(name, hash).then(|| listing.entry(name, hash))
    }

    /// Counts a directory as listed or reused.
    fn count_origin(&mut self, found: &ProbedDirectory) {
        if found.origin == Origin::Cached {
            self.counts.reused += 1;
        } else if found.cached.listing.is_some() {
            self.counts.listed += 1;
        }
    }
}

impl Tree for View<'_> {
    fn root(&self) -> Directory {
        ROOT
    }

    fn takes_names(&self) -> bool {
        self.visited(ROOT).expected_below == Expected::Sandboxed
    }

    fn top(&mut self) -> Result<Entered, Stopped> {
        match self.paths.top() {
            Some(entered) => Ok(Entered::Directory(entered)),
            None => self.stat_dir(Reached::Top),
        }
    }

    fn above(&mut self, directory: Directory) -> Result<Entered, Stopped> {
        match self.paths.reached(directory) {
            Reached::In(parent, _) => Ok(Entered::Directory(parent)),
            Reached::Top => Ok(Entered::Directory(directory)),
            Reached::Root | Reached::Above(_) => self.stat_dir(Reached::Above(directory)),
        }
    }

    fn location(&self, directory: Directory) -> Option<(Directory, &[u8])> {
        match self.paths.reached(directory) {
            Reached::In(parent, name) => Some((parent, self.paths.text(name))),
            _ => None,
        }
    }

    fn entry(&mut self, directory: Directory, name: &[u8]) -> Result<Entry<&[u8]>, Stopped> {
        if name == b".." {
            return Ok(Entry::Plain(()));
        }
        let hash = self.probe.cache.hash(name);
        let listing = self.visited(directory).cached.listing.as_ref();
        if !listing.is_some_and(|listing| listing.covers(name, hash)) {
            return match self.paths.child(directory, name) {
                Some(_) => Ok(Entry::Plain(())),
                None => self.lookup(directory, name),
            };
        }
        let listing = self.visited(directory).cached.listing.as_ref();
        Ok(listing.map_or(Entry::Absent, |listing| listing.entry(name, hash)))
    }

    fn enter(&mut self, directory: Directory, name: &[u8]) -> Result<Entered, Stopped> {
        match self.paths.child(directory, name) {
            Some(entered) => Ok(Entered::Directory(entered)),
            None => {
                let name = self.paths.add_name(name);
                self.stat_dir(Reached::In(directory, name))
            }
        }
    }

    fn enter_all(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<EnteredEntry>, Stopped> {
        let mut before = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            before.push(self.known_entry(wanted)?);
        }
        let scratch = self.scratch.take().unwrap_or_default();
        let probe = |scratch: &mut ProbeScratch,
                     (wanted, before): (&Wanted<'_>, &Option<EnteredEntry>)| {
            before.is_none().then(|| self.probe_entry(wanted, scratch))
        };
        let mut scratch = ProbeScratch { listing: scratch, ..ProbeScratch::default() };
        let probed: Vec<_> = if wanted.len() < MIN_PARALLEL {
            wanted.iter().zip(&before).map(|one| probe(&mut scratch, one)).collect()
        } else {
            let each = wanted.par_iter().zip(&before).with_min_len(MIN_PARALLEL / 2);
            each.map_init(ProbeScratch::default, probe).collect()
        };
        self.scratch = Some(scratch.listing);
        self.by_identity.reserve(wanted.len());
        self.paths.reserve(wanted.len());
        let mut entries = Vec::with_capacity(wanted.len());
        for ((wanted, before), probed) in wanted.iter().zip(before).zip(probed) {
            entries.push(match (before, probed) {
                (Some(entry), _) => entry,
                (None, Some(probed)) => self.add_entry(wanted, probed)?,
                (None, None) => Entry::Absent,
            });
        }
        Ok(entries)
    }

    fn read_all(&mut self, directories: &[(Directory, u32)]) -> Result<(), Stopped> {
        let mut scratch = self.scratch.take().unwrap_or_default();
        for &(directory, lookups) in directories {
            if self.visited(directory).cached.is_complete() {
                continue;
            }
            self.paths.write_entry_path(directory, b"", &mut self.path);
            // If the directory cannot be read, its names are looked up.
            let place = self.probe.at(c_str(&self.path));
            match self.probe.read_dir_cached(place, lookups, Expected::Unknown, &mut scratch) {
                Ok(found) => {
                    self.count_origin(&found);
                    let visited = &mut self.directories[directory.0 as usize];
                    if visited.expected_below != Expected::Sandboxed {
                        visited.expected_below = expected_below(found.origin);
                    }
                    visited.cached = found.cached;
                }
                Err(ProbeError::Cancelled) => return Err(Stopped::Cancelled),
                Err(ProbeError::Errno(_)) => {}
            }
        }
        self.scratch = Some(scratch);
        Ok(())
    }
}

/// From this many directories on they are probed in parallel: fewer are not worth waking another thread.
const MIN_PARALLEL: usize = 32;

/// The buffers of one thread that probes directories.
#[derive(Default)]
struct ProbeScratch {
    listing: Scratch,
    places: Places,
}

/// What to expect of the directories in one that was read.
fn expected_below(origin: Origin) -> Expected {
    match origin {
        // A tree is mostly cached as a whole, or not at all.
        Origin::FirstRead => Expected::New,
        Origin::Cached | Origin::Reread => Expected::Unknown,
    }
}

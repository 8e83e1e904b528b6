//! The tree as one request sees it: each directory is asked for its identity and times once, afresh.
//!
//! Knows the directories that the request has met, and by which path each is reached; must not know what
//! is looked for in them.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use rayon::prelude::*;
use rustix::fs::{CWD, Mode, fstat, openat};
use rustix::io::Errno;

use super::cache::{self, Cache, CachedDirectory, Identity, Origin, Stamp};
use super::listing::Scratch;
use super::paths::{LastPath, Paths, ROOT, Reached, c_str};
use super::probe::{DIRECTORY, Expected, FoundDirectory, Probe, StatResult, Trouble, reason};
use crate::resolve::{Directory, Entered, EnteredEntry, Entry, Stopped, Tree, Wanted};

/// How many directories were listed for a request, and how many were known already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Directories that were read, or asked name by name since they lie in a sandbox.
    pub listed: usize,
    /// Directories that were known from an earlier request.
    pub reused: usize,
}

/// A directory that did not let itself be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its path: relative to the root, or absolute.
    pub path: Vec<u8>,
    /// What the system said.
    pub reason: String,
}

/// What came up during one request that no single answer tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    /// How many directories were listed and reused.
    pub counts: Counts,
    /// The first directory that did not let itself be asked.
    pub unreadable: Option<Unreadable>,
}

/// A tree on the file system, during one request.
pub struct View<'c> {
    probe: Probe<'c>,
    paths: Paths,
    /// By directory.
    nodes: Vec<Node>,
    by_identity: HashMap<Identity, Directory, RandomState>,
    counts: Counts,
    unreadable: Option<Unreadable>,
    scratch: Option<Scratch>,
    /// The directory in which names were looked up last.
    opened: Option<(Directory, OwnedFd)>,
    /// Room for the path that is asked for, and for a link's text.
    path: Vec<u8>,
    text: Vec<u8>,
}

struct Node {
    known: Arc<CachedDirectory>,
    /// What is to be expected of the directories in it.
    below: Expected,
}

impl<'c> View<'c> {
    /// The tree below the directory `root` as it is from now on. `is_sandbox` says that it was made for
    /// this request, most likely; what its links lead to was not. `cancelled` is asked before each directory
    /// that is read.
    pub fn new(
        root: &Path,
        is_sandbox: bool,
        cache: &'c Cache,
        cancelled: &'c (dyn Fn() -> bool + Sync),
    ) -> std::io::Result<Self> {
        let root = openat(CWD, root, DIRECTORY, Mode::empty())?;
        let stamp = Stamp::new(&fstat(&root)?);
        let probe = Probe::new(root, cache, cancelled);
        let (known, _) = probe.by_look_ups(stamp);
        let below = if is_sandbox { Expected::Sandboxed } else { Expected::Unknown };
        Ok(Self {
            probe,
            by_identity: HashMap::from_iter([(stamp.identity, ROOT)]),
            paths: Paths::new(),
            nodes: vec![Node { known, below }],
            counts: Counts::default(),
            unreadable: None,
            scratch: None,
            opened: None,
            path: Vec::new(),
            text: Vec::new(),
        })
    }

    /// What came up so far.
    pub fn observations(&self) -> Observations {
        Observations { counts: self.counts, unreadable: self.unreadable.clone() }
    }

    /// By directory: which it is, and when it was changed.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.nodes.iter().map(|node| node.known.stamp)
    }

    /// The path of `name` in `directory`: relative to the root, or absolute.
    pub fn path(&self, directory: Directory, name: &[u8]) -> Vec<u8> {
        let mut path = Vec::new();
        self.paths.put_name(directory, name, &mut path);
        path.pop();
        path
    }

    fn node(&self, directory: Directory) -> &Node {
        &self.nodes[directory.0 as usize]
    }

    /// The directory at `place`, which was found.
    fn add(&mut self, place: Reached, found: FoundDirectory) -> Directory {
        if let Some(&directory) = self.by_identity.get(&found.identity) {
            let node = &mut self.nodes[directory.0 as usize];
            if node.known.listing.is_none() || found.known.is_whole() && !node.known.is_whole() {
                node.known = found.known;
            }
            return directory;
        }
        let below = match place {
            Reached::In(parent, _) if self.node(parent).below == Expected::Sandboxed => {
                Expected::Sandboxed
            }
            _ if found.known.listing.is_some() => after(found.origin),
            _ => Expected::Unknown,
        };
        let directory = self.paths.add(place);
        self.nodes.push(Node { known: found.known, below });
        self.by_identity.insert(found.identity, directory);
        directory
    }

    /// The directory at `place` by one `stat`, without reading it.
    fn stat_dir(&mut self, place: Reached) -> Result<Entered, Stopped> {
        let mut path = std::mem::take(&mut self.path);
        self.paths.put(place, &mut path);
        let found = self.probe.stat_dir(c_str(&path));
        let entered = match found {
            Ok(found) => Ok(Entered::Directory(self.add(place, found))),
            Err(trouble) => self.excuse(&path, trouble),
        };
        self.path = path;
        entered
    }

    /// What becomes of a directory at `path` that could not be had.
    fn excuse(&mut self, path: &[u8], trouble: Trouble) -> Result<Entered, Stopped> {
        let path = path.strip_suffix(b"\0").unwrap_or(path);
        match trouble {
            Trouble::Cancelled => Err(Stopped::Cancelled),
            Trouble::Errno(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP) => {
                Ok(Entered::NotADirectory)
            }
            Trouble::Errno(errno @ (Errno::ACCESS | Errno::PERM)) => {
                let path = crate::path::split(path).0;
                self.note_unreadable(if path.is_empty() { b"." } else { path }, errno);
                Ok(Entered::Unknown)
            }
            Trouble::Errno(errno) => {
                Err(Stopped::Failed { path: path.to_vec(), reason: reason(errno) })
            }
        }
    }

    /// What stands at `name` in `directory`, of which no listing tells it.
    fn look_up(&mut self, directory: Directory, name: &[u8]) -> Result<Entry<&[u8]>, Stopped> {
        if let Some(seen) = self.node(directory).known.looked_up(name) {
            return Ok(cache::entry(seen, &mut self.text));
        }
        self.open(directory);
        self.paths.put_name(directory, name, &mut self.path);
        let (from, path) = match &self.opened {
            Some((opened, descriptor)) if *opened == directory => {
                (descriptor.as_fd(), &self.path[self.path.len() - name.len() - 1..])
            }
            _ => (self.probe.root(), &self.path[..]),
        };
        match self.probe.look_up(from, c_str(path), &mut self.text) {
            Ok(seen) => {
                self.probe.cache.add(&self.node(directory).known, name, seen.clone());
                Ok(cache::entry(seen, &mut self.text))
            }
            Err(trouble) => {
                let path = std::mem::take(&mut self.path);
                let entered = self.excuse(&path, trouble);
                self.path = path;
                entered.map(|entered| match entered {
                    Entered::Unknown => Entry::Unreadable,
                    _ => Entry::Absent,
                })
            }
        }
    }

    /// Opens a directory in which names are to be looked up. If it is not to be had any more, the names
    /// are looked up by its path, and nobody else is told of them.
    fn open(&mut self, directory: Directory) {
        // The root is open, and `/` is where it was.
        let is_open = self.opened.as_ref().is_some_and(|(opened, _)| *opened == directory);
        if is_open || matches!(self.paths.place(directory), Reached::Root | Reached::Top) {
            return;
        }
        self.paths.put_name(directory, b"", &mut self.path);
        let node = &mut self.nodes[directory.0 as usize];
        match self.probe.open(c_str(&self.path), &node.known) {
            Some(descriptor) => self.opened = Some((directory, descriptor)),
            None if Arc::strong_count(&node.known) > 1 => {
                node.known = Arc::new(CachedDirectory::by_look_ups(node.known.stamp));
            }
            None => {}
        }
    }

    fn note_unreadable(&mut self, path: &[u8], errno: Errno) {
        let path = path.to_vec();
        self.unreadable.get_or_insert_with(|| Unreadable { path, reason: reason(errno) });
    }

    /// What was told before of what stands where a directory is wanted, unless that has to be asked for.
    fn met(&mut self, wanted: &Wanted<'_>) -> Result<Option<EnteredEntry>, Stopped> {
        let &Wanted { parent, name, .. } = wanted;
        if let Some(directory) = self.paths.at(parent, name) {
            let is_read = self.node(directory).known.is_whole();
            return Ok(is_read.then_some(Entry::Plain(Entered::Directory(directory))));
        }
        // What a listing tells, or nobody was asked, is found out where many are asked at once.
        let known = &self.node(parent).known;
        if known.is_whole() || known.listing.is_some() && known.looked_up(name).is_none() {
            return Ok(None);
        }
        Ok(match self.look_up(parent, name)? {
            Entry::Plain(()) => None,
            Entry::Absent => Some(Entry::Absent),
            Entry::Unreadable => Some(Entry::Unreadable),
            Entry::Symlink(text) => Some(Entry::Symlink(text.to_vec())),
        })
    }

    /// What stands where a directory is wanted: as its parent tells, or as the system does.
    fn sight(&self, wanted: &Wanted<'_>, room: &mut Room) -> Result<StatResult, Trouble> {
        let &Wanted { parent, name, asked, .. } = wanted;
        match self.told(parent, name) {
            Some(Entry::Absent) => return Ok(StatResult::Other(Entry::Absent)),
            Some(Entry::Symlink(text)) => {
                return Ok(StatResult::Other(Entry::Symlink(text.into())));
            }
            Some(Entry::Plain(()) | Entry::Unreadable) | None => {}
        }
        let path = room.path.of(&self.paths, parent, name);
        let expected = self.node(parent).below;
        // What is wanted again is read, whatever was asked for in it before.
        if expected == Expected::Sandboxed && self.paths.at(parent, name).is_none() {
            return self.probe.stat_entry(path, wanted, &mut room.scratch);
        }
        Ok(StatResult::Directory(self.probe.read_dir_cached(
            path,
            asked,
            expected,
            &mut room.scratch,
        )?))
    }

    /// Keeps what is where a directory is wanted.
    fn keep_entry(
        &mut self,
        wanted: &Wanted<'_>,
        sighted: Result<StatResult, Trouble>,
    ) -> Result<EnteredEntry, Stopped> {
        let &Wanted { parent, name, asked, .. } = wanted;
        let mut path = Vec::new();
        Ok(match sighted {
            Ok(StatResult::Directory(found)) => {
                self.count(&found);
                let place = Reached::In(parent, self.paths.keep(name));
                let known = found.known.clone();
                let directory = self.add(place, found);
                if !Arc::ptr_eq(&known, &self.node(directory).known) {
                    // It was met at another place, and asked for other names there.
                    self.read_all(&[(directory, asked)])?;
                }
                Entry::Plain(Entered::Directory(directory))
            }
            Ok(StatResult::Other(seen)) => {
                if self.is_open(parent, name) {
                    self.probe.cache.add(&self.node(parent).known, name, seen.clone());
                } else if self.told(parent, name).is_none_or(|entry| entry == Entry::Plain(())) {
                    // It is none any more, since that was told.
                    return Ok(Entry::Plain(Entered::NotADirectory));
                }
                match seen {
                    Entry::Absent => Entry::Absent,
                    Entry::Plain(()) => Entry::Plain(Entered::NotADirectory),
                    Entry::Symlink(text) => Entry::Symlink(text.to_vec()),
                    Entry::Unreadable => Entry::Unreadable,
                }
            }
            Ok(StatResult::Unknown(errno)) => {
                self.paths.put_name(parent, name, &mut path);
                let entered = self.excuse(&path, errno.into())?;
                if self.is_open(parent, name) { Entry::Unreadable } else { Entry::Plain(entered) }
            }
            Err(trouble) => {
                self.paths.put_name(parent, name, &mut path);
                Entry::Plain(self.excuse(&path, trouble)?)
            }
        })
    }

    /// Whether some names of `directory` were asked for, and `name` is none of them. Nobody but this
    /// request has what is known of such a directory.
    fn is_open(&self, directory: Directory, name: &[u8]) -> bool {
        let known = &self.node(directory).known;
        known.listing.is_some()
            && self.told(directory, name).is_none()
            && known.looked_up(name).is_none()
    }

    /// What the listing of `directory` tells of `name`, if anything.
    fn told(&self, directory: Directory, name: &[u8]) -> Option<Entry<&[u8]>> {
        let listing = self.node(directory).known.listing.as_ref()?;
        let hash = self.probe.cache.hash(name);
        listing.tells(name, hash).then(|| listing.entry(name, hash))
    }

    /// Counts a directory that was wanted to be read.
    fn count(&mut self, found: &FoundDirectory) {
        if found.origin == Origin::Memory {
            self.counts.reused += 1;
        } else if found.known.listing.is_some() {
            self.counts.listed += 1;
        }
    }
}

impl Tree for View<'_> {
    fn root(&self) -> Directory {
        ROOT
    }

    fn takes_names(&self) -> bool {
        self.node(ROOT).below == Expected::Sandboxed
    }

    fn top(&mut self) -> Result<Entered, Stopped> {
        match self.paths.top() {
            Some(known) => Ok(Entered::Directory(known)),
            None => self.stat_dir(Reached::Top),
        }
    }

    fn above(&mut self, directory: Directory) -> Result<Entered, Stopped> {
        match self.paths.place(directory) {
            Reached::In(parent, _) => Ok(Entered::Directory(parent)),
            Reached::Top => Ok(Entered::Directory(directory)),
            Reached::Root | Reached::Above(_) => self.stat_dir(Reached::Above(directory)),
        }
    }

    fn place(&self, directory: Directory) -> Option<(Directory, &[u8])> {
        match self.paths.place(directory) {
            Reached::In(parent, name) => Some((parent, self.paths.text(name))),
            _ => None,
        }
    }

    fn entry(&mut self, directory: Directory, name: &[u8]) -> Result<Entry<&[u8]>, Stopped> {
        if name == b".." {
            return Ok(Entry::Plain(()));
        }
        let hash = self.probe.cache.hash(name);
        let listing = self.node(directory).known.listing.as_ref();
        if !listing.is_some_and(|listing| listing.tells(name, hash)) {
            return match self.paths.at(directory, name) {
                Some(_) => Ok(Entry::Plain(())),
                None => self.look_up(directory, name),
            };
        }
        let listing = self.node(directory).known.listing.as_ref();
        Ok(listing.map_or(Entry::Absent, |listing| listing.entry(name, hash)))
    }

    fn enter(&mut self, directory: Directory, name: &[u8]) -> Result<Entered, Stopped> {
        match self.paths.at(directory, name) {
            Some(known) => Ok(Entered::Directory(known)),
            None => {
                let name = self.paths.keep(name);
                self.stat_dir(Reached::In(directory, name))
            }
        }
    }

    fn enter_all(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<EnteredEntry>, Stopped> {
        let mut before = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            before.push(self.met(wanted)?);
        }
        let scratch = self.scratch.take().unwrap_or_default();
        let sight = |room: &mut Room, (wanted, before): (&Wanted<'_>, &Option<EnteredEntry>)| {
            before.is_none().then(|| self.sight(wanted, room))
        };
        let mut room = Room { scratch, ..Room::default() };
        let sighted: Vec<_> = if wanted.len() < WORTH_SHARING {
            wanted.iter().zip(&before).map(|one| sight(&mut room, one)).collect()
        } else {
            let each = wanted.par_iter().zip(&before).with_min_len(WORTH_SHARING / 2);
            each.map_init(Room::default, sight).collect()
        };
        self.scratch = Some(room.scratch);
        self.by_identity.reserve(wanted.len());
        self.paths.reserve(wanted.len());
        let mut all_met = Vec::with_capacity(wanted.len());
        for ((wanted, before), sighted) in wanted.iter().zip(before).zip(sighted) {
            all_met.push(match (before, sighted) {
                (Some(met), _) => met,
                (None, Some(sighted)) => self.keep_entry(wanted, sighted)?,
                (None, None) => Entry::Absent,
            });
        }
        Ok(all_met)
    }

    fn read_all(&mut self, directories: &[(Directory, u32)]) -> Result<(), Stopped> {
        let mut scratch = self.scratch.take().unwrap_or_default();
        for &(directory, asked) in directories {
            if self.node(directory).known.is_whole() {
                continue;
            }
            self.paths.put_name(directory, b"", &mut self.path);
            // One that is gone by now, or does not let itself be read, is asked name by name.
            let path = c_str(&self.path);
            match self.probe.read_dir_cached(path, asked, Expected::Unknown, &mut scratch) {
                Ok(found) => {
                    self.count(&found);
                    let node = &mut self.nodes[directory.0 as usize];
                    if node.below != Expected::Sandboxed {
                        node.below = after(found.origin);
                    }
                    node.known = found.known;
                }
                Err(Trouble::Cancelled) => return Err(Stopped::Cancelled),
                Err(Trouble::Errno(_)) => {}
            }
        }
        self.scratch = Some(scratch);
        Ok(())
    }
}

/// Fewer directories than this are not worth waking another thread for.
const WORTH_SHARING: usize = 32;

/// What one thread needs to ask for directories.
#[derive(Default)]
struct Room {
    scratch: Scratch,
    path: LastPath,
}

/// What is to be expected of the directories in one that was read.
fn after(origin: Origin) -> Expected {
    match origin {
        // A whole tree mostly comes at once.
        Origin::FirstReading => Expected::New,
        Origin::Memory | Origin::ReadAgain => Expected::Unknown,
    }
}

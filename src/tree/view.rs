//! The tree as one request sees it: each folder is asked for its identity and times once, afresh.
//!
//! Knows the folders that the request has met, and by which path each is reached; must not know what
//! is looked for in them.

use std::ffi::CStr;
use std::hash::BuildHasher;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};
use rayon::prelude::*;
use rustix::fs::{CWD, Mode, fstat, openat};
use rustix::io::Errno;

use super::asker::{Asker, FOLDER, Found, Trouble, reason};
use super::cache::{self, Cache, Identity, Known, Origin, Stamp};
use super::listing::Scratch;
use crate::resolve::{Entered, Entry, Folder, Stopped, Tree, Wanted};

/// How many folders were listed for a request, and how many were known already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Folders that were read.
    pub listed: usize,
    /// Folders that were known from an earlier request.
    pub reused: usize,
}

/// A folder that did not let itself be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its path: relative to the root, or absolute.
    pub path: Vec<u8>,
    /// What the system said.
    pub reason: String,
}

/// What came up during one request that no single answer tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// How many folders were listed and reused.
    pub counts: Counts,
    /// The first folder that did not let itself be asked.
    pub unreadable: Option<Unreadable>,
}

/// A tree on the file system, during one request.
pub struct View<'c> {
    asker: Asker<'c>,
    folders: Vec<Node>,
    by_identity: HashMap<Identity, Folder, RandomState>,
    /// Folders that were entered, by the folder that they are in and their name there.
    by_place: HashTable<Folder>,
    hasher: RandomState,
    names: Vec<u8>,
    counts: Counts,
    unreadable: Option<Unreadable>,
    scratch: Option<Scratch>,
    /// The folder in which names were looked up last.
    opened: Option<(Folder, OwnedFd)>,
    /// Room for the path that is asked for, and for a link's text.
    path: Vec<u8>,
    text: Vec<u8>,
}

struct Node {
    place: Place,
    known: Arc<Known>,
    /// Nothing was remembered of it, so that the folders in it are likely to be new too: a sandbox
    /// is made anew for each request.
    is_new: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Top,
    /// The folder that another is in, where its name is not known.
    Above(Folder),
    In(Folder, Name),
}

/// A stretch of `View::names`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Name {
    at: u32,
    len: u32,
}

/// The first folder of every view.
const ROOT: Folder = Folder(0);

impl<'c> View<'c> {
    /// The tree below the folder `root` as it is from now on. `cancelled` is asked before each
    /// folder that is read.
    pub fn new(
        root: &Path,
        cache: &'c Cache,
        cancelled: &'c (dyn Fn() -> bool + Sync),
    ) -> std::io::Result<Self> {
        let root = openat(CWD, root, FOLDER, Mode::empty())?;
        let stamp = Stamp::new(&fstat(&root)?);
        let asker = Asker::new(root, cache, cancelled);
        let (known, _) = asker.by_look_ups(stamp);
        Ok(Self {
            asker,
            by_identity: HashMap::from_iter([(stamp.identity, ROOT)]),
            folders: vec![Node { place: Place::Root, known, is_new: false }],
            by_place: HashTable::new(),
            hasher: RandomState::default(),
            names: Vec::new(),
            counts: Counts::default(),
            unreadable: None,
            scratch: None,
            opened: None,
            path: Vec::new(),
            text: Vec::new(),
        })
    }

    /// What came up so far.
    pub fn noticed(&self) -> Noticed {
        Noticed { counts: self.counts, unreadable: self.unreadable.clone() }
    }

    /// By folder: which it is, and when it was changed.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.folders.iter().map(|node| node.known.stamp)
    }

    /// The path of `name` in `folder`: relative to the root, or absolute.
    pub fn path(&self, folder: Folder, name: &[u8]) -> Vec<u8> {
        let mut path = Vec::new();
        put_path(&self.folders, &self.names, folder, name, &mut path);
        path.pop();
        path
    }

    fn node(&self, folder: Folder) -> &Node {
        &self.folders[folder.0 as usize]
    }

    /// The folder at `place`, which was found.
    fn add(&mut self, place: Place, found: Found) -> Folder {
        if let Some(&folder) = self.by_identity.get(&found.identity) {
            let node = &mut self.folders[folder.0 as usize];
            if node.known.listing.is_none() {
                node.known = found.known;
            }
            return folder;
        }
        let folder = Folder(self.folders.len() as u32);
        let is_new = found.origin == Origin::FirstReading && found.known.listing.is_some();
        self.folders.push(Node { place, known: found.known, is_new });
        self.by_identity.insert(found.identity, folder);
        if let Place::In(parent, name) = place {
            let (hasher, folders, names) = (&self.hasher, &self.folders, &self.names);
            let hash = hash_place(hasher, parent, text(names, name));
            self.by_place.insert_unique(hash, folder, |folder| {
                match folders[folder.0 as usize].place {
                    Place::In(parent, name) => hash_place(hasher, parent, text(names, name)),
                    _ => 0,
                }
            });
        }
        folder
    }

    /// The folder that was entered as `name` in `parent`.
    fn at(&self, parent: Folder, name: &[u8]) -> Option<Folder> {
        let same = |folder: &Folder| match self.node(*folder).place {
            Place::In(known, at) => known == parent && text(&self.names, at) == name,
            _ => false,
        };
        self.by_place.find(hash_place(&self.hasher, parent, name), same).copied()
    }

    fn name(&mut self, name: &[u8]) -> Name {
        let at = self.names.len() as u32;
        self.names.extend_from_slice(name);
        Name { at, len: name.len() as u32 }
    }

    /// The folder at `place` by one `stat`, without reading it.
    fn glance(&mut self, place: Place) -> Result<Entered, Stopped> {
        let mut path = std::mem::take(&mut self.path);
        match place {
            Place::Root => put_path(&self.folders, &self.names, ROOT, b"", &mut path),
            Place::Top => {
                path.clear();
                path.extend_from_slice(b"/\0");
            }
            Place::Above(folder) => put_path(&self.folders, &self.names, folder, b"..", &mut path),
            Place::In(folder, name) => {
                let name = text(&self.names, name);
                put_path(&self.folders, &self.names, folder, name, &mut path);
            }
        }
        let found = self.asker.glance(c_str(&path));
        let entered = match found {
            Ok(found) => Ok(Entered::Folder(self.add(place, found))),
            Err(trouble) => self.excuse(&path, trouble),
        };
        self.path = path;
        entered
    }

    /// What becomes of a folder at `path` that could not be had.
    fn excuse(&mut self, path: &[u8], trouble: Trouble) -> Result<Entered, Stopped> {
        let path = path.strip_suffix(b"\0").unwrap_or(path);
        match trouble {
            Trouble::Cancelled => Err(Stopped::Cancelled),
            Trouble::Errno(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP) => {
                Ok(Entered::NoFolder)
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

    /// What stands at `name` in `folder`, which was not read.
    fn look_up(&mut self, folder: Folder, name: &[u8]) -> Result<Entry<'_>, Stopped> {
        if let Some(seen) = self.node(folder).known.looked_up(name) {
            return Ok(cache::entry(seen, &mut self.text));
        }
        self.open(folder);
        put_path(&self.folders, &self.names, folder, name, &mut self.path);
        let (from, path) = match &self.opened {
            Some((opened, descriptor)) if *opened == folder => {
                (descriptor.as_fd(), &self.path[self.path.len() - name.len() - 1..])
            }
            _ => (self.asker.root(), &self.path[..]),
        };
        match self.asker.look_up(from, c_str(path), &mut self.text) {
            Ok(seen) => {
                self.asker.cache.add(&self.node(folder).known, name, seen.clone());
                Ok(cache::entry(seen, &mut self.text))
            }
            Err(trouble) => {
                let path = std::mem::take(&mut self.path);
                let entered = self.excuse(&path, trouble);
                self.path = path;
                entered.map(|entered| match entered {
                    Entered::Unknown => Entry::Unknown,
                    _ => Entry::Absent,
                })
            }
        }
    }

    /// Opens a folder in which names are to be looked up. If it is not to be had any more, the names
    /// are looked up by its path, and nobody else is told of them.
    fn open(&mut self, folder: Folder) {
        // The root is open, and `/` is where it was.
        let is_open = self.opened.as_ref().is_some_and(|(opened, _)| *opened == folder);
        if is_open || matches!(self.node(folder).place, Place::Root | Place::Top) {
            return;
        }
        put_path(&self.folders, &self.names, folder, b"", &mut self.path);
        let node = &mut self.folders[folder.0 as usize];
        match self.asker.open(c_str(&self.path), &node.known) {
            Some(descriptor) => self.opened = Some((folder, descriptor)),
            None if Arc::strong_count(&node.known) > 1 => {
                node.known = Arc::new(Known::by_look_ups(node.known.stamp));
            }
            None => {}
        }
    }

    fn note_unreadable(&mut self, path: &[u8], errno: Errno) {
        let path = path.to_vec();
        self.unreadable.get_or_insert_with(|| Unreadable { path, reason: reason(errno) });
    }

    /// Counts a folder that was wanted to be read.
    fn count(&mut self, found: &Found) {
        if found.origin == Origin::Memory {
            self.counts.reused += 1;
        } else if found.known.listing.is_some() {
            self.counts.listed += 1;
        }
    }
}

impl Tree for View<'_> {
    fn root(&self) -> Folder {
        ROOT
    }

    fn top(&mut self) -> Result<Entered, Stopped> {
        match self.folders.iter().position(|node| node.place == Place::Top) {
            Some(known) => Ok(Entered::Folder(Folder(known as u32))),
            None => self.glance(Place::Top),
        }
    }

    fn above(&mut self, folder: Folder) -> Result<Entered, Stopped> {
        match self.node(folder).place {
            Place::In(parent, _) => Ok(Entered::Folder(parent)),
            Place::Top => Ok(Entered::Folder(folder)),
            Place::Root | Place::Above(_) => self.glance(Place::Above(folder)),
        }
    }

    fn place(&self, folder: Folder) -> Option<(Folder, &[u8])> {
        match self.node(folder).place {
            Place::In(parent, name) => Some((parent, text(&self.names, name))),
            _ => None,
        }
    }

    fn entry(&mut self, folder: Folder, name: &[u8]) -> Result<Entry<'_>, Stopped> {
        if name == b".." {
            return Ok(Entry::Plain);
        }
        if self.node(folder).known.listing.is_none() {
            return self.look_up(folder, name);
        }
        let hash = self.asker.cache.hash(name);
        let listing = self.node(folder).known.listing.as_ref();
        Ok(listing.map_or(Entry::Absent, |listing| listing.entry(name, hash)))
    }

    fn enter(&mut self, folder: Folder, name: &[u8]) -> Result<Entered, Stopped> {
        match self.at(folder, name) {
            Some(known) => Ok(Entered::Folder(known)),
            None => {
                let name = self.name(name);
                self.glance(Place::In(folder, name))
            }
        }
    }

    fn enter_all(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<Entered>, Stopped> {
        let (folders, names) = (&self.folders, &self.names);
        let known: Vec<_> =
            wanted.iter().map(|wanted| self.at(wanted.parent, wanted.name)).collect();
        let asker = &self.asker;
        let ask = |room: &mut Room, (wanted, known): (&Wanted<'_>, &Option<Folder>)| {
            if known.is_some_and(|known| folders[known.0 as usize].known.listing.is_some()) {
                return None;
            }
            let path = room.path.of(folders, names, wanted);
            let likely_new = folders[wanted.parent.0 as usize].is_new;
            Some(asker.ask(path, wanted.asked, likely_new, &mut room.scratch))
        };
        let found: Vec<_> = if wanted.len() < WORTH_SHARING {
            let mut room =
                Room { scratch: self.scratch.take().unwrap_or_default(), ..Room::default() };
            let found = wanted.iter().zip(&known).map(|one| ask(&mut room, one)).collect();
            self.scratch = Some(room.scratch);
            found
        } else {
            wanted
                .par_iter()
                .zip(&known)
                .with_min_len(WORTH_SHARING / 2)
                .map_init(Room::default, ask)
                .collect()
        };
        let mut entered = Vec::with_capacity(wanted.len());
        for ((wanted, known), found) in wanted.iter().zip(known).zip(found) {
            entered.push(match (found, known) {
                (None, Some(known)) => Entered::Folder(known),
                (None, None) => Entered::NoFolder,
                (Some(Ok(found)), _) => {
                    self.count(&found);
                    let place = Place::In(wanted.parent, self.name(wanted.name));
                    Entered::Folder(self.add(place, found))
                }
                (Some(Err(trouble)), _) => {
                    let mut path = Vec::new();
                    put_path(&self.folders, &self.names, wanted.parent, wanted.name, &mut path);
                    self.excuse(&path, trouble)?
                }
            });
        }
        Ok(entered)
    }

    fn read_all(&mut self, folders: &[(Folder, u32)]) -> Result<(), Stopped> {
        let mut scratch = self.scratch.take().unwrap_or_default();
        for &(folder, asked) in folders {
            if self.node(folder).known.listing.is_some() {
                continue;
            }
            put_path(&self.folders, &self.names, folder, b"", &mut self.path);
            // One that is gone by now, or does not let itself be read, is asked name by name.
            match self.asker.ask(c_str(&self.path), asked, false, &mut scratch) {
                Ok(found) => {
                    self.count(&found);
                    let node = &mut self.folders[folder.0 as usize];
                    node.is_new = found.origin == Origin::FirstReading;
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

/// Fewer folders than this are not worth waking another thread for.
const WORTH_SHARING: usize = 32;

/// What one thread needs to ask for folders.
#[derive(Default)]
struct Room {
    scratch: Scratch,
    path: WantedPath,
}

/// The path of the folder wanted last.
#[derive(Default)]
struct WantedPath {
    text: Vec<u8>,
    /// The folder whose path stands at the head of `text`, and how long it is.
    parent: Option<(Folder, usize)>,
}

impl WantedPath {
    /// The path of a folder that is wanted. Those of one parent mostly stand together.
    fn of(&mut self, folders: &[Node], names: &[u8], wanted: &Wanted<'_>) -> &CStr {
        let length = match self.parent {
            Some((parent, length)) if parent == wanted.parent => length,
            _ => {
                put_path(folders, names, wanted.parent, b"", &mut self.text);
                self.text.len() - 1
            }
        };
        self.parent = Some((wanted.parent, length));
        self.text.truncate(length);
        if self.text.last() != Some(&b'/') {
            self.text.push(b'/');
        }
        self.text.extend_from_slice(wanted.name);
        self.text.push(0);
        c_str(&self.text)
    }
}

fn text(names: &[u8], name: Name) -> &[u8] {
    &names[name.at as usize..(name.at + name.len) as usize]
}

fn hash_place(hasher: &RandomState, parent: Folder, name: &[u8]) -> u64 {
    hasher.hash_one((parent, name))
}

/// Puts the path of `name` in `folder` into `path`, with a NUL behind it: relative to the root, or
/// absolute. An empty name stands for the folder itself.
fn put_path(folders: &[Node], names: &[u8], folder: Folder, name: &[u8], path: &mut Vec<u8>) {
    fn put(folders: &[Node], names: &[u8], folder: Folder, path: &mut Vec<u8>) {
        match folders[folder.0 as usize].place {
            Place::Root => {}
            Place::Top => path.push(b'/'),
            Place::Above(inner) => {
                put(folders, names, inner, path);
                push(path, b"..");
            }
            Place::In(parent, name) => {
                put(folders, names, parent, path);
                push(path, text(names, name));
            }
        }
    }
    fn push(path: &mut Vec<u8>, part: &[u8]) {
        if path.last().is_some_and(|&last| last != b'/') {
            path.push(b'/');
        }
        path.extend_from_slice(part);
    }
    path.clear();
    put(folders, names, folder, path);
    if !name.is_empty() {
        push(path, name);
    }
    if path.is_empty() {
        path.push(b'.');
    }
    path.push(0);
}

/// A path that `put_path` put: it has a NUL at its end, and none before, since no name has one.
fn c_str(path: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(path).unwrap_or_default()
}

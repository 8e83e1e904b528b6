//! By which path each directory of a view was reached.
//!
//! Knows directories by numbers, and the names between them; must not know what stands there.

use std::ffi::CStr;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::resolve::Directory;

/// The first directory of every view.
pub(super) const ROOT: Directory = Directory(0);

/// How a directory was reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    Root,
    Top,
    /// The directory that another is in, where its name is not known.
    Above(Directory),
    In(Directory, Name),
}

/// A name that was kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    at: u32,
    len: u32,
}

/// How all directories were reached, the root first.
pub(super) struct Paths {
    places: Vec<Reached>,
    names: Vec<u8>,
    /// Directories that were entered, by the directory that they are in and their name there.
    by_place: HashTable<Directory>,
    hasher: RandomState,
}

impl Paths {
    /// The root alone.
    pub(super) fn new() -> Self {
        Self {
            places: vec![Reached::Root],
            names: Vec::new(),
            by_place: HashTable::new(),
            hasher: RandomState::default(),
        }
    }

    /// How `directory` was reached.
    pub(super) fn place(&self, directory: Directory) -> Reached {
        self.places[directory.0 as usize]
    }

    /// The directory that was entered as `name` in `parent`.
    pub(super) fn at(&self, parent: Directory, name: &[u8]) -> Option<Directory> {
        let same = |directory: &Directory| match self.place(*directory) {
            Reached::In(known, at) => known == parent && self.text(at) == name,
            _ => false,
        };
        self.by_place.find(hash(&self.hasher, parent, name), same).copied()
    }

    /// The directory that `/` is, if it was entered.
    pub(super) fn top(&self) -> Option<Directory> {
        let at = self.places.iter().position(|place| *place == Reached::Top)?;
        Some(Directory(at as u32))
    }

    /// Keeps a name.
    pub(super) fn keep(&mut self, name: &[u8]) -> Name {
        let at = self.names.len() as u32;
        self.names.extend_from_slice(name);
        Name { at, len: name.len() as u32 }
    }

    /// The text of a name that was kept.
    pub(super) fn text(&self, name: Name) -> &[u8] {
        text(&self.names, name)
    }

    /// Makes room for so many more directories.
    pub(super) fn reserve(&mut self, directories: usize) {
        let Self { places, names, by_place, hasher } = self;
        places.reserve(directories);
        by_place.reserve(directories, |directory| {
            hash_place(hasher, names, places[directory.0 as usize])
        });
    }

    /// A directory that was reached for the first time.
    pub(super) fn add(&mut self, place: Reached) -> Directory {
        let directory = Directory(self.places.len() as u32);
        self.places.push(place);
        if let Reached::In(..) = place {
            let Self { places, names, by_place, hasher } = self;
            by_place.insert_unique(hash_place(hasher, names, place), directory, |directory| {
                hash_place(hasher, names, places[directory.0 as usize])
            });
        }
        directory
    }

    /// Puts the path of a directory into `path`, with a NUL behind it: relative to the root, or
    /// absolute.
    pub(super) fn put(&self, place: Reached, path: &mut Vec<u8>) {
        match place {
            Reached::Root => self.put_name(ROOT, b"", path),
            Reached::Top => {
                path.clear();
                path.extend_from_slice(b"/\0");
            }
            Reached::Above(directory) => self.put_name(directory, b"..", path),
            Reached::In(directory, name) => self.put_name(directory, self.text(name), path),
        }
    }

    /// Puts the path of `name` in `directory` into `path`, with a NUL behind it: relative to the root,
    /// or absolute. An empty name stands for the directory itself.
    pub(super) fn put_name(&self, directory: Directory, name: &[u8], path: &mut Vec<u8>) {
        path.clear();
        self.put_directory(directory, path);
        if !name.is_empty() {
            push(path, name);
        }
        if path.is_empty() {
            path.push(b'.');
        }
        path.push(0);
    }

    fn put_directory(&self, directory: Directory, path: &mut Vec<u8>) {
        match self.place(directory) {
            Reached::Root => {}
            Reached::Top => path.push(b'/'),
            Reached::Above(inner) => {
                self.put_directory(inner, path);
                push(path, b"..");
            }
            Reached::In(parent, name) => {
                self.put_directory(parent, path);
                push(path, self.text(name));
            }
        }
    }
}

fn push(path: &mut Vec<u8>, part: &[u8]) {
    if path.last().is_some_and(|&last| last != b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(part);
}

fn text(names: &[u8], name: Name) -> &[u8] {
    &names[name.at as usize..(name.at + name.len) as usize]
}

/// The hash of a place below another directory: there are no others among `Paths::by_place`.
fn hash_place(hasher: &RandomState, names: &[u8], place: Reached) -> u64 {
    match place {
        Reached::In(parent, name) => hash(hasher, parent, text(names, name)),
        Reached::Root | Reached::Top | Reached::Above(_) => 0,
    }
}

fn hash(hasher: &RandomState, parent: Directory, name: &[u8]) -> u64 {
    hasher.hash_one((parent, name))
}

/// A path that `Paths` put: it has a NUL at its end, and none before, since no name has one.
pub(super) fn c_str(path: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(path).unwrap_or_default()
}

/// The path of the name that was asked for last.
#[derive(Default)]
pub(super) struct LastPath {
    text: Vec<u8>,
    /// The directory whose path stands at the head of `text`, and how long it is.
    parent: Option<(Directory, usize)>,
}

impl LastPath {
    /// The path of `name` in `parent`. Those of one directory mostly stand together.
    pub(super) fn of(&mut self, paths: &Paths, parent: Directory, name: &[u8]) -> &CStr {
        let length = match self.parent {
            Some((last, length)) if last == parent => length,
            _ => {
                paths.put_name(parent, b"", &mut self.text);
                self.text.len() - 1
            }
        };
        self.parent = Some((parent, length));
        self.text.truncate(length);
        if self.text.last() != Some(&b'/') {
            self.text.push(b'/');
        }
        self.text.extend_from_slice(name);
        self.text.push(0);
        c_str(&self.text)
    }
}

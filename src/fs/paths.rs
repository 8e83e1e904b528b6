//! The path by which a view reached each of its directories.
//!
//! Knows directories by number, and the names between them; must not know what is in a directory.

use std::ffi::CStr;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::resolve::Directory;

/// The root of a view, which is its first directory.
pub(super) const ROOT: Directory = Directory(0);

/// How a directory was reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    Root,
    /// As `/`.
    Top,
    /// As `..` of a directory.
    Above(Directory),
    /// By its name in a directory.
    In(Directory, Name),
}

/// A name in `Paths::names`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    at: u32,
    len: u32,
}

/// How each directory was reached, by number.
pub(super) struct Paths {
    reached: Vec<Reached>,
    names: Vec<u8>,
    /// Directories that were reached by a name, by their parent and that name.
    by_name: HashTable<Directory>,
    hasher: RandomState,
}

impl Paths {
    /// Paths with only the root.
    pub(super) fn new() -> Self {
        Self {
            reached: vec![Reached::Root],
            names: Vec::new(),
            by_name: HashTable::new(),
            hasher: RandomState::default(),
        }
    }

    /// How `directory` was reached.
    pub(super) fn reached(&self, directory: Directory) -> Reached {
        self.reached[directory.0 as usize]
    }

    /// The directory that was reached as `name` in `parent`.
    pub(super) fn child(&self, parent: Directory, name: &[u8]) -> Option<Directory> {
        let same = |directory: &Directory| match self.reached(*directory) {
            Reached::In(above, at) => above == parent && self.text(at) == name,
            _ => false,
        };
        self.by_name.find(hash(&self.hasher, parent, name), same).copied()
    }

    /// The directory that was reached as `/`.
    pub(super) fn top(&self) -> Option<Directory> {
        let at = self.reached.iter().position(|route| *route == Reached::Top)?;
        Some(Directory(at as u32))
    }

    /// Stores a name.
    pub(super) fn add_name(&mut self, name: &[u8]) -> Name {
        let at = self.names.len() as u32;
        self.names.extend_from_slice(name);
        Name { at, len: name.len() as u32 }
    }

    /// The text of a stored name.
    pub(super) fn text(&self, name: Name) -> &[u8] {
        text(&self.names, name)
    }

    /// Reserves memory for `directories` more directories.
    pub(super) fn reserve(&mut self, directories: usize) {
        let Self { reached, names, by_name, hasher } = self;
        reached.reserve(directories);
        by_name.reserve(directories, |directory| {
            hash_reached(hasher, names, reached[directory.0 as usize])
        });
    }

    /// Adds a directory that was reached for the first time.
    pub(super) fn add(&mut self, route: Reached) -> Directory {
        let directory = Directory(self.reached.len() as u32);
        self.reached.push(route);
        if let Reached::In(..) = route {
            let Self { reached, names, by_name, hasher } = self;
            by_name.insert_unique(hash_reached(hasher, names, route), directory, |directory| {
                hash_reached(hasher, names, reached[directory.0 as usize])
            });
        }
        directory
    }

    /// Writes the path of a directory and a NUL to `path`. The path is relative to the root, or absolute.
    pub(super) fn write_path(&self, route: Reached, path: &mut Vec<u8>) {
        match route {
            Reached::Root => self.write_entry_path(ROOT, b"", path),
            Reached::Top => {
                path.clear();
                path.extend_from_slice(b"/\0");
            }
            Reached::Above(directory) => self.write_entry_path(directory, b"..", path),
            Reached::In(directory, name) => self.write_entry_path(directory, self.text(name), path),
        }
    }

    /// Writes the path of `name` in `directory` and a NUL to `path`. The path is relative to the root, or
    /// absolute. With an empty name it is the path of the directory itself.
    pub(super) fn write_entry_path(&self, directory: Directory, name: &[u8], path: &mut Vec<u8>) {
        path.clear();
        self.write_directory(directory, path);
        if !name.is_empty() {
            push(path, name);
        }
        if path.is_empty() {
            path.push(b'.');
        }
        path.push(0);
    }

    fn write_directory(&self, directory: Directory, path: &mut Vec<u8>) {
        match self.reached(directory) {
            Reached::Root => {}
            Reached::Top => path.push(b'/'),
            Reached::Above(inner) => {
                self.write_directory(inner, path);
                push(path, b"..");
            }
            Reached::In(parent, name) => {
                self.write_directory(parent, path);
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

/// The hash of a directory that was reached by a name. `Paths::by_name` has no others.
fn hash_reached(hasher: &RandomState, names: &[u8], route: Reached) -> u64 {
    match route {
        Reached::In(parent, name) => hash(hasher, parent, text(names, name)),
        Reached::Root | Reached::Top | Reached::Above(_) => 0,
    }
}

fn hash(hasher: &RandomState, parent: Directory, name: &[u8]) -> u64 {
    hasher.hash_one((parent, name))
}

/// A path that `Paths` wrote. Its only NUL is at its end, since no name has one.
pub(super) fn c_str(path: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(path).unwrap_or_default()
}

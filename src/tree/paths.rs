//! By which path each folder of a view was reached.
//!
//! Knows folders by numbers, and the names between them; must not know what stands there.

use std::ffi::CStr;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::resolve::Folder;

/// The first folder of every view.
pub const ROOT: Folder = Folder(0);

/// How a folder was reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Root,
    Top,
    /// The folder that another is in, where its name is not known.
    Above(Folder),
    In(Folder, Name),
}

/// A name that was kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name {
    at: u32,
    len: u32,
}

/// How all folders were reached, the root first.
pub struct Paths {
    places: Vec<Place>,
    names: Vec<u8>,
    /// Folders that were entered, by the folder that they are in and their name there.
    by_place: HashTable<Folder>,
    hasher: RandomState,
}

impl Paths {
    /// The root alone.
    pub fn new() -> Self {
        Self {
            places: vec![Place::Root],
            names: Vec::new(),
            by_place: HashTable::new(),
            hasher: RandomState::default(),
        }
    }

    /// How `folder` was reached.
    pub fn place(&self, folder: Folder) -> Place {
        self.places[folder.0 as usize]
    }

    /// The folder that was entered as `name` in `parent`.
    pub fn at(&self, parent: Folder, name: &[u8]) -> Option<Folder> {
        let same = |folder: &Folder| match self.place(*folder) {
            Place::In(known, at) => known == parent && self.text(at) == name,
            _ => false,
        };
        self.by_place.find(hash(&self.hasher, parent, name), same).copied()
    }

    /// The folder that `/` is, if it was entered.
    pub fn top(&self) -> Option<Folder> {
        let at = self.places.iter().position(|place| *place == Place::Top)?;
        Some(Folder(at as u32))
    }

    /// Keeps a name.
    pub fn keep(&mut self, name: &[u8]) -> Name {
        let at = self.names.len() as u32;
        self.names.extend_from_slice(name);
        Name { at, len: name.len() as u32 }
    }

    /// The text of a name that was kept.
    pub fn text(&self, name: Name) -> &[u8] {
        text(&self.names, name)
    }

    /// Makes room for so many more folders.
    pub fn reserve(&mut self, folders: usize) {
        let Self { places, names, by_place, hasher } = self;
        places.reserve(folders);
        by_place.reserve(folders, |folder| hash_place(hasher, names, places[folder.0 as usize]));
    }

    /// A folder that was reached for the first time.
    pub fn add(&mut self, place: Place) -> Folder {
        let folder = Folder(self.places.len() as u32);
        self.places.push(place);
        if let Place::In(..) = place {
            let Self { places, names, by_place, hasher } = self;
            by_place.insert_unique(hash_place(hasher, names, place), folder, |folder| {
                hash_place(hasher, names, places[folder.0 as usize])
            });
        }
        folder
    }

    /// Puts the path of a folder into `path`, with a NUL behind it: relative to the root, or
    /// absolute.
    pub fn put(&self, place: Place, path: &mut Vec<u8>) {
        match place {
            Place::Root => self.put_name(ROOT, b"", path),
            Place::Top => {
                path.clear();
                path.extend_from_slice(b"/\0");
            }
            Place::Above(folder) => self.put_name(folder, b"..", path),
            Place::In(folder, name) => self.put_name(folder, self.text(name), path),
        }
    }

    /// Puts the path of `name` in `folder` into `path`, with a NUL behind it: relative to the root,
    /// or absolute. An empty name stands for the folder itself.
    pub fn put_name(&self, folder: Folder, name: &[u8], path: &mut Vec<u8>) {
        path.clear();
        self.put_folder(folder, path);
        if !name.is_empty() {
            push(path, name);
        }
        if path.is_empty() {
            path.push(b'.');
        }
        path.push(0);
    }

    fn put_folder(&self, folder: Folder, path: &mut Vec<u8>) {
        match self.place(folder) {
            Place::Root => {}
            Place::Top => path.push(b'/'),
            Place::Above(inner) => {
                self.put_folder(inner, path);
                push(path, b"..");
            }
            Place::In(parent, name) => {
                self.put_folder(parent, path);
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

/// The hash of a place below another folder: there are no others among `Paths::by_place`.
fn hash_place(hasher: &RandomState, names: &[u8], place: Place) -> u64 {
    match place {
        Place::In(parent, name) => hash(hasher, parent, text(names, name)),
        Place::Root | Place::Top | Place::Above(_) => 0,
    }
}

fn hash(hasher: &RandomState, parent: Folder, name: &[u8]) -> u64 {
    hasher.hash_one((parent, name))
}

/// A path that `Paths` put: it has a NUL at its end, and none before, since no name has one.
pub fn c_str(path: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(path).unwrap_or_default()
}

/// The path of the name that was asked for last.
#[derive(Default)]
pub struct LastPath {
    text: Vec<u8>,
    /// The folder whose path stands at the head of `text`, and how long it is.
    parent: Option<(Folder, usize)>,
}

impl LastPath {
    /// The path of `name` in `parent`. Those of one folder mostly stand together.
    pub fn of(&mut self, paths: &Paths, parent: Folder, name: &[u8]) -> &CStr {
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

//! The folders that sources name, as text: each once, with the folder it is in.
//!
//! Knows text alone; must not know what the tree has there.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::HashTable;
use rayon::prelude::*;

use super::WORTH_SHARING;
use super::archive::{Archive, RowId};
use super::inputs::Inputs;
use crate::path;

/// A folder that a source names, by its number. A folder's number is larger than that of the one it
/// is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceFolder(pub u32);

/// The folders of all sources.
pub struct Sources<'s> {
    folders: Vec<Node<'s>>,
    by_name: HashTable<SourceFolder>,
    /// By row: the folder of its source. `NONE` for a row that takes no part, or cannot.
    of_rows: Vec<SourceFolder>,
    /// The names of rows, those of one folder together, once they are gathered.
    names: Vec<&'s [u8]>,
    hasher: foldhash::fast::RandomState,
}

/// The longest source that a system call takes, in bytes (`PATH_MAX`): no longer one is there.
const LONGEST: usize = 4096;

struct Node<'s> {
    parent: SourceFolder,
    /// The whole path; its last part is the name.
    path: &'s [u8],
    /// How many rows and folders are in it.
    asked: u32,
    /// Where `Sources::names` has the names of those rows.
    names: Range<u32>,
    depth: u32,
    /// It is an input, or below one.
    covered: bool,
}

impl<'s> Node<'s> {
    fn new(parent: SourceFolder, path: &'s [u8], depth: u32, covered: bool) -> Self {
        Self { parent, path, asked: 0, names: 0..0, depth, covered }
    }
}

impl SourceFolder {
    /// The folder that relative sources begin in.
    pub const ROOT: Self = Self(0);
    /// The folder `/`, which absolute sources begin in.
    pub const TOP: Self = Self(1);
    const NONE: Self = Self(u32::MAX);
}

impl<'s> Sources<'s> {
    /// The folders of the sources of every row that takes part and is covered by `inputs`.
    pub fn new(archive: &Archive<'s>, inputs: Option<&Inputs>) -> Self {
        let covered = inputs.is_none();
        let mut sources = Self {
            folders: vec![
                Node::new(SourceFolder::ROOT, b"", 0, covered),
                Node::new(SourceFolder::TOP, b"/", 0, covered),
            ],
            by_name: HashTable::new(),
            of_rows: Vec::with_capacity(archive.all().count()),
            names: Vec::new(),
            hasher: Default::default(),
        };
        let listed = inputs.map(|inputs| listed(archive, inputs));
        // Rows of one folder mostly stand together.
        let (mut last, mut last_path) = (SourceFolder::NONE, &b""[..]);
        for id in archive.all() {
            let (spec, row) = archive.get(id);
            if !row.takes_part() || spec.source(row).len() > LONGEST {
                sources.of_rows.push(SourceFolder::NONE);
                continue;
            }
            let path = folder_of(spec.source(row));
            if last == SourceFolder::NONE || path != last_path {
                last = sources.intern(path, inputs);
                last_path = path;
            }
            let covered = sources.folders[last.0 as usize].covered
                || listed.as_ref().is_some_and(|listed| listed[id.0 as usize]);
            if !covered {
                sources.of_rows.push(SourceFolder::NONE);
                continue;
            }
            sources.folders[last.0 as usize].asked += 1;
            sources.of_rows.push(last);
        }
        sources
    }

    /// Puts the names of the rows of each folder together.
    pub fn gather_names(&mut self, archive: &Archive<'s>) {
        let in_a_folder = || {
            let rows = archive.all().zip(&self.of_rows);
            rows.filter(|(_, folder)| **folder != SourceFolder::NONE)
        };
        // First how many there are in each folder, then where the next folder's begin.
        for (_, folder) in in_a_folder() {
            self.folders[folder.0 as usize].names.end += 1;
        }
        let mut next = 0;
        for Node { names, .. } in &mut self.folders {
            let count = names.end;
            *names = next..next;
            next += count;
        }
        self.names.resize(next as usize, b"");
        for (row, folder) in in_a_folder() {
            let names = &mut self.folders[folder.0 as usize].names;
            self.names[names.end as usize] = path::split(archive.source(row)).1;
            names.end += 1;
        }
    }

    /// The number of the folder `path`, with all that it is in.
    fn intern(&mut self, path: &'s [u8], inputs: Option<&Inputs>) -> SourceFolder {
        if path.is_empty() {
            return SourceFolder::ROOT;
        }
        if path == b"/" {
            return SourceFolder::TOP;
        }
        let hash = self.hasher.hash_one(path);
        let same = |id: &SourceFolder| self.folders[id.0 as usize].path == path;
        if let Some(&known) = self.by_name.find(hash, same) {
            return known;
        }
        let parent = self.intern(folder_of(path), inputs);
        let above = &mut self.folders[parent.0 as usize];
        above.asked += 1;
        let depth = above.depth + 1;
        let covered = above.covered || inputs.is_some_and(|inputs| inputs.contains(path));
        let id = SourceFolder(self.folders.len() as u32);
        self.folders.push(Node::new(parent, path, depth, covered));
        let (folders, hasher) = (&self.folders, &self.hasher);
        let rehash = |id: &SourceFolder| hasher.hash_one(folders[id.0 as usize].path);
        self.by_name.insert_unique(hash, id, rehash);
        id
    }

    /// The folder of the source of `row`; `None` if the row takes no part, is not covered
    /// by the inputs, or has a path that no file has.
    pub fn of(&self, row: RowId) -> Option<SourceFolder> {
        let folder = self.of_rows[row.0 as usize];
        (folder != SourceFolder::NONE).then_some(folder)
    }

    /// The folder that `folder` is in, as the text has it; `None` for the root and `/`.
    pub fn parent(&self, folder: SourceFolder) -> Option<SourceFolder> {
        let parent = self.folders[folder.0 as usize].parent;
        (parent != folder).then_some(parent)
    }

    /// The path of `folder`, as sources spell it.
    pub fn path(&self, folder: SourceFolder) -> &'s [u8] {
        self.folders[folder.0 as usize].path
    }

    /// The last part of the path of `folder`.
    pub fn name(&self, folder: SourceFolder) -> &'s [u8] {
        path::split(self.path(folder)).1
    }

    /// How many names of `folder` are asked for: of rows and of folders.
    pub fn asked(&self, folder: SourceFolder) -> u32 {
        self.folders[folder.0 as usize].asked
    }

    /// The names of the rows in `folder`, if they were gathered.
    pub fn names(&self, folder: SourceFolder) -> &[&'s [u8]] {
        let Range { start, end } = self.folders[folder.0 as usize].names;
        &self.names[start as usize..end as usize]
    }

    /// How many folders there are.
    pub fn count(&self) -> usize {
        self.folders.len()
    }

    /// How many folders `folder` is in.
    pub fn depth(&self, folder: SourceFolder) -> usize {
        self.folders[folder.0 as usize].depth as usize
    }
}

/// By row: whether its source is one of `inputs`.
fn listed(archive: &Archive<'_>, inputs: &Inputs) -> Vec<bool> {
    let rows = archive.all().collect::<Vec<_>>();
    let is_listed = |&row: &RowId| inputs.contains(archive.source(row));
    rows.par_iter().with_min_len(WORTH_SHARING).map(is_listed).collect()
}

/// The folder of a source, as text: empty for the root, `/` for the top.
fn folder_of(source: &[u8]) -> &[u8] {
    match path::split(source).0 {
        [] if source.starts_with(b"/") => b"/",
        folder => folder,
    }
}

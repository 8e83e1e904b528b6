//! The directories that sources name, as text: each once, with the directory it is in.
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

/// A directory that a source names, by its number. A directory's number is larger than that of the one it
/// is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SourceDirectory(pub u32);

/// The directories of all sources.
pub(super) struct Sources<'s> {
    directories: Vec<Node<'s>>,
    by_name: HashTable<SourceDirectory>,
    /// By row: the directory of its source. `NONE` for a row that takes no part, or cannot.
    of_rows: Vec<SourceDirectory>,
    /// The names of rows, those of one directory together, once they are gathered.
    names: Vec<&'s [u8]>,
    hasher: foldhash::fast::RandomState,
}

/// The longest source that a system call takes, in bytes (`PATH_MAX`): no longer one is there.
const LONGEST: usize = 4096;

struct Node<'s> {
    parent: SourceDirectory,
    /// The whole path; its last part is the name.
    path: &'s [u8],
    /// How many rows and directories are in it.
    lookups: u32,
    /// Where `Sources::names` has the names of those rows.
    names: Range<u32>,
    depth: u32,
    /// It is an input, or below one.
    covered: bool,
}

impl<'s> Node<'s> {
    fn new(parent: SourceDirectory, path: &'s [u8], depth: u32, covered: bool) -> Self {
        Self { parent, path, lookups: 0, names: 0..0, depth, covered }
    }
}

impl SourceDirectory {
    /// The directory that relative sources begin in.
    pub(super) const ROOT: Self = Self(0);
    /// The directory `/`, which absolute sources begin in.
    pub(super) const TOP: Self = Self(1);
    const NONE: Self = Self(u32::MAX);
}

impl<'s> Sources<'s> {
    /// The directories of the sources of every row that takes part and is covered by `inputs`.
    pub(super) fn new(archive: &Archive<'s>, inputs: Option<&Inputs>) -> Self {
        let covered = inputs.is_none();
        // Each row that is not in the directory of the one before may name another one.
        let at_most = archive.rows().filter(|(.., row)| !row.is_source_beside_last()).count();
        let mut sources = Self {
            directories: vec![
                Node::new(SourceDirectory::ROOT, b"", 0, covered),
                Node::new(SourceDirectory::TOP, b"/", 0, covered),
            ],
            by_name: HashTable::with_capacity(at_most),
            of_rows: Vec::with_capacity(archive.all().count()),
            names: Vec::new(),
            hasher: Default::default(),
        };
        let listed = inputs.map(|inputs| listed(archive, inputs));
        // Rows of one directory are mostly consecutive.
        let (mut last, mut last_path) = (SourceDirectory::NONE, &b""[..]);
        for (id, spec, row) in archive.rows() {
            if !row.takes_part() || spec.source(row).len() > LONGEST {
                last = SourceDirectory::NONE;
                sources.of_rows.push(SourceDirectory::NONE);
                continue;
            }
            if last == SourceDirectory::NONE || !row.is_source_beside_last() {
                let path = directory_of(spec.source(row));
                if last == SourceDirectory::NONE || path != last_path {
                    last = sources.intern(path, inputs);
                    last_path = path;
                }
            }
            let covered = sources.directories[last.0 as usize].covered
                || listed.as_ref().is_some_and(|listed| listed[id.0 as usize]);
            if !covered {
                sources.of_rows.push(SourceDirectory::NONE);
                continue;
            }
            sources.directories[last.0 as usize].lookups += 1;
            sources.of_rows.push(last);
        }
        sources
    }

    /// Puts the names of the rows of each directory together.
    pub(super) fn gather_names(&mut self, archive: &Archive<'s>) {
        let in_a_directory = || {
            let rows = archive.all().zip(&self.of_rows);
            rows.filter(|(_, directory)| **directory != SourceDirectory::NONE)
        };
        // First how many there are in each directory, then where the next directory's begin.
        for (_, directory) in in_a_directory() {
            self.directories[directory.0 as usize].names.end += 1;
        }
        let mut next = 0;
        for Node { names, .. } in &mut self.directories {
            let count = names.end;
            *names = next..next;
            next += count;
        }
        self.names.resize(next as usize, b"");
        for (row, directory) in in_a_directory() {
            let names = &mut self.directories[directory.0 as usize].names;
            self.names[names.end as usize] = path::split(archive.source(row)).1;
            names.end += 1;
        }
    }

    /// The number of the directory `path`, with all that it is in.
    fn intern(&mut self, path: &'s [u8], inputs: Option<&Inputs>) -> SourceDirectory {
        if path.is_empty() {
            return SourceDirectory::ROOT;
        }
        if path == b"/" {
            return SourceDirectory::TOP;
        }
        let hash = self.hasher.hash_one(path);
        let same = |id: &SourceDirectory| self.directories[id.0 as usize].path == path;
        if let Some(&known) = self.by_name.find(hash, same) {
            return known;
        }
        let parent = self.intern(directory_of(path), inputs);
        let above = &mut self.directories[parent.0 as usize];
        above.lookups += 1;
        let depth = above.depth + 1;
        let covered = above.covered || inputs.is_some_and(|inputs| inputs.contains(path));
        let id = SourceDirectory(self.directories.len() as u32);
        self.directories.push(Node::new(parent, path, depth, covered));
        let (directories, hasher) = (&self.directories, &self.hasher);
        let rehash = |id: &SourceDirectory| hasher.hash_one(directories[id.0 as usize].path);
        self.by_name.insert_unique(hash, id, rehash);
        id
    }

    /// The directory of the source of `row`; `None` if the row takes no part, is not covered
    /// by the inputs, or has a path that no file has.
    pub(super) fn of(&self, row: RowId) -> Option<SourceDirectory> {
        let directory = self.of_rows[row.index()];
        (directory != SourceDirectory::NONE).then_some(directory)
    }

    /// The directory that `directory` is in, as the text has it; `None` for the root and `/`.
    pub(super) fn parent(&self, directory: SourceDirectory) -> Option<SourceDirectory> {
        let parent = self.directories[directory.0 as usize].parent;
        (parent != directory).then_some(parent)
    }

    /// The path of `directory`, as sources spell it.
    pub(super) fn path(&self, directory: SourceDirectory) -> &'s [u8] {
        self.directories[directory.0 as usize].path
    }

    /// The last part of the path of `directory`.
    pub(super) fn name(&self, directory: SourceDirectory) -> &'s [u8] {
        path::split(self.path(directory)).1
    }

    /// The last part of `source`, which is in `directory`.
    pub(super) fn name_in<'p>(&self, directory: SourceDirectory, source: &'p [u8]) -> &'p [u8] {
        match self.path(directory) {
            b"" => source,
            b"/" => &source[1..],
            directory => &source[directory.len() + 1..],
        }
    }

    /// How many names of `directory` are looked up: of rows and of directories.
    pub(super) fn lookups(&self, directory: SourceDirectory) -> u32 {
        self.directories[directory.0 as usize].lookups
    }

    /// The names of the rows in `directory`, if they were gathered.
    pub(super) fn names(&self, directory: SourceDirectory) -> &[&'s [u8]] {
        let Range { start, end } = self.directories[directory.0 as usize].names;
        &self.names[start as usize..end as usize]
    }

    /// How many directories there are.
    pub(super) fn count(&self) -> usize {
        self.directories.len()
    }

    /// How many directories `directory` is in.
    pub(super) fn depth(&self, directory: SourceDirectory) -> usize {
        self.directories[directory.0 as usize].depth as usize
    }
}

/// By row: whether its source is one of `inputs`.
fn listed(archive: &Archive<'_>, inputs: &Inputs) -> Vec<bool> {
    let rows = archive.all().collect::<Vec<_>>();
    let is_listed = |&row: &RowId| inputs.contains(archive.source(row));
    rows.par_iter().with_min_len(WORTH_SHARING).map(is_listed).collect()
}

/// The directory of a source, as text: empty for the root, `/` for the top.
fn directory_of(source: &[u8]) -> &[u8] {
    match path::split(source).0 {
        [] if source.starts_with(b"/") => b"/",
        directory => directory,
    }
}

//! Which archive directory, if any, a directory that is one symlink becomes a link to (design rule 6).
//!
//! Knows what is below archive directories, and what of it is the same. Must not know how candidates
//! were found, nor which of them lie in others that became links.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash, Hasher};
use std::rc::Rc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

use super::ArchiveFacts;
use super::archive::{Archive, ByPath, RowId};
use super::below_links::BelowLinks;
use super::conflicts;
use super::directories::Candidate;
use super::homes::Homes;
use super::locations::Locations;
use super::outcome::DirectoryLink;
use super::targets::{Choice, Targets};
use super::tree::Directory;
use crate::mtree::Kind;
use crate::path;

/// What decides which directories become links.
pub(super) struct Collapse<'a, 's> {
    archive: &'a Archive<'s>,
    homes: &'a Homes<'s>,
    locations: &'a Locations,
    below_links: &'a BelowLinks<'s>,
    by_path: ByPath,
    /// Many directories may be links to one, whose mirrors are looked up once.
    mirrors: RefCell<HashMap<Mirrored<'s>, Rc<Mirrors<'s>>>>,
    /// By archive directory: how many files are below it. Many candidates of a few files each may have
    /// a mirror of thousands, which is then not visited for each of them.
    files: RefCell<HashMap<&'s [u8], usize>>,
}

/// A directory of the tree, by its location, as far as one row below it and how many there are tell.
#[derive(PartialEq, Eq, Hash)]
struct Mirrored<'s> {
    directory: Directory,
    name: Box<[u8]>,
    home_of_row: Directory,
    remainder: &'s [u8],
    files: usize,
}

/// The archive directories that may stand for a directory of the tree.
enum Mirrors<'s> {
    Few(Targets<'s>),
    /// By a hash of what is below them, so that a candidate is compared only with those that may be the same.
    Many(HashMap<u64, Targets<'s>>),
}

/// So many mirrors are compared with a candidate one by one.
const FEW: usize = 4;

/// After so many mirrors that have the same files and keywords as a candidate and still do not show the
/// same, it stays a directory of links. In a malicious spec, thousands of directories may differ from
/// thousands of others only in the keywords of a directory row, and comparing all would not end in reasonable time.
const MOST_REFUSED: usize = 16;

/// What is below an archive directory: its files and its directories, by their names there.
struct Below<'a> {
    files: Vec<(&'a [u8], RowId)>,
    /// Directories that have a row, in the order of their names.
    directories: Vec<(&'a [u8], RowId)>,
}

impl<'a, 's: 'a> Collapse<'a, 's> {
    /// Nothing is looked up before it is needed.
    pub(super) fn new(facts: ArchiveFacts<'a, 's>, below_links: &'a BelowLinks<'s>) -> Self {
        let ArchiveFacts { archive, homes, locations } = facts;
        Self {
            archive,
            homes,
            locations,
            below_links,
            by_path: ByPath::new(archive),
            mirrors: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// The link that a candidate becomes, if it becomes one.
    pub(super) fn directory(&self, candidate: &Candidate<'s>) -> Option<DirectoryLink> {
        let at = self.by_path.at(self.archive, candidate.path);
        let rows_below = self.by_path.below(self.archive, candidate.path);
        let own = |row: &RowId| {
            self.archive.is_own(*row) && !self.archive.get(*row).1.is_below_set_source()
        };
        if !self.by_path.is_directory(self.archive, candidate.path)
            || !at.iter().chain(rows_below).all(own)
        {
            return None;
        }
        let mut rows: Vec<_> = at.iter().chain(rows_below).copied().collect();
        rows.sort_unstable();
        let model = at.iter().min().or(rows.first()).copied()?;
        let home = (candidate.linked.directory, path::split(candidate.linked.path).1);
        let is_there = |row, up| self.homes.directory_home(row, up) == Some(home);
        let below = self.mirrored(candidate.path, is_there)?;
        if !self.strangers_fit(candidate.path, &below, |row| self.archive.is_own(row)) {
            return None;
        }
        let mut hops = candidate.trail.hops.iter().enumerate();
        let (hop, text) = hops.find_map(|(hop, (directory, name))| {
            Some((hop, self.text(candidate, &below, *directory, name)?))
        })?;
        Some(DirectoryLink { path: candidate.path.to_vec(), text, rows, model, hop })
    }

    /// The text that leads a candidate to its target at one location of its trail.
    fn text(
        &self,
        candidate: &Candidate<'s>,
        below: &Below<'_>,
        directory: Directory,
        name: &[u8],
    ) -> Option<Vec<u8>> {
        let apart = |target: &[u8]| {
            target != candidate.path
                && path::below(target, candidate.path).is_none()
                && path::below(candidate.path, target).is_none()
                && !self.overlap(candidate.path, target)
        };
        let mirrors = self.mirrors(candidate, below.files.len(), directory, name);
        let mirrors = match &*mirrors {
            Mirrors::Few(mirrors) => mirrors,
            Mirrors::Many(alike) => alike.get(&self.contents(below))?,
        };
        let mut refused = 0;
        let room = self.below_links.room(candidate.path);
        mirrors.choose(candidate.path, Some(&candidate.author), room, |mirror| {
            if !apart(mirror) {
                return Choice::Next;
            }
            if self.shows_the_same(below, mirror, directory, name) {
                return Choice::This;
            }
            refused += 1;
            if refused < MOST_REFUSED { Choice::Next } else { Choice::NoMore }
        })
    }

    /// The archive directories that may stand for the directory at one location: where the home of the
    /// candidate's first row occurs again, with the same remainder, and the source is below it, among
    /// as many `files`.
    fn mirrors(
        &self,
        candidate: &Candidate<'s>,
        files: usize,
        directory: Directory,
        name: &[u8],
    ) -> Rc<Mirrors<'s>> {
        let home_of_row = self.homes.of(candidate.first).directory;
        let remainder = candidate.remainder;
        let key = Mirrored { directory, name: name.into(), home_of_row, remainder, files };
        if let Some(known) = self.mirrors.borrow().get(&key) {
            return known.clone();
        }
        let up = memchr::memchr_iter(b'/', remainder).count();
        let rows = self.locations.at(home_of_row, path::split(remainder).1).iter();
        let mirrors: HashSet<_> = rows
            .filter(|row| self.homes.directory_known_at(**row, up, directory, name))
            .filter_map(|row| path::without(self.archive.path(*row), remainder))
            .filter(|mirror| !mirror.is_empty() && self.files_below(mirror) == files)
            .collect();
        let found = if mirrors.len() <= FEW {
            Mirrors::Few(Targets::new(mirrors.into_iter().collect()))
        } else {
            let mut alike: HashMap<_, Vec<_>> = HashMap::new();
            for mirror in mirrors {
                if let Some(below) = self.shown_by(mirror, directory, name) {
                    alike.entry(self.contents(&below)).or_default().push(mirror);
                }
            }
            let alike = alike.into_iter();
            Mirrors::Many(alike.map(|(below, mirrors)| (below, Targets::new(mirrors))).collect())
        };
        self.mirrors.borrow_mut().entry(key).or_insert(Rc::new(found)).clone()
    }

    /// How many files are below an archive directory.
    fn files_below(&self, directory: &'s [u8]) -> usize {
        *self.files.borrow_mut().entry(directory).or_insert_with(|| {
            let is_file = |row: &&RowId| {
                let remainder = path::below(self.archive.path(**row), directory);
                !remainder.is_some_and(|remainder| self.is_directory_row(**row, remainder))
            };
            self.by_path.below(self.archive, directory).iter().filter(is_file).count()
        })
    }

    /// Whether a row stands for a directory alone, by its remainder below an archive directory.
    fn is_directory_row(&self, row: RowId, remainder: &[u8]) -> bool {
        self.archive.get(row).1.kind() == Kind::Directory && path::is_plain(remainder)
    }

    /// A hash of what is below an archive directory, the same for directories with the same content.
    fn contents(&self, below: &Below<'_>) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        for (remainder, row) in &below.files {
            (remainder, self.homes.of(*row).directory).hash(&mut hasher);
            let (spec, row) = self.archive.get(*row);
            spec.hash_keywords(row, &mut hasher);
        }
        // A directory without a row exists nevertheless if something is below it.
        let above_files = below.files.iter().map(|(file, _)| path::split(file).0);
        let directories: BTreeSet<_> = above_files
            .chain(below.directories.iter().map(|(directory, _)| *directory))
            .flat_map(path::upwards)
            .collect();
        directories.hash(&mut hasher);
        hasher.finish()
    }

    /// Whether the archive shows at and below `mirror`, which stands for the directory at a location,
    /// just what `below` holds.
    fn shows_the_same(
        &self,
        below: &Below<'_>,
        mirror: &'s [u8],
        directory: Directory,
        name: &[u8],
    ) -> bool {
        let Some(there) = self.shown_by(mirror, directory, name) else {
            return false;
        };
        self.by_path.is_directory(self.archive, mirror)
            && below.files.len() == there.files.len()
            && below.files.iter().zip(&there.files).all(|(here, there)| {
                let (one, other) = (self.homes.of(here.1), self.homes.of(there.1));
                here.0 == there.0
                    && conflicts::same(self.archive, self.homes, here.1, there.1)
                    && other.linked <= one.linked
                    && self.same_keywords(here.1, there.1)
            })
            && self.same_directories(below, &there)
            && self.strangers_fit(mirror, &there, |_| true)
    }

    /// Whether a position of one directory is at, above or below one of the other (design rule 10).
    fn overlap(&self, one: &[u8], other: &[u8]) -> bool {
        if !self.below_links.has_positions() {
            return false;
        }
        let is_at_or_below =
            |one: &[u8], other: &[u8]| one == other || path::below(one, other).is_some();
        let others = self.below_links.positions(other);
        self.below_links.positions(one).iter().any(|one| {
            others.iter().any(|other| is_at_or_below(one, other) || is_at_or_below(other, one))
        })
    }

    /// Whether each row that is not below `directory`, but may be unpacked there (design rule 10), shows what
    /// `below` holds there anyway.
    fn strangers_fit(
        &self,
        directory: &[u8],
        below: &Below<'_>,
        is_allowed: impl Fn(RowId) -> bool,
    ) -> bool {
        if !self.below_links.has_positions() {
            return true;
        }
        let is_stranger = |row: RowId| {
            let path = self.archive.path(row);
            path != directory && path::below(path, directory).is_none()
        };
        let fits = |position: &[u8], at: &[u8], row: RowId| {
            let remainder = if position == at { Some(&b""[..]) } else { path::below(position, at) };
            remainder.is_none_or(|remainder| is_allowed(row) && self.shows(below, remainder, row))
        };
        self.below_links.positions(directory).iter().all(|at| {
            let rows = self.by_path.at(self.archive, at).iter();
            let mut rows = rows.chain(self.by_path.below(self.archive, at)).copied();
            let mut others = self.below_links.at_or_below(at);
            (at == directory
                || rows.all(|row| !is_stranger(row) || fits(self.archive.path(row), at, row)))
                && others.all(|(position, row)| !is_stranger(row) || fits(position, at, row))
        })
    }

    /// Whether `below` has at `remainder` what `row` is.
    fn shows(&self, below: &Below<'_>, remainder: &[u8], row: RowId) -> bool {
        let start = below.files.partition_point(|(name, _)| *name < remainder);
        if self.archive.get(row).1.kind() == Kind::Directory {
            return below.directories.binary_search_by_key(&remainder, |(name, _)| name).is_ok()
                || holds(below, remainder);
        }
        let mut there =
            below.files[start..].iter().take_while(|(name, _)| *name == remainder).peekable();
        there.peek().is_some()
            && there.all(|(_, other)| conflicts::same(self.archive, self.homes, row, *other))
    }

    /// What is below `mirror`, if that stands for the directory at a location.
    fn shown_by(&self, mirror: &'s [u8], directory: Directory, name: &[u8]) -> Option<Below<'s>> {
        self.mirrored(mirror, |row, up| self.homes.directory_known_at(row, up, directory, name))
    }

    fn same_directories(&self, here: &Below<'_>, there: &Below<'_>) -> bool {
        let agree = |one: &Below<'_>, other: &Below<'_>| {
            one.directories.iter().all(|(name, row)| {
                let start = other.directories.partition_point(|(known, _)| known < name);
                match other.directories.get(start) {
                    // Each is compared with the first of these, so that all of one name agree.
                    Some((known, there)) if known == name => self.same_keywords(*row, *there),
                    _ => {
                        holds(other, name)
                            || other.directories[start..]
                                .iter()
                                .take_while(|(known, _)| known.starts_with(name))
                                .any(|(known, _)| path::below(known, name).is_some())
                    }
                }
            })
        };
        agree(here, there) && agree(there, here)
    }

    fn same_keywords(&self, one: RowId, other: RowId) -> bool {
        let (spec, row) = self.archive.get(one);
        let (other_spec, other_row) = self.archive.get(other);
        spec.same_keywords(row, other_spec, other_row)
    }

    /// What is below `directory`, if each row there has a source with the same remainder below the
    /// directory of sources that is `up` directories above the row's own, and that `is_there`, however it
    /// is spelled.
    fn mirrored(
        &self,
        directory: &'s [u8],
        is_there: impl Fn(RowId, usize) -> bool,
    ) -> Option<Below<'s>> {
        let mut below = Below { files: Vec::new(), directories: Vec::new() };
        for &id in self.by_path.below(self.archive, directory) {
            let (spec, row) = self.archive.get(id);
            let remainder = path::below(spec.path(row), directory)?;
            if self.is_directory_row(id, remainder) {
                below.directories.push((remainder, id));
                continue;
            }
            let up = memchr::memchr_iter(b'/', remainder).count();
            let mirrors = row.takes_part()
                && self.homes.of(id).is_known()
                && path::without(spec.source(row), remainder).is_some()
                && is_there(id, up);
            if !mirrors {
                return None;
            }
            below.files.push((remainder, id));
        }
        Some(below)
    }
}

/// Whether a file is below `directory`.
fn holds(below: &Below<'_>, directory: &[u8]) -> bool {
    let at = below.files.partition_point(|(name, _)| *name < directory);
    // What lies below `directory` comes behind it, but `directory-x` comes between.
    below.files[at..]
        .iter()
        .take_while(|(name, _)| name.starts_with(directory))
        .any(|(name, _)| path::below(name, directory).is_some())
}

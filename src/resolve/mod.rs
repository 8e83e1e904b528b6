//! Resolving: which rows of a spec become links, and to what (docs/design.md, "Resolving").
//!
//! Pure: rows and a tree in, decisions out. Knows nothing of Bazel, of file systems (`Tree` answers
//! for them) or of how a spec is written.

mod archive;
mod below_links;
mod collapse;
mod conflicts;
mod directories;
mod explain;
mod follow;
mod homes;
mod inputs;
mod link_texts;
mod locations;
mod mirrored;
mod outcome;
mod path_filter;
mod row_targets;
mod rows;
mod sources;
mod targets;
#[cfg(test)]
mod tests;
mod tree;
mod verdict;
mod without_target;

pub use explain::{Chosen, DirectoryTrace, Explained, Hop, RowTrace, explain};
pub use follow::MOST_LINKS;
pub use inputs::Inputs;
pub use link_texts::link_texts;
pub use outcome::{
    Decisions, DirectoryLink, Link, Reason, RowOutcome, RowsBelowLinks, Tally, Unchanged,
};
pub use tree::{Directory, Entered, EnteredEntry, Entry, Stopped, Tree, Wanted};

use crate::mtree::{Kind, Spec};
use archive::{Archive, RowId};
use below_links::BelowLinks;
use homes::{AtHome, Homes};
use locations::Locations;

/// What becomes of a link whose trail is not in the archive (design rule 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingTarget {
    /// The row stays a file.
    #[default]
    Inline,
    /// The author's text is written, if it is relative.
    Keep,
    /// An error.
    Fail,
}

/// What becomes of directories that are one link in the tree (design rule 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirectoryLinks {
    /// One link each.
    #[default]
    Collapse,
    /// Left alone; their files become links.
    Expand,
}

/// How to resolve.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// What becomes of a link whose trail is not in the archive (design rule 3).
    pub missing_target: MissingTarget,
    /// What becomes of directories that are one link in the tree (design rule 6).
    pub directory_links: DirectoryLinks,
}

/// Fewer rows or paths than this are not worth waking another thread for.
const WORTH_SHARING: usize = 2048;

/// Why a spec cannot be resolved.
#[derive(Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// A row's symlinks make a loop, or are more than `MOST_LINKS` (design rule 9).
    SymlinkLoop {
        /// The row's archive path.
        path: Vec<u8>,
        /// Its source and the texts of the links from there on.
        trail: Vec<Vec<u8>>,
    },
    /// Nothing on a row's trail is in the archive, with `--missing-target=fail` (design rule 3).
    MissingTarget {
        /// The row's archive path.
        path: Vec<u8>,
        /// Its source and the texts of the links from there on.
        trail: Vec<Vec<u8>>,
    },
    /// The tree gives no more answers.
    Stopped(Stopped),
}

impl From<Stopped> for ResolveError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

/// What is known of the rows of an archive.
#[derive(Clone, Copy)]
struct ArchiveFacts<'a, 's> {
    archive: &'a Archive<'s>,
    homes: &'a Homes<'s>,
    locations: &'a Locations,
}

/// Decides what becomes of the rows of `spec`. `also` holds the specs of other layers. With `inputs`,
/// a source that is not one of them, nor below one, is taken as not there (design rule 8).
pub fn resolve(
    spec: &Spec,
    also: &[Spec],
    options: Options,
    inputs: Option<&Inputs>,
    tree: &mut impl Tree,
) -> Result<Decisions, ResolveError> {
    let archive = Archive::new(spec, also);
    Prepared::new(&archive, options, inputs, tree)?.decide(options, tree)
}

/// An archive of which all is known that decisions depend on.
struct Prepared<'a, 's> {
    archive: &'a Archive<'s>,
    homes: Homes<'s>,
    linked: rows::Linked,
    candidates: directories::Candidates<'s>,
    locations: Locations,
}

impl<'a, 's> Prepared<'a, 's> {
    fn new(
        archive: &'a Archive<'s>,
        options: Options,
        inputs: Option<&Inputs>,
        tree: &mut impl Tree,
    ) -> Result<Self, ResolveError> {
        let homes = Homes::find(archive, inputs, tree)?;
        let linked = rows::Linked::find(archive, &homes, tree)?;
        let candidates = match options.directory_links {
            DirectoryLinks::Collapse => directories::Candidates::find(archive, &homes, tree)?,
            DirectoryLinks::Expand => directories::Candidates::default(),
        };
        let mut locations = Locations::default();
        linked.note(archive, &homes, &mut locations);
        candidates.note(archive, &homes, &mut locations);
        locations.fill(archive, &homes);
        Ok(Self { archive, homes, linked, candidates, locations })
    }

    fn facts(&self) -> ArchiveFacts<'_, 's> {
        ArchiveFacts { archive: self.archive, homes: &self.homes, locations: &self.locations }
    }

    fn decide(&self, options: Options, tree: &mut impl Tree) -> Result<Decisions, ResolveError> {
        let facts = self.facts();
        let mut decisions = Decisions::new(self.archive.own().map(|row| self.undecided(row)));
        let mut below_links = BelowLinks::find(self.archive, self.linked.rows());
        let above_rows = match below_links.is_needed() {
            true => self.linked.decide_above_rows(facts, options, tree, &mut below_links)?,
            false => Vec::new(),
        };
        for link in self.candidates.collapse(facts, &below_links) {
            decisions.set_directory_link(link);
        }
        if below_links.is_needed() {
            for link in decisions.directory_links() {
                below_links.put(&link.path, Some(link.text.clone()));
            }
            below_links.find_positions(self.archive);
        }
        let below = &mut below_links;
        self.linked.decide(facts, options, tree, below, above_rows, &mut decisions)?;
        decisions.set_below_links(self.rows_below_links(&below_links, &decisions));
        decisions.set_no_symlink(self.homes.have_no_symlink(self.archive));
        Ok(decisions)
    }

    fn rows_below_links(
        &self,
        below_links: &BelowLinks<'_>,
        decisions: &Decisions,
    ) -> Option<RowsBelowLinks> {
        if !below_links.is_needed() {
            return None;
        }
        let is_there = |row: &RowId| !matches!(decisions.of(*row), Some(RowOutcome::Removed(_)));
        let link_above = |row: &RowId| below_links.link_above(self.archive.path(*row));
        let mut rows = self.archive.own().filter(is_there).filter(|row| link_above(row).is_some());
        let first = rows.next()?;
        let link = link_above(&first)?;
        let text = below_links.text(link).map(<[u8]>::to_vec);
        Some(RowsBelowLinks { count: 1 + rows.count(), first, link: link.to_vec(), text })
    }

    /// Why a row stays as it is, unless something is decided for it.
    fn undecided(&self, row: RowId) -> Unchanged {
        match self.homes.of(row).at_home {
            AtHome::NoPart if self.archive.get(row).1.kind() == Kind::Link => {
                Unchanged::FinishedLink
            }
            AtHome::NoPart => Unchanged::NoPart,
            AtHome::Absent if self.homes.stagings_of(row).next().is_some() => {
                Unchanged::DanglingStaging
            }
            AtHome::Absent => Unchanged::Absent,
            AtHome::Unreadable => Unchanged::Unreadable,
            AtHome::NotASymlink => Unchanged::NotASymlink,
            AtHome::Symlink if self.archive.get(row).1.is_below_set_source() => {
                Unchanged::SourceOfSet
            }
            AtHome::Symlink | AtHome::SymlinkLoop => Unchanged::Conflict,
        }
    }
}

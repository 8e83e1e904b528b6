//! Resolving: which rows of a spec become links, and to what (DESIGN, "Resolving").
//!
//! Pure: rows and a tree in, decisions out. Knows nothing of Bazel, of file systems (`Tree` answers
//! for them) or of how a spec is written.

mod archive;
mod collapse;
mod contested;
mod directories;
mod explain;
mod follow;
mod homes;
mod inputs;
mod mirrored;
mod places;
mod rows;
mod sources;
mod targets;
#[cfg(test)]
mod tests;
mod tree;

pub use explain::{Becomes, Chosen, DirectoryTrace, Explained, Hop, RowTrace, Staying, explain};
pub use follow::MOST_LINKS;
pub use inputs::Inputs;
pub use tree::{Directory, Entered, Entry, Met, Stopped, Tree, Wanted};

use crate::mtree::Spec;
use archive::{Archive, RowId};
use homes::{Homes, Stands};
use places::Places;

/// What becomes of a link whose trail is not in the archive (DESIGN rule 3).
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

/// What becomes of directories that are one link in the tree (DESIGN rule 6).
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
    /// DESIGN rule 3.
    pub missing_target: MissingTarget,
    /// DESIGN rule 6.
    pub directory_links: DirectoryLinks,
}

/// What is to be done with the rows of a spec. Rows are numbers in `Spec::rows`.
#[derive(Debug, Default)]
pub struct Decisions {
    /// Rows that become links, each with the link's text.
    pub links: Vec<(usize, Vec<u8>)>,
    /// Directories that become links.
    pub directory_links: Vec<DirectoryLink>,
    /// Rows that stay files for want of a target in the archive (DESIGN rule 3).
    pub without_target: Vec<usize>,
    /// Rows that the build declared as links, and whose text leads above the archive's root.
    pub declared_outside: Vec<usize>,
    /// Rows that stay as they are, since their links lead nowhere in the tree and above the
    /// archive's root: nothing can be inlined, and what nobody declared is not let out.
    pub kept_inside: Vec<usize>,
    /// Rows whose source is not there (DESIGN rule 8).
    pub absent: Vec<usize>,
    /// Rows of which nothing is known, since a directory did not let itself be asked (DESIGN rule 8).
    pub unknown: Vec<usize>,
    /// Why each of `links` is one, in the same order.
    pub reasons: Vec<Reason>,
}

impl Decisions {
    fn link(&mut self, row: usize, text: Vec<u8>, reason: Reason) {
        self.links.push((row, text));
        self.reasons.push(reason);
    }

    /// The rows that became links, or went since a directory became one.
    pub fn replaced(&self) -> impl Iterator<Item = usize> + '_ {
        let in_directories = self.directory_links.iter().flat_map(|link| &link.rows);
        self.links.iter().map(|(row, _)| row).chain(in_directories).copied()
    }
}

/// Why a row becomes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another row with the same home was reached through fewer linked directories (DESIGN rule 1).
    Indirect,
    /// The location with this number on its trail is another row's (DESIGN rule 2).
    Hop(usize),
    /// No location on its trail is, but the archive mirrors the directory at this one (DESIGN rule 2).
    Directory(usize),
    /// It leads nowhere at all, so that there is nothing to inline (DESIGN rule 3).
    Nowhere,
    /// Its target was not found, and `MissingTarget::Keep` is asked for (DESIGN rule 3).
    Kept,
    /// The build declared it, and its target was not found (DESIGN rule 4).
    Declared,
}

/// A directory of the archive that becomes one link (DESIGN rule 6).
#[derive(Debug)]
pub struct DirectoryLink {
    /// Its archive path.
    pub path: Vec<u8>,
    /// The link's text.
    pub text: Vec<u8>,
    /// The rows that go, in order.
    pub rows: Vec<usize>,
    /// The row whose keywords the link has.
    pub keywords: usize,
    /// The number of the location on the directory's trail that the target stands for.
    pub hop: usize,
}

/// Fewer rows or paths than this are not worth waking another thread for.
const WORTH_SHARING: usize = 2048;

/// Why a spec cannot be resolved.
#[derive(Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// A row's links go round, or are more than `MOST_LINKS` (DESIGN rule 9).
    SymlinkLoop {
        /// The row's archive path.
        path: Vec<u8>,
        /// Its source and the texts of the links from there on.
        trail: Vec<Vec<u8>>,
    },
    /// Nothing on a row's trail is in the archive, and that was to fail (DESIGN rule 3).
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
struct Facts<'a, 's> {
    archive: &'a Archive<'s>,
    homes: &'a Homes<'s>,
    places: &'a Places,
}

/// Decides what becomes of the rows of `spec`. `also` holds the specs of other layers. With `inputs`,
/// a source that is not one of them, nor below one, is taken as not there (DESIGN rule 8).
pub fn resolve(
    spec: &Spec,
    also: &[Spec],
    options: Options,
    inputs: Option<&Inputs>,
    tree: &mut impl Tree,
) -> Result<Decisions, ResolveError> {
    let archive = Archive::new(spec, also);
    Studied::new(&archive, options, inputs, tree)?.decide(options, tree)
}

/// An archive of which all is known that decisions depend on.
struct Studied<'a, 's> {
    archive: &'a Archive<'s>,
    homes: Homes<'s>,
    linked: rows::Linked,
    candidates: directories::Candidates<'s>,
    places: Places,
}

impl<'a, 's> Studied<'a, 's> {
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
        let mut places = Places::default();
        linked.note(archive, &homes, &mut places);
        candidates.note(archive, &homes, &mut places);
        places.fill(archive, &homes);
        Ok(Self { archive, homes, linked, candidates, places })
    }

    fn facts(&self) -> Facts<'_, 's> {
        Facts { archive: self.archive, homes: &self.homes, places: &self.places }
    }

    fn decide(&self, options: Options, tree: &mut impl Tree) -> Result<Decisions, ResolveError> {
        let (archive, facts) = (self.archive, self.facts());
        let directory_links = self.candidates.collapse(facts);
        let mut decisions = Decisions::default();
        let own = archive.own().count();
        let mut gone = vec![false; if directory_links.is_empty() { 0 } else { own }];
        for link in directory_links {
            let rows: Vec<_> = link.rows.iter().map(|row| row.0 as usize).collect();
            rows.iter().for_each(|&row| gone[row] = true);
            decisions.directory_links.push(DirectoryLink {
                path: link.path.to_vec(),
                text: link.text,
                rows,
                keywords: link.keywords.0 as usize,
                hop: link.hop,
            });
        }
        let gone = |row: RowId| gone.get(row.0 as usize) == Some(&true);
        self.linked.decide(facts, options, tree, &gone, &mut decisions)?;
        for row in archive.own().filter(|&row| !gone(row)) {
            match self.homes.of(row).stands {
                Stands::Absent => decisions.absent.push(row.0 as usize),
                Stands::Unknown => decisions.unknown.push(row.0 as usize),
                _ => {}
            }
        }
        Ok(decisions)
    }
}

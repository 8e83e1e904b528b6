//! Why rows became what they became: the same facts and decisions, row by row.
//!
//! Knows what was found and decided; must decide nothing itself, nor know any words.

use super::archive::{Archive, RowId};
use super::follow::End;
use super::outcome::{Decisions, DirectoryLink, Link, Reason, RowOutcome, Unchanged};
use super::tree::{Directory, Entry, Stopped, Tree};
use super::{Inputs, Options, Prepared, ResolveError};
use crate::mtree::Spec;
use crate::path;

/// The explanation of one row, or of one directory.
#[derive(Debug)]
pub enum Explained {
    /// A row.
    Row(RowTrace),
    /// A directory that becomes a link.
    Directory(DirectoryTrace),
}

/// What became of a row.
#[derive(Debug)]
pub struct RowTrace {
    /// The row.
    pub row: RowId,
    /// The directories in which the name of its source is a link that Bazel put there.
    pub stagings: Vec<Directory>,
    /// The directory of its home, and through how many linked directories that was reached.
    pub home: Option<(Directory, u32)>,
    /// The text of the link at its home, if it is one.
    pub author: Option<Vec<u8>>,
    /// Where that link leads through.
    pub trail: Vec<Hop>,
    /// What becomes of the row.
    pub outcome: RowOutcome,
}

/// The most rows that are named at one location. Where thousands of rows have one source, naming all of
/// them for each of them would take quadratic time.
const MOST_NAMED: usize = 8;

/// A location on a trail.
#[derive(Debug)]
pub struct Hop {
    /// The directory that it is in.
    pub directory: Directory,
    /// The name there.
    pub name: Vec<u8>,
    /// The text of the link there, if it is one.
    pub text: Option<Vec<u8>>,
    /// Whether nothing is there.
    pub is_absent: bool,
    /// The archive paths of the rows whose home or staging location it is: the first of them.
    pub rows: Vec<Vec<u8>>,
    /// How many more there are.
    pub more: usize,
}

/// A directory of the archive that became one link (design rule 6).
#[derive(Debug)]
pub struct DirectoryTrace {
    /// Its archive path.
    pub path: Vec<u8>,
    /// How many rows were removed.
    pub rows: usize,
    /// The location of the linked directory in the tree.
    pub home: Option<(Directory, Vec<u8>)>,
    /// The text of the link there.
    pub author: Option<Vec<u8>>,
    /// Where that link leads through. The one that decided has the archive path of the target.
    pub trail: Vec<Hop>,
    /// The link's text.
    pub text: Vec<u8>,
}

/// Whether the row at an archive path is chosen.
pub type Chosen<'a> = &'a dyn Fn(&[u8]) -> bool;

/// Explains the rows at the archive paths that `chosen` selects. Without it, every row that became a link or
/// that stays a file since nothing on its trail is in the archive; for a directory that became one link,
/// that directory. Directories come first, the outermost before the others, then rows in their order. Each is
/// explained as soon as it is known, since all of them may be far larger than the spec.
pub fn explain<T: Tree, E: From<ResolveError>>(
    spec: &Spec,
    also: &[Spec],
    options: Options,
    inputs: Option<&Inputs>,
    tree: &mut T,
    chosen: Option<Chosen<'_>>,
    mut emit: impl FnMut(Explained, &Decisions, &T) -> Result<(), E>,
) -> Result<Decisions, E> {
    let archive = Archive::new(spec, also);
    let prepared = Prepared::new(&archive, options, inputs, tree)?;
    let decisions = prepared.decide(options, tree)?;
    for link in decisions.directory_links() {
        if chosen.is_none_or(|chosen| chosen(&link.path)) {
            let trace = prepared.trace_directory(link, tree)?;
            emit(Explained::Directory(trace), &decisions, tree)?;
        }
    }
    for (row, outcome) in spec.row_ids().filter_map(|row| Some((row, decisions.of(row)?))) {
        let is_wanted = match chosen {
            Some(chosen) => chosen(archive.path(row)),
            None => matches!(
                outcome,
                RowOutcome::Link(_)
                    | RowOutcome::Unchanged(
                        Unchanged::Inlined
                            | Unchanged::DanglingAbsolute
                            | Unchanged::DanglingOutside
                            | Unchanged::NamesAnother { .. }
                            | Unchanged::RowsBelow { .. }
                            | Unchanged::TextAboveLink { .. }
                            | Unchanged::BelowLink
                    )
            ),
        };
        if is_wanted {
            let trace = prepared.trace_row(row, outcome, &decisions, tree)?;
            emit(Explained::Row(trace), &decisions, tree)?;
        }
    }
    Ok(decisions)
}

impl Prepared<'_, '_> {
    fn trace_directory(
        &self,
        link: &DirectoryLink,
        tree: &mut impl Tree,
    ) -> Result<DirectoryTrace, ResolveError> {
        let (mut home, mut author, mut trail) = (None, None, Vec::new());
        if let Some((directory, name, found)) = self.candidates.trail(&link.path) {
            home = Some((directory, name.to_vec()));
            author = link_text(tree, directory, name)?;
            trail = self.hops(&found.hops, tree)?;
            leads_to(&mut trail, link.hop, &link.path, &link.text);
        }
        let (path, text) = (link.path.clone(), link.text.clone());
        Ok(DirectoryTrace { path, rows: link.rows.len(), home, author, trail, text })
    }

    fn trace_row(
        &self,
        row: RowId,
        outcome: RowOutcome,
        decisions: &Decisions,
        tree: &mut impl Tree,
    ) -> Result<RowTrace, ResolveError> {
        let home = self.homes.of(row);
        let mut trace = RowTrace {
            row,
            stagings: self.homes.stagings_of(row).collect(),
            home: home.is_known().then_some((home.directory, home.linked)),
            author: None,
            trail: Vec::new(),
            outcome,
        };
        if let Some(trail) = self.linked.trail(row) {
            let name = path::split(self.archive.source(row)).1;
            trace.author = link_text(tree, home.directory, name)?;
            trace.trail = self.hops(&trail.hops, tree)?;
            if let RowOutcome::Link(number) = outcome
                && let Link { text, reason: Reason::Directory(hop), .. } =
                    &decisions.links()[number as usize]
            {
                leads_to(&mut trace.trail, *hop, self.archive.path(row), text);
            }
            if let (Some(last), End::Nowhere) = (trace.trail.last_mut(), trail.end) {
                last.is_absent |= last.text.is_none();
            }
        }
        Ok(trace)
    }

    fn hops(
        &self,
        hops: &[(Directory, Box<[u8]>)],
        tree: &mut impl Tree,
    ) -> Result<Vec<Hop>, ResolveError> {
        let hop = |(directory, name): &(Directory, Box<[u8]>)| {
            let there = self.locations.at(*directory, name);
            let rows = there.iter().take(MOST_NAMED);
            let rows = rows.map(|&row| self.archive.path(row).to_vec()).collect();
            let more = there.len().saturating_sub(MOST_NAMED);
            let text = link_text(tree, *directory, name)?;
            Ok(Hop {
                directory: *directory,
                name: name.to_vec(),
                text,
                is_absent: false,
                rows,
                more,
            })
        };
        hops.iter().map(hop).collect()
    }
}

/// Notes on a trail which directory of the archive the link at `path` with `text` leads to: no row has its home there.
fn leads_to(trail: &mut [Hop], hop: usize, path: &[u8], text: &[u8]) {
    if let Some(hop) = trail.get_mut(hop) {
        hop.rows.extend(path::join(path::split(path).0, text));
    }
}

/// The text of the link at a location; `None` if there is none, or the tree has no answer.
fn link_text(
    tree: &mut impl Tree,
    directory: Directory,
    name: &[u8],
) -> Result<Option<Vec<u8>>, ResolveError> {
    match tree.entry(directory, name) {
        Ok(Entry::Symlink(text)) => Ok(Some(text.to_vec())),
        Err(Stopped::Cancelled) => Err(Stopped::Cancelled.into()),
        // The end of a trail that is a directory was never looked up.
        Ok(_) | Err(Stopped::Failed { .. }) => Ok(None),
    }
}

//! Why rows became what they became: the same facts and decisions, told row by row.
//!
//! Knows what was found and decided; must decide nothing itself, nor know any words.

use super::archive::{Archive, RowId};
use super::follow::End;
use super::homes::Stands;
use super::tree::{Directory, Entry, Stopped, Tree};
use super::{Decisions, Inputs, Options, Reason, ResolveError, Studied};
use crate::mtree::{Kind, Spec};
use crate::path;

/// What is told of one row, or of one directory.
#[derive(Debug)]
pub enum Explained {
    Row(RowTrace),
    Directory(DirectoryTrace),
}

/// What became of a row.
#[derive(Debug)]
pub struct RowTrace {
    /// The row's number in `Spec::rows`.
    pub row: usize,
    /// The directories in which the name of its source is a link that Bazel put there.
    pub stagings: Vec<Directory>,
    /// The directory of its home, and through how many linked directories that was reached.
    pub home: Option<(Directory, u32)>,
    /// The text of the link at its home, if it is one.
    pub author: Option<Vec<u8>>,
    /// Where that link leads through.
    pub trail: Vec<Hop>,
    pub becomes: Becomes,
}

/// The most rows that are named at one location. Where thousands of rows have one source, naming all of
/// them for each of them would never end.
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
    /// Whether nothing stands there.
    pub is_absent: bool,
    /// The archive paths of the rows that live or are staged there: the first of them.
    pub rows: Vec<Vec<u8>>,
    /// How many more there are.
    pub more: usize,
}

/// What a row becomes.
#[derive(Debug)]
pub enum Becomes {
    /// A link with this text.
    Link(Vec<u8>, Reason),
    /// Nothing: a directory above it becomes one link, of which this is the archive path (DESIGN rule 6).
    PartOf(Vec<u8>),
    /// What it was.
    Itself(Staying),
}

/// Why a row stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staying {
    /// It has no source.
    Apart,
    /// It is a link already (DESIGN rule 4).
    Finished,
    /// Its home is no symlink (DESIGN rule 1).
    Plain,
    /// Nothing on its trail is in the archive (DESIGN rule 3).
    Inlined,
    /// Its link leads nowhere in the tree and above the archive's root, and nobody declared it.
    KeptInside,
    /// Its source is not there (DESIGN rule 8).
    Absent,
    /// A directory did not let itself be asked (DESIGN rule 8).
    Unknown,
    /// Its archive path stands more than once, for different things.
    Contested,
}

/// A directory of the archive that became one link (DESIGN rule 6).
#[derive(Debug)]
pub struct DirectoryTrace {
    /// Its archive path.
    pub path: Vec<u8>,
    /// How many rows went.
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

/// Tells of the rows at the archive paths that `chosen` takes. Without it, of every row that was turned
/// or was left for want of a target; of a directory that became one link, once. Directories come first, the
/// outermost before the others, then rows in their order: each is told as soon as it is known, since
/// all of them may be far larger than the spec.
pub fn explain<T: Tree, E: From<ResolveError>>(
    spec: &Spec,
    also: &[Spec],
    options: Options,
    inputs: Option<&Inputs>,
    tree: &mut T,
    chosen: Option<Chosen<'_>>,
    mut tell: impl FnMut(Explained, &T) -> Result<(), E>,
) -> Result<(), E> {
    let archive = Archive::new(spec, also);
    let studied = Studied::new(&archive, options, inputs, tree)?;
    let decisions = studied.decide(options, tree)?;
    let mut fates = Fates::new(spec, &studied, &decisions);
    for link in &decisions.directory_links {
        if chosen.is_none_or(|chosen| chosen(&link.path)) {
            let (mut home, mut author, mut trail) = (None, None, Vec::new());
            if let Some((directory, name, found)) = studied.candidates.trail(&link.path) {
                home = Some((directory, name.to_vec()));
                author = link_text(tree, directory, name)?;
                trail = studied.hops(&found.hops, tree)?;
                leads_to(&mut trail, link.hop, &link.path, &link.text);
            }
            let trace = DirectoryTrace {
                path: link.path.clone(),
                rows: link.rows.len(),
                home,
                author,
                trail,
                text: link.text.clone(),
            };
            tell(Explained::Directory(trace), tree)?;
        }
    }
    for (row, found) in spec.rows().iter().enumerate() {
        let becomes = fates.of(row);
        let is_wanted = match chosen {
            Some(chosen) => chosen(spec.path(found)),
            None => matches!(
                becomes,
                Becomes::Link(..) | Becomes::Itself(Staying::Inlined | Staying::KeptInside)
            ),
        };
        if is_wanted {
            let trace = studied.trace(row, becomes, tree)?;
            tell(Explained::Row(trace), tree)?;
        }
    }
    Ok(())
}

/// What became of every row.
struct Fates<'a> {
    spec: &'a Spec,
    studied: &'a Studied<'a, 'a>,
    decisions: &'a Decisions,
    /// By row: the number of what `decisions` say of it.
    links: Vec<Option<u32>>,
    gone: Vec<Option<u32>>,
    inlined: Vec<bool>,
    kept_inside: Vec<bool>,
}

impl<'a> Fates<'a> {
    fn new(spec: &'a Spec, studied: &'a Studied<'a, 'a>, decisions: &'a Decisions) -> Self {
        let count = spec.rows().len();
        let mut fates = Self {
            spec,
            studied,
            decisions,
            links: vec![None; count],
            gone: vec![None; count],
            inlined: vec![false; count],
            kept_inside: vec![false; count],
        };
        for (number, (row, _)) in decisions.links.iter().enumerate() {
            fates.links[*row] = Some(number as u32);
        }
        for (number, link) in decisions.directory_links.iter().enumerate() {
            link.rows.iter().for_each(|&row| fates.gone[row] = Some(number as u32));
        }
        decisions.without_target.iter().for_each(|&row| fates.inlined[row] = true);
        decisions.kept_inside.iter().for_each(|&row| fates.kept_inside[row] = true);
        fates
    }

    fn of(&mut self, row: usize) -> Becomes {
        if let Some(number) = self.gone[row] {
            return Becomes::PartOf(self.decisions.directory_links[number as usize].path.clone());
        }
        if let Some(number) = self.links[row] {
            let number = number as usize;
            let text = self.decisions.links[number].1.clone();
            return Becomes::Link(text, self.decisions.reasons[number]);
        }
        let found = &self.spec.rows()[row];
        Becomes::Itself(match self.studied.homes.of(RowId(row as u32)).stands {
            Stands::Apart if found.kind() == Kind::Link => Staying::Finished,
            Stands::Apart => Staying::Apart,
            Stands::Absent => Staying::Absent,
            Stands::Unknown => Staying::Unknown,
            Stands::Plain => Staying::Plain,
            Stands::Link if self.inlined[row] => Staying::Inlined,
            Stands::Link if self.kept_inside[row] => Staying::KeptInside,
            Stands::Link | Stands::SymlinkLoop => Staying::Contested,
        })
    }
}

impl Studied<'_, '_> {
    fn trace(
        &self,
        row: usize,
        becomes: Becomes,
        tree: &mut impl Tree,
    ) -> Result<RowTrace, ResolveError> {
        let id = RowId(row as u32);
        let home = self.homes.of(id);
        let mut trace = RowTrace {
            row,
            stagings: self.homes.stagings_of(id).collect(),
            home: home.is_known().then_some((home.directory, home.linked)),
            author: None,
            trail: Vec::new(),
            becomes,
        };
        if let Some(trail) = self.linked.trail(id) {
            let name = path::split(self.archive.source(id)).1;
            trace.author = link_text(tree, home.directory, name)?;
            trace.trail = self.hops(&trail.hops, tree)?;
            if let Becomes::Link(text, Reason::Directory(hop)) = &trace.becomes {
                leads_to(&mut trace.trail, *hop, self.archive.path(id), text);
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
            let there = self.places.at(*directory, name);
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

/// RequestRecorder on a trail which directory of the archive the link at `path` with `text` leads to: no row lives there.
fn leads_to(trail: &mut [Hop], hop: usize, path: &[u8], text: &[u8]) {
    if let Some(hop) = trail.get_mut(hop) {
        hop.rows.extend(path::join(path::split(path).0, text));
    }
}

/// The text of the link at a location; `None` if there is none, or the tree does not tell.
fn link_text(
    tree: &mut impl Tree,
    directory: Directory,
    name: &[u8],
) -> Result<Option<Vec<u8>>, ResolveError> {
    match tree.entry(directory, name) {
        Ok(Entry::Link(text)) => Ok(Some(text.to_vec())),
        Err(Stopped::Cancelled) => Err(Stopped::Cancelled.into()),
        // The end of a trail that is a directory was never asked for.
        Ok(_) | Err(Stopped::Failed { .. }) => Ok(None),
    }
}

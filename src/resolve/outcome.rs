//! What becomes of the rows of a spec: one outcome per row.
//!
//! Knows outcomes and reasons; must not know how they were found.

use crate::mtree::{Edits, RowId, Spec};

/// What becomes of the rows of a spec.
#[derive(Debug, Default)]
pub struct Decisions {
    /// By row.
    rows: Vec<RowOutcome>,
    links: Vec<Link>,
    directory_links: Vec<DirectoryLink>,
    below_links: Option<RowsBelowLinks>,
    no_symlink: bool,
}

/// The rows of the spec below a link row (design rule 10).
#[derive(Debug)]
pub struct RowsBelowLinks {
    /// How many they are.
    pub count: usize,
    /// The first.
    pub first: RowId,
    /// The archive path of the innermost link row above it.
    pub link: Vec<u8>,
    /// The text of that link, if it is known.
    pub text: Option<Vec<u8>>,
}

/// What becomes of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// It stays as it is.
    Unchanged(Unchanged),
    /// It becomes a link: the number of it in [`Decisions::links`].
    Link(u32),
    /// It is removed, since a directory at or above it becomes a link: the number of that in
    /// [`Decisions::directory_links`] (design rule 6).
    Removed(u32),
}

/// Why a row stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unchanged {
    /// It takes no part: it has no source, or its type is neither `file` nor `link`.
    NoPart,
    /// It is a link already (design rule 4).
    FinishedLink,
    /// Its home is not a symlink (design rule 1).
    NotASymlink,
    /// Nothing on its trail is in the archive, so that its bytes are in the layer (design rule 3).
    Inlined,
    /// Its symlink is dangling and would lead out of the archive, and the build did not declare it (design
    /// rule 3).
    DanglingOutside,
    /// Its symlink is absolute and dangling: a link to it would dangle, and it has no bytes (design
    /// rule 3).
    DanglingAbsolute,
    /// A symlink of the form that Bazel puts before a source is dangling (design rule 8).
    DanglingStaging,
    /// The author's text could be kept, but would name another row (design rule 3).
    NamesAnother {
        /// Whether its symlink is dangling.
        is_dangling: bool,
    },
    /// The author's text could be kept, but climbs above a link row (design rule 10).
    TextAboveLink {
        /// Whether its symlink is dangling.
        is_dangling: bool,
    },
    /// The author's text could be kept, but rows are below this one, which a link would hide (design rule 10).
    RowsBelow {
        /// Whether its symlink is dangling.
        is_dangling: bool,
    },
    /// Each text that leads to its target climbs above a link row, or both may be unpacked at one path
    /// (design rule 10).
    BelowLink,
    /// A `/set` line gives a source, which a link in its place would have too.
    SourceOfSet,
    /// Its source does not exist, or is not an input (design rule 8).
    Absent,
    /// A directory on the way to its source cannot be read (design rule 8).
    Unreadable,
    /// Its archive path is used more than once, for different sources.
    Conflict,
}

/// A row that becomes a link.
#[derive(Debug)]
pub struct Link {
    /// The row.
    pub row: RowId,
    /// The text of the link.
    pub text: Vec<u8>,
    /// Why.
    pub reason: Reason,
}

/// Why a row becomes a link. A trail's locations are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another row with the same home was reached through fewer symlinked directories (design rule 1).
    Indirect,
    /// This location on its trail is another row's (design rule 2).
    Hop(usize),
    /// No location on its trail is, but the archive mirrors the directory at this one (design rule 2).
    Directory(usize),
    /// It is dangling, so that there is nothing to inline (design rule 3).
    Dangling,
    /// Its target was not found, and [`MissingTarget::Keep`](super::MissingTarget::Keep) is set
    /// (design rule 3).
    Kept,
    /// The build declared it, and its target was not found (design rule 4).
    Declared {
        /// Whether its text leads out of the archive.
        leads_outside: bool,
    },
}

/// A directory of the archive that becomes one link (design rule 6).
#[derive(Debug)]
pub struct DirectoryLink {
    /// Its archive path.
    pub path: Vec<u8>,
    /// The text of the link.
    pub text: Vec<u8>,
    /// The rows that it replaces, in order.
    pub rows: Vec<RowId>,
    /// The row whose keywords it has.
    pub model: RowId,
    /// The location on the directory's trail that its target is at, counted from 0.
    pub hop: usize,
}

impl Decisions {
    /// Each row stays as it is, for the reason that `why` gives.
    pub(super) fn new(why: impl Iterator<Item = Unchanged>) -> Self {
        Self {
            rows: why.map(RowOutcome::Unchanged).collect(),
            links: Vec::new(),
            directory_links: Vec::new(),
            below_links: None,
            no_symlink: false,
        }
    }

    pub(super) fn set_below_links(&mut self, rows: Option<RowsBelowLinks>) {
        self.below_links = rows;
    }

    /// The rows below a link row, if there are any.
    pub fn below_links(&self) -> Option<&RowsBelowLinks> {
        self.below_links.as_ref()
    }

    pub(super) fn set_no_symlink(&mut self, no_symlink: bool) {
        self.no_symlink = no_symlink;
    }

    /// Whether relative sources of files were found, of this spec or of others, and no symlink of an author or
    /// of Bazel is at one of them or on the way to one.
    pub fn no_symlink(&self) -> bool {
        self.no_symlink
    }

    pub(super) fn set_unchanged(&mut self, row: RowId, why: Unchanged) {
        self.rows[row.index()] = RowOutcome::Unchanged(why);
    }

    pub(super) fn set_link(&mut self, row: RowId, text: Vec<u8>, reason: Reason) {
        self.rows[row.index()] = RowOutcome::Link(self.links.len() as u32);
        self.links.push(Link { row, text, reason });
    }

    pub(super) fn set_directory_link(&mut self, link: DirectoryLink) {
        let number = self.directory_links.len() as u32;
        for row in &link.rows {
            self.rows[row.index()] = RowOutcome::Removed(number);
        }
        self.directory_links.push(link);
    }

    /// What becomes of a row. Where rows are not resolved, nothing is known of any.
    pub fn of(&self, row: RowId) -> Option<RowOutcome> {
        self.rows.get(row.index()).copied()
    }

    /// The rows that become links.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The directories that become links, the outermost first.
    pub fn directory_links(&self) -> &[DirectoryLink] {
        &self.directory_links
    }

    /// The rows that stay as they are for this reason, in order.
    pub fn unchanged(&self, why: Unchanged) -> impl Iterator<Item = RowId> + '_ {
        let rows = (0..).map(RowId).zip(&self.rows);
        rows.filter(move |(_, outcome)| **outcome == RowOutcome::Unchanged(why)).map(|(row, _)| row)
    }

    /// Why rows stay as they are, for all rows at once.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally(Vec::new());
        let mut next = 0;
        // Rows of one outcome are mostly consecutive.
        for run in self.rows.chunk_by(|one, other| one == other) {
            let first = RowId(next);
            next += run.len() as u32;
            let RowOutcome::Unchanged(why) = run[0] else {
                continue;
            };
            match tally.0.iter_mut().find(|(known, ..)| *known == why) {
                Some((.., count)) => *count += run.len(),
                None => tally.0.push((why, first, run.len())),
            }
        }
        tally
    }

    /// The rows that become links, then those that are removed since a directory becomes one.
    pub fn replaced(&self) -> impl Iterator<Item = RowId> + '_ {
        let removed = self.directory_links.iter().flat_map(|link| &link.rows);
        self.links.iter().map(|link| &link.row).chain(removed).copied()
    }

    /// The edits of `spec` that carry out the decisions.
    pub fn edits<'s>(&self, spec: &'s Spec) -> Edits<'s> {
        let mut edits = Edits::new(spec);
        for link in &self.links {
            edits.link(link.row, &link.text);
        }
        for link in &self.directory_links {
            edits.directory_link(&link.rows, link.model, &link.path, &link.text);
        }
        edits
    }
}

/// Why rows stay as they are: for each reason the first row, and how many rows there are.
#[derive(Debug)]
pub struct Tally(Vec<(Unchanged, RowId, usize)>);

impl Tally {
    /// The first row that stays for this reason, and how many do; `None` if none does.
    pub fn first_and_count(&self, why: Unchanged) -> Option<(RowId, usize)> {
        let (_, first, count) = self.0.iter().find(|(known, ..)| *known == why)?;
        Some((*first, *count))
    }

    /// How many rows stay for this reason.
    pub fn count(&self, why: Unchanged) -> usize {
        self.first_and_count(why).map_or(0, |(_, count)| count)
    }

    /// How many symlinks of the tree stay rows without a target in the archive (design rule 3).
    pub fn without_target(&self) -> usize {
        let is_without = |why: Unchanged| {
            matches!(
                why,
                Unchanged::Inlined
                    | Unchanged::DanglingAbsolute
                    | Unchanged::DanglingOutside
                    | Unchanged::NamesAnother { .. }
                    | Unchanged::TextAboveLink { .. }
                    | Unchanged::RowsBelow { .. }
            )
        };
        self.0.iter().filter(|(why, ..)| is_without(*why)).map(|(.., count)| count).sum()
    }
}

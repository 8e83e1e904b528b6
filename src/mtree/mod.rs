//! Specs: mtree(5) files, read into rows and written back.
//!
//! Knows the text of a spec and the rules of mtree(5). Knows nothing of the files that rows name.

mod change;
mod defaults;
mod edit;
mod error;
mod escape;
mod field;
mod parse;
mod pattern;
mod row_fields;
mod selection;
mod sort;

pub use change::{Change, Mode, Owner};
pub use edit::{Edits, Patch};
pub use error::{SpecError, What};
pub use escape::{escape, unescape};
pub use field::Kind;
pub use pattern::Pattern;
pub use selection::Selection;

use std::hash::Hasher;

use bytes::Bytes;
use defaults::Defaults;

/// A spec that was read: its text as it came, and where its rows stand in it.
#[derive(Default)]
pub struct Spec {
    text: Bytes,
    /// Paths that differ from the text: escapes resolved, directories entered put before.
    unescaped: Vec<u8>,
    rows: Vec<Row>,
    closings: Vec<Closing>,
    defaults: Defaults,
}

/// The number of a row, counted from 0 in the order of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(pub u32);

/// One entry of a spec: a line, with those that `\` joins to it.
#[derive(Clone, Debug)]
pub struct Row {
    start: u32,
    end: u32,
    path: Text,
    source: Text,
    defaults: u32,
    kind: Kind,
    outside: bool,
    below_set_source: bool,
}

/// A `..` line, and the slash-less directory row that it leaves, if there is one.
struct Closing {
    directory: Option<u32>,
    start: u32,
    end: u32,
}

/// A stretch of a spec's text, or of what was unescaped from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Text {
    at: u32,
    len: u32,
}

impl Text {
    /// No text at all, as opposed to an empty one.
    const NONE: Self = Self { at: 0, len: u32::MAX };
    /// Set in `at` where the text is in `Spec::unescaped`.
    const UNESCAPED: u32 = 1 << 31;
}

impl Row {
    /// What its `type` says, here or in `/set`.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a `/set` line gives a source that a link in its place would have as well: libarchive reads no
    /// such link.
    pub fn is_below_set_source(&self) -> bool {
        self.below_set_source
    }

    /// Whether it is resolved at all: it has a source and its `type` is `file` or `link`, and its
    /// archive path is one that a link can stand at.
    pub fn takes_part(&self) -> bool {
        self.source != Text::NONE && !self.outside
    }
}

impl Spec {
    /// The rows in the order of the text.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row with a number that this spec gave.
    pub fn row(&self, id: RowId) -> &Row {
        &self.rows[id.0 as usize]
    }

    /// The numbers of all rows.
    pub fn row_ids(&self) -> impl DoubleEndedIterator<Item = RowId> + use<> {
        (0..self.rows.len() as u32).map(RowId)
    }

    /// The text, as it came. A clone of it copies nothing.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The archive path of `row`: unescaped, without `./` or `/` at its head.
    pub fn path(&self, row: &Row) -> &[u8] {
        self.text_of(row.path)
    }

    /// The source of `row`: unescaped, without empty parts and `.`; one that is absolute keeps its
    /// slash. Empty for a row without one.
    pub fn source(&self, row: &Row) -> &[u8] {
        if row.source == Text::NONE {
            return &[];
        }
        self.text_of(row.source)
    }

    /// Whether two rows ask for the same keywords, `/set` applied, whatever their type and source.
    pub fn same_keywords(&self, row: &Row, other: &Spec, other_row: &Row) -> bool {
        defaults::same_keywords(
            (self.line(row), &self.defaults, row.defaults),
            (other.line(other_row), &other.defaults, other_row.defaults),
        )
    }

    /// Hashes what `same_keywords` compares.
    pub fn hash_keywords(&self, row: &Row, hasher: &mut impl Hasher) {
        self.defaults.hash_keywords(self.line(row), row.defaults, hasher);
    }

    /// What `size=` of `row` says, in bytes.
    pub fn size(&self, row: &Row) -> Option<u64> {
        let mut fields = field::fields(self.line(row)).skip(1).map(field::keyword);
        let (_, size) = fields.find(|(keyword, _)| *keyword == b"size")?;
        std::str::from_utf8(size?).ok()?.parse().ok()
    }

    /// What `link=` of `row` says, here or in `/set`, unescaped.
    pub fn link(&self, row: &Row) -> Option<Vec<u8>> {
        let mut fields = field::fields(self.line(row)).skip(1).map(field::keyword);
        let own = fields.by_ref().filter(|(keyword, _)| *keyword == b"link").last();
        let text = match own {
            Some((_, text)) => text,
            None => self.defaults.value(b"link", row.defaults),
        };
        let mut bytes = Vec::new();
        unescape(text?, &mut bytes).ok()?;
        Some(bytes)
    }

    fn line(&self, row: &Row) -> &[u8] {
        &self.text[row.start as usize..row.end as usize]
    }

    fn text_of(&self, text: Text) -> &[u8] {
        let (from, at) = match text.at & Text::UNESCAPED {
            0 => (&self.text[..], text.at as usize),
            _ => (&self.unescaped[..], (text.at & !Text::UNESCAPED) as usize),
        };
        &from[at..at + text.len as usize]
    }
}

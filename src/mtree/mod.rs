//! Reads specs, which are mtree(5) files, into rows, and writes them back.
//!
//! Knows the text of a spec and the rules of mtree(5); must not know the files that rows name.

mod change;
mod defaults;
mod edit;
mod entry;
mod error;
mod escape;
mod field;
mod form;
mod parse;
mod pattern;
mod row_fields;
mod selection;
mod simple_paths;
mod sort;

pub use change::{Change, Changed, Mode, Owner};
pub use edit::{Edits, Patch};
pub use entry::KeywordsText;
pub use error::{RowProblem, SpecError};
pub use escape::{escape, unescape};
pub use field::Kind;
pub use pattern::Pattern;
pub use selection::Selection;

use std::hash::Hasher;

use bytes::Bytes;
use defaults::{Defaults, RowLine};
use form::RowForm;

/// A parsed spec: its text verbatim, and the offsets of its rows.
#[derive(Default)]
pub struct Spec {
    text: Bytes,
    /// Where its rows have their names.
    form: RowForm,
    /// Paths that differ from the text: unescaped, or prefixed by the entered directories.
    unescaped: Vec<u8>,
    rows: Vec<Row>,
    dotdots: Vec<DotDot>,
    defaults: Defaults,
}

/// The index of a row, counted from 0 in the order of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(pub u32);

impl RowId {
    /// The id of the row at `index` in [`Spec::rows`]. The index fits: a text whose offsets are `u32` has fewer rows.
    pub fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    /// The row's index in [`Spec::rows`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One entry of a spec: a line, and the lines that `\` joins to it.
#[derive(Clone, Debug)]
pub struct Row {
    start: u32,
    end: u32,
    path: Text,
    source: Text,
    defaults: u32,
    kind: Kind,
    /// The archive path has a `..`, or is empty.
    outside: bool,
    below_set_source: bool,
    /// The archive path is known to be in the directory of the row before.
    beside: bool,
    /// The source is known to be in the directory of that of the last row that has one.
    source_beside: bool,
}

/// A `..` line, and the directory row without slashes that it leaves, if there is one.
struct DotDot {
    directory: Option<u32>,
    start: u32,
    end: u32,
}

/// A range of `Spec::text` or `Spec::unescaped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Text {
    at: u32,
    len: u32,
}

impl Text {
    /// No text, as opposed to an empty one.
    const NONE: Self = Self { at: 0, len: u32::MAX };
    /// This bit of `at` is set if the range is one of `Spec::unescaped`.
    const UNESCAPED: u32 = 1 << 31;
}

impl Row {
    /// The kind that its `type` names, in the row or in `/set`.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a `/set` line gives a source that a link in place of the row would have as well: libarchive
    /// reads no such link.
    pub fn is_below_set_source(&self) -> bool {
        self.below_set_source
    }

    /// Whether its archive path is known to be in the directory of that of the row before. It may be there
    /// although this is false.
    pub fn is_beside_last(&self) -> bool {
        self.beside
    }

    /// Whether its source is known to be in the directory of that of the last row that has a source.
    pub fn is_source_beside_last(&self) -> bool {
        self.source_beside
    }

    /// Whether the row takes part in resolving: it has a source, its `type` is `file` or `link`, and a link is
    /// possible at its archive path.
    pub fn takes_part(&self) -> bool {
        self.source != Text::NONE && !self.outside
    }
}

impl Spec {
    /// The rows in the order of the text.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row with an id of this spec.
    pub fn row(&self, id: RowId) -> &Row {
        &self.rows[id.index()]
    }

    /// The ids of all rows.
    pub fn row_ids(&self) -> impl DoubleEndedIterator<Item = RowId> + use<> {
        (0..self.rows.len() as u32).map(RowId)
    }

    /// The text, verbatim. A clone of it copies nothing.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The archive path of `row`: unescaped, without `./` or `/` at its head.
    pub fn path(&self, row: &Row) -> &[u8] {
        self.text_of(row.path)
    }

    /// The source of `row`: unescaped, without `.` and empty components. An absolute one keeps its slash. Empty
    /// for a row without a source.
    pub fn source(&self, row: &Row) -> &[u8] {
        if row.source == Text::NONE {
            return &[];
        }
        self.text_of(row.source)
    }

    /// Whether two rows have the same keywords, including those of `/set`, except type and source.
    pub fn same_keywords(&self, row: &Row, other: &Spec, other_row: &Row) -> bool {
        defaults::same_keywords(
            (self.row_line(row), &self.defaults, row.defaults),
            (other.row_line(other_row), &other.defaults, other_row.defaults),
        )
    }

    /// Hashes the keywords that `same_keywords` compares.
    pub fn hash_keywords(&self, row: &Row, hasher: &mut impl Hasher) {
        self.defaults.hash_keywords(self.row_line(row), row.defaults, hasher);
    }

    /// The value of `size=` of `row`, in bytes.
    pub fn size(&self, row: &Row) -> Option<u64> {
        let mut fields =
            field::keywords(self.line(row), self.form).map(|field| field::keyword(field.text));
        let (_, size) = fields.find(|(keyword, _)| *keyword == b"size")?;
        std::str::from_utf8(size?).ok()?.parse().ok()
    }

    /// What `link=` of `row` says, here or in `/set`, unescaped.
    pub fn link(&self, row: &Row) -> Option<Vec<u8>> {
        let fields = field::keywords(self.line(row), self.form);
        let mut fields = fields.map(|field| field::keyword(field.text));
        let own = fields.by_ref().filter(|(keyword, _)| *keyword == b"link").last();
        let text = match own {
            Some((_, text)) => text,
            None => self.defaults.value(b"link", row.defaults),
        };
        let mut bytes = Vec::new();
        unescape(text?, &mut bytes).ok()?;
        Some(bytes)
    }

    /// The line that `row` begins in, counted from 1.
    pub fn line_number(&self, row: &Row) -> usize {
        1 + memchr::memchr_iter(b'\n', &self.text[..row.start as usize]).count()
    }

    fn row_line(&self, row: &Row) -> RowLine<'_> {
        RowLine { text: self.line(row), form: self.form }
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

//! What the fields of a row say, as far as resolving needs it.
//!
//! Knows one row, and that the one before mostly looked like it; must not know what `/set` gives.

use memchr::memchr;

use super::error::RowProblem;
use super::escape;
use super::field::{self, Kind, Span};

/// The text between the name and the source of a row, if nothing follows the source. The next row mostly has the
/// same text there, and need not be read field by field.
pub(super) struct Between<'t> {
    /// From behind the name up to the source.
    text: &'t [u8],
    kind: Option<Kind>,
    is_contents: bool,
}

impl<'t> Between<'t> {
    /// That text of a row with `rest` after its name, and with these `fields`.
    pub(super) fn new(rest: Span<'t>, fields: &RowFields<'t>) -> Option<Self> {
        let (content, is_contents) = match (fields.content, fields.contents, fields.link) {
            (Some(content), None, None) => (content, false),
            (None, Some(contents), None) => (contents, true),
            _ => return None,
        };
        let is_last = rest.end() == content.end();
        let text = &rest.text[..content.start - rest.start];
        is_last.then_some(Self { text, kind: fields.kind, is_contents })
    }

    /// The fields of a row with `rest` after its name, if it differs from the last one only in the source.
    pub(super) fn read<'l>(&self, rest: Span<'l>) -> Option<RowFields<'l>> {
        let content = rest.text.strip_prefix(self.text).filter(|content| field::is_one(content))?;
        let content = Some(rest.suffix(content));
        let (content, contents) = if self.is_contents { (None, content) } else { (content, None) };
        Some(RowFields { kind: self.kind, content, contents, link: None })
    }
}

/// What the fields of a row say.
#[derive(Default)]
pub(super) struct RowFields<'l> {
    pub kind: Option<Kind>,
    /// The last `content=`.
    pub content: Option<Span<'l>>,
    /// The last `contents=`, the other spelling.
    pub contents: Option<Span<'l>>,
    pub link: Option<Span<'l>>,
}

impl<'l> RowFields<'l> {
    /// The source: of the two spellings the one that is first in the row, as libarchive reads them.
    pub(super) fn source(&self) -> Option<Span<'l>> {
        match (self.content, self.contents) {
            (Some(one), Some(other)) => Some(if one.start < other.start { one } else { other }),
            (one, other) => one.or(other),
        }
    }
}

/// Reads the fields behind the name of a row.
pub(super) fn read<'l>(
    fields: impl Iterator<Item = Span<'l>>,
) -> Result<RowFields<'l>, RowProblem> {
    let mut read = RowFields::default();
    for field in fields {
        match keyword_and_value(field.text)? {
            (b"type", Some(value)) => read.kind = Some(kind_of(value)?),
            (b"content", Some(value)) => read.content = Some(field.suffix(value)),
            (b"contents", Some(value)) => read.contents = Some(field.suffix(value)),
            (b"link", Some(value)) => read.link = Some(field.suffix(value)),
            _ => {}
        }
    }
    Ok(read)
}

/// A keyword and its value, which only some may lack.
#[inline]
pub(super) fn keyword_and_value(item: &[u8]) -> Result<(&[u8], Option<&[u8]>), RowProblem> {
    let (keyword, value) = field::keyword(item);
    if value.is_none() && !field::may_lack_value(keyword) {
        return Err(RowProblem::MissingEquals(keyword.to_vec()));
    }
    Ok((keyword, value))
}

/// The kind that the value of `type` names.
pub(super) fn kind_of(value: &[u8]) -> Result<Kind, RowProblem> {
    match Kind::named(value) {
        Some(kind) => Ok(kind),
        None => {
            let name = unescaped(value)?;
            Kind::named(&name).ok_or(RowProblem::UnknownType(name))
        }
    }
}

/// What `text` spells, which is to be a path or a word.
pub(super) fn unescaped(text: &[u8]) -> Result<Vec<u8>, RowProblem> {
    let mut bytes = Vec::with_capacity(text.len());
    escape::unescape(text, &mut bytes)?;
    match memchr(0, &bytes) {
        Some(_) => Err(RowProblem::Nul),
        None => Ok(bytes),
    }
}

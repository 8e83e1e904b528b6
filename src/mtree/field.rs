//! The fields of a line, and the keywords in them.
//!
//! Knows one line; must not know the lines around it.

use memchr::{memchr, memchr3};

use super::form::RowForm;

/// A part of a line, with its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span<'l> {
    pub text: &'l [u8],
    /// The offset of `text` in the line, in bytes.
    pub start: usize,
}

impl<'l> Span<'l> {
    /// The offset of the first byte after the text.
    #[inline]
    pub(super) fn end(self) -> usize {
        self.start + self.text.len()
    }

    /// `text`, which is the end of this part.
    #[inline]
    pub(super) fn suffix(self, text: &'l [u8]) -> Self {
        Self { text, start: self.end() - text.len() }
    }
}

/// The fields of a row, which are separated by blanks. A `\` at the end of a physical line is no field.
pub(super) struct Fields<'l> {
    /// The text after the last field that was read.
    rest: &'l [u8],
    /// The offset of the end of `rest` in the line.
    end: usize,
    /// The row has several physical lines, joined by `\`.
    joined: bool,
}

/// Whether mtree(5) separates fields by `byte`. A newline is a blank where `\` continues a row.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The fields of one row.
pub(super) fn fields(line: &[u8]) -> Fields<'_> {
    let fields = fields_of_one_line(line);
    Fields { joined: memchr(b'\n', fields.rest).is_some(), ..fields }
}

/// The fields of a row that is known to have one physical line.
pub(super) fn fields_of_one_line(line: &[u8]) -> Fields<'_> {
    let rest = line.strip_suffix(b"\n").unwrap_or(line);
    Fields { rest, end: rest.len(), joined: false }
}

/// The name of a row. Empty for a line without fields.
pub(super) fn name(line: &[u8], form: RowForm) -> Span<'_> {
    let mut fields = fields(line);
    let name = match form {
        RowForm::NameFirst => fields.next(),
        RowForm::NameLast => fields.last(),
    };
    name.unwrap_or(Span { text: b"", start: 0 })
}

/// The fields of a row but for its name.
pub(super) fn keywords(line: &[u8], form: RowForm) -> Keywords<'_> {
    let mut fields = fields(line);
    let first = fields.next();
    Keywords { fields, held: first.filter(|_| form == RowForm::NameLast) }
}

/// The fields of a row but for its name.
pub(super) struct Keywords<'l> {
    fields: Fields<'l>,
    /// A field that may be the last one, and so the name.
    held: Option<Span<'l>>,
}

impl<'l> Keywords<'l> {
    /// As [`Fields::rest`], where the name is first; else `None`.
    pub(super) fn rest(&self) -> Option<Span<'l>> {
        self.fields.rest().filter(|_| self.held.is_none())
    }
}

impl<'l> Iterator for Keywords<'l> {
    type Item = Span<'l>;

    fn next(&mut self) -> Option<Span<'l>> {
        let next = self.fields.next()?;
        match &mut self.held {
            Some(held) => Some(std::mem::replace(held, next)),
            None => Some(next),
        }
    }
}

impl<'l> Fields<'l> {
    /// The text after the fields read so far. `None` if the row has several physical lines, in which a
    /// newline is a blank.
    pub(super) fn rest(&self) -> Option<Span<'l>> {
        let start = self.end - self.rest.len();
        (!self.joined).then_some(Span { text: self.rest, start })
    }
}

impl<'l> Iterator for Fields<'l> {
    type Item = Span<'l>;

    #[inline]
    fn next(&mut self) -> Option<Span<'l>> {
        loop {
            let blanks = self.rest.iter().position(|&byte| !is_blank(byte))?;
            let rest = &self.rest[blanks..];
            let start = self.end - rest.len();
            let mut end = memchr3(b' ', b'\t', b'\r', rest).unwrap_or(rest.len());
            if self.joined {
                end = memchr(b'\n', &rest[..end]).unwrap_or(end);
            }
            self.rest = &rest[end..];
            let mut field = &rest[..end];
            if self.joined && self.rest.first() == Some(&b'\n') {
                field = field.strip_suffix(b"\\").unwrap_or(field);
            }
            if !field.is_empty() {
                return Some(Span { text: field, start });
            }
        }
    }
}

/// Whether `text`, which has no newline, is exactly one field.
pub(super) fn is_one(text: &[u8]) -> bool {
    !text.is_empty() && memchr3(b' ', b'\t', b'\r', text).is_none()
}

/// A keyword and its value. The value is `None` for a keyword without one, such as `optional`.
pub(super) fn keyword(field: &[u8]) -> (&[u8], Option<&[u8]>) {
    match field.iter().position(|&byte| byte == b'=') {
        Some(equals) => (&field[..equals], Some(&field[equals + 1..])),
        None => (field, None),
    }
}

/// Whether mtree(5) allows `keyword` without a value.
pub(super) fn may_lack_value(keyword: &[u8]) -> bool {
    matches!(keyword, b"optional" | b"nochange" | b"ignore")
}

/// Whether `keyword` holds the source of a row.
pub(super) fn is_source(keyword: &[u8]) -> bool {
    matches!(keyword, b"content" | b"contents")
}

/// The spelling of a source that `keyword` is, if it is one.
pub(super) fn source_spelling(keyword: &[u8]) -> Option<&'static [u8]> {
    match keyword {
        b"content" => Some(b"content"),
        b"contents" => Some(b"contents"),
        _ => None,
    }
}

/// Whether `keyword` describes the bytes of a file, which a link does not have (design rule 7).
pub(super) fn describes_bytes(keyword: &[u8]) -> bool {
    matches!(
        keyword,
        b"size"
            | b"cksum"
            | b"md5"
            | b"md5digest"
            | b"sha1"
            | b"sha1digest"
            | b"sha256"
            | b"sha256digest"
            | b"sha384"
            | b"sha384digest"
            | b"sha512"
            | b"sha512digest"
            | b"rmd160"
            | b"rmd160digest"
            | b"ripemd160digest"
    )
}

/// The kind of entry that the `type` of a row names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `type=file`.
    File,
    /// `type=link`.
    Link,
    /// `type=dir`.
    Directory,
    /// A device, a fifo, a socket, or no type at all.
    Other,
}

impl Kind {
    /// The kind that a `type` names, if mtree(5) knows it.
    pub fn named(value: &[u8]) -> Option<Self> {
        match value {
            b"file" => Some(Self::File),
            b"link" => Some(Self::Link),
            b"dir" => Some(Self::Directory),
            b"block" | b"char" | b"fifo" | b"socket" => Some(Self::Other),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continued_line_is_one_row() {
        let line = b"  name\ttype=file \\\n uid=0\\\n\tgid=0  \n";
        let texts: Vec<_> = fields(line).map(|field| field.text).collect();
        assert_eq!(texts, [&b"name"[..], b"type=file", b"uid=0", b"gid=0"]);
    }

    #[test]
    fn each_field_has_its_offset_in_the_line() {
        for line in [&b"  name\ttype=file \\\n uid=0\\\n\tgid=0  \n"[..], b"name  uid=0\r\n", b" x"]
        {
            for field in fields(line) {
                assert_eq!(&line[field.start..field.end()], field.text);
            }
        }
        let mut of_one_line = fields(b" name  uid=0\n");
        of_one_line.next();
        assert_eq!(of_one_line.rest(), Some(Span { text: b"  uid=0", start: 5 }));
    }

    #[test]
    fn the_name_is_the_first_field_or_the_last_and_the_others_are_keywords() {
        let line = b" a  uid=0\tb\n";
        let texts = |form| -> Vec<_> { keywords(line, form).map(|field| field.text).collect() };
        assert_eq!(texts(RowForm::NameFirst), [&b"uid=0"[..], b"b"]);
        assert_eq!(texts(RowForm::NameLast), [&b"a"[..], b"uid=0"]);
        assert_eq!(name(line, RowForm::NameFirst), Span { text: b"a", start: 1 });
        assert_eq!(name(line, RowForm::NameLast), Span { text: b"b", start: 10 });
        assert_eq!(keywords(b"a\n", RowForm::NameLast).count(), 0);
    }

    #[test]
    fn a_value_may_hold_an_equals_sign() {
        assert_eq!(keyword(b"content=a=b"), (&b"content"[..], Some(&b"a=b"[..])));
        assert_eq!(keyword(b"optional"), (&b"optional"[..], None));
    }
}

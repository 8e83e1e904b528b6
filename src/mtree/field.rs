//! The fields of a line, and the keywords in them.
//!
//! Knows one line; must not know those around it.

use memchr::{memchr, memchr3};

/// The fields of a row: what stands between blanks. A `\` at the end of a physical line is no field.
pub(super) struct Fields<'l> {
    rest: &'l [u8],
    /// Several physical lines, joined by `\`.
    joined: bool,
}

/// What mtree(5) separates fields with; the ends of lines count where `\` continues a row.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The fields of one row.
pub(super) fn fields(line: &[u8]) -> Fields<'_> {
    let rest = line.strip_suffix(b"\n").unwrap_or(line);
    Fields { rest, joined: memchr(b'\n', rest).is_some() }
}

impl<'l> Fields<'l> {
    /// What stands behind the fields read so far. `None` where lines are joined: there a newline is
    /// a blank.
    pub(super) fn rest(&self) -> Option<&'l [u8]> {
        (!self.joined).then_some(self.rest)
    }
}

impl<'l> Iterator for Fields<'l> {
    type Item = &'l [u8];

    #[inline]
    fn next(&mut self) -> Option<&'l [u8]> {
        loop {
            let start = self.rest.iter().position(|&byte| !is_blank(byte))?;
            let rest = &self.rest[start..];
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
                return Some(field);
            }
        }
    }
}

/// Whether `text`, which has no newline, is one field to its end.
pub(super) fn is_one(text: &[u8]) -> bool {
    !text.is_empty() && memchr3(b' ', b'\t', b'\r', text).is_none()
}

/// A keyword and its value: `None` for one that stands alone, such as `optional`.
pub(super) fn keyword(field: &[u8]) -> (&[u8], Option<&[u8]>) {
    match field.iter().position(|&byte| byte == b'=') {
        Some(equals) => (&field[..equals], Some(&field[equals + 1..])),
        None => (field, None),
    }
}

/// Whether mtree(5) lets `keyword` stand without a value.
pub(super) fn stands_alone(keyword: &[u8]) -> bool {
    matches!(keyword, b"optional" | b"nochange" | b"ignore")
}

/// Whether `keyword` names the file whose bytes a row takes.
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

/// Whether `keyword` describes the bytes of a file, which a link does not have (DESIGN rule 7).
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

/// What kind of entry a row is, by its `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `type=file`.
    File,
    /// `type=link`.
    Link,
    /// `type=dir`.
    Directory,
    /// A device, a pipe, a socket, or no type at all.
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
        let found: Vec<_> = fields(line).collect();
        assert_eq!(found, [&b"name"[..], b"type=file", b"uid=0", b"gid=0"]);
    }

    #[test]
    fn a_value_may_hold_an_equals_sign() {
        assert_eq!(keyword(b"content=a=b"), (&b"content"[..], Some(&b"a=b"[..])));
        assert_eq!(keyword(b"optional"), (&b"optional"[..], None));
    }
}

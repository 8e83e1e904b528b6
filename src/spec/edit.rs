//! Writing a spec with some of its rows turned into links, and the rest as it came.

use std::io::{self, IoSlice, Write};
use std::ops::Range;

use super::escape::escape;
use super::field::{self, Kind};
use super::{Row, Spec};

/// What is to change in a spec. Every line that no edit names is written back byte for byte.
pub struct Edits<'s> {
    spec: &'s Spec,
    edits: Vec<Edit>,
    /// The text of all edits, one behind the other.
    text: Vec<u8>,
    /// By row: whether it goes. Empty while none does.
    gone: Vec<bool>,
}

/// A stretch of the spec that is replaced by a stretch of `Edits::text`.
struct Edit {
    start: u32,
    end: u32,
    text: Range<usize>,
}

impl<'s> Edits<'s> {
    /// No edits to `spec`.
    pub fn new(spec: &'s Spec) -> Self {
        Self { spec, edits: Vec::new(), text: Vec::new(), gone: Vec::new() }
    }

    /// Turns row number `row` into a link with the text `link` (DESIGN rule 7).
    pub fn link(&mut self, row: usize, link: &[u8]) {
        let Row { start, end, kind, .. } = self.spec.rows[row];
        let line = self.spec.line(&self.spec.rows[row]);
        let from = self.text.len();
        let typed = field::fields(line).skip(1).any(|item| field::keyword(item).0 == b"type");
        let mut written_type = typed || kind == Kind::Link;
        let mut written_link = false;
        let mut said_type = false;
        for (number, item) in field::fields(line).enumerate() {
            let keyword = field::keyword(item).0;
            if number == 0 {
                self.text.extend_from_slice(item);
            } else if keyword == b"type" {
                if !std::mem::replace(&mut said_type, true) {
                    self.text.extend_from_slice(b" type=link");
                }
            } else if field::is_source(keyword) || keyword == b"link" {
                if std::mem::replace(&mut written_link, true) {
                    continue;
                }
                if !std::mem::replace(&mut written_type, true) {
                    self.text.extend_from_slice(b" type=link");
                }
                self.push_link(link);
            } else if !field::describes_bytes(keyword) {
                self.text.push(b' ');
                self.text.extend_from_slice(item);
            }
        }
        // A blank stood between this and the newline, or the next line would have been joined.
        if self.text.ends_with(b"\\") {
            self.text.push(b' ');
        }
        self.text.extend_from_slice(ending(line));
        self.edits.push(Edit { start, end, text: from..self.text.len() });
    }

    /// Puts one link at the archive path `path` for the rows `rows`, which all go, in the place of
    /// the first of them, with the keywords of `keywords`, one of them (DESIGN rule 6).
    pub fn folder_link(&mut self, rows: &[usize], keywords: usize, path: &[u8], link: &[u8]) {
        let Some(&first) = rows.iter().min() else {
            return;
        };
        for &row in rows {
            let Row { start, end, .. } = self.spec.rows[row];
            let from = self.text.len();
            if row == first {
                self.push_folder_link(first, keywords, path, link);
            }
            self.edits.push(Edit { start, end, text: from..self.text.len() });
            self.gone.resize(self.spec.rows.len(), false);
            self.gone[row] = true;
        }
    }

    fn push_folder_link(&mut self, first: usize, keywords: usize, path: &[u8], link: &[u8]) {
        let (first, model) = (&self.spec.rows[first], &self.spec.rows[keywords]);
        let line = self.spec.line(model);
        let mut fields = field::fields(line);
        let name = fields.next().unwrap_or_default();
        self.text.extend_from_slice(match name {
            _ if name.starts_with(b"./") => b"./",
            // `/set` and `/unset` would be no rows.
            _ if name.starts_with(b"/") && !matches!(path, b"set" | b"unset") => b"/",
            _ if !path.contains(&b'/') => b"./",
            _ => b"",
        });
        escape(path, &mut self.text);
        let mut written_type = false;
        for item in fields {
            let keyword = field::keyword(item).0;
            if keyword == b"type" {
                if !std::mem::replace(&mut written_type, true) {
                    self.text.extend_from_slice(b" type=link");
                }
            } else if !field::is_source(keyword)
                && keyword != b"link"
                && !field::describes_bytes(keyword)
            {
                self.text.push(b' ');
                self.text.extend_from_slice(item);
            }
        }
        for field in self.spec.defaults.difference(line, model.defaults, first.defaults) {
            self.text.push(b' ');
            self.text.extend_from_slice(&field);
        }
        if !written_type {
            self.text.extend_from_slice(b" type=link");
        }
        self.push_link(link);
        self.text.extend_from_slice(ending(self.spec.line(first)));
    }

    fn push_link(&mut self, link: &[u8]) {
        self.text.extend_from_slice(b" link=");
        escape(link, &mut self.text);
    }

    /// Writes the spec with the edits.
    pub fn write_to(self, out: &mut dyn Write) -> io::Result<()> {
        let spec = self.spec;
        self.into_patch().write_to(&spec.text, out)
    }

    /// What is to be written, as what differs from the spec's text.
    pub fn into_patch(mut self) -> Patch {
        for closing in &self.spec.closings {
            let gone = closing.folder.is_some_and(|row| self.gone.get(row as usize) == Some(&true));
            if gone {
                self.edits.push(Edit { start: closing.start, end: closing.end, text: 0..0 });
            }
        }
        self.edits.sort_by_key(|edit| edit.start);
        Patch { edits: self.edits, text: self.text }
    }
}

/// How an output differs from the text that it was made of.
#[derive(Default)]
pub struct Patch {
    /// In the order of the text; none overlap.
    edits: Vec<Edit>,
    text: Vec<u8>,
}

impl Patch {
    /// Writes `base`, which is the text that the patch was made for, with what differs.
    pub fn write_to(&self, base: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let mut written = 0;
        let mut slices = Vec::with_capacity(SLICES_AT_ONCE.min(2 * self.edits.len() + 1));
        for (stretch, text) in self.stretches() {
            slices.extend([&base[written..stretch.start], text].map(IoSlice::new));
            if slices.len() + 1 >= SLICES_AT_ONCE {
                write_all(&mut slices, out)?;
            }
            written = stretch.end;
        }
        slices.push(IoSlice::new(&base[written..]));
        write_all(&mut slices, out)
    }

    /// The stretches of the base that are replaced, in order, each with what stands there instead.
    pub fn stretches(&self) -> impl Iterator<Item = (Range<usize>, &[u8])> {
        self.edits
            .iter()
            .map(|edit| (edit.start as usize..edit.end as usize, &self.text[edit.text.clone()]))
    }
}

/// How many slices one system call takes (`IOV_MAX` of Linux).
const SLICES_AT_ONCE: usize = 1024;

/// Writes what stands in `slices`, one behind the other and copied by nobody but the system, and
/// empties them.
fn write_all(slices: &mut Vec<IoSlice<'_>>, out: &mut dyn Write) -> io::Result<()> {
    let mut rest = &mut slices[..];
    // Empty slices at the head go.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match out.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    slices.clear();
    Ok(())
}

/// The end of the line `line`: its newline, if it has one, as it was written.
fn ending(line: &[u8]) -> &[u8] {
    if line.ends_with(b"\r\n") {
        b"\r\n"
    } else if line.ends_with(b"\n") {
        b"\n"
    } else {
        b""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linked(text: &[u8]) -> String {
        let spec = Spec::parse(text.to_vec(), false).unwrap();
        let mut edits = Edits::new(&spec);
        edits.link(0, b"a b");
        let mut out = Vec::new();
        edits.write_to(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_turned_row_keeps_its_fields_in_order() {
        assert_eq!(
            linked(b"  x/y size=3\tuid=0  type=file contents=s optional\n"),
            "x/y uid=0 type=link link=a\\040b optional\n"
        );
    }

    #[test]
    fn a_type_that_comes_from_set_is_written_with_the_link() {
        assert_eq!(
            linked(b"/set type=file\nx/y uid=0 content=s mode=0644"),
            "/set type=file\nx/y uid=0 type=link link=a\\040b mode=0644"
        );
    }
}

//! Writing a spec with some of its rows turned into links, and the rest as it came.
//!
//! Knows how a turned row is spelled (DESIGN rules 6 and 7); must not know why it is turned.

use std::io::{self, IoSlice, Write};
use std::ops::Range;

use super::escape::escape;
use super::field::{self, Kind};
use super::{Row, RowId, Spec};

/// What is to change in a spec. Every line that no edit names is written back byte for byte.
pub struct Edits<'s> {
    spec: &'s Spec,
    edits: Vec<Edit>,
    /// The text of all edits, one behind the other.
    text: Vec<u8>,
    /// By row: whether it goes. Empty while none does.
    gone: Vec<bool>,
    turned: Option<Turned>,
}

/// What became of what stood between the name and the source of a row, if nothing stood behind them.
/// The next row mostly says the same there, and need not be read field by field.
struct Turned {
    kind: Kind,
    /// The stretch of the spec from behind the name up to the source.
    between: Range<usize>,
    /// The stretch of `Edits::text` that took its place: from behind the name up to the link's text.
    text: Range<usize>,
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
        Self { spec, edits: Vec::new(), text: Vec::new(), gone: Vec::new(), turned: None }
    }

    /// Turns `row` into a link with the text `link` (DESIGN rule 7).
    pub fn link(&mut self, row: RowId, link: &[u8]) {
        let row = self.spec.row(row);
        let line = self.spec.line(row);
        let from = self.text.len();
        if !self.push_like_the_last(row, line, link) {
            self.push_link_row(row, line, link);
        }
        self.text.extend_from_slice(ending(line));
        self.edits.push(Edit { start: row.start, end: row.end, text: from..self.text.len() });
    }

    /// Writes a row as a link, if the last one was like it but for name and source.
    fn push_like_the_last(&mut self, row: &Row, line: &[u8], link: &[u8]) -> bool {
        let mut fields = field::fields(line);
        let (Some(name), Some(rest), Some(last)) = (fields.next(), fields.rest(), &self.turned)
        else {
            return false;
        };
        let source = rest.text.strip_prefix(&self.spec.text[last.between.clone()]);
        if last.kind != row.kind || !source.is_some_and(field::is_one) {
            return false;
        }
        self.text.extend_from_slice(name.text);
        self.text.extend_from_within(last.text.clone());
        escape(link, &mut self.text);
        true
    }

    fn push_link_row(&mut self, row: &Row, line: &[u8], link: &[u8]) {
        let mut fields = field::fields(line);
        self.text.extend_from_slice(fields.next().map_or(&[][..], |name| name.text));
        let behind_name = self.text.len();
        let rest = fields.rest();
        let typed =
            field::fields(line).skip(1).any(|field| field::keyword(field.text).0 == b"type");
        let mut written_type = typed || row.kind == Kind::Link;
        let mut written_link = false;
        let mut said_type = false;
        self.turned = None;
        for field in fields {
            let (keyword, value) = field::keyword(field.text);
            if keyword == b"type" {
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
                self.text.extend_from_slice(b" link=");
                if let (Some(rest), Some(source)) = (rest, value.map(|value| field.suffix(value)))
                    && rest.end() == source.end()
                {
                    let line = row.start as usize;
                    self.turned = Some(Turned {
                        kind: row.kind,
                        between: line + rest.start..line + source.start,
                        text: behind_name..self.text.len(),
                    });
                }
                escape(link, &mut self.text);
            } else if !field::describes_bytes(keyword) {
                self.text.push(b' ');
                self.text.extend_from_slice(field.text);
            }
        }
        // A blank stood between this and the newline, or the next line would have been joined.
        if self.text.ends_with(b"\\") {
            self.text.push(b' ');
        }
    }

    /// Puts one link at the archive path `path` for the rows `rows`, which all go, in the place of
    /// the first of them, with the keywords of `keywords`, one of them (DESIGN rule 6).
    pub fn directory_link(&mut self, rows: &[RowId], keywords: RowId, path: &[u8], link: &[u8]) {
        let Some(&first) = rows.iter().min() else {
            return;
        };
        for &row in rows {
            let Row { start, end, .. } = *self.spec.row(row);
            let from = self.text.len();
            if row == first {
                self.push_directory_link(first, keywords, path, link);
            }
            self.edits.push(Edit { start, end, text: from..self.text.len() });
            self.gone.resize(self.spec.rows.len(), false);
            self.gone[row.0 as usize] = true;
        }
    }

    fn push_directory_link(&mut self, first: RowId, keywords: RowId, path: &[u8], link: &[u8]) {
        let (first, model) = (self.spec.row(first), self.spec.row(keywords));
        let line = self.spec.line(model);
        let mut fields = field::fields(line);
        let name = fields.next().map_or(&[][..], |name| name.text);
        self.text.extend_from_slice(match name {
            _ if name.starts_with(b"./") => b"./",
            // `/set` and `/unset` would be no rows.
            _ if name.starts_with(b"/") && !matches!(path, b"set" | b"unset") => b"/",
            _ if !path.contains(&b'/') => b"./",
            _ => b"",
        });
        escape(path, &mut self.text);
        let mut written_type = false;
        for field in fields {
            let keyword = field::keyword(field.text).0;
            if keyword == b"type" {
                if !std::mem::replace(&mut written_type, true) {
                    self.text.extend_from_slice(b" type=link");
                }
            } else if !field::is_source(keyword)
                && keyword != b"link"
                && !field::describes_bytes(keyword)
            {
                self.text.push(b' ');
                self.text.extend_from_slice(field.text);
            }
        }
        for field in self.spec.defaults.difference(line, model.defaults, first.defaults) {
            self.text.push(b' ');
            self.text.extend_from_slice(&field);
        }
        if !written_type {
            self.text.extend_from_slice(b" type=link");
        }
        self.text.extend_from_slice(b" link=");
        escape(link, &mut self.text);
        self.text.extend_from_slice(ending(self.spec.line(first)));
    }

    /// Writes the spec with the edits.
    pub fn write_to(self, out: &mut dyn Write) -> io::Result<()> {
        let spec = self.spec;
        self.into_patch().write_to(&spec.text, out)
    }

    /// What is to be written, as what differs from the spec's text.
    pub fn into_patch(mut self) -> Patch {
        for closing in &self.spec.closings {
            let gone =
                closing.directory.is_some_and(|row| self.gone.get(row as usize) == Some(&true));
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
        edits.link(RowId(0), b"a b");
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
    fn a_row_like_the_one_before_is_turned_as_if_it_stood_alone() {
        let rows = [
            "x/y size=3  uid=0 type=file content=s\n",
            "x/z size=3  uid=0 type=file content=s/t\n",
            "x/z size=3  uid=0 type=file content=s/t optional\n",
            "x/z size=3  uid=0 type=file content=s/t\r\n",
            "x/z size=3  uid=0 type=link content=s/t\n",
            "x/z size=3  uid=0 type=file content=s link=t\n",
            "/set type=link\n  x/z uid=0 content=s",
        ];
        for one in rows {
            for other in rows {
                let both = [one.trim_end(), "\n", other].concat();
                let spec = Spec::parse(both.clone().into_bytes(), false).unwrap();
                let mut edits = Edits::new(&spec);
                (0..2).for_each(|row| edits.link(RowId(row), b"a b"));
                let mut out = Vec::new();
                edits.write_to(&mut out).unwrap();
                let alone =
                    linked([one.trim_end(), "\n"].concat().as_bytes()) + &linked(other.as_bytes());
                assert_eq!(String::from_utf8(out).unwrap(), alone, "{both}");
            }
        }
    }

    #[test]
    fn a_type_that_comes_from_set_is_written_with_the_link() {
        assert_eq!(
            linked(b"/set type=file\nx/y uid=0 content=s mode=0644"),
            "/set type=file\nx/y uid=0 type=link link=a\\040b mode=0644"
        );
    }
}

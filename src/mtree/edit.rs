//! Writes a spec with some of its rows changed to links. Every other line stays verbatim.
//!
//! Knows the text of a link row (design rules 6 and 7); must not know why a row becomes a link.

use std::io::{self, IoSlice, Write};
use std::ops::Range;

use super::escape::escape;
use super::field::{self, Kind};
use super::form::RowForm;
use super::{Row, RowId, Spec};
use crate::vectored;

/// The edits of a spec. Every line without an edit is written verbatim.
pub struct Edits<'s> {
    spec: &'s Spec,
    edits: Vec<Edit>,
    /// The text of all edits, concatenated.
    text: Vec<u8>,
    /// By row: whether it is removed. Empty if no row is.
    removed: Vec<bool>,
    /// The last row that became a link, as a template for the next one.
    last: Option<LinkTemplate>,
}

/// The text between the name and the source of a row that became a link, if the source was its last field. The next
/// row mostly has the same text there, and need not be read field by field.
struct LinkTemplate {
    kind: Kind,
    /// The range of the spec from the end of the name to the source.
    between: Range<usize>,
    /// The range of `Edits::text` that replaced it: from the end of the name to the link's text.
    text: Range<usize>,
}

/// A range of the spec that is replaced by a range of `Edits::text`.
struct Edit {
    start: u32,
    end: u32,
    text: Range<usize>,
}

impl<'s> Edits<'s> {
    /// No edits to `spec`.
    pub fn new(spec: &'s Spec) -> Self {
        Self { spec, edits: Vec::new(), text: Vec::new(), removed: Vec::new(), last: None }
    }

    /// Changes `row` to a link with the text `link` (design rule 7).
    pub fn link(&mut self, row: RowId, link: &[u8]) {
        let row = self.spec.row(row);
        let line = self.spec.line(row);
        let from = self.text.len();
        if !self.push_from_template(row, line, link) {
            self.push_link_row(row, line, link);
        }
        self.text.extend_from_slice(ending(line));
        self.edits.push(Edit { start: row.start, end: row.end, text: from..self.text.len() });
    }

    /// Writes a row as a link, if it differs from the last one only in name and source.
    fn push_from_template(&mut self, row: &Row, line: &[u8], link: &[u8]) -> bool {
        let mut fields = field::fields(line);
        let (Some(name), Some(rest), Some(last)) = (fields.next(), fields.rest(), &self.last)
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
        let form = self.spec.form;
        let (from, name) = (self.text.len(), field::name(line, form).text);
        self.text.extend_from_slice(name);
        let name_end = self.text.len();
        let fields = field::keywords(line, form);
        let rest = fields.rest();
        let has_type =
            field::keywords(line, form).any(|field| field::keyword(field.text).0 == b"type");
        let mut has_written_type = has_type || row.kind == Kind::Link;
        let mut has_written_link = false;
        let mut has_seen_type = false;
        self.last = None;
        for field in fields {
            let (keyword, value) = field::keyword(field.text);
            if keyword == b"type" {
                if !std::mem::replace(&mut has_seen_type, true) {
                    self.text.extend_from_slice(b" type=link");
                }
            } else if field::is_source(keyword) || keyword == b"link" {
                if std::mem::replace(&mut has_written_link, true) {
                    continue;
                }
                if !std::mem::replace(&mut has_written_type, true) {
                    self.text.extend_from_slice(b" type=link");
                }
                self.text.extend_from_slice(b" link=");
                if let (Some(rest), Some(source)) = (rest, value.map(|value| field.suffix(value)))
                    && rest.end() == source.end()
                {
                    let line = row.start as usize;
                    self.last = Some(LinkTemplate {
                        kind: row.kind,
                        between: line + rest.start..line + source.start,
                        text: name_end..self.text.len(),
                    });
                }
                escape(link, &mut self.text);
            } else if !field::describes_bytes(keyword) {
                self.text.push(b' ');
                self.text.extend_from_slice(field.text);
            }
        }
        self.put_name(from, name_end);
        // A backslash before the newline would join the next line. In the spec a blank separated them.
        if self.text.ends_with(b"\\") {
            self.text.push(b' ');
        }
    }

    /// Puts the name of the row that was written from `from` on, and ends at `name_end`, where the form has it.
    fn put_name(&mut self, from: usize, name_end: usize) {
        if self.spec.form == RowForm::NameLast && name_end < self.text.len() {
            // From `NAME FIELDS` to `FIELDSNAME `, and to `FIELDS NAME`.
            let behind_name = name_end - from + 1;
            self.text[from..].rotate_left(behind_name);
            let name = self.text.len() - behind_name;
            self.text[name..].rotate_right(1);
        }
    }

    /// Replaces the rows `rows` by one link at the archive path `path` (design rule 6). It replaces the first
    /// of them, and has the keywords of `model`, which is one of them.
    pub fn directory_link(&mut self, rows: &[RowId], model: RowId, path: &[u8], link: &[u8]) {
        let Some(&first) = rows.iter().min() else {
            return;
        };
        for &row in rows {
            let Row { start, end, .. } = *self.spec.row(row);
            let from = self.text.len();
            if row == first {
                self.push_directory_link(first, model, path, link);
            }
            self.edits.push(Edit { start, end, text: from..self.text.len() });
            self.removed.resize(self.spec.rows.len(), false);
            self.removed[row.index()] = true;
        }
    }

    fn push_directory_link(&mut self, first: RowId, model: RowId, path: &[u8], link: &[u8]) {
        let (first, model) = (self.spec.row(first), self.spec.row(model));
        let line = self.spec.line(model);
        let form = self.spec.form;
        let (from, name) = (self.text.len(), field::name(line, form).text);
        self.text.extend_from_slice(match name {
            _ if name.starts_with(b"./") => b"./",
            // `/set` and `/unset` are not rows.
            _ if name.starts_with(b"/") && !matches!(path, b"set" | b"unset") => b"/",
            _ if !path.contains(&b'/') => b"./",
            _ => b"",
        });
        escape(path, &mut self.text);
        let name_end = self.text.len();
        let mut has_written_type = false;
        for field in field::keywords(line, form) {
            let keyword = field::keyword(field.text).0;
            if keyword == b"type" {
                if !std::mem::replace(&mut has_written_type, true) {
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
        for field in
            self.spec.defaults.difference(self.spec.row_line(model), model.defaults, first.defaults)
        {
            self.text.push(b' ');
            self.text.extend_from_slice(&field);
        }
        if !has_written_type {
            self.text.extend_from_slice(b" type=link");
        }
        self.text.extend_from_slice(b" link=");
        escape(link, &mut self.text);
        self.put_name(from, name_end);
        self.text.extend_from_slice(ending(self.spec.line(first)));
    }

    /// Writes the edited spec.
    pub fn write_to(self, out: &mut dyn Write) -> io::Result<()> {
        let spec = self.spec;
        self.into_patch().write_to(&spec.text, out)
    }

    /// The edited spec, as its differences from the spec's text.
    pub fn into_patch(mut self) -> Patch {
        for dotdot in &self.spec.dotdots {
            let is_removed =
                dotdot.directory.is_some_and(|row| self.removed.get(row as usize) == Some(&true));
            if is_removed {
                self.edits.push(Edit { start: dotdot.start, end: dotdot.end, text: 0..0 });
            }
        }
        self.edits.sort_by_key(|edit| edit.start);
        Patch { edits: self.edits, text: self.text }
    }
}

/// The differences of an output from its base.
#[derive(Default)]
pub struct Patch {
    /// In the order of the text, without overlaps.
    edits: Vec<Edit>,
    text: Vec<u8>,
}

impl Patch {
    /// Writes `base` with the patch applied. `base` is the text that the patch was made for.
    pub fn write_to(&self, base: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let mut written = 0;
        let mut slices = Vec::with_capacity(SLICES_AT_ONCE.min(2 * self.edits.len() + 1));
        for (range, text) in self.stretches() {
            slices.extend([&base[written..range.start], text].map(IoSlice::new));
            if slices.len() + 1 >= SLICES_AT_ONCE {
                vectored::write_all(out, &mut slices)?;
                slices.clear();
            }
            written = range.end;
        }
        slices.push(IoSlice::new(&base[written..]));
        vectored::write_all(out, &mut slices)
    }

    /// The replaced ranges of the base, in order, each with its new text.
    pub fn stretches(&self) -> impl Iterator<Item = (Range<usize>, &[u8])> {
        self.edits
            .iter()
            .map(|edit| (edit.start as usize..edit.end as usize, &self.text[edit.text.clone()]))
    }
}

/// The most slices that one system call takes (`IOV_MAX` of Linux).
const SLICES_AT_ONCE: usize = 1024;

/// The newline of `line`, verbatim. Empty if it has none.
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
    fn a_row_that_becomes_a_link_keeps_its_fields_in_order() {
        assert_eq!(
            linked(b"  x/y size=3\tuid=0  type=file contents=s optional\n"),
            "x/y uid=0 type=link link=a\\040b optional\n"
        );
    }

    #[test]
    fn a_row_like_the_one_before_becomes_the_same_link_as_without_it() {
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
    fn a_type_from_set_is_written_with_the_link() {
        assert_eq!(
            linked(b"/set type=file\nx/y uid=0 content=s mode=0644"),
            "/set type=file\nx/y uid=0 type=link link=a\\040b mode=0644"
        );
    }
}

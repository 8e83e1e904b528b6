//! Parses the lines of a spec into rows.
//!
//! Knows what depends on the order of lines: entered directories, `/set`, joined lines. Must not know how rows are
//! used.

mod pieces;

use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memchr_iter};

use super::error::{DEEPEST, RowProblem, SpecError};
use super::field::{self, Fields, Kind, Span};
use super::form::RowForm;
use super::row_fields::{self, Between, RowFields, keyword_and_value, kind_of, unescaped};
use super::simple_paths::{Simple, SimplePaths};
use super::{DotDot, Row, Spec, Text};
use crate::path;

/// A spec must be shorter than this, in bytes.
pub(super) const LIMIT: usize = Text::UNESCAPED as usize;

impl Spec {
    /// Parses a spec. With `link_is_source`, `link=` holds a source path (design rule 4).
    ///
    /// # Errors
    ///
    /// [`SpecError`] for the first row that cannot be parsed.
    pub fn parse(text: impl Into<Bytes>, link_is_source: bool) -> Result<Self, SpecError> {
        let text = text.into();
        let form = RowForm::of(&text);
        Self::parse_in(form, text, link_is_source)
    }

    /// Parses a text that was made from this spec, and has its form.
    ///
    /// # Errors
    ///
    /// [`SpecError`] for the first row that cannot be parsed.
    pub fn parse_changed(
        &self,
        text: impl Into<Bytes>,
        link_is_source: bool,
    ) -> Result<Self, SpecError> {
        Self::parse_in(self.form, text.into(), link_is_source)
    }

    fn parse_in(form: RowForm, text: Bytes, link_is_source: bool) -> Result<Self, SpecError> {
        if text.len() >= LIMIT {
            return Err(SpecError { line: 1, what: RowProblem::TooLarge });
        }
        let at_line = |(start, what): (usize, RowProblem)| {
            let line = 1 + memchr_iter(b'\n', &text[..start]).count();
            SpecError { line, what }
        };
        let mut spec = match pieces::parse(&text, form, link_is_source).map_err(at_line)? {
            Some(spec) => spec,
            None => {
                let parser = Parser::new(form, link_is_source, expected_rows(&text));
                parser.read(&text, 0..text.len()).map_err(at_line)?.spec
            }
        };
        spec.text = text;
        Ok(spec)
    }
}

/// The offset after the newline of the row that begins at `start`. A `\` before a newline joins the next line, but
/// not if the line has a `#`, as in libarchive.
pub(super) fn line_end(text: &[u8], start: usize) -> usize {
    end_and_joined(text, start).0
}

/// The same offset, and whether the row may have several physical lines.
fn end_and_joined(text: &[u8], start: usize) -> (usize, bool) {
    let mut from = start;
    loop {
        let joined = from > start;
        let Some(newline) = memchr(b'\n', &text[from..]).map(|at| from + at) else {
            return (text.len(), joined);
        };
        let line = &text[start..newline];
        let joins = line.ends_with(b"\\")
            && line.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
            && memchr(b'#', line).is_none();
        if !joins {
            return (newline + 1, joined);
        }
        from = newline + 1;
    }
}

/// About how many rows `text` has, judged by its head.
fn expected_rows(text: &[u8]) -> usize {
    let sample = text.len().min(1 << 16);
    let lines = memchr_iter(b'\n', &text[..sample]).count();
    text.len() * lines / sample.max(1) + 1
}

struct Parser<'t> {
    spec: Spec,
    link_is_source: bool,
    /// The entered directories without slashes: the row, and the length of `directory` before it.
    entered: Vec<(u32, usize)>,
    /// The archive path of the directory that was entered last.
    directory: Vec<u8>,
    between: Option<Between<'t>>,
    /// The names and the sources of the rows read so far.
    names: SimplePaths<'t>,
    sources: SimplePaths<'t>,
    /// The source that `/set` gave last, by the number of the defaults and its own among their sources.
    set_source: Option<((u32, usize), Text)>,
}

impl<'t> Parser<'t> {
    /// A parser with capacity for so many rows, if there is memory for it.
    fn new(form: RowForm, link_is_source: bool, rows: usize) -> Self {
        let mut spec = Spec { form, ..Spec::default() };
        let _ = spec.rows.try_reserve(rows);
        Self {
            spec,
            link_is_source,
            entered: Vec::new(),
            directory: Vec::new(),
            between: None,
            names: SimplePaths::default(),
            sources: SimplePaths::default(),
            set_source: None,
        }
    }

    /// Parses the lines of `text` in `range`. An error has the offset of its row.
    fn read(mut self, text: &'t [u8], range: Range<usize>) -> Result<Self, (usize, RowProblem)> {
        let mut start = range.start;
        while start < range.end {
            let (end, joined) = end_and_joined(text, start);
            self.line(&text[start..end], joined, start).map_err(|what| (start, what))?;
            start = end;
        }
        Ok(self)
    }

    /// Parses the line at the offset `start`.
    fn line(&mut self, line: &'t [u8], joined: bool, start: usize) -> Result<(), RowProblem> {
        let mut fields = match joined {
            true => field::fields(line),
            false => field::fields_of_one_line(line),
        };
        let Some(first) = fields.next() else {
            return Ok(());
        };
        match first.text {
            [b'#', ..] => return Ok(()),
            b"/set" => return self.set(fields),
            b"/unset" => {
                self.spec.defaults.begin();
                fields.for_each(|field| self.spec.defaults.unset(field.text));
                return Ok(());
            }
            _ => {}
        }
        let name = match self.spec.form {
            RowForm::NameFirst => first,
            RowForm::NameLast => field::name(line, RowForm::NameLast),
        };
        let (start, end) = (start as u32, (start + line.len()) as u32);
        match name.text {
            b".." => {
                let directory = self.entered.pop().map(|(row, length)| {
                    self.directory.truncate(length);
                    row
                });
                self.spec.dotdots.push(DotDot { directory, start, end });
                Ok(())
            }
            _ => self.row(line, name, fields, start),
        }
    }

    fn set(&mut self, fields: Fields<'_>) -> Result<(), RowProblem> {
        self.spec.defaults.begin();
        for field in fields {
            let (keyword, value) = keyword_and_value(field.text)?;
            let kind = match (keyword, value) {
                (b"type", Some(value)) => Some(kind_of(value)?),
                _ => None,
            };
            self.spec.defaults.set(keyword, value, kind);
        }
        Ok(())
    }

    fn row(
        &mut self,
        line: &'t [u8],
        name: Span<'t>,
        fields: Fields<'t>,
        start: u32,
    ) -> Result<(), RowProblem> {
        let fields = match self.spec.form {
            RowForm::NameFirst => self.row_fields(fields).map_err(|what| match what {
                RowProblem::MissingEquals(last)
                    if name.text.contains(&b'=') && last.contains(&b'/') =>
                {
                    RowProblem::NameLast(last)
                }
                what => what,
            })?,
            RowForm::NameLast => row_fields::read(field::keywords(line, RowForm::NameLast))?,
        };
        let defaults = self.spec.defaults.now();
        let kind = fields.kind.or(self.spec.defaults.kind(defaults)).unwrap_or(Kind::Other);
        let set_sources = self.spec.defaults.sources(defaults);
        let below_set_source = !set_sources.is_empty();
        // A spelling that the row has itself replaces that of `/set`, as in libarchive.
        let from_set = set_sources.iter().rposition(|(spelling, _)| match *spelling {
            b"contents" => fields.contents.is_none(),
            _ => fields.content.is_none(),
        });
        let (own, from_set) = match (kind, fields.link, from_set) {
            (Kind::Link, Some(link), _) if self.link_is_source => (Some(link), None),
            (Kind::Link, Some(_), _) => (None, None),
            (Kind::File | Kind::Link, _, Some(number)) => (None, Some(number)),
            (Kind::File | Kind::Link, _, None) => (fields.source(), None),
            _ => (None, None),
        };
        let (source, source_beside) = match (own, from_set) {
            (Some(own), _) => self.source(own.text, start + own.start as u32)?,
            (None, Some(number)) => (self.source_of_set(defaults, number)?, false),
            (None, None) => (Text::NONE, false),
        };
        let slashless = name.text != b"." && !name.text.contains(&b'/');
        let (path, beside) = self.path(name.text, start + name.start as u32, slashless)?;
        // A path for which `is_simple` is true is plain.
        let outside = path.at & Text::UNESCAPED != 0 && !path::is_plain(self.spec.text_of(path));
        let end = start + line.len() as u32;
        let row = Row {
            start,
            end,
            path,
            source,
            defaults,
            kind,
            outside,
            below_set_source,
            beside,
            source_beside,
        };
        self.spec.rows.push(row);
        if slashless && kind == Kind::Directory {
            self.enter(path);
        }
        Ok(())
    }

    /// Reads the fields after the name of a row.
    fn row_fields(&mut self, fields: Fields<'t>) -> Result<RowFields<'t>, RowProblem> {
        let rest = fields.rest();
        let same_as_last = rest.zip(self.between.as_ref()).and_then(|(rest, last)| last.read(rest));
        if let Some(row_fields) = same_as_last {
            return Ok(row_fields);
        }
        let row_fields = row_fields::read(fields)?;
        self.between = rest.and_then(|rest| Between::new(rest, &row_fields));
        Ok(row_fields)
    }

    /// Enters the directory of the last row, whose archive path is `path`.
    fn enter(&mut self, path: Text) {
        self.entered.push(((self.spec.rows.len() - 1) as u32, self.directory.len()));
        self.directory.clear();
        self.directory.extend_from_slice(self.spec.text_of(path));
    }

    /// The archive path of a row with the name `name`, which is at the offset `at`; and whether it is known to be in
    /// the directory of the row before.
    fn path(
        &mut self,
        name: &'t [u8],
        at: u32,
        slashless: bool,
    ) -> Result<(Text, bool), RowProblem> {
        if !slashless {
            let head = if name[0] == b'/' { 1 } else { 2 * usize::from(name.starts_with(b"./")) };
            let path = &name[head..];
            let path = path.strip_suffix(b"/").unwrap_or(path);
            if let Some(Simple { beside }) = self.names.next(path) {
                return Ok((Text { at: at + head as u32, len: path.len() as u32 }, beside));
            }
        }
        self.names = SimplePaths::default();
        let bytes = unescaped(name)?;
        let directory = if slashless { &self.directory[..] } else { &[] };
        if slashless && directory.len() + bytes.len() >= DEEPEST {
            return Err(RowProblem::TooDeep);
        }
        let parts = path::parts(directory).chain(path::parts(&bytes));
        Ok((push_normal(&mut self.spec.unescaped, false, parts)?, false))
    }

    /// A source that `/set` gives, by its number among those of `defaults`. Many rows may have it: it is
    /// stored once.
    fn source_of_set(&mut self, defaults: u32, number: usize) -> Result<Text, RowProblem> {
        self.sources = SimplePaths::default();
        if let Some((known, source)) = self.set_source
            && known == (defaults, number)
        {
            return Ok(source);
        }
        let bytes = unescaped(&self.spec.defaults.sources(defaults)[number].1)?;
        let source = match path::parts(&bytes).next() {
            Some(_) => {
                let absolute = bytes[0] == b'/';
                push_normal(&mut self.spec.unescaped, absolute, path::parts(&bytes))?
            }
            None => Text::NONE,
        };
        self.set_source = Some(((defaults, number), source));
        Ok(source)
    }

    /// The source in the value `text`, which is at the offset `at`: `Text::NONE` if it names no file; and whether it
    /// is known to be in the directory of the last row's that has one.
    fn source(&mut self, text: &'t [u8], at: u32) -> Result<(Text, bool), RowProblem> {
        if let Some(Simple { beside }) = self.sources.next_source(text) {
            return Ok((Text { at, len: text.len() as u32 }, beside));
        }
        self.sources = SimplePaths::default();
        let bytes = unescaped(text)?;
        if path::parts(&bytes).next().is_none() {
            return Ok((Text::NONE, false));
        }
        let absolute = bytes[0] == b'/';
        Ok((push_normal(&mut self.spec.unescaped, absolute, path::parts(&bytes))?, false))
    }
}

/// Appends the path with the components `parts` to `to`.
fn push_normal<'p>(
    to: &mut Vec<u8>,
    absolute: bool,
    parts: impl Iterator<Item = &'p [u8]>,
) -> Result<Text, RowProblem> {
    let at = to.len();
    if absolute {
        to.push(b'/');
    }
    for (number, part) in parts.enumerate() {
        if number > 0 {
            to.push(b'/');
        }
        to.extend_from_slice(part);
    }
    if to.len() >= LIMIT {
        return Err(RowProblem::TooLarge);
    }
    Ok(Text { at: at as u32 | Text::UNESCAPED, len: (to.len() - at) as u32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &[u8]) -> Vec<Vec<u8>> {
        let spec = Spec::parse(text.to_vec(), false).unwrap();
        spec.rows().iter().map(|row| spec.path(row).to_vec()).collect()
    }

    #[test]
    fn all_spellings_of_a_path_give_the_same_path() {
        for name in ["usr/bin/x", "./usr/bin/x", "/usr/bin/x", "usr//bin/./x/", r"usr/\142in/x"] {
            assert_eq!(paths(format!("{name} type=file\n").as_bytes()), [b"usr/bin/x"], "{name}");
        }
    }

    #[test]
    fn a_row_without_slashes_is_in_the_directory_entered_last() {
        let text = b". type=dir\nusr type=dir\nbin type=dir\nx\n..\nfull/y\nz\n..\n..\ntop";
        let found = paths(text);
        let want: [&[u8]; 7] = [b"", b"usr", b"usr/bin", b"usr/bin/x", b"full/y", b"usr/z", b"top"];
        assert_eq!(found, want);
    }

    #[test]
    fn the_error_of_a_row_has_its_line() {
        let wrong = |text: &str| Spec::parse(text.as_bytes().to_vec(), false).err().unwrap();
        assert_eq!(wrong("#mtree\na \\\n uid=0\nb type=what\n").line, 4);
        assert_eq!(wrong("a uid\n").what, RowProblem::MissingEquals(b"uid".to_vec()));
        assert_eq!(wrong("a\\q type=file\n").what, RowProblem::StrayEscape(b"\\q".to_vec()));
        assert_eq!(wrong("a type=file content=x\\000\n").what, RowProblem::Nul);
    }

    #[test]
    fn a_row_that_differs_from_the_one_before_only_in_its_source_is_parsed_alike() {
        let text = b"a/b type=file content=x\na/c type=file content=y z=1\n\
            a/d type=file content=\na/e type=file content=y \\\n uid=1\na/f type=file content=y\n\
            a/g type=file link=q content=r\na/h type=link link=q content=r\n\
            a/i  type=file content=x\na/j  type=file content=y\r\n\
            a/k content=file type=file\na/l content=file type=link\n";
        let spec = Spec::parse(text.to_vec(), false).unwrap();
        let rows: Vec<_> = spec.rows().iter().map(|row| (row.kind(), spec.source(row))).collect();
        let file = |source: &'static [u8]| (Kind::File, source);
        let want: [(Kind, &[u8]); 11] = [
            file(b"x"),
            file(b"y"),
            file(b""),
            file(b"y"),
            file(b"y"),
            file(b"r"),
            (Kind::Link, b""),
            file(b"x"),
            file(b"y"),
            file(b"file"),
            (Kind::Link, b"file"),
        ];
        assert_eq!(rows, want);
    }

    #[test]
    fn set_gives_a_type_to_the_rows_after_it() {
        let text = b"/set type=file uid=0\na/b content=x\n/unset type\na/c content=x\n";
        let spec = Spec::parse(text.to_vec(), false).unwrap();
        let kinds: Vec<_> = spec.rows().iter().map(Row::kind).collect();
        assert_eq!(kinds, [Kind::File, Kind::Other]);
    }
}

//! mtree(5) for the oracle: bytes to lines and rows, and rows back to bytes.
//!
//! Knows nothing of the file system or of links.

use std::{collections::BTreeMap, ops::Range};

use super::form;

/// The parts of a path, without `.` and empty ones.
pub type Parts = Vec<Vec<u8>>;

/// Keywords and their values as written; `None` for a keyword that takes none.
pub type Keywords = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What is wrong with a line; the number counts from 1.
#[derive(Debug)]
pub struct BadLine {
    pub number: usize,
    pub why: &'static str,
}

/// One line of a spec, continuations and all.
#[derive(Clone)]
pub enum Line {
    /// A comment or a blank line.
    Remark(Vec<u8>),
    /// `/set` or `/unset`.
    Default(Fields),
    /// `..`, and the line of the directory row that it closes.
    Up {
        text: Vec<u8>,
        closes: Option<usize>,
    },
    Row(Row),
}

/// The text of a line, and where its fields are in it.
#[derive(Clone)]
pub struct Fields {
    pub text: Vec<u8>,
    /// The name, then the others in their order.
    pub spans: Vec<Range<usize>>,
    /// The name is the last field.
    pub name_last: bool,
}

/// One entry of a spec.
#[derive(Clone)]
pub struct Row {
    pub fields: Fields,
    /// Counts from 1.
    pub number: usize,
    /// Its archive path.
    pub path: Parts,
    /// Its name has no slash: it belongs to the directory entered last.
    pub slash_less: bool,
    /// The `/set` values in force.
    pub defaults: Keywords,
    /// Those of them that name a source, in the order in which they were last set.
    pub set_sources: Vec<(Vec<u8>, Vec<u8>)>,
}

const TYPES: [&[u8]; 7] = [b"file", b"dir", b"link", b"block", b"char", b"fifo", b"socket"];
const WITHOUT_VALUE: [&[u8]; 3] = [b"optional", b"nochange", b"ignore"];

/// Every line of `spec`, in the form that it has.
pub fn parse(spec: &[u8]) -> Result<Vec<Line>, BadLine> {
    parse_as(spec, form::names_are_last(spec))
}

/// Every line of `spec`, whose names are the last fields or the first ones.
pub fn parse_as(spec: &[u8], name_last: bool) -> Result<Vec<Line>, BadLine> {
    let mut lines = Vec::new();
    let mut defaults = Keywords::new();
    let mut set_sources: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    // The directories entered: their names, and the lines of their rows.
    let mut entered: Vec<(Vec<u8>, usize)> = Vec::new();
    for (number, text) in logical_lines(spec) {
        let bad = |why| BadLine { number, why };
        let mut fields = Fields::split(text);
        let Some(mut name) = fields.get(0).map(<[u8]>::to_vec) else {
            lines.push(Line::Remark(fields.text));
            continue;
        };
        if name_last && name[0] != b'#' && name != b"/set" && name != b"/unset" {
            fields = Fields::split_name_last(text);
            name = fields.get(0).unwrap_or_default().to_vec();
        }
        match name.as_slice() {
            [b'#', ..] if !fields.name_last => lines.push(Line::Remark(fields.text)),
            b"/set" if !fields.name_last => {
                for field in fields.after_name() {
                    let (keyword, value) = keyword(field).map_err(bad)?;
                    check_type(keyword, value).map_err(bad)?;
                    defaults.insert(keyword.to_vec(), value.map(<[u8]>::to_vec));
                    if let (b"content" | b"contents", Some(value)) = (keyword, value) {
                        set_sources.retain(|(known, _)| known != keyword);
                        set_sources.push((keyword.to_vec(), value.to_vec()));
                    }
                }
                lines.push(Line::Default(fields));
            }
            b"/unset" if !fields.name_last => {
                for field in fields.after_name() {
                    match field {
                        b"all" => defaults.clear(),
                        _ => drop(defaults.remove(field)),
                    }
                    set_sources.retain(|(known, _)| field != b"all" && known != field);
                }
                lines.push(Line::Default(fields));
            }
            b".." => lines
                .push(Line::Up { text: fields.text, closes: entered.pop().map(|(_, line)| line) }),
            _ => {
                for field in fields.after_name() {
                    let (keyword, value) = keyword(field).map_err(bad)?;
                    check_type(keyword, value).map_err(bad)?;
                }
                let plain = unescape(&name).ok_or(bad("a stray escape in the name"))?;
                let slash_less = !name.contains(&b'/') && name != b".";
                let mut path = Parts::new();
                if slash_less {
                    path.extend(entered.iter().map(|(directory, _)| directory.clone()));
                }
                path.extend(parts(&plain));
                let (defaults, set_sources) = (defaults.clone(), set_sources.clone());
                let row = Row { fields, number, path, slash_less, defaults, set_sources };
                if slash_less && row.is_directory() {
                    entered.push((plain, lines.len()));
                }
                lines.push(Line::Row(row));
            }
        }
    }
    Ok(lines)
}

impl Line {
    /// The bytes it was read from.
    pub fn text(&self) -> &[u8] {
        match self {
            Line::Remark(text) | Line::Up { text, .. } => text,
            Line::Default(fields) => &fields.text,
            Line::Row(row) => &row.fields.text,
        }
    }
}

impl Row {
    /// Its type, be it its own or from `/set`.
    pub fn kind(&self) -> Option<Vec<u8>> {
        unescape(self.keywords().get(&b"type"[..])?.as_deref()?)
    }

    pub fn is_directory(&self) -> bool {
        self.kind().as_deref() == Some(b"dir")
    }

    /// Its keywords, including those of `/set`.
    pub fn keywords(&self) -> Keywords {
        let mut keywords = self.defaults.clone();
        for field in self.fields.after_name() {
            let (keyword, value) = cut_at_equals(field);
            keywords.insert(keyword.to_vec(), value.map(<[u8]>::to_vec));
        }
        keywords
    }

    /// The last of its own fields with this keyword, as written.
    pub fn value(&self, wanted: &[u8]) -> Option<&[u8]> {
        self.fields
            .after_name()
            .map(cut_at_equals)
            .filter(|(keyword, _)| *keyword == wanted)
            .last()
            .and_then(|(_, value)| value)
    }

    /// The source of a file or a declared link, as written.
    pub fn source(&self, link_is_source: bool) -> Option<&[u8]> {
        let link = self.value(b"link");
        match self.kind().as_deref() {
            Some(b"file") => self.content(),
            Some(b"link") if link_is_source => link.or(self.content()),
            Some(b"link") if link.is_none() => self.content(),
            _ => None,
        }
    }

    /// What the row takes its bytes from, as libarchive reads it. A spelling that the row says again replaces what was said
    /// before. Of the two spellings that are left, one of a `/set` line counts, the last of these; else
    /// the one that is written first.
    pub fn content(&self) -> Option<&[u8]> {
        let mut own: Vec<(&[u8], &[u8])> = Vec::new();
        for field in self.fields.after_name() {
            if let (keyword @ (b"content" | b"contents"), Some(value)) = cut_at_equals(field) {
                own.retain(|(known, _)| *known != keyword);
                own.push((keyword, value));
            }
        }
        let is_own = |keyword: &[u8]| own.iter().any(|(known, _)| *known == keyword);
        let set = self.set_sources.iter().rev().find(|(keyword, _)| !is_own(keyword));
        match set {
            Some((_, value)) => Some(value),
            None => own.first().map(|(_, value)| *value),
        }
    }
}

impl Fields {
    /// Where the fields of a line are.
    pub fn split(text: &[u8]) -> Fields {
        let mut spans: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let blank = match &text[at..] {
                [b'\\', b'\n', _, ..] => 2,
                [b' ' | b'\t' | b'\n', ..] | [b'\r', b'\n', ..] => 1,
                _ => 0,
            };
            if blank > 0 {
                at += blank;
                continue;
            }
            let length = if text[at] == b'\\' && at + 1 < text.len() { 2 } else { 1 };
            match spans.last_mut() {
                Some(span) if span.end == at => span.end += length,
                _ => spans.push(at..at + length),
            }
            at += length;
        }
        Fields { text: text.to_vec(), spans, name_last: false }
    }

    /// The same for a line with its name last.
    pub fn split_name_last(text: &[u8]) -> Fields {
        let mut fields = Fields { name_last: true, ..Fields::split(text) };
        fields.spans.rotate_right(1);
        fields
    }

    /// The fields in the order of the text: whether each is the name, and where it is.
    pub fn in_order(&self) -> Vec<(bool, Range<usize>)> {
        let numbered = self.spans.iter().cloned().enumerate();
        let mut all: Vec<_> = numbered.map(|(index, span)| (index == 0, span)).collect();
        all.sort_by_key(|(_, span)| span.start);
        all
    }

    /// A line of these fields, with the name where these have it.
    pub fn line(&self, name: &[u8], mut fields: Vec<Vec<u8>>) -> Vec<u8> {
        fields.insert(if self.name_last { fields.len() } else { 0 }, name.to_vec());
        fields.join(&b' ')
    }

    pub fn get(&self, index: usize) -> Option<&[u8]> {
        Some(&self.text[self.spans.get(index)?.clone()])
    }

    /// All fields but the first.
    pub fn after_name(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().skip(1).map(|span| &self.text[span.clone()])
    }

    /// What ends the line: a newline, or nothing at the end of the spec.
    pub fn ending(&self) -> &[u8] {
        match self.text.as_slice() {
            [.., b'\r', b'\n'] => b"\r\n",
            [.., b'\n'] => b"\n",
            _ => b"",
        }
    }
}

/// The lines of `spec` and their numbers; `\` before a newline makes one of two, but not where the
/// line holds a `#`.
fn logical_lines(spec: &[u8]) -> Vec<(usize, &[u8])> {
    let mut lines = Vec::new();
    let (mut from, mut first, mut at) = (0, 1, 0);
    for (index, line) in spec.split_inclusive(|byte| *byte == b'\n').enumerate() {
        at += line.len();
        if goes_on(line) && at < spec.len() {
            continue;
        }
        lines.push((first, &spec[from..at]));
        (from, first) = (at, index + 2);
    }
    lines
}

fn goes_on(line: &[u8]) -> bool {
    let Some(line) = line.strip_suffix(b"\n") else {
        return false;
    };
    let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
    backslashes % 2 == 1 && !line.contains(&b'#')
}

/// `keyword=value`, or one of the keywords that take no value.
fn keyword(field: &[u8]) -> Result<(&[u8], Option<&[u8]>), &'static str> {
    match cut_at_equals(field) {
        (keyword, None) if !WITHOUT_VALUE.contains(&keyword) => Err("a missing `=`"),
        pair => Ok(pair),
    }
}

fn check_type(keyword: &[u8], value: Option<&[u8]>) -> Result<(), &'static str> {
    if keyword != b"type" {
        return Ok(());
    }
    let kind = unescape(value.unwrap_or_default()).ok_or("a stray escape in the type")?;
    match TYPES.contains(&kind.as_slice()) {
        true => Ok(()),
        false => Err("an unknown type"),
    }
}

/// The keyword and the value of a field.
pub fn cut_at_equals(field: &[u8]) -> (&[u8], Option<&[u8]>) {
    match field.iter().position(|byte| *byte == b'=') {
        Some(at) => (&field[..at], Some(&field[at + 1..])),
        None => (field, None),
    }
}

/// The parts of `path`, without `.` and empty ones.
pub fn parts(path: &[u8]) -> Parts {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
        .collect()
}

/// What precedes the first part of a full path: `./`, `/` or nothing.
pub fn head(name: &[u8]) -> &[u8] {
    match name {
        [b'.', b'/', ..] => b"./",
        [b'/', ..] => b"/",
        _ => b"",
    }
}

/// `text` without its vis(3) escapes; `None` if one is invalid.
pub fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match rest.next()? {
            high @ b'0'..=b'3' => {
                let mut digit = || rest.next().filter(|d| (b'0'..=b'7').contains(d));
                let (middle, low) = (digit()?, digit()?);
                (high - b'0') * 64 + (middle - b'0') * 8 + (low - b'0')
            }
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            b's' => b' ',
            b'\\' => b'\\',
            b'#' => b'#',
            _ => return None,
        });
    }
    Some(out)
}

/// `text` as design rule 7 writes it in `link=`.
pub fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in text {
        match byte {
            b'\\' | b'#' | b'=' => out.extend(format!("\\{byte:03o}").bytes()),
            b'!'..=b'~' => out.push(*byte),
            _ => out.extend(format!("\\{byte:03o}").bytes()),
        }
    }
    out
}

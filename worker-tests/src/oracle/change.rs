//! DESIGN "Changing rows" for the oracle: a spec's lines with other names, times and owners.

use std::collections::BTreeSet;

use super::spec::{self, Fields, Line, Parts, Row};

/// The time of a parent row that was made, where no other was asked for.
const TIME_OF_MADE_PARENTS: &str = "946699200";

/// How the rows are to be changed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub strip_prefix: Option<Vec<u8>>,
    pub package_dir: Option<Vec<u8>>,
    pub mtime: Option<String>,
    pub owner: Option<String>,
    pub ownername: Option<String>,
    pub group: Option<String>,
    pub groupname: Option<String>,
}

/// The bytes of the changed spec.
pub fn change(lines: Vec<Line>, changes: &Changes) -> Vec<u8> {
    let moved: Vec<Option<Vec<u8>>> = lines.iter().map(|line| changes.name(line)).collect();
    let mut parents = Some(changes.made_parents(&moved));
    let mut out = Vec::new();
    for (line, name) in lines.iter().zip(moved) {
        match (line, name) {
            (Line::Row(row), Some(name)) => {
                out.extend(parents.take().into_iter().flatten());
                out.extend(changes.values(&row.fields, Some(&name)));
            }
            (Line::Row(_), None) => {}
            (Line::Default(fields), _) => out.extend(changes.values(fields, None)),
            (Line::Up { .. }, _) if changes.moves() => {}
            _ => out.extend(line.text()),
        }
    }
    out
}

impl Changes {
    /// Whether rows get other names.
    pub fn moves(&self) -> bool {
        self.strip_prefix.is_some() || self.package_dir.is_some()
    }

    /// The new name of a row that stays, as it is written.
    fn name(&self, line: &Line) -> Option<Vec<u8>> {
        let Line::Row(row) = line else {
            return None;
        };
        let written = row.fields.get(0).unwrap_or_default();
        if !self.moves() {
            return Some(written.to_vec());
        }
        let name = full_name(row, written);
        let stripped = match &self.strip_prefix {
            Some(prefix) => {
                let prefix = spec::parts(prefix);
                row.path.strip_prefix(prefix.as_slice()).filter(|rest| !rest.is_empty())?;
                without_parts(&name, prefix.len())
            }
            None => without_parts(&name, 0),
        };
        let mut moved = spec::head(&name).to_vec();
        if let Some(directory) = &self.package_dir {
            moved.extend(spec::escape(&spec::parts(directory).join(&b'/')));
            if !stripped.is_empty() {
                moved.push(b'/');
            }
        }
        moved.extend_from_slice(stripped);
        if row.is_directory() && !moved.contains(&b'/') {
            moved.push(b'/');
        }
        Some(match moved.as_slice() {
            // None of these would be a row.
            [b'#', rest @ ..] => [b"\\043", rest].concat(),
            b"/set" => b"./set".to_vec(),
            b"/unset" => b"./unset".to_vec(),
            b".." => b"./..".to_vec(),
            _ => moved,
        })
    }

    /// A directory row for each part of the package directory that has no row.
    fn made_parents(&self, moved: &[Option<Vec<u8>>]) -> Vec<u8> {
        let directory = spec::parts(self.package_dir.as_deref().unwrap_or_default());
        let there: BTreeSet<Parts> = moved
            .iter()
            .flatten()
            .filter_map(|name| spec::unescape(name))
            .map(|name| spec::parts(&name))
            .collect();
        let mut rows = Vec::new();
        for length in 1..=directory.len() {
            let parent = &directory[..length];
            if there.contains(parent) {
                continue;
            }
            let mut row = spec::escape(&parent.join(&b'/'));
            if length == 1 {
                row.push(b'/');
            }
            let time = self.mtime.as_deref().unwrap_or(TIME_OF_MADE_PARENTS);
            row.extend(format!(" type=dir mode=0755 time={time}").bytes());
            for (keyword, value) in [
                ("uid", &self.owner),
                ("gid", &self.group),
                ("uname", &self.ownername),
                ("gname", &self.groupname),
            ] {
                if let Some(value) = value {
                    row.extend(format!(" {keyword}={value}").bytes());
                }
            }
            row.push(b'\n');
            rows.extend(row);
        }
        rows
    }

    /// The text of a line with its new name and values, spaced as it was.
    fn values(&self, fields: &Fields, name: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut written = 0;
        for (index, span) in fields.spans.iter().enumerate() {
            out.extend_from_slice(&fields.text[written..span.start]);
            let field = &fields.text[span.clone()];
            match (index, name, self.value(spec::cut_at_equals(field).0)) {
                (0, Some(name), _) => out.extend_from_slice(name),
                (1.., _, Some(value)) if field.contains(&b'=') => {
                    out.extend_from_slice(spec::cut_at_equals(field).0);
                    out.push(b'=');
                    out.extend(value.bytes());
                }
                _ => out.extend_from_slice(field),
            }
            written = span.end;
        }
        out.extend_from_slice(&fields.text[written..]);
        // A `#` that is gone may have kept a `\` from joining the next line.
        let backslashes = out.iter().rev().skip(1).take_while(|byte| **byte == b'\\').count();
        if out.ends_with(b"\n") && backslashes % 2 == 1 && !out.contains(&b'#') {
            out.insert(out.len() - 1, b' ');
        }
        out
    }

    fn value(&self, keyword: &[u8]) -> Option<&str> {
        match keyword {
            b"time" => self.mtime.as_deref(),
            b"uid" => self.owner.as_deref(),
            b"uname" => self.ownername.as_deref(),
            b"gid" => self.group.as_deref(),
            b"gname" => self.groupname.as_deref(),
            _ => None,
        }
    }
}

/// The name of a row as a full path: as it is written, or made where it has no slash.
fn full_name(row: &Row, written: &[u8]) -> Vec<u8> {
    match row.slash_less {
        true => spec::escape(&row.path.join(&b'/')),
        false => written.to_vec(),
    }
}

/// `name` without its first `count` parts, and without what `.` and slashes stand before the next.
fn without_parts(name: &[u8], count: usize) -> &[u8] {
    let (mut rest, mut left) = (name, count);
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        if !matches!(&rest[..end], b"" | b".") {
            if left == 0 {
                break;
            }
            left -= 1;
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    rest
}

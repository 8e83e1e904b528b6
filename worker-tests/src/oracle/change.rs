//! docs/design.md, "Changing rows", for the oracle: a spec's lines with other names, times, modes and owners.
//!
//! The order: rows are chosen and get their modes by the archive path that the spec has, as tar.bzl's
//! `excludes`; then they lose the prefix, move below the package directory and get the other values; the
//! rows that are left are sorted last.

use std::collections::BTreeSet;

use super::{
    Options,
    glob::matches_at_or_above,
    sort::sorted,
    spec::{self, BadLine, Fields, Line, Parts, Row},
};

/// The time of a parent row that was made, without `--mtime`.
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
    pub modes: Vec<Mode>,
    pub choice: Choice,
    pub sort: bool,
}

/// One `--mode`.
#[derive(Clone, Debug)]
pub struct Mode {
    /// `None` for all rows.
    pub pattern: Option<String>,
    pub mode: String,
}

/// Which rows stay: those that a pattern includes, if there is one that does, but for those that one excludes.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub include_source: Vec<String>,
    pub exclude_source: Vec<String>,
}

/// The bytes of the changed spec.
pub fn change(lines: Vec<Line>, options: &Options, name_last: bool) -> Result<Vec<u8>, BadLine> {
    let changes = &options.changes;
    let stays = changes.choice.stays(&lines, options.link_is_source);
    let moved: Vec<Option<Vec<u8>>> = lines
        .iter()
        .zip(&stays)
        .map(|(line, stays)| if *stays { changes.name(line) } else { None })
        .collect();
    let mut parents = Some(changes.made_parents(&moved, name_last));
    let mut out = Vec::new();
    for (line, name) in lines.iter().zip(moved) {
        match (line, name) {
            (Line::Row(row), Some(name)) => {
                out.extend(parents.take().into_iter().flatten());
                out.extend(changes.row(row, &name));
            }
            (Line::Row(_), None) => {}
            (Line::Default(fields), _) => {
                out.extend(changes.values(fields, None, changes.mode_of_set()));
            }
            (Line::Up { .. }, _) if changes.moves() => {}
            (Line::Up { closes: Some(directory), .. }, _) if !stays[*directory] => {}
            _ => out.extend(line.text()),
        }
    }
    if changes.sort {
        return Ok(sorted(&spec::parse_as(&out, name_last)?));
    }
    Ok(out)
}

impl Choice {
    /// By line: whether it is no row, or a row that stays.
    fn stays(&self, lines: &[Line], link_is_source: bool) -> Vec<bool> {
        let is_included = |row: &Row| {
            let path = row.path.join(&b'/');
            let source = row.source(link_is_source).and_then(spec::unescape).map(normal_source);
            let is_source = |patterns: &[String]| {
                source.as_ref().is_some_and(|source| one_matches(patterns, source, normal_pattern))
            };
            let is_path = |patterns: &[String]| {
                one_matches(patterns, &path, |pattern| {
                    normal_pattern(pattern).trim_start_matches('/').to_owned()
                })
            };
            let all = self.include.is_empty() && self.include_source.is_empty();
            (all || is_path(&self.include) || is_source(&self.include_source))
                && !is_path(&self.exclude)
                && !is_source(&self.exclude_source)
        };
        let chosen: Vec<&Row> = lines
            .iter()
            .filter_map(|line| match line {
                Line::Row(row) => Some(row).filter(|row| is_included(row)),
                _ => None,
            })
            .collect();
        // The directories above what was included are not lost.
        let is_above = |row: &Row| {
            row.is_directory() && chosen.iter().any(|other| other.path.starts_with(&row.path))
        };
        lines
            .iter()
            .map(|line| match line {
                Line::Row(row) => is_included(row) || is_above(row),
                _ => true,
            })
            .collect()
    }
}

fn one_matches(patterns: &[String], path: &[u8], normal: impl Fn(&str) -> String) -> bool {
    patterns.iter().map(|pattern| normal(pattern)).any(|pattern| {
        pattern.is_empty() || !path.is_empty() && matches_at_or_above(pattern.as_bytes(), path)
    })
}

/// A pattern without `./` at its head and `/` at its end.
fn normal_pattern(pattern: &str) -> String {
    let mut pattern = pattern;
    while let Some(rest) = pattern.strip_prefix("./") {
        pattern = rest.trim_start_matches('/');
    }
    let end = pattern.trim_end_matches('/');
    (if end == "." { "" } else { end }).to_owned()
}

fn normal_source(source: Vec<u8>) -> Vec<u8> {
    let head: &[u8] = if source.first() == Some(&b'/') { b"/" } else { b"" };
    [head, &spec::parts(&source).join(&b'/')].concat()
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
        let mut head = spec::head(&name);
        let stripped = match &self.strip_prefix {
            Some(prefix) if prefix.iter().all(|byte| *byte == b'/') => {
                let rest = without_parts(&name, 0);
                if head == b"/" {
                    head = b"";
                    if rest.is_empty() {
                        return None;
                    }
                }
                rest
            }
            Some(prefix) => {
                let prefix = spec::parts(prefix);
                row.path.strip_prefix(prefix.as_slice()).filter(|rest| !rest.is_empty())?;
                without_parts(&name, prefix.len())
            }
            None => without_parts(&name, 0),
        };
        let mut moved = head.to_vec();
        if let Some(directory) = &self.package_dir {
            moved.extend(spec::escape(&spec::parts(directory).join(&b'/')));
            if !stripped.is_empty() {
                moved.push(b'/');
            }
        }
        moved.extend_from_slice(stripped);
        if moved.is_empty() {
            // The archive's own directory.
            return Some(if row.fields.name_last { b"./".to_vec() } else { b".".to_vec() });
        }
        if row.fields.name_last && !moved.contains(&b'/') {
            moved = [b"./", moved.as_slice()].concat();
        }
        if row.is_directory() && !moved.contains(&b'/') {
            moved.push(b'/');
        }
        Some(as_row(moved))
    }

    /// A row with its new name and values.
    fn row(&self, row: &Row, name: &[u8]) -> Vec<u8> {
        let path = row.path.join(&b'/');
        let wanted = self.modes.iter().rev().find(|mode| match &mode.pattern {
            None => true,
            Some(pattern) => one_matches(std::slice::from_ref(pattern), &path, |pattern| {
                normal_pattern(pattern).trim_start_matches('/').to_owned()
            }),
        });
        let wanted = wanted.map(|mode| mode.mode.as_str());
        let line = self.values(&row.fields, Some(name), wanted);
        let (Some(wanted), None) = (wanted, row.value(b"mode")) else {
            return line;
        };
        let Some(Some(set)) = row.defaults.get(&b"mode"[..]) else {
            return line;
        };
        if self.mode_of_set().unwrap_or_default().as_bytes() == wanted.as_bytes()
            || self.mode_of_set().is_none() && set == wanted.as_bytes()
        {
            return line;
        }
        if row.fields.name_last {
            let name = Fields::split_name_last(&line).spans[0].start;
            return [&line[..name], format!("mode={wanted} ").as_bytes(), &line[name..]].concat();
        }
        with_fields(&Fields::split(&line), &format!(" mode={wanted}").into_bytes())
    }

    /// The mode that `/set` lines get: it cannot be that of some rows alone.
    fn mode_of_set(&self) -> Option<&str> {
        let all = self.modes.iter().rev().find(|mode| mode.pattern.is_none());
        all.map(|mode| mode.mode.as_str())
    }

    /// A directory row for each part of the package directory that has no row.
    fn made_parents(&self, moved: &[Option<Vec<u8>>], name_last: bool) -> Vec<u8> {
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
            let mut name = spec::escape(&parent.join(&b'/'));
            if length == 1 {
                name.push(b'/');
            }
            let mut row = Vec::new();
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
            match name_last {
                true => rows.extend([&row[1..], b" ", &name, b"\n"].concat()),
                false => rows.extend([&name, &row[..], b"\n"].concat()),
            }
        }
        rows
    }

    /// The text of a line with its new name and values, spaced as it was.
    fn values(&self, fields: &Fields, name: Option<&[u8]>, mode: Option<&str>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut written = 0;
        for (is_first, span) in fields.in_order() {
            out.extend_from_slice(&fields.text[written..span.start]);
            let field = &fields.text[span.clone()];
            let value = match spec::cut_at_equals(field).0 {
                b"mode" => mode,
                keyword => self.value(keyword),
            };
            match (is_first, name, value) {
                (true, Some(name), _) => out.extend_from_slice(name),
                (false, _, Some(value)) if field.contains(&b'=') => {
                    out.extend_from_slice(spec::cut_at_equals(field).0);
                    out.push(b'=');
                    out.extend(value.bytes());
                }
                _ => out.extend_from_slice(field),
            }
            written = span.end;
        }
        out.extend_from_slice(&fields.text[written..]);
        kept_apart(out)
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

/// A line that does not join the next one: a `#` that is gone may have kept a `\` from that.
pub fn kept_apart(mut line: Vec<u8>) -> Vec<u8> {
    let backslashes = line.iter().rev().skip(1).take_while(|byte| **byte == b'\\').count();
    if line.ends_with(b"\n") && backslashes % 2 == 1 && !line.contains(&b'#') {
        line.insert(line.len() - 1, b' ');
    }
    line
}

/// A line with more fields behind its last one.
pub fn with_fields(line: &Fields, fields: &[u8]) -> Vec<u8> {
    let end = line.spans.last().map_or(0, |span| span.end);
    [&line.text[..end], fields, &line.text[end..]].concat()
}

/// `name`, so that it is a row.
pub fn as_row(name: Vec<u8>) -> Vec<u8> {
    match name.as_slice() {
        [b'#', rest @ ..] => [b"\\043", rest].concat(),
        b"/set" => b"./set".to_vec(),
        b"/unset" => b"./unset".to_vec(),
        b".." => b"./..".to_vec(),
        _ => name,
    }
}

/// The name of a row as a full path: as it is written, or made where it has no slash.
pub fn full_name(row: &Row, written: &[u8]) -> Vec<u8> {
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

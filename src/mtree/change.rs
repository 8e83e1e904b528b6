//! Changing rows as tar.bzl's `mtree_mutate` does (docs/design.md, "Changing rows").
//!
//! Knows text alone: rows in, rows out. Must not know what a source is.

use std::ops::Range;

use super::escape::{escape, unescape};
use super::field::{self, Kind, Span};
use super::form::RowForm;
use super::parse;
use super::pattern::Pattern;
use super::selection::Selection;
use super::{DotDot, Row, RowId, Spec};
use crate::path;

/// What is to change. `Default` changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The directory that is removed from the head of archive paths; other rows are removed. Text, not a pattern.
    pub strip_prefix: Option<Vec<u8>>,
    /// The archive path below which every row moves.
    pub package_dir: Option<Vec<u8>>,
    /// The `time` of every row that has one, and of the parents made.
    pub mtime: Option<Vec<u8>>,
    /// The owner of the rows.
    pub owner: Owner,
    /// The modes of rows that have one. Of several that match the last counts.
    pub modes: Vec<Mode>,
    /// Which rows stay, by the archive paths that they have before anything else is changed.
    pub selection: Selection,
    /// Whether the rows that are left are [sorted](Spec::sorted), last of all.
    pub sort: bool,
}

/// The text of a spec whose rows were changed or moved.
#[derive(Debug)]
pub struct Changed {
    /// The text.
    pub text: Vec<u8>,
    /// By row of that text: the row that it was before. `None` for one that was made.
    pub rows: Vec<Option<RowId>>,
}

/// A mode for some rows.
#[derive(Clone, Debug)]
pub struct Mode {
    /// Which, by the archive paths that they have before anything is changed. `None` for all.
    pub pattern: Option<Pattern>,
    /// The value of `mode`.
    pub mode: Vec<u8>,
}

/// The owner of rows, each part for the rows that have the keyword.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    /// `uid`.
    pub uid: Option<Vec<u8>>,
    /// `gid`.
    pub gid: Option<Vec<u8>>,
    /// `uname`.
    pub uname: Option<Vec<u8>>,
    /// `gname`.
    pub gname: Option<Vec<u8>>,
}

/// The `time` of a parent that is made, as rules_pkg and tar.bzl have it.
const MADE_TIME: &[u8] = b"946699200";

impl Change {
    /// Whether there is anything to change but the order of rows.
    pub fn is_nothing(&self) -> bool {
        !self.moves()
            && self.modes.is_empty()
            && self.selection.is_everything()
            && KEYWORDS.iter().all(|keyword| self.value(keyword).is_none())
    }

    /// The mode that `/set` lines get, which cannot be that of some rows alone.
    fn mode_of_set(&self) -> Option<&[u8]> {
        let all = self.modes.iter().rev().find(|mode| mode.pattern.is_none());
        all.map(|mode| &mode.mode[..])
    }

    /// The mode that a row at `path` gets.
    pub fn mode_at(&self, path: &[u8]) -> Option<&[u8]> {
        let matches =
            |mode: &&Mode| mode.pattern.as_ref().is_none_or(|pattern| pattern.matches(path));
        self.modes.iter().rev().find(matches).map(|mode| &mode.mode[..])
    }

    /// The changed text of `spec`, its rows in the order that they had.
    pub fn apply(&self, spec: &Spec) -> Changed {
        let parts = |path: &Option<Vec<u8>>| -> Option<Vec<u8>> {
            let path = path.as_deref().map(path::normal);
            path.filter(|path| !path.is_empty())
        };
        let stays = match self.selection.is_everything() {
            true => Vec::new(),
            false => self.selection.stays(spec),
        };
        let mut changer = Changer {
            stays,
            change: self,
            spec,
            strip_prefix: parts(&self.strip_prefix),
            strips_slash: self.strip_prefix.as_ref().is_some_and(|prefix| {
                !prefix.is_empty() && prefix.iter().all(|&byte| byte == b'/')
            }),
            package_dir: parts(&self.package_dir),
            out: Vec::with_capacity(spec.text.len() + spec.text.len() / 8),
            rows: Vec::with_capacity(spec.rows.len()),
        };
        changer.run();
        Changed { text: changer.out, rows: changer.rows }
    }

    fn moves(&self) -> bool {
        self.strip_prefix.is_some() || self.package_dir.is_some()
    }

    /// The new value of `keyword`, if it gets one.
    fn value(&self, keyword: &[u8]) -> Option<&[u8]> {
        let value = match keyword {
            b"time" => &self.mtime,
            b"uid" => &self.owner.uid,
            b"gid" => &self.owner.gid,
            b"uname" => &self.owner.uname,
            b"gname" => &self.owner.gname,
            _ => return None,
        };
        value.as_deref()
    }
}

/// The keywords that may get new values.
const KEYWORDS: [&[u8]; 5] = [b"time", b"uid", b"gid", b"uname", b"gname"];

struct Changer<'a> {
    /// By row: whether it stays. Empty if all do.
    stays: Vec<bool>,
    change: &'a Change,
    spec: &'a Spec,
    strip_prefix: Option<Vec<u8>>,
    /// The prefix is `/`: absolute paths become relative.
    strips_slash: bool,
    package_dir: Option<Vec<u8>>,
    out: Vec<u8>,
    /// By row of `out`: the row that it was before.
    rows: Vec<Option<RowId>>,
}

impl Changer<'_> {
    fn run(&mut self) {
        let text = &self.spec.text;
        let mut dotdots = self.spec.dotdots.iter().peekable();
        let mut made_parents = false;
        let mut written = 0;
        for (number, row) in self.spec.rows.iter().enumerate() {
            while let Some(dotdot) = dotdots.next_if(|dotdot| dotdot.start < row.start) {
                self.lines(&text[written..dotdot.start as usize]);
                self.dotdot(dotdot);
                written = dotdot.end as usize;
            }
            self.lines(&text[written..row.start as usize]);
            written = row.end as usize;
            let moved = if self.stays(number) { self.moved(row) } else { None };
            let Some(moved) = moved else {
                continue;
            };
            if !std::mem::replace(&mut made_parents, true) {
                self.make_parents();
            }
            self.row(row, &moved);
            self.rows.push(Some(RowId::from_index(number)));
        }
        for dotdot in dotdots {
            self.lines(&text[written..dotdot.start as usize]);
            self.dotdot(dotdot);
            written = dotdot.end as usize;
        }
        self.lines(&text[written..]);
    }

    fn stays(&self, row: usize) -> bool {
        self.stays.get(row) != Some(&false)
    }

    /// The new name of a row, or `None` if the row is removed.
    fn moved(&self, row: &Row) -> Option<Vec<u8>> {
        let line = self.spec.line(row);
        let form = self.spec.form;
        let name = field::name(line, form).text;
        if !self.change.moves() {
            return Some(name.to_vec());
        }
        let mut path = self.spec.path(row);
        if let Some(prefix) = &self.strip_prefix {
            path = path::below(path, prefix)?;
        }
        if self.strips_slash && name.starts_with(b"/") && path.is_empty() {
            return None;
        }
        let mut moved = match name {
            _ if name.starts_with(b"./") => b"./".to_vec(),
            _ if name.starts_with(b"/") && !self.strips_slash => b"/".to_vec(),
            _ => Vec::new(),
        };
        let head = moved.len();
        escape(self.package_dir.as_deref().unwrap_or_default(), &mut moved);
        if moved.len() > head && !path.is_empty() {
            moved.push(b'/');
        }
        match spelling(name, path) {
            Some(spelling) => moved.extend_from_slice(spelling),
            None => escape(path, &mut moved),
        }
        if moved.is_empty() {
            // The archive's own directory, which does not move: a prefix or package directory of `.`.
            let own = if form == RowForm::NameLast { &b"./"[..] } else { b"." };
            return Some(own.to_vec());
        }
        if form == RowForm::NameLast && !moved.contains(&b'/') {
            // libarchive recognizes the form by the slash.
            moved.splice(..0, *b"./");
        }
        if name.ends_with(b"/") && moved.len() > head
            || row.kind == Kind::Directory && !moved.contains(&b'/')
        {
            moved.push(b'/');
        }
        Some(as_row(moved))
    }

    fn row(&mut self, row: &Row, name: &[u8]) {
        let line = self.spec.line(row);
        let form = self.spec.form;
        let old = field::name(line, form);
        let from = self.out.len();
        let mode = self.change.mode_at(self.spec.path(row));
        let new_mode = mode.filter(|mode| self.is_said_anew(row, line, mode));
        let keywords = field::keywords(line, form);
        match form {
            RowForm::NameFirst => {
                let end = field::fields(line).last().map_or(old.end(), |last| last.end());
                self.out.extend_from_slice(&line[..old.start]);
                self.out.extend_from_slice(name);
                self.values(line, old.end()..end, keywords, mode);
                if let Some(mode) = new_mode {
                    self.out.extend_from_slice(b" mode=");
                    escape(mode, &mut self.out);
                }
                self.out.extend_from_slice(&line[end..]);
            }
            RowForm::NameLast => {
                self.values(line, 0..old.start, keywords, mode);
                if let Some(mode) = new_mode {
                    self.out.extend_from_slice(b"mode=");
                    escape(mode, &mut self.out);
                    self.out.push(b' ');
                }
                self.out.extend_from_slice(name);
                self.out.extend_from_slice(&line[old.end()..]);
            }
        }
        keep_apart(&mut self.out, from);
    }

    /// Whether a row that has its mode from `/set` has to say `mode` itself.
    fn is_said_anew(&self, row: &Row, line: &[u8], mode: &[u8]) -> bool {
        let says_own = || {
            let mut keywords =
                field::keywords(line, self.spec.form).map(|field| field::keyword(field.text).0);
            keywords.any(|keyword| keyword == b"mode")
        };
        let set = self.spec.defaults.value(b"mode", row.defaults);
        set.is_some_and(|set| self.change.mode_of_set().unwrap_or(set) != mode) && !says_own()
    }

    /// A `..` line: where rows move, they all have full paths and no directory is left.
    fn dotdot(&mut self, dotdot: &DotDot) {
        let stays = dotdot.directory.is_none_or(|row| self.stays(row as usize));
        if !self.change.moves() && stays {
            let DotDot { start, end, .. } = *dotdot;
            self.out.extend_from_slice(&self.spec.text[start as usize..end as usize]);
        }
    }

    /// Lines that are no rows: of these, `/set` has values too.
    fn lines(&mut self, lines: &[u8]) {
        let mut rest = lines;
        while !rest.is_empty() {
            let (line, behind) = rest.split_at(parse::line_end(rest, 0));
            rest = behind;
            match field::fields(line).next().map(|first| first.text) {
                Some(b"/set") => {
                    let from = self.out.len();
                    let fields = field::fields(line);
                    self.values(line, 0..line.len(), fields, self.change.mode_of_set());
                    keep_apart(&mut self.out, from);
                }
                _ => self.out.extend_from_slice(line),
            }
        }
    }

    /// Writes the range `stretch` of a line as it is, but for the values of its `fields` that are new.
    fn values<'l>(
        &mut self,
        line: &'l [u8],
        stretch: Range<usize>,
        fields: impl Iterator<Item = Span<'l>>,
        mode: Option<&[u8]>,
    ) {
        let mut written = stretch.start;
        for field in fields {
            let (keyword, Some(_)) = field::keyword(field.text) else {
                continue;
            };
            let value = if keyword == b"mode" { mode } else { self.change.value(keyword) };
            if let Some(value) = value {
                self.out.extend_from_slice(&line[written..field.start + keyword.len() + 1]);
                escape(value, &mut self.out);
                written = field.end();
            }
        }
        self.out.extend_from_slice(&line[written..stretch.end]);
    }

    /// The directory rows that lead to the package directory, except one that a row represents.
    fn make_parents(&mut self) {
        let Some(package_dir) = self.package_dir.clone() else {
            return;
        };
        // The archive's own directory, if it has a row, becomes the package directory.
        let has_own_row = self.strip_prefix.is_none()
            && (self.spec.rows.iter().enumerate())
                .any(|(number, row)| self.spec.path(row).is_empty() && self.stays(number));
        let mut parent = Vec::new();
        for part in path::parts(&package_dir) {
            path::push(&mut parent, part);
            if has_own_row && parent == package_dir {
                continue;
            }
            let mut name = Vec::new();
            escape(&parent, &mut name);
            if !parent.contains(&b'/') {
                name.push(b'/');
            }
            if self.spec.form == RowForm::NameFirst {
                self.out.extend_from_slice(&name);
                self.out.push(b' ');
            }
            self.out.extend_from_slice(b"type=dir mode=0755 time=");
            let time = self.change.mtime.as_deref().unwrap_or(MADE_TIME);
            escape(time, &mut self.out);
            for keyword in [&b"uid"[..], b"gid", b"uname", b"gname"] {
                if let Some(value) = self.change.value(keyword) {
                    self.out.push(b' ');
                    self.out.extend_from_slice(keyword);
                    self.out.push(b'=');
                    escape(value, &mut self.out);
                }
            }
            if self.spec.form == RowForm::NameLast {
                self.out.push(b' ');
                self.out.extend_from_slice(&name);
            }
            self.out.push(b'\n');
            self.rows.push(None);
        }
    }
}

/// Keeps the row or `/set` written from `from` on from joining the next line: one with a `#` in it
/// joins none, whatever it ends with, and that `#` may be gone.
pub(super) fn keep_apart(out: &mut Vec<u8>, from: usize) {
    if !out.ends_with(b"\\\n") {
        return;
    }
    let end = out.len();
    out.push(b'#');
    let joins = parse::line_end(&out[from..], 0) > end - from;
    out.truncate(end);
    if joins {
        out.insert(end - 1, b' ');
    }
}

/// `name`, so that what it names is a row: no comment, no `/set` or `/unset`, and no `..`.
pub(super) fn as_row(name: Vec<u8>) -> Vec<u8> {
    match &name[..] {
        [b'#', rest @ ..] => [br"\043", rest].concat(),
        b"/set" | b"/unset" => [b".", &name[..]].concat(),
        b".." => b"./..".to_vec(),
        _ => name,
    }
}

/// The end of `name` that spells `path` as its author did, if there is one.
fn spelling<'n>(name: &'n [u8], path: &[u8]) -> Option<&'n [u8]> {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let parts = path::parts(path).count();
    let slashes = memchr::memrchr_iter(b'/', name);
    let start = slashes.take(parts).last().filter(|_| parts > 0).map_or(name.len(), |at| at + 1);
    [&name[start..], name].into_iter().find(|end| {
        let mut bytes = Vec::new();
        unescape(end, &mut bytes).is_ok() && bytes == path
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: &Change, text: &str) -> String {
        let spec = Spec::parse(text.as_bytes().to_vec(), false).unwrap();
        String::from_utf8(change.apply(&spec).text).unwrap()
    }

    #[test]
    fn rows_below_the_prefix_lose_it_and_all_others_go() {
        let change = Change { strip_prefix: Some(b"./a.b/".to_vec()), ..Change::default() };
        assert_eq!(
            changed(
                &change,
                "#mtree\n./a.b type=dir\n./a.b/x uid=0\naxb/y uid=0\na.b/lib type=dir\n"
            ),
            "#mtree\n./x uid=0\nlib/ type=dir\n"
        );
    }

    #[test]
    fn a_package_directory_gets_its_parents_once() {
        let owner = Owner { uid: Some(b"7".to_vec()), ..Owner::default() };
        let change = Change { package_dir: Some(b"/srv/app".to_vec()), owner, ..Change::default() };
        assert_eq!(
            changed(&change, "/set uid=0\n./x  uid=1 type=file\ny type=dir\nz\n..\n"),
            "/set uid=7\n\
             srv/ type=dir mode=0755 time=946699200 uid=7\n\
             srv/app type=dir mode=0755 time=946699200 uid=7\n\
             ./srv/app/x  uid=7 type=file\nsrv/app/y type=dir\nsrv/app/y/z\n"
        );
    }

    #[test]
    fn a_prefix_of_no_parts_leaves_the_archives_own_directory_where_it_is() {
        let change = Change { strip_prefix: Some(b"./".to_vec()), ..Change::default() };
        assert_eq!(changed(&change, ". uid=0\n./a uid=0\n"), ". uid=0\n./a uid=0\n");
    }

    #[test]
    fn an_empty_prefix_removes_nothing() {
        let change = Change { strip_prefix: Some(Vec::new()), ..Change::default() };
        assert_eq!(changed(&change, "/ uid=0\n/a uid=0\n"), "/ uid=0\n/a uid=0\n");
    }

    #[test]
    fn nothing_else_of_a_row_changes() {
        let change = Change { mtime: Some(b"5".to_vec()), ..Change::default() };
        assert_eq!(
            changed(&change, "usr type=dir\tmtime=1\n a  time=1.0 \\\n time=2 optional\n..\n"),
            "usr type=dir\tmtime=1\n a  time=5 \\\n time=5 optional\n..\n"
        );
    }
}

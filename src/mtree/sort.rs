//! Rows in the byte order of their archive paths (docs/design.md, "Changing rows").
//!
//! Rows of one path keep their order. All have full paths, and there are no `..` lines. Comments move to
//! the head. `/set` lines stay there if none is between rows; else each row gets the keywords that were in force for it.

use super::change::{Changed, as_row, keep_apart};
use super::escape::escape;
use super::field::{self, Kind};
use super::form::RowForm;
use super::parse::{self, LIMIT};
use super::{Row, RowId, Spec};

impl Spec {
    /// The text of the spec with its rows in order.
    pub fn sorted(&self) -> Changed {
        let mut rows: Vec<RowId> = self.row_ids().collect();
        let defaults = |row: Option<&Row>| row.map(|row| row.defaults);
        let set_once = defaults(self.rows.first()) == defaults(self.rows.last());
        rows.sort_by_key(|row| self.path(self.row(*row)));
        let mut out = Vec::with_capacity(self.text.len() + self.text.len() / 8);
        let mut read = 0;
        for (number, row) in self.rows.iter().enumerate() {
            let sets_stay = number == 0 && set_once;
            other_lines(&self.text[read..row.start as usize], sets_stay, &mut out);
            read = row.end as usize;
        }
        let sets_stay = self.rows.is_empty();
        other_lines(&self.text[read..], sets_stay, &mut out);
        for row in &rows {
            self.push_standing_alone(self.row(*row), !set_once, &mut out);
            if out.len() >= LIMIT {
                // A spec of this length is refused.
                break;
            }
        }
        Changed { text: out, rows: rows.into_iter().map(Some).collect() }
    }

    /// Writes a row with a full path. If `says_all`, it repeats the keywords that `/set` gives it.
    fn push_standing_alone(&self, row: &Row, says_all: bool, out: &mut Vec<u8>) {
        let line = self.line(row);
        let name = field::name(line, self.form);
        let end = field::fields(line).last().map_or(name.end(), |last| last.end());
        let from = out.len();
        out.extend_from_slice(&line[..name.start]);
        if says_all && self.form == RowForm::NameLast {
            let mut inherited = Vec::new();
            self.push_inherited(row, &mut inherited);
            if !inherited.is_empty() {
                inherited.rotate_left(1);
                out.extend_from_slice(&inherited);
            }
        }
        if name.text.contains(&b'/') || name.text == b"." {
            out.extend_from_slice(name.text);
        } else {
            let mut full = Vec::new();
            escape(self.path(row), &mut full);
            if self.form == RowForm::NameLast && !full.contains(&b'/') {
                // libarchive recognizes the form by the slash.
                full.splice(..0, *b"./");
            } else if row.kind == Kind::Directory && !full.contains(&b'/') {
                full.push(b'/');
            }
            out.extend_from_slice(&as_row(full));
        }
        out.extend_from_slice(&line[name.end()..end]);
        if says_all && self.form == RowForm::NameFirst {
            self.push_inherited(row, out);
        }
        out.extend_from_slice(&line[end..]);
        end_line(out);
        keep_apart(out, from);
    }

    /// Writes the keywords that `/set` gives a row, each after a blank.
    fn push_inherited(&self, row: &Row, out: &mut Vec<u8>) {
        for (keyword, value) in self.defaults.inherited(self.row_line(row), row.defaults) {
            out.push(b' ');
            out.extend_from_slice(keyword);
            if let Some(value) = value {
                out.push(b'=');
                out.extend_from_slice(value);
            }
        }
    }
}

/// Writes the comments of some lines that are no rows, and `/set` lines if those stay.
fn other_lines(lines: &[u8], sets_stay: bool, out: &mut Vec<u8>) {
    let mut rest = lines;
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(parse::line_end(rest, 0));
        rest = behind;
        match field::fields(line).next().map(|first| first.text) {
            Some(b"/set" | b"/unset") if !sets_stay => {}
            Some(b"..") => {}
            _ => {
                out.extend_from_slice(line);
                end_line(out);
            }
        }
    }
}

fn end_line(out: &mut Vec<u8>) {
    if !out.is_empty() && !out.ends_with(b"\n") {
        out.push(b'\n');
    }
}

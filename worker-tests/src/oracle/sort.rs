//! `--sort` for the oracle.
//!
//! Rows are in the byte order of their archive paths; those of one path keep their order. All have full
//! paths, and there are no `..` lines. The lines before the first row stay at the head, followed by
//! the comments from between the rows. If no `/set` or `/unset` stands between rows, those at the head stay; else there
//! are no `/set` lines, and each row says what was in force for it.

use super::{
    change::{as_row, full_name, kept_apart, with_fields},
    spec::{self, Fields, Line, Row},
};

/// The lines in order.
pub fn sorted(lines: &[Line]) -> Vec<u8> {
    let is_row = |line: &Line| matches!(line, Line::Row(_));
    let head = lines.iter().position(is_row).unwrap_or(lines.len());
    let mut rows: Vec<&Row> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Row(row) => Some(row),
            _ => None,
        })
        .collect();
    let behind = lines.iter().rposition(is_row).map_or(head, |last| last + 1);
    let are_alike = !lines[head..behind].iter().any(|line| matches!(line, Line::Default(_)));
    let mut out = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        match line {
            Line::Remark(text) => out.extend(ended(text.clone())),
            Line::Default(fields) if index < head && are_alike => {
                out.extend(ended(fields.text.clone()));
            }
            _ => {}
        }
    }
    rows.sort_by_key(|row| row.path.join(&b'/'));
    for row in rows {
        out.extend(standing_alone(row, !are_alike));
    }
    out
}

/// A row with a full path, and with what `/set` says of it.
fn standing_alone(row: &Row, says_all: bool) -> Vec<u8> {
    let written = row.fields.get(0).unwrap_or_default();
    let mut name = written.to_vec();
    if row.slash_less {
        name = full_name(row, written);
        if row.fields.name_last && !name.contains(&b'/') {
            name = [b"./", name.as_slice()].concat();
        }
        if row.is_directory() && !name.contains(&b'/') {
            name.push(b'/');
        }
        name = as_row(name);
    }
    let span = row.fields.spans[0].clone();
    let text = &row.fields.text;
    let mut said = Vec::new();
    for (keyword, value) in &row.defaults {
        let is_said = row.fields.after_name().any(|field| spec::cut_at_equals(field).0 == keyword);
        if says_all && !is_said {
            said.push(b' ');
            said.extend(keyword);
            if let Some(value) = value {
                said.push(b'=');
                said.extend(value);
            }
        }
    }
    if row.fields.name_last {
        // A blank follows each.
        let said = if said.is_empty() { said } else { [&said[1..], b" "].concat() };
        return kept_apart(ended([&text[..span.start], &said, &name, &text[span.end..]].concat()));
    }
    let line = [&text[..span.start], &name, &text[span.end..]].concat();
    kept_apart(ended(with_fields(&Fields::split(&line), &said)))
}

/// A line with a newline at its end.
fn ended(mut line: Vec<u8>) -> Vec<u8> {
    if !line.ends_with(b"\n") {
        line.push(b'\n');
    }
    line
}

//! Differences as text: each entry in a few lines.
//!
//! Must not compare.

use std::fmt::Write as _;

use super::compare::{EntryChange, EntryDifference, FieldDifference};
use super::entry::{EntryField, FieldValue};
use super::provenance::Provenance;
use super::words;
use crate::commands::explain::Explanation;
use crate::commands::paint::Paint;
use crate::display::escaped;

/// Appends the lines of one entry.
pub(super) fn push(
    out: &mut String,
    difference: &EntryDifference<'_>,
    provenance: &[Provenance; 2],
    paint: Paint,
) {
    let path = paint.strong(&words::path(difference.path, difference.occurrence));
    let key = escaped(difference.path);
    let explained = [0, 1].map(|side: usize| provenance[side].get(&key));
    let mut fields: &[FieldDifference] = &[];
    let _ = match &difference.change {
        EntryChange::Added(entry) => {
            writeln!(out, "{} {path}: {}", paint.added("added"), words::summary(entry))
        }
        EntryChange::Removed(entry) => {
            writeln!(out, "{} {path}: {}", paint.removed("removed"), words::summary(entry))
        }
        EntryChange::Changed(_, differing) => {
            fields = differing;
            writeln!(out, "{} {path}", paint.changed("changed"))
        }
    };
    let is_explained = explained.iter().any(Option::is_some);
    for FieldDifference { field, values: [old, new] } in fields {
        // The explanation has the source, too.
        if is_explained && *field == EntryField::Source {
            continue;
        }
        let mut line = format!(
            "{} -> {}",
            paint.removed(&words::printed(old.as_ref())),
            paint.added(&words::printed(new.as_ref()))
        );
        if let (Some(FieldValue::Bytes(old)), Some(FieldValue::Bytes(new))) = (old, new) {
            let _ = write!(line, " ({})", words::growth(*old, *new));
        }
        push_line(out, &paint.label(&padded(&words::field(field))), &line);
    }
    push_provenance(out, explained, paint);
}

fn push_line(out: &mut String, label: &str, line: &str) {
    let _ = writeln!(out, "  {label}{line}");
}

/// A label, and at least one blank after it.
fn padded(label: &str) -> String {
    format!("{label:<7} ")
}

/// Appends where an entry came from in the old file, and comes from in the new one.
fn push_provenance(out: &mut String, explained: [Option<&Explanation>; 2], paint: Paint) {
    let source = |of: &Explanation| Some(of.source.clone()).filter(|source| !source.is_empty());
    let said: [(&str, [Option<String>; 2]); 3] = [
        ("source", explained.map(|of| of.and_then(source))),
        ("home", explained.map(|of| of.and_then(|of| of.home.clone()))),
        ("becomes", explained.map(|of| of.map(|of| of.becomes.clone()))),
    ];
    for (label, values) in said {
        let line = match values {
            [None, None] => continue,
            [Some(old), Some(new)] if old != new && label == "becomes" => {
                format!("{new} (before: {old})")
            }
            [Some(old), Some(new)] if old != new => format!("{old} -> {new}"),
            [_, Some(one)] | [Some(one), None] => one,
        };
        push_line(out, &paint.label(&padded(label)), &line);
    }
    let rules = |of: &Explanation| (of.rules.clone(), of.because.clone());
    let is_same = explained[0].map(rules) == explained[1].map(rules);
    for (side, of) in explained.into_iter().enumerate() {
        let Some(of) = of.filter(|_| side == 1 || !is_same) else { continue };
        let before = if side == 0 && explained[1].is_some() { " (before)" } else { "" };
        for (label, because) in of.reasons() {
            push_line(out, &paint.rule(&padded(&label)), &format!("{because}{before}"));
        }
    }
}

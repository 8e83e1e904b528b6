//! Differences as JSON: one object a line. Its `of` names the kind of difference.
//!
//! Must not compare.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::compare::{Comparison, EntryChange, EntryDifference, HeaderReason};
use super::entry::FieldValue;
use super::provenance::Provenance;
use super::side::DiffSide;
use super::words;
use crate::display::escaped;

/// Appends the object of one entry.
pub(super) fn push(
    out: &mut String,
    difference: &EntryDifference<'_>,
    provenance: &[Provenance; 2],
) {
    let path = escaped(difference.path);
    let [old_bytes, new_bytes] = difference.change.bytes();
    let mut object = json!({
        "of": "entry",
        "path": path,
        "old_bytes": old_bytes,
        "new_bytes": new_bytes,
    });
    let mut add = |name: &str, value: Value| object[name] = value;
    if difference.occurrence > 0 {
        add("occurrence", json!(difference.occurrence + 1));
    }
    match &difference.change {
        EntryChange::Added(entry) => {
            add("change", json!("added"));
            add("is", json!(words::summary(entry)));
        }
        EntryChange::Removed(entry) => {
            add("change", json!("removed"));
            add("is", json!(words::summary(entry)));
        }
        EntryChange::Changed(_, fields) => {
            let fields = fields.iter().map(|one| {
                let [old, new] = one.values.each_ref().map(|side| side.as_ref().map(value));
                json!({"field": words::field(&one.field), "old": old, "new": new})
            });
            add("change", json!("changed"));
            add("fields", fields.collect());
        }
    }
    for (name, provenance) in ["old_from", "new_from"].into_iter().zip(provenance) {
        if let Some(explanation) = provenance.get(&path) {
            add(name, json!(explanation));
        }
    }
    let _ = writeln!(out, "{object}");
}

/// A value as JSON: a number if it is one, else text.
fn value(value: &FieldValue) -> Value {
    match value {
        FieldValue::Number(number) => json!(number),
        FieldValue::Bytes(bytes) => json!(bytes),
        other => json!(words::value(other)),
    }
}

/// Appends what differs besides the entries, and the totals.
pub(super) fn push_rest(out: &mut String, comparison: &Comparison<'_>, sides: [&DiffSide; 2]) {
    let mut line = |object: Value| {
        let _ = writeln!(out, "{object}");
    };
    if let Some(order) = &comparison.order {
        let first = escaped(order.first);
        line(json!({"of": "order", "moved": order.moved, "first": first}));
    }
    if let Some(headers) = &comparison.headers {
        let reason = match headers.reason() {
            HeaderReason::Name(names) => json!({"name": names.map(escaped)}),
            HeaderReason::Form(forms) => json!({"form": forms.map(words::form)}),
            HeaderReason::Other => Value::Null,
        };
        let first = escaped(&headers.first[1].path);
        line(json!({"of": "headers", "count": headers.count, "first": first, "reason": reason}));
    }
    if let Some([old, new]) = comparison.end {
        line(json!({"of": "end", "old_bytes": old, "new_bytes": new}));
    }
    if let Some(frames) = &comparison.frames {
        let first = &frames.first;
        line(json!({
            "of": "frames",
            "old": frames.count[0],
            "new": frames.count[1],
            "old_only": frames.only[0],
            "new_only": frames.only[1],
            "cut_alike": frames.is_cut_alike,
            "first": {
                "layer": if first.is_new { "new" } else { "old" },
                "number": first.number,
                "offset": first.frame.offset,
                "bytes": first.frame.len,
                "raw_bytes": first.frame.raw_len,
                "path": first.entry.map(escaped),
            },
        }));
    }
    if let Some(not_compared) = &comparison.not_compared {
        let first = escaped(not_compared.first);
        line(json!({"of": "not compared", "contents": not_compared.count, "first": first}));
    }
    let totals = &comparison.totals;
    line(json!({
        "of": "totals",
        "entries": sides.map(|side| side.entries.len()),
        "added": totals.added,
        "removed": totals.removed,
        "changed": totals.changed,
        "unchanged": totals.unchanged,
        "content_bytes": totals.content,
        "tar_bytes": totals.tar,
        "compressed_bytes": totals.compressed,
    }));
}

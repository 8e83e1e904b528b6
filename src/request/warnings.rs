//! The warnings of a request: rows that could not be treated as the rules say.
//!
//! Knows the words; must decide nothing.

use crate::display::Escaped;
use crate::fs::Observations;
use crate::mtree::{RowId, Spec};
use crate::resolve::{Decisions, Reason, Unchanged};

/// The warnings about the rows of `spec`, one sentence each.
pub(super) fn of(spec: &Spec, decisions: &Decisions, observations: &Observations) -> Vec<String> {
    let mut warnings = Vec::new();
    let named = |row: RowId| {
        let row = spec.row(row);
        format!("{} ({})", Escaped(spec.path(row)), Escaped(spec.source(row)))
    };
    match first_and_count(decisions.unchanged(Unchanged::Absent)) {
        None => {}
        Some((row, 1)) => warnings.push(format!(
            "1 row was left alone, since its source does not exist: {}; add it to srcs",
            named(row)
        )),
        Some((first, count)) => warnings.push(format!(
            "{count} rows were left alone, since their sources do not exist, the first: {}; add them \
             to srcs",
            named(first)
        )),
    }
    let outside = |reason| matches!(reason, Reason::Declared { leads_outside: true });
    let declared = decisions.links().iter().filter(|link| outside(link.reason));
    if let Some((first, count)) = first_and_count(declared.map(|link| link.row)) {
        warnings.push(format!(
            "links that the build declared lead out of the archive: {count}, the first: {}; declare \
             them with a target inside it",
            named(first)
        ));
    }
    if let Some((first, count)) = first_and_count(decisions.unchanged(Unchanged::DanglingOutside)) {
        warnings.push(format!(
            "rows left alone, since their symlinks are dangling and would lead out of the archive: \
             {count}, the first: {}; remove them from srcs, or let the build declare them as links",
            named(first)
        ));
    }
    let names_another = Unchanged::NamesAnother { is_dangling: true };
    if let Some((first, count)) = first_and_count(decisions.unchanged(names_another)) {
        warnings.push(format!(
            "rows left alone, since their symlinks are dangling and would lead to other rows of the \
             archive: {count}, the first: {}; remove them from srcs, or add what they lead to",
            named(first)
        ));
    }
    if let Some(below) = decisions.below_links() {
        let link = match &below.text {
            Some(text) => format!("{} -> {}", Escaped(&below.link), Escaped(text)),
            None => Escaped(&below.link).to_string(),
        };
        warnings.push(format!(
            "rows stand below a link row: {}, the first: {}, below {link}; unpacked, they hide that \
             link or are written through it, so those whose links would lead above it stay files; \
             move the rows to where the link leads, or remove the link",
            below.count,
            Escaped(spec.path(spec.row(below.first))),
        ));
    }
    if let Some(directory) = &observations.unreadable
        && let Some((first, count)) = first_and_count(decisions.unchanged(Unchanged::Unreadable))
    {
        warnings.push(format!(
            "rows left alone, since a directory cannot be read: {count}, the first: {}; the directory \
             is {}: {}; make it readable, and add it to srcs",
            named(first),
            Escaped(&directory.path),
            directory.reason
        ));
    }
    warnings
}

/// The first of some rows, and how many they are.
fn first_and_count(mut rows: impl Iterator<Item = RowId>) -> Option<(RowId, usize)> {
    let first = rows.next()?;
    Some((first, 1 + rows.count()))
}

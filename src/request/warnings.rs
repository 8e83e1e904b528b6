//! The warnings of a request: rows that could not be treated as the rules say.
//!
//! Knows the words; must decide nothing.

use crate::display::Escaped;
use crate::fs::Observations;
use crate::mtree::Spec;
use crate::resolve::Decisions;

/// The warnings about the rows of `spec`, one sentence each.
pub fn of(spec: &Spec, decisions: &Decisions, observations: &Observations) -> Vec<String> {
    let mut warnings = Vec::new();
    let named = |row: usize| {
        let row = &spec.rows()[row];
        format!("{} ({})", Escaped(spec.path(row)), Escaped(spec.source(row)))
    };
    match decisions.absent[..] {
        [] => {}
        [row] => warnings.push(format!(
            "1 row was left alone, since its source does not exist: {}; add it to srcs",
            named(row)
        )),
        [first, ..] => warnings.push(format!(
            "{} rows were left alone, since their sources do not exist, the first: {}; add them \
             to srcs",
            decisions.absent.len(),
            named(first)
        )),
    }
    if let [first, ..] = decisions.declared_outside[..] {
        warnings.push(format!(
            "links that the build declared lead out of the archive: {}, the first: {}; declare them \
             with a target inside it",
            decisions.declared_outside.len(),
            named(first)
        ));
    }
    if let [first, ..] = decisions.kept_inside[..] {
        warnings.push(format!(
            "rows left alone, since their symlinks are dangling and would lead out of the archive: {}, \
             the first: {}; remove them from srcs, or let the build declare them as links",
            decisions.kept_inside.len(),
            named(first)
        ));
    }
    if let ([first, ..], Some(directory)) = (&decisions.unknown[..], &observations.unreadable) {
        warnings.push(format!(
            "rows left alone, since a directory cannot be read: {}, the first: {}; the directory is \
             {}: {}; make it readable, and add it to srcs",
            decisions.unknown.len(),
            named(*first),
            Escaped(&directory.path),
            directory.reason
        ));
    }
    warnings
}

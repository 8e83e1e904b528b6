//! The warnings of a request: rows that could not be treated as the rules say.
//!
//! Knows the words; must decide nothing.

use crate::display::Escaped;
use crate::fs::Observations;
use crate::mtree::{Kind, RowId, Spec};
use crate::resolve::{Decisions, Link, Reason, Tally, Unchanged};

/// The warnings about the rows of `spec`, one sentence each. `is_sandbox`: its sources are in a sandbox, where
/// Bazel stages each by a symlink.
pub(super) fn of(
    spec: &Spec,
    decisions: &Decisions,
    tally: &Tally,
    observations: &Observations,
    is_sandbox: bool,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if is_sandbox && decisions.no_symlink() {
        warnings.push(
            "no source in the sandbox is a symlink, as in a hermetic sandbox, which has hard links or \
             copies of the inputs: symlinks of the tree cannot be found and stay copies; set \
             --strategy=MtreeMutate=worker,local without worker sandboxing, or drop \
             --experimental_use_hermetic_linux_sandbox"
                .to_owned(),
        );
    }
    let named = |row: RowId| {
        let row = spec.row(row);
        format!("{} ({})", Escaped(spec.path(row)), Escaped(spec.source(row)))
    };
    match tally.first_and_count(Unchanged::Absent) {
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
    if let Some((first, count)) = tally.first_and_count(Unchanged::DanglingOutside) {
        warnings.push(format!(
            "rows left alone, since their symlinks are dangling and would lead out of the archive: \
             {count}, the first: {}; remove them from srcs, or let the build declare them as links",
            named(first)
        ));
    }
    if let Some((first, count)) = tally.first_and_count(Unchanged::DanglingAbsolute) {
        warnings.push(format!(
            "rows left alone, since their symlinks are absolute and dangling: {count}, the first: {}; \
             packing them fails: remove them from srcs, or create what they lead to",
            named(first)
        ));
    }
    if let Some((first, count)) = tally.first_and_count(Unchanged::DanglingStaging) {
        warnings.push(format!(
            "rows left alone, since the symlinks that Bazel put at their sources are dangling: {count}, \
             the first: {}; what they lead to was deleted: build or fetch it again",
            named(first)
        ));
    }
    let declared = |link: &&Link| matches!(link.reason, Reason::Declared { .. });
    let into_exec_root = decisions.links().iter().filter(declared);
    let mut into_exec_root = into_exec_root.filter(|link| leads_into_exec_root(&link.text));
    if let Some(first) = into_exec_root.next() {
        warnings.push(format!(
            "links that the build declared lead into the exec root, which no image has: {}, the first: \
             {} -> {}; add what they lead to to srcs, or declare them with a relative target",
            1 + into_exec_root.count(),
            named(first.row),
            Escaped(&first.text)
        ));
    }
    let finished = spec.row_ids().filter(|row| {
        let row = spec.row(*row);
        row.kind() == Kind::Link && !row.takes_part()
    });
    let mut finished = finished.filter_map(|row| Some((row, spec.link(spec.row(row))?)));
    let is_source = |(_, text): &(_, Vec<u8>)| is_probably_a_source(text);
    if let Some((first, text)) = finished.find(is_source) {
        warnings.push(format!(
            "finished links begin with bazel-out/ or external/: {}, the first: {} -> {}; if link= holds \
             the path of the symlink itself, say --link-is-source",
            1 + finished.filter(is_source).count(),
            Escaped(spec.path(spec.row(first))),
            Escaped(&text)
        ));
    }
    let names_another = Unchanged::NamesAnother { is_dangling: true };
    if let Some((first, count)) = tally.first_and_count(names_another) {
        warnings.push(format!(
            "rows left alone, since their symlinks are dangling and would lead to other rows of the \
             archive: {count}, the first: {}; remove them from srcs, or add what they lead to",
            named(first)
        ));
    }
    if let Some((first, count)) = tally.first_and_count(Unchanged::RowsBelow { is_dangling: true })
    {
        warnings.push(format!(
            "rows left alone, since their symlinks are dangling and rows are below them: {count}, the first: \
             {}; remove them from srcs, or add what they lead to",
            named(first)
        ));
    }
    if let Some(below) = decisions.below_links() {
        let link = match &below.text {
            Some(text) => format!("{} -> {}", Escaped(&below.link), Escaped(text)),
            None => Escaped(&below.link).to_string(),
        };
        warnings.push(format!(
            "rows below a link row: {}, the first: {}, below {link}; unpacked, they hide that \
             link or are written through it, so those whose links would lead above it stay files; \
             move the rows to where the link leads, or remove the link",
            below.count,
            Escaped(spec.path(spec.row(below.first))),
        ));
    }
    if let Some(directory) = &observations.unreadable
        && let Some((first, count)) = tally.first_and_count(Unchanged::Unreadable)
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

/// Whether the text of a link is probably the path of the symlink itself, as rules write it for
/// `--link-is-source`.
pub fn is_probably_a_source(text: &[u8]) -> bool {
    text.starts_with(b"bazel-out/") || text.starts_with(b"external/")
}

/// Whether an absolute text leads to where Bazel builds or keeps repositories.
pub fn leads_into_exec_root(text: &[u8]) -> bool {
    let mut parts = text.split(|&byte| byte == b'/');
    text.starts_with(b"/")
        && parts.any(|part| matches!(part, b"execroot" | b"bazel-out" | b"external"))
}

/// The first of some rows, and how many they are.
fn first_and_count(mut rows: impl Iterator<Item = RowId>) -> Option<(RowId, usize)> {
    let first = rows.next()?;
    Some((first, 1 + rows.count()))
}

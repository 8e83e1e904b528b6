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
    let rows = Rows { spec, decisions, tally };
    let warnings = [
        (is_sandbox && decisions.no_symlink()).then(|| NO_SYMLINK_IN_SANDBOX.to_owned()),
        rows.absent(),
        rows.declared_outside(),
        rows.left_alone(
            Unchanged::DanglingOutside,
            "since their symlinks are dangling and would lead out of the archive",
            "remove them from srcs, or let the build declare them as links",
        ),
        rows.left_alone(
            Unchanged::DanglingAbsolute,
            "since their symlinks are absolute and dangling",
            "packing them fails: remove them from srcs, or create what they lead to",
        ),
        rows.left_alone(
            Unchanged::DanglingStaging,
            "since the symlinks that Bazel put at their sources are dangling",
            "what they lead to was deleted: build or fetch it again",
        ),
        rows.declared_into_exec_root(),
        rows.finished_with_a_source(),
        rows.left_alone(
            Unchanged::NamesAnother { is_dangling: true },
            "since their symlinks are dangling and would lead to other rows of the archive",
            "remove them from srcs, or add what they lead to",
        ),
        rows.left_alone(
            Unchanged::RowsBelow { is_dangling: true },
            "since their symlinks are dangling and rows are below them",
            "remove them from srcs, or add what they lead to",
        ),
        rows.below_links(),
        observations.unreadable.as_ref().and_then(|directory| {
            rows.left_alone(
                Unchanged::Unreadable,
                "since a directory cannot be read",
                &format!(
                    "the directory is {}: {}; make it readable, and add it to srcs",
                    Escaped(&directory.path),
                    directory.reason
                ),
            )
        }),
    ];
    warnings.into_iter().flatten().collect()
}

const NO_SYMLINK_IN_SANDBOX: &str = "no source in the sandbox is a symlink, as in a hermetic sandbox, which has hard links \
     or copies of the inputs: symlinks of the tree cannot be found and stay copies; set \
     --strategy=MtreeMutate=worker,local without worker sandboxing, or drop \
     --experimental_use_hermetic_linux_sandbox";

/// The rows of a spec, and what becomes of them. Each method gives one warning, if there is a reason for it.
struct Rows<'r> {
    spec: &'r Spec,
    decisions: &'r Decisions,
    tally: &'r Tally,
}

impl Rows<'_> {
    /// The path and source of a row.
    fn named(&self, row: RowId) -> String {
        let row = self.spec.row(row);
        format!("{} ({})", Escaped(self.spec.path(row)), Escaped(self.spec.source(row)))
    }

    /// Rows that stay as they are for the reason `why`, in words `since`, and what to do about it.
    fn left_alone(&self, why: Unchanged, since: &str, advice: &str) -> Option<String> {
        let (first, count) = self.tally.first_and_count(why)?;
        let first = self.named(first);
        Some(format!("rows left alone, {since}: {count}, the first: {first}; {advice}"))
    }

    fn absent(&self) -> Option<String> {
        let (first, count) = self.tally.first_and_count(Unchanged::Absent)?;
        let first = self.named(first);
        Some(match count {
            1 => format!(
                "1 row was left alone, since its source does not exist: {first}; add it to srcs"
            ),
            _ => format!(
                "{count} rows were left alone, since their sources do not exist, the first: {first}; add them to \
                 srcs"
            ),
        })
    }

    /// Links that the build declared and that lead out of the archive.
    fn declared_outside(&self) -> Option<String> {
        let is_outside =
            |link: &&Link| matches!(link.reason, Reason::Declared { leads_outside: true });
        let links = self.decisions.links().iter().filter(is_outside);
        let (first, count) = first_and_count(links)?;
        Some(format!(
            "links that the build declared lead out of the archive: {count}, the first: {}; declare them with a \
             target inside it",
            self.named(first.row)
        ))
    }

    /// Links that the build declared and that lead to where Bazel builds.
    fn declared_into_exec_root(&self) -> Option<String> {
        let is_declared = |link: &&Link| matches!(link.reason, Reason::Declared { .. });
        let links = self.decisions.links().iter().filter(is_declared);
        let (first, count) =
            first_and_count(links.filter(|link| leads_into_exec_root(&link.text)))?;
        Some(format!(
            "links that the build declared lead into the exec root, which no image has: {count}, the first: {} -> {}; \
             add what they lead to to srcs, or declare them with a relative target",
            self.named(first.row),
            Escaped(&first.text)
        ))
    }

    /// Links whose text is probably the path of a source.
    fn finished_with_a_source(&self) -> Option<String> {
        let texts = self.spec.row_ids().filter_map(|id| {
            let row = self.spec.row(id);
            let is_finished = row.kind() == Kind::Link && !row.takes_part();
            Some((id, is_finished.then(|| self.spec.link(row))??))
        });
        let ((first, text), count) =
            first_and_count(texts.filter(|(_, text)| is_probably_a_source(text)))?;
        Some(format!(
            "finished links begin with bazel-out/ or external/: {count}, the first: {} -> {}; if link= holds the path \
             of the symlink itself, say --link-is-source",
            Escaped(self.spec.path(self.spec.row(first))),
            Escaped(&text)
        ))
    }

    fn below_links(&self) -> Option<String> {
        let below = self.decisions.below_links()?;
        let link = match &below.text {
            Some(text) => format!("{} -> {}", Escaped(&below.link), Escaped(text)),
            None => Escaped(&below.link).to_string(),
        };
        Some(format!(
            "rows below a link row: {}, the first: {}, below {link}; unpacked, they hide that link or are written \
             through it, so those whose links would lead above it stay files; move the rows to where the link leads, \
             or remove the link",
            below.count,
            Escaped(self.spec.path(self.spec.row(below.first))),
        ))
    }
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

/// The first of some, and how many they are.
fn first_and_count<T>(mut items: impl Iterator<Item = T>) -> Option<(T, usize)> {
    let first = items.next()?;
    Some((first, 1 + items.count()))
}

//! Explanations in words.
//!
//! Knows a sentence for each rule; must decide nothing.

use super::explanation::{ExplainedHop, Explanation};
use crate::display::{Escaped, escaped};
use crate::error::Sentence;
use crate::mtree::{Kind, RowId, Spec};
use crate::path;
use crate::request::{self, ObservedTree, RequestError};
use crate::resolve::{
    Decisions, DirectoryTrace, Hop, Link, MOST_LINKS, MissingTarget, Options, Reason, RowOutcome,
    RowTrace, Unchanged,
};

/// Makes explanations of traces.
pub(super) struct Wording<'t, T> {
    pub spec: &'t Spec,
    pub options: Options,
    pub decisions: &'t Decisions,
    pub tree: &'t T,
}

impl<T: ObservedTree> Wording<'_, T> {
    /// Explains a row.
    pub(super) fn row(&self, trace: RowTrace) -> Explanation {
        let row = self.spec.row(trace.row);
        let name = path::split(self.spec.source(row)).1;
        let mut explanation = explain_row(self.spec, trace.row);
        let staging = trace.stagings.iter();
        explanation.staging =
            staging.map(|directory| escaped(&self.tree.path(*directory, name))).collect();
        if let Some((directory, linked)) = trace.home {
            explanation.home = Some(escaped(&self.tree.path(directory, name)));
            explanation.linked_directories = linked;
        }
        explanation.link = trace.author.as_deref().map(escaped);
        explanation.trail = trace.trail.iter().map(|hop| self.hop(hop)).collect();
        let mut rule = |number: u8, because: String| {
            explanation.rules.push(number);
            explanation.because.push(because);
        };
        let declared = row.kind() == Kind::Link;
        match trace.outcome {
            RowOutcome::Link(number) => {
                let Link { text, reason, .. } = &self.decisions.links()[number as usize];
                if declared {
                    rule(4, "the build declared it a symlink: it is never inlined".to_owned());
                }
                let (number, because) = became_link(*reason, text);
                rule(number, because);
                if matches!(reason, Reason::Hop(_) | Reason::Directory(_) | Reason::Indirect) {
                    rule(5, text_rule(text, trace.author.as_deref()));
                }
                explanation.becomes = format!("a link to {}", Escaped(text));
            }
            RowOutcome::Removed(number) => {
                let directory = &self.decisions.directory_links()[number as usize].path;
                rule(
                    6,
                    format!(
                        "{} is one symlink in the tree, and becomes one link",
                        Escaped(directory)
                    ),
                );
                explanation.becomes = "nothing: it is removed with its directory".to_owned();
            }
            RowOutcome::Unchanged(why) => {
                explanation.rules.extend(rule_of(why));
                explanation.because.push(self.unchanged(why, &trace).to_owned());
                explanation.becomes = "itself".to_owned();
            }
        }
        explanation
    }

    /// Why a row stays as it is.
    fn unchanged(&self, why: Unchanged, trace: &RowTrace) -> &'static str {
        match why {
            Unchanged::NoPart => "it takes no part: it is not a file or link with a source",
            Unchanged::FinishedLink => self.finished_link(trace.row),
            Unchanged::NotASymlink => "its home is not a symlink",
            Unchanged::DanglingOutside => {
                "its symlink is dangling and leads out of the archive, which only a link that the \
                 build declared may do"
            }
            Unchanged::DanglingAbsolute => {
                "its symlink is absolute and dangling: there is nothing to link to, and there are no bytes"
            }
            Unchanged::DanglingStaging => {
                "the symlink that Bazel put at its source is dangling: what it leads to was deleted, or \
                 never fetched"
            }
            Unchanged::NamesAnother { is_dangling: true } => {
                "its symlink is dangling, and its text would name another row of the archive"
            }
            Unchanged::NamesAnother { is_dangling: false } => {
                "nothing on its trail is in the archive, and its text, which --missing-target=keep \
                 would keep, would name another row: its bytes go in"
            }
            Unchanged::RowsBelow { is_dangling: true } => {
                "its symlink is dangling, and rows are below it, which a link would hide"
            }
            Unchanged::RowsBelow { is_dangling: false } => {
                "nothing on its trail is in the archive, and rows are below it, which a link would hide: \
                 its bytes go in"
            }
            Unchanged::TextAboveLink { is_dangling: true } => {
                "its symlink is dangling, and its text climbs above a link row"
            }
            Unchanged::TextAboveLink { is_dangling: false } => {
                "nothing on its trail is in the archive, and its text climbs above a link row: its \
                 bytes go in"
            }
            Unchanged::BelowLink => {
                "it is below a link row, and no text that stays below that leads to its target: \
                 its bytes go in"
            }
            Unchanged::SourceOfSet => {
                "a /set line gives a source, which a link in its place would have too"
            }
            Unchanged::Absent => "its source does not exist, or is not an input: add it to srcs",
            Unchanged::Unreadable => "a directory on the way to its source cannot be read",
            Unchanged::Conflict => "several rows have its archive path, with different sources",
            Unchanged::Inlined => self.inlined(trace),
        }
    }

    /// Why a link row stays as it is.
    fn finished_link(&self, row: RowId) -> &'static str {
        let text = self.spec.link(self.spec.row(row));
        match text.is_some_and(|text| request::is_probably_a_source(&text)) {
            true => {
                "it is already a link, and is not changed; if link= holds the path of the \
                 symlink itself, say --link-is-source"
            }
            false => "it is already a link, and is not changed",
        }
    }

    /// Why a symlink is inlined.
    fn inlined(&self, trace: &RowTrace) -> &'static str {
        match self.options.missing_target {
            MissingTarget::Keep => {
                "nothing on its trail is in the archive, and --missing-target=keep has no \
                 relative target inside the archive to keep: its bytes go in"
            }
            _ if trace.trail.iter().any(|hop| !hop.rows.is_empty()) => {
                "no row on its trail can be a target: its archive path is this row's, or \
                 that of rows with different sources: its bytes go in"
            }
            _ if trace.trail.is_empty() => "its symlink leads to no location: its bytes go in",
            _ => "nothing on its trail is in the archive: its bytes go in",
        }
    }

    /// Explains a directory that became a link.
    pub(super) fn directory(&self, trace: DirectoryTrace) -> Explanation {
        let home = trace.home.as_ref();
        Explanation {
            path: escaped(&trace.path),
            of: "directory",
            source: String::new(),
            staging: Vec::new(),
            home: home.map(|(directory, name)| escaped(&self.tree.path(*directory, name))),
            linked_directories: 0,
            link: trace.author.as_deref().map(escaped),
            trail: trace.trail.iter().map(|hop| self.hop(hop)).collect(),
            becomes: match trace.rows {
                1 => format!("a link to {}, which replaces 1 row", Escaped(&trace.text)),
                rows => format!("a link to {}, which replaces {rows} rows", Escaped(&trace.text)),
            },
            layer: None,
            rules: vec![6, 5],
            because: vec![
                "it is one symlink in the tree, and its target is in the archive with the same rows"
                    .to_owned(),
                text_rule(&trace.text, trace.author.as_deref()),
            ],
        }
    }

    fn hop(&self, hop: &Hop) -> ExplainedHop {
        ExplainedHop {
            location: escaped(&self.tree.path(hop.directory, &hop.name)),
            link: hop.text.as_deref().map(escaped),
            rows: hop.rows.iter().map(|row| escaped(row)).collect(),
            more_rows: hop.more,
            absent: hop.is_absent,
        }
    }
}

/// The number of the rule that leaves a row as it is, if there is one.
fn rule_of(why: Unchanged) -> Option<u8> {
    match why {
        Unchanged::NoPart | Unchanged::SourceOfSet | Unchanged::Conflict => None,
        Unchanged::NotASymlink => Some(1),
        Unchanged::DanglingOutside
        | Unchanged::DanglingAbsolute
        | Unchanged::NamesAnother { .. }
        | Unchanged::Inlined => Some(3),
        Unchanged::FinishedLink => Some(4),
        Unchanged::DanglingStaging | Unchanged::Absent | Unchanged::Unreadable => Some(8),
        Unchanged::TextAboveLink { .. } | Unchanged::RowsBelow { .. } | Unchanged::BelowLink => {
            Some(10)
        }
    }
}

/// The rule that made a row a link, and its sentence.
fn became_link(reason: Reason, text: &[u8]) -> (u8, String) {
    match reason {
        Reason::Indirect => (
            1,
            "its home is not a symlink, and another row with that home was reached through fewer \
             symlinked directories"
                .to_owned(),
        ),
        Reason::Hop(hop) => {
            (2, format!("hop {} is the first on its trail that is another row", hop + 1))
        }
        Reason::Directory(hop) => (
            2,
            format!(
                "hop {} is the first on its trail that is a directory of the archive, and none is \
                 another row",
                hop + 1
            ),
        ),
        Reason::Dangling => (
            3,
            "its relative symlink is dangling: there is nothing to inline, so it is kept as written"
                .to_owned(),
        ),
        Reason::Kept => (
            3,
            "nothing on its trail is in the archive, and --missing-target=keep keeps a relative target"
                .to_owned(),
        ),
        Reason::Declared { leads_outside } => {
            let where_to = match (leads_outside, request::leads_into_exec_root(text)) {
                (_, true) => ", which leads into the exec root",
                (true, false) => ", which leads out of the archive",
                (false, false) => "",
            };
            let kept = "nothing on its trail is in the archive: it keeps its declared target";
            (4, format!("{kept}{where_to}"))
        }
    }
}

fn text_rule(text: &[u8], author: Option<&[u8]>) -> String {
    match author == Some(text) {
        true => "the text is the author's, verbatim".to_owned(),
        false => "the text is the relative path to the target".to_owned(),
    }
}

/// Explains the row that ended the request with an error.
pub(super) fn explain_error(path: &str, error: &RequestError) -> Explanation {
    let (rule, what) = match error {
        RequestError::MissingTarget { .. } => {
            (3, "nothing on its trail is in the archive, and --missing-target=fail".to_owned())
        }
        RequestError::SymlinkLoop { .. } => {
            (9, format!("a symlink loop, or more than {MOST_LINKS} symlinks, is an error"))
        }
        _ => (9, "a row that cannot be parsed is an error".to_owned()),
    };
    Explanation {
        path: path.to_owned(),
        of: "row",
        source: String::new(),
        staging: Vec::new(),
        home: None,
        linked_directories: 0,
        link: None,
        trail: Vec::new(),
        becomes: format!("an error: {}", Escaped(Sentence(error).to_string().as_bytes())),
        rules: vec![rule],
        because: vec![what],
        layer: None,
    }
}

/// The part of an explanation that is the same for every row.
pub(super) fn explain_row(spec: &Spec, row: RowId) -> Explanation {
    let row = spec.row(row);
    Explanation {
        path: escaped(spec.path(row)),
        of: "row",
        source: escaped(spec.source(row)),
        staging: Vec::new(),
        home: None,
        linked_directories: 0,
        link: None,
        trail: Vec::new(),
        becomes: String::new(),
        rules: Vec::new(),
        because: Vec::new(),
        layer: None,
    }
}

//! Rows beside those of the layouts.

use proptest::{
    option,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::{Index, select},
};

use super::row::{Row, RowKind, above, one_above};
use crate::random::{name, tree::Source};

/// A row beside those of the layouts, placed by one of them.
#[derive(Clone, Debug)]
pub(super) struct Extra {
    pub(super) of: Index,
    pub(super) kind: ExtraKind,
    pub(super) also: bool,
}

#[derive(Clone, Debug)]
pub(super) enum ExtraKind {
    /// The same archive path, for another source or the same one.
    Again { source: Option<Index> },
    /// In the same archive directory, for another source.
    Beside { name: Vec<u8>, source: Index },
    /// For a source that is not there.
    Gone { name: Vec<u8> },
    /// Without a source.
    Made { name: Vec<u8> },
    /// A link that is finished.
    Finished { name: Vec<u8> },
    /// A row for the directory above.
    Directory { mode: &'static str },
    /// A file where the directory above is.
    AtDirectory { source: Index },
    /// A link where a directory above is: other rows are below it.
    LinkAbove { directory: Index, text: &'static str },
    /// A link that the build declared, where a directory above is.
    DeclaredAbove { directory: Index, source: Index },
}

/// The texts of links above other rows.
const LINKS_ABOVE: &[&str] =
    &["usr", "app", "../usr", "v1", "lib", "../lib", "opt/py", "/app", "../app/v1", "a", "nowhere"];

pub(super) fn extra() -> impl Strategy<Value = Extra> {
    let kind = prop_oneof![
        3 => option::of(any::<Index>()).prop_map(|source| ExtraKind::Again { source }),
        4 => (name(), any::<Index>()).prop_map(|(name, source)| ExtraKind::Beside { name, source }),
        2 => name().prop_map(|name| ExtraKind::Gone { name }),
        1 => name().prop_map(|name| ExtraKind::Made { name }),
        1 => name().prop_map(|name| ExtraKind::Finished { name }),
        2 => select(vec!["0755", "0700"]).prop_map(|mode| ExtraKind::Directory { mode }),
        1 => any::<Index>().prop_map(|source| ExtraKind::AtDirectory { source }),
        2 => (any::<Index>(), select(LINKS_ABOVE))
            .prop_map(|(directory, text)| ExtraKind::LinkAbove { directory, text }),
        1 => (any::<Index>(), any::<Index>())
            .prop_map(|(directory, source)| ExtraKind::DeclaredAbove { directory, source }),
    ];
    (any::<Index>(), kind, prop_oneof![4 => Just(false), 1 => Just(true)])
        .prop_map(|(of, kind, also)| Extra { of, kind, also })
}

impl Extra {
    pub(super) fn row(&self, of: &Row, sources: &[Source]) -> Row {
        let directory = above(&of.path).last().unwrap_or_default();
        let inner = |name: &[u8]| match directory.as_slice() {
            b"" => name.to_vec(),
            directory => [directory, b"/", name].concat(),
        };
        let from = |source: &Index| RowKind::File(source.get(sources).path.clone());
        let (path, what, mode) = match &self.kind {
            ExtraKind::Again { source: None } => (of.path.clone(), of.what.clone(), of.mode),
            ExtraKind::Again { source: Some(source) } => (of.path.clone(), from(source), "0755"),
            ExtraKind::Beside { name, source } => (inner(name), from(source), "0755"),
            ExtraKind::Gone { name } => {
                (inner(name), RowKind::File(b"external/py/gone/x".to_vec()), "0755")
            }
            ExtraKind::Made { name } => (inner(name), RowKind::Made, "0755"),
            ExtraKind::Finished { name } => {
                (inner(name), RowKind::Finished("finished/already"), "0755")
            }
            ExtraKind::Directory { mode } => (directory, RowKind::Directory, *mode),
            ExtraKind::AtDirectory { source } => (directory, from(source), "0755"),
            ExtraKind::LinkAbove { directory, text } => {
                (one_above(&of.path, directory), RowKind::Finished(text), "0755")
            }
            ExtraKind::DeclaredAbove { directory, source } => {
                let source = source.get(sources).path.clone();
                (one_above(&of.path, directory), RowKind::Declared(source), "0755")
            }
        };
        Row { path, what, mode, ..Row::directory(of.owner, self.also) }
    }
}

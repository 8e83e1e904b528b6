//! Rows before they are written, and their archive paths.

use proptest::sample::Index;

use super::style::Oddity;

/// A row before it is written.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) path: Vec<u8>,
    pub(super) what: RowKind,
    pub(super) owner: &'static str,
    pub(super) mode: &'static str,
    pub(super) also: bool,
    pub(super) oddities: Vec<Oddity>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum RowKind {
    File(Vec<u8>),
    Declared(Vec<u8>),
    Made,
    /// With this text.
    Finished(&'static str),
    Directory,
}

impl Row {
    /// A directory's row, for a path to be named.
    pub(super) fn directory(owner: &'static str, also: bool) -> Row {
        Row {
            path: Vec::new(),
            what: RowKind::Directory,
            owner,
            mode: "0755",
            also,
            oddities: Vec::new(),
        }
    }

    pub(super) fn source(&self) -> Option<&Vec<u8>> {
        match &self.what {
            RowKind::File(source) | RowKind::Declared(source) => Some(source),
            _ => None,
        }
    }
}

/// Whether `path` is below `directory`; everything is below the empty path.
pub(super) fn is_below(path: &[u8], directory: &[u8]) -> bool {
    directory.is_empty()
        || path.strip_prefix(directory).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// One of the directories above `path`; the empty path if there is none.
pub(super) fn one_above(path: &[u8], which: &Index) -> Vec<u8> {
    let above: Vec<_> = above(path).collect();
    if above.is_empty() { Vec::new() } else { which.get(&above).clone() }
}

/// The directories above `path`, outermost first.
pub(super) fn above(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| path[..end].to_vec())
}

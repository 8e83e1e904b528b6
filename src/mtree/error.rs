//! The errors of a spec that cannot be parsed.

use std::fmt;

use super::escape::Stray;

/// Why a spec cannot be parsed.
#[derive(Debug, PartialEq, Eq)]
pub struct SpecError {
    /// The first line of the row, counted from 1.
    pub line: usize,
    /// What is wrong with the row.
    pub what: RowProblem,
}

/// What is wrong with a row.
#[derive(Debug, PartialEq, Eq)]
pub enum RowProblem {
    /// A `type` that mtree(5) does not define.
    UnknownType(Vec<u8>),
    /// A keyword that needs a value and has none.
    MissingEquals(Vec<u8>),
    /// A row in the form of `mtree -D`, which has the name last.
    NameLast(Vec<u8>),
    /// A backslash that begins no escape.
    StrayEscape(Vec<u8>),
    /// A name or source with a NUL byte.
    Nul,
    /// A row without slashes whose full path has more than `DEEPEST` bytes.
    TooDeep,
    /// The spec has 2 GiB or more.
    TooLarge,
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |bytes: &[u8]| format!("\"{}\"", bytes.escape_ascii());
        match self {
            Self::UnknownType(name) => write!(
                f,
                "unknown type {}: it is one of block, char, dir, fifo, file, link, socket",
                quoted(name)
            ),
            Self::MissingEquals(keyword) => write!(
                f,
                "missing \"=\" after {}: write a keyword as KEYWORD=VALUE, and a space in a name as \\040",
                quoted(keyword)
            ),
            Self::NameLast(name) => write!(
                f,
                "the name {} is the last field: write it first, as in \"NAME KEYWORD=VALUE\"",
                quoted(name)
            ),
            Self::StrayEscape(text) => write!(
                f,
                "stray escape \"{}\": write a backslash as \\134",
                String::from_utf8_lossy(text)
            ),
            Self::Nul => write!(f, "a path with a NUL byte (\\000): no file has such a name"),
            Self::TooDeep => write!(
                f,
                "a path of more than {DEEPEST} bytes, with the directories that it is in: leave a directory with \"..\""
            ),
            Self::TooLarge => write!(f, "the spec is 2 GiB or larger: split it"),
        }
    }
}

impl From<Stray> for RowProblem {
    fn from(stray: Stray) -> Self {
        Self::StrayEscape(stray.0)
    }
}

/// The longest path of a row without slashes, in bytes, as `PATH_MAX`. Each path is stored in full, so without
/// this limit a short spec of nested directories could take unbounded memory.
pub(super) const DEEPEST: usize = 4096;

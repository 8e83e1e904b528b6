//! What is wrong with a spec that cannot be read.

use std::fmt;

use super::escape::Stray;

/// A spec that cannot be read: the line, counted from 1, and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub struct SpecError {
    /// The first line of the row, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with a row.
#[derive(Debug, PartialEq, Eq)]
pub enum What {
    /// A `type` that mtree(5) does not have.
    UnknownType(Vec<u8>),
    /// A keyword that wants a value and has none.
    MissingEquals(Vec<u8>),
    /// A backslash that begins no escape.
    StrayEscape(Vec<u8>),
    /// A name or source with a NUL byte.
    Nul,
    /// A slash-less row so deep in directories that its path has more than `DEEPEST` bytes.
    TooDeep,
    /// 2 GiB or more of text.
    TooLarge,
}

impl fmt::Display for What {
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
            Self::StrayEscape(text) => write!(
                f,
                "stray escape \"{}\": write a backslash as \\134",
                String::from_utf8_lossy(text)
            ),
            Self::Nul => write!(f, "a path with a NUL byte (\\000): no file has such a name"),
            Self::TooDeep => write!(
                f,
                "a path of more than {DEEPEST} bytes below the directories entered: leave them with \"..\""
            ),
            Self::TooLarge => write!(f, "the spec is 2 GiB or larger: split it"),
        }
    }
}

impl From<Stray> for What {
    fn from(stray: Stray) -> Self {
        Self::StrayEscape(stray.0)
    }
}

/// The longest path of a slash-less row, in bytes, as `PATH_MAX` has it: each is spelled out, so that
/// a short spec of directories in directories would become a long one.
pub(super) const DEEPEST: usize = 4096;

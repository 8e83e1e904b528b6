//! Why a request fails. Each error is one sentence with its causes: what, where, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::atomic_file::OutputError;
use super::host::Purpose;
use super::layer::GroupsError;
use crate::display::Escaped;
use crate::layer::keywords::KeywordError;
use crate::layer::rows::RowError;
use crate::layer::{ContentError, LayerError};
use crate::mtree::SpecError;
use crate::resolve::{MOST_LINKS, ResolveError, Stopped};

/// A request that failed. No output was written.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A file that the request names cannot be read.
    #[error("{}: {} cannot be read", Escaped::path(.path), .purpose)]
    Read {
        /// As the request spells it.
        path: PathBuf,
        /// Why it is read.
        purpose: Purpose,
        /// The system's error.
        source: io::Error,
    },
    /// A row that cannot be parsed (design rule 9).
    #[error("{}:{}: {}", Escaped::path(.path), .error.line, .error.what)]
    Spec {
        /// As the request spells it.
        path: PathBuf,
        /// What is wrong with it, and in which line.
        error: SpecError,
    },
    /// The directory that sources are relative to cannot be opened.
    #[error("{}: the directory that sources are relative to cannot be opened", Escaped::path(.path))]
    Root {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A symlink loop (design rule 9).
    #[error(
        "{}: too many levels of symbolic links (a loop, or more than {MOST_LINKS}): {}",
        Escaped(.path), joined_by_arrows(.trail)
    )]
    SymlinkLoop {
        /// The row's archive path.
        path: Vec<u8>,
        /// Its source, then the texts of the symlinks.
        trail: Vec<Vec<u8>>,
    },
    /// A symlink that leads out of the archive, with `--missing-target=fail` (design rule 3).
    #[error(
        "{}: nothing on its trail is in the archive: {}; add a row for one of these, or use --missing-target=inline",
        Escaped(.path), joined_by_arrows(.trail)
    )]
    MissingTarget {
        /// The row's archive path.
        path: Vec<u8>,
        /// Its source, then the texts of the symlinks.
        trail: Vec<Vec<u8>>,
    },
    /// A file or directory of the tree cannot be read.
    #[error("{}: cannot be read: {}", Escaped(.path), .reason)]
    Tree {
        /// Relative to the root, or absolute.
        path: Vec<u8>,
        /// Errno's phrase.
        reason: String,
    },
    /// A row of which no layer can be made.
    #[error("{}{}", location(.file, *.line), Escaped(.path))]
    LayerRow {
        /// The spec, as the request spells it.
        file: PathBuf,
        /// The line of the row in it. `None` for a row that `--package-dir` made.
        line: Option<usize>,
        /// The archive path of the row.
        path: Vec<u8>,
        /// What is wrong with it.
        #[source]
        problem: Box<LayerProblem>,
    },
    /// A file of groups that cannot be used.
    #[error("{}", Escaped::path(.path))]
    Groups {
        /// As the request spells it.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: Box<GroupsError>,
    },
    /// A layer cannot be written. The error is of no row, and not of the output file.
    #[error(transparent)]
    Layer(LayerError),
    /// An output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// An error that was recorded, in a replay. Its text is the recorded one.
    #[error("{0}")]
    Recorded(String),
    /// A file that the request reads is not in the capture that is replayed.
    #[error("{}: the capture does not hold this file", Escaped::path(.0))]
    NotRecorded(PathBuf),
    /// A request reads the tree of a capture a second time. No request does.
    #[error("the tree of a capture can be read only once")]
    TreeUsed,
    /// The request was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// What is wrong with a row, or its source, so that it is in no layer.
#[derive(Debug, thiserror::Error)]
pub enum LayerProblem {
    /// A keyword that tar has no place for.
    #[error(transparent)]
    Keyword(#[from] KeywordError),
    /// Something that tar needs is missing.
    #[error(transparent)]
    Row(#[from] RowError),
    /// There is no such source.
    #[error(
        "the source {} does not exist; add it to srcs, or mark the row as optional", Escaped(.0)
    )]
    Missing(Box<[u8]>),
    /// The source is not one of the inputs that the request lists.
    #[error(
        "the source {} is not an input of the action; add it to srcs, or mark the row as optional",
        Escaped(.0)
    )]
    NotAnInput(Box<[u8]>),
    /// The source is a directory, a device or the like.
    #[error("the source {} is not a file; give the row the type that it has", Escaped(.0))]
    NotAFile(Box<[u8]>),
    /// The source of a link is no symlink.
    #[error("the source {} is not a symlink; give the row link=, or type=file", Escaped(.0))]
    NotALink(Box<[u8]>),
    /// An error that was recorded, in a replay. Its text is the recorded one.
    #[error("{0}")]
    Recorded(String),
    /// The source cannot be read, or changed.
    #[error(transparent)]
    Content(#[from] ContentError),
}

impl From<ResolveError> for RequestError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::SymlinkLoop { path, trail } => Self::SymlinkLoop { path, trail },
            ResolveError::MissingTarget { path, trail } => Self::MissingTarget { path, trail },
            ResolveError::Stopped(Stopped::Cancelled) => Self::Cancelled,
            ResolveError::Stopped(Stopped::Failed { path, reason }) => Self::Tree { path, reason },
        }
    }
}

/// The prefix of a message about a row: its file and line.
fn location(file: &Path, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{}:{line}: ", Escaped::path(file)),
        None => format!("{}: ", Escaped::path(file)),
    }
}

fn joined_by_arrows(texts: &[Vec<u8>]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| Escaped(text).to_string()).collect();
    texts.join(" -> ")
}

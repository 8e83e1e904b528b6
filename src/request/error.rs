//! Why a request fails. Each error is one sentence with its causes: what, where, and what to do.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::atomic_file::OutputError;
use super::host::Purpose;
use crate::display::Escaped;
use crate::mtree::SpecError;
use crate::resolve::{MOST_LINKS, ResolveError, Stopped};

/// A request that failed. No output was written.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A file that the request names cannot be read.
    #[error("{}: {} cannot be read", escaped(.path), .purpose)]
    Read {
        /// As the request spells it.
        path: PathBuf,
        /// Why it is read.
        purpose: Purpose,
        /// The system's error.
        source: io::Error,
    },
    /// A row that cannot be parsed (design rule 9).
    #[error("{}:{}: {}", escaped(.path), .error.line, .error.what)]
    Spec {
        /// As the request spells it.
        path: PathBuf,
        /// What is wrong with it, and in which line.
        error: SpecError,
    },
    /// The directory that sources are relative to cannot be opened.
    #[error("{}: the directory that sources are relative to cannot be opened", escaped(.path))]
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
    /// An output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// An error that was recorded, in a replay. Its text is the recorded one.
    #[error("{0}")]
    Recorded(String),
    /// A file that the request reads is not in the capture that is replayed.
    #[error("{}: the capture does not hold this file", escaped(.0))]
    NotRecorded(PathBuf),
    /// A request reads the tree of a capture a second time. No request does.
    #[error("the tree of a capture can be read only once")]
    TreeUsed,
    /// The request was cancelled.
    #[error("cancelled")]
    Cancelled,
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

fn escaped(path: &Path) -> String {
    Escaped(path.as_os_str().as_bytes()).to_string()
}

fn joined_by_arrows(texts: &[Vec<u8>]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| Escaped(text).to_string()).collect();
    texts.join(" -> ")
}

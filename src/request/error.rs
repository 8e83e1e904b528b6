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
    #[error("{}: {} cannot be read", shown(.path), .purpose)]
    Read {
        /// As the request spells it.
        path: PathBuf,
        /// What it was read for.
        purpose: Purpose,
        /// The system's error.
        source: io::Error,
    },
    /// A spec with a row that cannot be read (design rule 9).
    #[error("{}:{}: {}", shown(.path), .error.line, .error.what)]
    Spec {
        /// As the request spells it.
        path: PathBuf,
        /// What is wrong with it, and in which line.
        error: SpecError,
    },
    /// The directory that sources are relative to.
    #[error("{}: the directory that sources are relative to cannot be opened", shown(.path))]
    Root {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A symlink loop (design rule 9).
    #[error(
        "{}: too many levels of symbolic links (a loop, or more than {MOST_LINKS}): {}",
        Escaped(.path), arrows(.trail)
    )]
    SymlinkLoop {
        /// The row's archive path.
        path: Vec<u8>,
        /// Its source, then the texts of the symlinks.
        trail: Vec<Vec<u8>>,
    },
    /// A symlink that leads out of the archive, where that is to be an error (design rule 3).
    #[error(
        "{}: nothing that it leads to is in the archive: {}; add a row for it, or choose --missing-target=inline",
        Escaped(.path), arrows(.trail)
    )]
    MissingTarget {
        /// The row's archive path.
        path: Vec<u8>,
        /// Its source, then the texts of the symlinks.
        trail: Vec<Vec<u8>>,
    },
    /// A part of the tree cannot be read.
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
    /// An error that was recorded, in the words of the recording, met again in a replay.
    #[error("{0}")]
    Recorded(String),
    /// The capture that is replayed does not hold what the request asks for.
    #[error("{}: the capture does not hold this file", shown(.0))]
    NotRecorded(PathBuf),
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

fn shown(path: &Path) -> String {
    Escaped(path.as_os_str().as_bytes()).to_string()
}

fn arrows(texts: &[Vec<u8>]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| Escaped(text).to_string()).collect();
    texts.join(" -> ")
}

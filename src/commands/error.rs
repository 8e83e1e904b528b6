//! Why a command fails. Each error is one sentence with its causes: what, where, and what to do.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::args::ArgsError;
use crate::capture::CaptureError;
use crate::display::Escaped;
use crate::mtree::SpecError;
use crate::request::{OutputError, RequestError};
use crate::resolve::{ResolveError, Stopped};
use crate::worker::WorkError;

/// A command that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The request that is explained or replayed failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The arguments of a recorded request cannot be used.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// An output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A file that is to be replayed, explained or shown cannot be read.
    #[error("{}: cannot be read", shown(.path))]
    Read {
        /// As it was given.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A directory cannot be inspected.
    #[error("{}: cannot be inspected", shown(.path))]
    Inspect {
        /// As it was given.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The rows that `inspect` makes of a directory cannot be read.
    #[error("{}:{}: {}", shown(.path), .error.line, .error.what)]
    Spec {
        /// The directory.
        path: PathBuf,
        /// What is wrong with the row, and in which line.
        error: SpecError,
    },
    /// A capture cannot be used.
    #[error("{}", shown(.path))]
    Capture {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        source: CaptureError,
    },
    /// A file that holds neither a capture nor a request.
    #[error(
        "{}: this is neither a capture nor a WorkRequest, preceded by its length or as JSON: {problem}",
        shown(.path)
    )]
    NotARequest {
        /// As it was given.
        path: PathBuf,
        /// Why it is no request.
        problem: String,
    },
    /// A file that holds neither a capture nor the numbers of a run.
    #[error("{}: this is neither a capture nor a file of resolve --report", shown(.path))]
    NotAReport {
        /// As it was given.
        path: PathBuf,
        /// Why it is not the numbers of a run.
        source: serde_json::Error,
    },
    /// The request in a capture cannot be decoded.
    #[error("the request in the capture is damaged: {0}")]
    DamagedRequest(String),
    /// A recorded `--package-dir` that would make gigabytes of rows.
    #[error("--package-dir is longer than {0} bytes: such a request is not run again")]
    LongPackageDir(usize),
    /// A pattern of archive paths.
    #[error("{}: this pattern is not UTF-8; type it as the path is shown", Escaped(.0))]
    PatternNotUtf8(Vec<u8>),
    /// A pattern of archive paths.
    #[error("a pattern cannot be used; see mtree-worker explain --help")]
    Pattern(#[from] globset::Error),
    /// No row is at the archive paths that were asked for.
    #[error("no row is at {}; ** chooses every row, and app/** those below app", .0.join(", "))]
    NoRow(Vec<String>),
    /// The explanation is longer than is shown.
    #[error("the explanation is longer than {0} bytes; choose fewer rows")]
    LongExplanation(usize),
    /// The rows of a report that stay files take more room than a page has.
    #[error("the rows that stay files take more than {0} bytes to explain")]
    LongReport(usize),
}

impl From<ResolveError> for CommandError {
    fn from(error: ResolveError) -> Self {
        Self::Request(error.into())
    }
}

impl From<Stopped> for CommandError {
    fn from(stopped: Stopped) -> Self {
        ResolveError::Stopped(stopped).into()
    }
}

impl From<WorkError> for CommandError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Args(error) => Self::Args(error),
            WorkError::Request(error) => Self::Request(error),
        }
    }
}

fn shown(path: &Path) -> String {
    Escaped(path.as_os_str().as_bytes()).to_string()
}

//! Why a command fails. Each error, with its causes, is one sentence: what failed, where, and what to do.

use std::io;
use std::path::PathBuf;

use super::diff::DiffError;
use crate::args::ArgsError;
use crate::capture::CaptureError;
use crate::display::Escaped;
use crate::mtree::SpecError;
use crate::oci::OciError;
use crate::request::{OutputError, RequestError};
use crate::resolve::{ResolveError, Stopped};
use crate::server::MessageError;
use crate::worker::WorkError;

/// A command that failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The arguments of a recorded request cannot be used.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// An output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// An image layout cannot be written.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// A file cannot be read.
    #[error("{}: cannot be read", Escaped::path(.path))]
    Read {
        /// As the user wrote it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A directory cannot be inspected.
    #[error("{}: cannot be inspected", Escaped::path(.path))]
    Inspect {
        /// As the user wrote it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A man page or a completion cannot be written.
    #[error("{}: man pages and completions cannot be written", Escaped::path(.path))]
    Generate {
        /// The directory, as the user wrote it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file that cannot be compared.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// A row of a spec that `diff` read, or that `inspect` made, cannot be parsed.
    #[error("{}:{}: {}", Escaped::path(.path), .error.line, .error.what)]
    Spec {
        /// The spec, or the directory.
        path: PathBuf,
        /// What is wrong with the row, and in which line.
        error: SpecError,
    },
    /// A capture cannot be used.
    #[error("{}", Escaped::path(.path))]
    Capture {
        /// As the user wrote it.
        path: PathBuf,
        /// What is wrong with it.
        source: CaptureError,
    },
    /// A file that holds neither a capture nor a request.
    #[error("{}: neither a capture nor a WorkRequest", Escaped::path(.path))]
    NotARequest {
        /// As the user wrote it.
        path: PathBuf,
        /// Why it is not a request.
        source: NotARequest,
    },
    /// A file that holds neither a capture nor a report.
    #[error("{}: neither a capture nor a file that --report wrote", Escaped::path(.path))]
    NotAReport {
        /// As the user wrote it.
        path: PathBuf,
        /// Why it is not a report.
        source: serde_json::Error,
    },
    /// The request in a capture cannot be decoded.
    #[error("the request in the capture is damaged")]
    DamagedRequest(#[source] MessageError),
    /// The command line in a capture is neither one of `resolve` nor of `layer`.
    #[error("the command in the capture is neither resolve nor layer; only these are recorded")]
    NotResolve,
    /// A recorded `--package-dir` that would make gigabytes of rows.
    #[error(
        "the request in the capture has a --package-dir of more than {0} bytes, and is not replayed"
    )]
    LongPackageDir(usize),
    /// A glob of archive paths that is not UTF-8.
    #[error("{}: the glob is not UTF-8; write other bytes as \\ooo, as explain prints them", Escaped(.0))]
    GlobNotUtf8(Vec<u8>),
    /// A glob of archive paths that cannot be parsed.
    #[error("invalid glob (see mtree-worker explain --help)")]
    Glob(#[from] globset::Error),
    /// No archive path matches the globs.
    #[error("no row matches {}; ** matches every row, and app/** those below app", .0.join(", "))]
    NoRow(Vec<String>),
    /// The explanation is too long to print.
    #[error("the explanation is longer than {0} bytes; select fewer rows")]
    LongExplanation(usize),
    /// The rows that stay files take too much room on the page.
    #[error("the explanation of rows that stayed files is longer than {0} bytes")]
    LongReport(usize),
}

/// Why a file is not a request.
#[derive(Debug, thiserror::Error)]
pub enum NotARequest {
    /// It begins like neither form.
    #[error("it begins neither with its length nor with {{")]
    Beginning,
    /// It cannot be decoded.
    #[error(transparent)]
    Undecodable(MessageError),
    /// It is a cancel request.
    #[error("it only cancels request {0}")]
    Cancel(i32),
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

//! What can go wrong, each said in one sentence: what, where, and what to do.
//!
//! Knows the words; must not know who is told.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::capture::CaptureError;
use crate::resolve::{MOST_LINKS, ResolveError, Stopped};
use crate::show::Shown;
use crate::spec::SpecError;

/// A command that failed. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line is not one that this program knows.
    #[error("{0}; see mtree-worker --help")]
    Usage(String),
    /// A file of arguments that cannot be read.
    #[error("{}: the arguments in it cannot be read: {}", shown(.path), reason(.source))]
    Arguments { path: PathBuf, source: io::Error },
    /// Files of arguments that name each other.
    #[error("{}: this file of arguments is read {MOST_FLAGFILES} times: it names itself", shown(.0))]
    ArgumentsGoRound(PathBuf),
    /// A spec that cannot be read from the disk.
    #[error("{}: the spec cannot be read: {}", shown(.path), reason(.source))]
    Read { path: PathBuf, source: io::Error },
    /// A spec that cannot be understood (DESIGN rule 9).
    #[error("{}:{}: {}", shown(.path), .wrong.line, .wrong.what)]
    Spec { path: PathBuf, wrong: SpecError },
    /// The directory that sources are relative to.
    #[error("{}: the directory that sources are relative to cannot be opened: {}", shown(.path), reason(.source))]
    Root { path: PathBuf, source: io::Error },
    /// Links that go round (DESIGN rule 9).
    #[error("{}: links go round, or are more than {MOST_LINKS}: {}", Shown(.path), texts(.trail))]
    Circle { path: Vec<u8>, trail: Vec<Vec<u8>> },
    /// A link that leads out of the archive (DESIGN rule 3).
    #[error(
        "{}: nothing that it leads to is in the archive: {}; add a row for it, or choose --missing-target=inline",
        Shown(.path), texts(.trail)
    )]
    MissingTarget { path: Vec<u8>, trail: Vec<Vec<u8>> },
    /// The file system failed.
    #[error("{}: cannot be read: {}", Shown(.path), .reason)]
    Tree { path: Vec<u8>, reason: String },
    /// An output that would replace an input.
    #[error("{}: {} would replace an input; give another path", shown(.path), .flag)]
    OutputIsInput { flag: &'static str, path: PathBuf },
    /// An output where something stands that is no file.
    #[error("{}: {} is no regular file, and would be replaced by one; give another path", shown(.path), .flag)]
    NoFile { flag: &'static str, path: PathBuf },
    /// An output in a directory that is not there.
    #[error("{}: {} lies in a directory that does not exist; make it first", shown(.path), .flag)]
    NotADirectory { flag: &'static str, path: PathBuf },
    /// An output that cannot be written.
    #[error("{}: {} cannot be written: {}", shown(.path), .flag, reason(.source))]
    Write { flag: &'static str, path: PathBuf, source: io::Error },
    /// A directory that cannot be inspected.
    #[error("{}: cannot be inspected: {}", shown(.path), reason(.source))]
    Inspect { path: PathBuf, source: io::Error },
    /// A file that was to be replayed or explained.
    #[error("{}: {}", shown(.path), .wrong)]
    Capture { path: PathBuf, wrong: CaptureError },
    /// A file that holds neither a capture nor a request.
    #[error("{}: this is neither a capture nor a WorkRequest, behind its length or as JSON: {}", shown(.path), .wrong)]
    NoRequest { path: PathBuf, wrong: String },
    /// A file that holds neither a capture nor the numbers of a run.
    #[error("{}: this is neither a capture nor a file of resolve --report: {}", shown(.path), .wrong)]
    NoReport { path: PathBuf, wrong: String },
    /// A pattern of archive paths that is none.
    #[error("{0}; see mtree-worker explain --help")]
    Glob(String),
    /// What was said when a request was recorded that is replayed now.
    #[error("{0}")]
    AsRecorded(String),
    /// The request was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// How many files of arguments may be read for one command line.
pub const MOST_FLAGFILES: usize = 100;

impl From<ResolveError> for Error {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Circle { path, trail } => Self::Circle { path, trail },
            ResolveError::MissingTarget { path, trail } => Self::MissingTarget { path, trail },
            ResolveError::Stopped(Stopped::Cancelled) => Self::Cancelled,
            ResolveError::Stopped(Stopped::Failed { path, reason }) => Self::Tree { path, reason },
        }
    }
}

fn shown(path: &Path) -> String {
    Shown(path.as_os_str().as_bytes()).to_string()
}

/// What the system said, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

fn texts(texts: &[Vec<u8>]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| Shown(text).to_string()).collect();
    texts.join(" -> ")
}

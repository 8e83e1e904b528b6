//! Why arguments cannot be used.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::display::Escaped;
use crate::request::RequestError;

/// How many files of arguments may be read for one command line.
pub const MOST_FLAGFILES: usize = 100;

/// Arguments that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// The arguments are not those of any command.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// Files of arguments that name each other.
    #[error(
        "{}: {MOST_FLAGFILES} files of arguments were read: this one names itself, or there are too many",
        Escaped(.0.as_os_str().as_bytes())
    )]
    FlagfileLoop(PathBuf),
    /// A file of arguments cannot be read.
    #[error(transparent)]
    Read(#[from] RequestError),
}

/// A command line that clap refuses, in clap's words: what is wrong, suggestions, and the usage.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl UsageError {
    /// What clap has against the arguments.
    pub(super) fn new(error: &clap::Error) -> Self {
        let rendered = error.render().to_string();
        let rendered = rendered.strip_prefix("error: ").unwrap_or(&rendered);
        let lines = rendered.lines().map(|line| Escaped(line.as_bytes()).to_string());
        Self(lines.collect::<Vec<_>>().join("\n"))
    }
}

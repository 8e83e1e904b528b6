//! Errors in arguments.

use std::path::PathBuf;

use crate::display::Escaped;
use crate::request::RequestError;

/// How many flag files are read for one command line.
pub const MOST_FLAGFILES: usize = 100;

/// Arguments that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// clap refuses the arguments.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// Flag files that include each other.
    #[error(
        "{}: more than {MOST_FLAGFILES} flag files; does one include itself?",
        Escaped::path(.0)
    )]
    FlagfileLoop(PathBuf),
    /// A flag file cannot be read.
    #[error(transparent)]
    Read(#[from] RequestError),
}

/// A usage error, as clap words it: what is wrong, suggestions, and the usage line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl UsageError {
    /// clap's error without its prefix, and with each line safe to show.
    pub(super) fn new(error: &clap::Error) -> Self {
        let rendered = error.render().to_string();
        let rendered = rendered.strip_prefix("error: ").unwrap_or(&rendered);
        let lines = rendered.lines().map(|line| Escaped(line.as_bytes()).to_string());
        Self(lines.collect::<Vec<_>>().join("\n"))
    }
}

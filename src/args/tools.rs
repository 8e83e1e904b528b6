//! The arguments of `inspect`, `replay`, `explain` and `report`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::resolve::OptionArgs;
use crate::request::ResolveOptions;

/// What `inspect` is asked.
#[derive(Clone, Debug)]
pub struct Inspect {
    /// The directory to inspect.
    pub directory: PathBuf,
    /// Where to write the resolved spec, if anywhere.
    pub spec: Option<PathBuf>,
}

/// Shows what a layer of a directory would weigh with copies and with links.
///
/// The directory is seen as Bazel's glob(["**"]) sees it: linked directories are entered, except in a
/// symlink loop.
#[derive(Args)]
pub(super) struct InspectArgs {
    /// The directory: a toolchain, a virtual environment, a node_modules.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Write the resolved spec, for `bsdtar -cf layer.tar @FILE`.
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
}

impl From<InspectArgs> for Inspect {
    fn from(InspectArgs { directory, spec }: InspectArgs) -> Self {
        Self { directory, spec }
    }
}

/// What `replay` is asked.
#[derive(Clone, Debug)]
pub struct Replay {
    /// A capture, or a `WorkRequest`.
    pub file: PathBuf,
    /// Ask the file system instead of the capture.
    pub live: bool,
    /// Where the tree is now.
    pub cwd: Option<PathBuf>,
    /// Where to write the output, if anywhere.
    pub out: Option<PathBuf>,
    /// Log every question.
    pub verbose: bool,
}

/// Runs a recorded request again, from the capture alone, and compares.
///
/// The status is 0 if output and response are the same, and 1, with the difference, if not. FILE may
/// also hold a bare WorkRequest, preceded by its length or as JSON: it is run on the file system.
#[derive(Args)]
pub(super) struct ReplayArgs {
    /// A capture, or a WorkRequest.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Ask the file system instead, and list which facts have changed since.
    #[arg(long)]
    live: bool,
    /// Where the tree is now [default: where it was recorded].
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Write the output here. Without this, nothing is written.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Log every question and its answer, and list directories with other times.
    #[arg(long)]
    verbose: bool,
}

impl From<ReplayArgs> for Replay {
    fn from(ReplayArgs { file, live, cwd, out, verbose }: ReplayArgs) -> Self {
        Self { file, live, cwd, out, verbose }
    }
}

/// What `explain` is asked.
#[derive(Clone, Debug)]
pub struct Explain {
    /// Where the rows come from.
    pub subject: Subject,
    /// The archive paths that are asked for, as globs. Empty: every row that became a link, or stayed
    /// a file since nothing on its trail is in the archive.
    pub paths: Vec<OsString>,
    /// Write JSON.
    pub json: bool,
}

/// What is explained.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The request in this capture.
    Capture(PathBuf),
    /// This spec, with the tree as it is now.
    Spec(PathBuf, Box<ResolveOptions>),
}

/// Explains why rows became what they became: source, staging, home, trail, and the rule that decided.
///
/// Without an ARCHIVE-PATH, every row is explained that became a link, or that stayed a file since
/// nothing that it leads to is in the archive.
#[derive(Args)]
pub(super) struct ExplainArgs {
    /// A capture (unless --mtree is given), then archive paths: * ? [a-z] {a,b} within a part, ** across.
    #[arg(value_name = "FILE] [ARCHIVE-PATH", required_unless_present = "mtree")]
    paths: Vec<OsString>,
    /// Explain this spec, with the tree as it is now.
    #[arg(long, value_name = "SPEC")]
    mtree: Option<PathBuf>,
    #[command(flatten)]
    options: OptionArgs,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

impl From<ExplainArgs> for Explain {
    fn from(ExplainArgs { mut paths, mtree, options, json }: ExplainArgs) -> Self {
        let subject = match mtree {
            Some(mtree) => Subject::Spec(mtree, Box::new(options.into())),
            // clap wants a path where --mtree is not given.
            None => {
                Subject::Capture(paths.drain(..paths.len().min(1)).map(PathBuf::from).collect())
            }
        };
        Self { subject, paths, json }
    }
}

/// What `report` is asked.
#[derive(Clone, Debug)]
pub struct WriteReport {
    /// Captures, or files of `resolve --report`.
    pub files: Vec<PathBuf>,
    /// The page to write.
    pub html: PathBuf,
    /// Where the files are now whose sizes are asked for.
    pub cwd: Option<PathBuf>,
}

/// Writes a page that shows what layers weigh, what links save, and which rows stayed files.
///
/// The page is one file that loads nothing else.
#[derive(Args)]
pub(super) struct ReportArgs {
    /// Captures, or files of `resolve --report`.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The page.
    #[arg(long, value_name = "OUT.html")]
    html: PathBuf,
    /// Where the files are whose sizes are shown [default: where the request was recorded].
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
}

impl From<ReportArgs> for WriteReport {
    fn from(ReportArgs { files, html, cwd }: ReportArgs) -> Self {
        Self { files, html, cwd }
    }
}

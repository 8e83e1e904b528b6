//! The arguments of `diff`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// The arguments of `diff`.
#[derive(Clone, Debug)]
pub struct Diff {
    /// The old file, and the new one.
    pub files: [PathBuf; 2],
    /// Globs of the archive paths to compare. If empty: all, and the order of entries, their headers, and frames.
    pub paths: Vec<OsString>,
    /// What is printed.
    pub format: DiffFormat,
}

/// What `diff` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffFormat {
    /// Each difference in a few lines.
    Text,
    /// Each entry or directory in one line.
    Stat,
    /// Each difference as an object.
    Json,
}

/// Compares two layers, specs or captures: which entries were added, removed or changed, and in which field.
///
/// A and B are each a tar, uncompressed or compressed with gzip or zstd, an mtree spec, or a capture, whose output is
/// compared. What a spec does not say is not compared with a layer. The exit status is 0 if nothing differs, 1 if
/// something does, and 2 on an error.
#[derive(Args)]
pub(super) struct DiffArgs {
    /// The old layer, spec or capture.
    #[arg(value_name = "A")]
    old: PathBuf,
    /// The new layer, spec or capture.
    #[arg(value_name = "B")]
    new: PathBuf,
    /// Compare only entries that match: globs of archive paths, * ? [a-z] {a,b}, ** across slashes.
    #[arg(value_name = "ARCHIVE-PATH")]
    paths: Vec<OsString>,
    /// Print one line per entry or directory, with bytes.
    #[arg(long, conflicts_with = "json")]
    stat: bool,
    /// Print one JSON object per difference, and one with the totals.
    #[arg(long)]
    json: bool,
}

impl From<DiffArgs> for Diff {
    fn from(DiffArgs { old, new, paths, stat, json }: DiffArgs) -> Self {
        let format = match (stat, json) {
            (true, _) => DiffFormat::Stat,
            (_, true) => DiffFormat::Json,
            _ => DiffFormat::Text,
        };
        Self { files: [old, new], paths, format }
    }
}

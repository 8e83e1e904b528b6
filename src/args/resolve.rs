//! The flags of `resolve`, and those that it shares with `explain`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::mtree::{Change, Mode, Owner, Pattern, Selection};
use crate::request::{ResolveOptions, ResolveRequest};
use crate::resolve::{DirectoryLinks, MissingTarget, Options};

/// Reads an mtree spec, finds out which of its files are symlinks, and writes it with those as links.
///
/// Sources (content=) are relative to the working directory. A row becomes a link only if what it
/// points to is itself in the archive.
#[derive(Args)]
pub(super) struct ResolveArgs {
    /// The spec to read.
    #[arg(long, value_name = "IN")]
    mtree: PathBuf,
    /// The spec to write, atomically.
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
    #[command(flatten)]
    options: OptionArgs,
    /// Write the numbers of the run as JSON.
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,
}

impl From<ResolveArgs> for ResolveRequest {
    fn from(args: ResolveArgs) -> Self {
        let ResolveArgs { mtree, out, options, report } = args;
        Self { mtree, out, report, options: options.into(), layer: None }
    }
}

/// How rows are changed and resolved.
#[derive(Args)]
pub(super) struct OptionArgs {
    /// The spec of another layer of the image: links may lead to its rows. May be repeated.
    #[arg(long, value_name = "SPEC")]
    also: Vec<PathBuf>,
    /// What becomes of a symlink that leads out of the archive.
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    missing_target: MissingTargetArg,
    /// What becomes of a directory that is one symlink in the tree.
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    directory_links: DirectoryLinksArg,
    /// link= holds the path of the symlink itself, as rules_py writes it.
    #[arg(long)]
    link_is_source: bool,
    /// Only change rows, by the flags below.
    #[arg(long)]
    no_resolve: bool,
    /// Keep only rows whose archive path matches this glob or lies below a match, and the directories above
    /// them. May be repeated, as may --exclude, --include-source and --exclude-source.
    #[arg(long, value_name = "PATTERN", value_parser = archive_pattern)]
    include: Vec<Pattern>,
    /// Drop rows whose archive path matches this glob or lies below a match, whatever is included.
    #[arg(long, value_name = "PATTERN", value_parser = archive_pattern)]
    exclude: Vec<Pattern>,
    /// As --include, by source.
    #[arg(long, value_name = "PATTERN", value_parser = source_pattern)]
    include_source: Vec<Pattern>,
    /// As --exclude, by source.
    #[arg(long, value_name = "PATTERN", value_parser = source_pattern)]
    exclude_source: Vec<Pattern>,
    /// The mode, in octal, of every row that has one and whose archive path matches the glob; `layer` also gives
    /// it to rows that lack one. May be repeated: the last that matches counts. Globs match the paths that the spec
    /// has, before any prefix is removed.
    #[arg(long, value_name = "[PATTERN=]MODE", value_parser = mode)]
    mode: Vec<Mode>,
    /// Sort the rows by archive path.
    #[arg(long)]
    sort: bool,
    /// Remove this directory from the head of every path; rows outside it are dropped.
    #[arg(long, value_name = "P")]
    strip_prefix: Option<OsString>,
    /// Move every row below this directory, and add the directory rows that are missing.
    #[arg(long, value_name = "D")]
    package_dir: Option<OsString>,
    /// The time of every row that has one, in seconds since 1970; `layer` also gives it to rows that lack one.
    #[arg(long, value_name = "T")]
    mtime: Option<OsString>,
    /// The uid of every row that has one; `layer` also gives it to rows that lack one.
    #[arg(long, value_name = "N")]
    owner: Option<OsString>,
    /// The uname of every row that has one.
    #[arg(long, value_name = "S")]
    ownername: Option<OsString>,
    /// The gid of every row that has one; `layer` also gives it to rows that lack one.
    #[arg(long, value_name = "N")]
    group: Option<OsString>,
    /// The gname of every row that has one.
    #[arg(long, value_name = "S")]
    groupname: Option<OsString>,
}

fn archive_pattern(text: &str) -> Result<Pattern, String> {
    Pattern::of_archive_path(text).map_err(|error| error.to_string())
}

fn source_pattern(text: &str) -> Result<Pattern, String> {
    Pattern::of_source(text).map_err(|error| error.to_string())
}

fn mode(text: &str) -> Result<Mode, String> {
    let (pattern, mode) = match text.rsplit_once('=') {
        Some((pattern, mode)) => (Some(archive_pattern(pattern)?), mode),
        None => (None, text),
    };
    if !(1..=5).contains(&mode.len()) || !mode.bytes().all(|byte| matches!(byte, b'0'..=b'7')) {
        return Err(format!("{mode:?} is not an octal mode such as 0755"));
    }
    Ok(Mode { pattern, mode: mode.as_bytes().to_vec() })
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum MissingTargetArg {
    /// The row stays a file, with the bytes of its target.
    #[default]
    Inline,
    /// The author's text is written, if it is relative: another layer may hold the target.
    Keep,
    /// It is an error.
    Fail,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum DirectoryLinksArg {
    /// It becomes one link.
    #[default]
    Collapse,
    /// It stays a directory, and its files become links.
    Expand,
}

impl From<OptionArgs> for ResolveOptions {
    fn from(args: OptionArgs) -> Self {
        // As in tar.bzl, an empty value is none.
        let bytes = |value: Option<OsString>| -> Option<Vec<u8>> {
            value.map(OsString::into_vec).filter(|bytes| !bytes.is_empty())
        };
        Self {
            also: args.also,
            change: Change {
                strip_prefix: bytes(args.strip_prefix),
                package_dir: bytes(args.package_dir),
                mtime: bytes(args.mtime),
                owner: Owner {
                    uid: bytes(args.owner),
                    gid: bytes(args.group),
                    uname: bytes(args.ownername),
                    gname: bytes(args.groupname),
                },
                modes: args.mode,
                selection: Selection {
                    include: args.include,
                    exclude: args.exclude,
                    include_source: args.include_source,
                    exclude_source: args.exclude_source,
                },
                sort: args.sort,
            },
            link_is_source: args.link_is_source,
            no_resolve: args.no_resolve,
            resolve: Options {
                missing_target: match args.missing_target {
                    MissingTargetArg::Inline => MissingTarget::Inline,
                    MissingTargetArg::Keep => MissingTarget::Keep,
                    MissingTargetArg::Fail => MissingTarget::Fail,
                },
                directory_links: match args.directory_links {
                    DirectoryLinksArg::Collapse => DirectoryLinks::Collapse,
                    DirectoryLinksArg::Expand => DirectoryLinks::Expand,
                },
            },
        }
    }
}

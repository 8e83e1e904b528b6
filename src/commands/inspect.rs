//! `mtree-worker inspect`: how large a layer of a directory is, with copies and with links.
//!
//! Knows how Bazel's `glob` lists a directory. Must not know how rows are resolved ([`crate::resolve`]),
//! nor how tar stores them ([`crate::layer::sizes`]).

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget};
use walkdir::WalkDir;

use super::error::CommandError;
use super::progress;
use crate::args::Inspect;
use crate::display::Escaped;
use crate::error::phrase;
use crate::fs::View;
use crate::layer::LayerCounts;
use crate::layer::hard_links::FileInode;
use crate::layer::sizes::{self, DiskFile, HEADER};
use crate::mtree::{self, RowId, Spec};
use crate::request::{
    self, AtomicFile, Context, Disk, LayerOptions, ResolveOptions, ResolveRequest,
};
use crate::resolve::{self, Decisions, Options};

/// The time of all rows: 2023-01-01, as in tar.bzl.
const TIME: u64 = 1_672_560_000;
/// How many of the largest savings are printed.
const PRINTED: usize = 10;

/// The files below a directory.
struct Walked {
    /// A row for each file.
    spec: Vec<u8>,
    /// By row: its file.
    files: Vec<DiskFile>,
    /// How many files and directories cannot be read.
    unreadable: usize,
    /// The first of these, with its error.
    first_unreadable: Option<String>,
}

fn disk_file(metadata: &Metadata) -> DiskFile {
    let links = u32::try_from(metadata.nlink()).unwrap_or(u32::MAX);
    let inode = FileInode { device: metadata.dev(), inode: metadata.ino(), links };
    DiskFile { size: metadata.len(), inode: (links > 1).then_some(inode) }
}

/// Inspects a directory, and returns the text to print. Draws a progress bar on stderr if `terminal`.
pub(crate) fn inspect(
    args: &Inspect,
    context: Context<'_>,
    terminal: bool,
) -> Result<String, CommandError> {
    let started = Instant::now();
    let inspect_error = |source| CommandError::Inspect { path: args.directory.clone(), source };
    // A symlink keeps its name in the sources.
    let dir = std::path::absolute(&args.directory).map_err(inspect_error)?;
    if !dir.metadata().map_err(inspect_error)?.is_dir() {
        return Err(inspect_error(std::io::ErrorKind::NotADirectory.into()));
    }
    let bar = if terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.set_draw_target(ProgressDrawTarget::hidden());
    let walked = walk(&dir, &bar, terminal.then_some(started));
    bar.finish_and_clear();

    let spec = Spec::parse(walked.spec, false)
        .map_err(|error| CommandError::Spec { path: args.directory.clone(), error })?;
    let mut view =
        View::new(Path::new("/"), false, context.cache, &|| false).map_err(inspect_error)?;
    let decisions = resolve::resolve(&spec, &[], Options::default(), None, &mut view)?;
    if let Some(path) = &args.spec {
        let edits = decisions.edits(&spec);
        let mut out = AtomicFile::create("--spec", Path::new("."), path, &[])?;
        out.write(|file| edits.write_to(file))?;
        out.commit()?;
    }
    let mut text = summary(&args.directory, &spec, &walked.files, &decisions);
    let written = match &args.layer {
        Some((out, options)) => Some(write_layer(args, out, options, spec, context)?),
        None => None,
    };
    if let Some(first) = walked.first_unreadable {
        let _ = writeln!(text, "not read       {:>12}  the first: {first}", walked.unreadable);
    }
    if let Some(counts) = written {
        let _ = writeln!(text, "{:<15}{:>12}", "tar", human_bytes(counts.bytes_raw));
        let _ = writeln!(text, "{:<15}{:>12}", "layer", human_bytes(counts.bytes_compressed));
    }
    let _ = writeln!(text, "time           {:>12.2} s", started.elapsed().as_secs_f64());
    Ok(text)
}

/// Writes the layer of a spec. Also returns its numbers.
fn write_layer(
    args: &Inspect,
    out: &Path,
    options: &LayerOptions,
    spec: Spec,
    context: Context<'_>,
) -> Result<LayerCounts, CommandError> {
    let request = ResolveRequest {
        mtree: args.directory.clone(),
        out: out.to_owned(),
        report: None,
        options: ResolveOptions::default(),
        layer: Some(Box::new(options.clone())),
    };
    let mut disk = Disk::new(context);
    let outcome = request::run_on_specs(&request, spec.into(), None, &mut disk)?;
    Ok(outcome.report.layer.unwrap_or_default())
}

/// The files below `dir`, as Bazel's `glob(["**"])` finds them.
fn walk(dir: &Path, bar: &ProgressBar, bar_since: Option<Instant>) -> Walked {
    let mut walked =
        Walked { spec: Vec::new(), files: Vec::new(), unreadable: 0, first_unreadable: None };
    for entry in WalkDir::new(dir).follow_links(true).sort_by_file_name() {
        let file = entry.and_then(|entry| Ok((entry.metadata()?, entry)));
        let (metadata, entry) = match file {
            Ok((metadata, entry)) if metadata.is_file() => (metadata, entry),
            Ok(_) => continue,
            // glob() skips dangling symlinks and symlink loops.
            Err(error) if error.loop_ancestor().is_some() || is_dangling(&error) => continue,
            Err(error) => {
                walked.unreadable += 1;
                walked.first_unreadable.get_or_insert_with(|| sentence(&error));
                continue;
            }
        };
        let path = entry.path().as_os_str().as_bytes();
        let below = entry.path().strip_prefix(dir).unwrap_or(entry.path());
        walked.spec.extend_from_slice(b"./");
        mtree::escape(below.as_os_str().as_bytes(), &mut walked.spec);
        let mode = metadata.permissions().mode() & 0o7777;
        let keywords = format!(" uid=0 gid=0 time={TIME} mode={mode:04o} type=file content=");
        walked.spec.extend_from_slice(keywords.as_bytes());
        mtree::escape(path, &mut walked.spec);
        walked.spec.push(b'\n');
        walked.files.push(disk_file(&metadata));
        if bar_since.is_some_and(|since| since.elapsed() > progress::DELAY) && bar.is_hidden() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        if walked.files.len().is_multiple_of(1000) {
            bar.set_message(format!("{} files", walked.files.len()));
            bar.tick();
        }
    }
    walked
}

/// The path and errno's phrase. The path is escaped: it may have any byte.
fn sentence(error: &walkdir::Error) -> String {
    match (error.path(), error.io_error()) {
        (Some(path), Some(io)) => {
            format!("{}: {}", Escaped::path(path), phrase(io))
        }
        _ => Escaped(error.to_string().as_bytes()).to_string(),
    }
}

fn is_dangling(error: &walkdir::Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Bytes in decimal units: 1 MB is 1,000,000 bytes.
fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// The numbers, and the largest savings. Sizes are archive bytes.
fn summary(dir: &Path, spec: &Spec, files: &[DiskFile], decisions: &Decisions) -> String {
    let rows = spec.rows();
    let archive_bytes = sizes::with_hard_links(files.iter());
    let replaced: HashSet<_> = decisions.replaced().collect();
    let kept =
        files.iter().enumerate().filter(|(row, _)| !replaced.contains(&RowId::from_index(*row)));
    let links = decisions.links().len() + decisions.directory_links().len();
    let kept = sizes::with_hard_links(kept.map(|(_, file)| file));
    let with_links = kept.iter().sum::<u64>() + links as u64 * HEADER;
    let saved = |rows: &[RowId]| {
        let replaced = rows.iter().map(|row| Some(archive_bytes[row.index()]));
        sizes::archive_saved(replaced).unwrap_or_default()
    };
    let mut savings: Vec<(u64, &[u8], &[u8])> = Vec::new();
    for link in decisions.links() {
        savings.push((saved(&[link.row]), spec.path(spec.row(link.row)), &link.text));
    }
    for link in decisions.directory_links() {
        savings.push((saved(&link.rows), &link.path, &link.text));
    }
    savings.sort_unstable_by_key(|(bytes, path, _)| (std::cmp::Reverse(*bytes), *path));

    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<15}{value:>12}");
    };
    line("rows", rows.len().to_string());
    line("links", decisions.links().len().to_string());
    line("directory links", decisions.directory_links().len().to_string());
    line("with copies", human_bytes(archive_bytes.iter().sum()));
    line("with links", human_bytes(with_links));
    let mut summary = format!("{}\n", Escaped::path(dir));
    summary.push_str(&text);
    savings.retain(|(bytes, ..)| *bytes > 0);
    if !savings.is_empty() {
        summary.push_str("largest savings\n");
    }
    for (bytes, path, target) in savings.iter().take(PRINTED) {
        let _ = writeln!(
            summary,
            "{:>27}  {} -> {}",
            human_bytes(*bytes),
            Escaped(path),
            Escaped(target)
        );
    }
    summary
}

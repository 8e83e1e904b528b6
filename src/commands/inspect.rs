//! `mtree-worker inspect`: what a layer of a directory would weigh with copies and with links.
//!
//! Knows how `glob` lists a directory and how tar weighs a file. Must not know how rows are resolved: it
//! asks [`crate::resolve`], as a request does.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};
use walkdir::WalkDir;

use super::error::CommandError;
use crate::args::Inspect;
use crate::display::Escaped;
use crate::fs::{Cache, View};
use crate::layer::sizes::{self, HEADER};
use crate::mtree::{self, RowId, Spec};
use crate::request::AtomicFile;
use crate::resolve::{self, Decisions, Options};

/// The time that rows get, as tar.bzl's have it: 2023-01-01.
const TIME: u64 = 1_672_560_000;
/// How many of the largest savings are shown.
const SHOWN: usize = 10;
/// After how long a progress bar appears.
const PATIENCE: Duration = Duration::from_millis(500);

/// What stands below a directory, as rows.
struct Walked {
    spec: Vec<u8>,
    /// By row: its file.
    files: Vec<WalkedFile>,
    /// What could not be read, and the first of it.
    unreadable: usize,
    first_unreadable: Option<String>,
}

/// What a file weighs.
struct WalkedFile {
    size: u64,
    /// Of a file with several hard links: device and inode, and how many there are.
    shared: Option<((u64, u64), u64)>,
}

impl WalkedFile {
    fn new(metadata: &Metadata) -> Self {
        let links = metadata.nlink();
        let shared = (links > 1).then(|| ((metadata.dev(), metadata.ino()), links));
        Self { size: metadata.len(), shared }
    }
}

/// Inspects a directory, and gives what is to be shown. A progress bar is drawn if `terminal`.
pub(crate) fn inspect(
    args: &Inspect,
    cache: &Cache,
    terminal: bool,
) -> Result<String, CommandError> {
    let started = Instant::now();
    let wrong = |source| CommandError::Inspect { path: args.directory.clone(), source };
    let dir = args.directory.canonicalize().map_err(wrong)?;
    if !dir.is_dir() {
        return Err(wrong(std::io::ErrorKind::NotADirectory.into()));
    }
    let bar = if terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.set_draw_target(ProgressDrawTarget::hidden());
    let walked = walk(&dir, &bar, terminal.then_some(started));
    bar.finish_and_clear();

    let of_spec = |error| CommandError::Spec { path: args.directory.clone(), error };
    let spec = Spec::parse(walked.spec, false).map_err(of_spec)?;
    let mut view = View::new(Path::new("/"), false, cache, &|| false).map_err(wrong)?;
    let decisions = resolve::resolve(&spec, &[], Options::default(), None, &mut view)?;
    if let Some(path) = &args.spec {
        let edits = decisions.edits(&spec);
        let mut out = AtomicFile::create("--spec", Path::new("."), path, &[])?;
        out.write(|file| edits.write_to(file))?;
        out.commit()?;
    }
    let mut shown = show(&args.directory, &spec, &walked.files, &decisions);
    if let Some(first) = walked.first_unreadable {
        let _ = writeln!(shown, "not read       {:>12}  the first: {first}", walked.unreadable);
    }
    let _ = writeln!(shown, "time           {:>12.2} s", started.elapsed().as_secs_f64());
    Ok(shown)
}

/// The files below `dir`, as Bazel's `glob(["**"])` finds them.
fn walk(dir: &Path, bar: &ProgressBar, patient_since: Option<Instant>) -> Walked {
    let mut walked =
        Walked { spec: Vec::new(), files: Vec::new(), unreadable: 0, first_unreadable: None };
    for entry in WalkDir::new(dir).follow_links(true).sort_by_file_name() {
        let file = entry.and_then(|entry| Ok((entry.metadata()?, entry)));
        let (metadata, entry) = match file {
            Ok((metadata, entry)) if metadata.is_file() => (metadata, entry),
            Ok(_) => continue,
            // glob() does not see links that lead nowhere, and does not go round.
            Err(error) if error.loop_ancestor().is_some() || is_dangling(&error) => continue,
            Err(error) => {
                walked.unreadable += 1;
                walked.first_unreadable.get_or_insert_with(|| error.to_string());
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
        walked.files.push(WalkedFile::new(&metadata));
        if patient_since.is_some_and(|since| since.elapsed() > PATIENCE) && bar.is_hidden() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        if walked.files.len().is_multiple_of(1000) {
            bar.set_message(format!("{} files", walked.files.len()));
            bar.tick();
        }
    }
    walked
}

fn is_dangling(error: &walkdir::Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Bytes as a person reads them: 1 MB is 1,000,000 bytes.
fn weight(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// What rows take in a tar archive, in order: a header each, and each file once. A file with hard links
/// is remembered, as libarchive does it, until as many rows had it as it has links: then it is taken
/// for another.
fn weigh<'f>(files: impl Iterator<Item = &'f WalkedFile>) -> Vec<u64> {
    let mut further: HashMap<(u64, u64), u64> = HashMap::new();
    let weigh = |file: &WalkedFile| {
        let Some((identity, links)) = file.shared else {
            return sizes::file(file.size);
        };
        match further.get_mut(&identity) {
            Some(left @ 1..) => {
                *left -= 1;
                HEADER
            }
            _ => {
                further.insert(identity, links - 1);
                sizes::file(file.size)
            }
        }
    };
    files.map(weigh).collect()
}

fn show(dir: &Path, spec: &Spec, files: &[WalkedFile], decisions: &Decisions) -> String {
    let rows = spec.rows();
    let weights = weigh(files.iter());
    let replaced: HashSet<_> = decisions.replaced().collect();
    let kept = files.iter().enumerate().filter(|(row, _)| !replaced.contains(&RowId(*row as u32)));
    let links = decisions.links().len() + decisions.directory_links().len();
    let with_links = weigh(kept.map(|(_, file)| file)).iter().sum::<u64>() + links as u64 * HEADER;
    let mut savings: Vec<(u64, &[u8], &[u8])> = Vec::new();
    for link in decisions.links() {
        let weight = weights[link.row.0 as usize];
        savings.push((weight - HEADER, spec.path(spec.row(link.row)), &link.text));
    }
    for link in decisions.directory_links() {
        let bytes: u64 = link.rows.iter().map(|row| weights[row.0 as usize]).sum();
        savings.push((bytes - HEADER, &link.path, &link.text));
    }
    savings.sort_unstable_by_key(|(bytes, path, _)| (std::cmp::Reverse(*bytes), *path));

    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<15}{value:>12}");
    };
    line("rows", rows.len().to_string());
    line("links", decisions.links().len().to_string());
    line("directory links", decisions.directory_links().len().to_string());
    line("with copies", weight(weights.iter().sum()));
    line("with links", weight(with_links));
    let mut head = format!("{}\n", Escaped(dir.as_os_str().as_bytes()));
    head.push_str(&text);
    savings.retain(|(bytes, ..)| *bytes > 0);
    if !savings.is_empty() {
        head.push_str("largest savings\n");
    }
    for (bytes, path, target) in savings.iter().take(SHOWN) {
        let _ = writeln!(head, "{:>27}  {} -> {}", weight(*bytes), Escaped(path), Escaped(target));
    }
    head
}

//! `mtree-worker replay`: a request once more, and what differs.
//!
//! Knows how two outputs and two answers are compared, and what is said of that; must not know how
//! rows are resolved.

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use similar::{Algorithm, ChangeTag, TextDiff};

use super::error::CommandError;
use super::loading::{self, Loaded, Recorded};
use crate::args::Replay;
use crate::capture::{self, Capture, FactChange, FactChanges, LiveHost, ReplayTree, changes};
use crate::display::Escaped;
use crate::fs::{Cache, View};
use crate::request::{self, AtomicFile, Context, Disk, Host, Outcome, RequestError};
use crate::server::{Request, Response};
use crate::worker::{self, Decoded, respond};

/// How long looking for a short difference may take; after that, a longer one will do.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many lines stand around a difference.
const AROUND: usize = 3;

/// What a replay came to.
pub(crate) struct Replayed {
    /// What is to be shown.
    pub shown: String,
    /// Output and answer are what they were.
    pub is_same: bool,
}

/// A request that was run again.
struct Rerun {
    output: Option<Vec<u8>>,
    response: Response,
    outcome: Option<Outcome>,
}

impl Rerun {
    fn new<E: std::error::Error + 'static>(
        result: Result<Outcome, E>,
        output: Option<Vec<u8>>,
    ) -> Self {
        Self { output, response: respond(&result), outcome: result.ok() }
    }
}

/// Runs the request in a file again.
pub(crate) fn replay(args: &Replay) -> Result<Replayed, CommandError> {
    let mut shown = String::new();
    let (rerun, is_same) = match Loaded::read(&args.file)? {
        Loaded::Request(request) => {
            let rerun = run_bare(args, &request);
            let _ = writeln!(shown, "{}: {}", name(&args.file), sum(&rerun));
            for line in rerun.response.output.lines() {
                let _ = writeln!(shown, "{}", Escaped(line.as_bytes()));
            }
            let is_same = rerun.response.exit_code == 0;
            (rerun, is_same)
        }
        Loaded::Capture(capture) => {
            let host = loading::host(&capture, &args.file)?;
            let recorded = (host.output.clone(), host.response.clone());
            let cache = Cache::new(Cache::DEFAULT_LIMIT);
            let root = loading::root(&capture, args.cwd.as_deref());
            let rerun = match args.live {
                true => {
                    let disk = Disk::new(Context::new(&root, &cache));
                    let mut host = LiveHost::new(disk, Some(host));
                    Rerun::new(run_recorded(&capture, &mut host), host.take_output())
                }
                false => {
                    let mut host = host;
                    Rerun::new(run_recorded(&capture, &mut host), host.take_output())
                }
            };
            let differences = differences(&recorded, &rerun);
            let is_same = differences.is_empty();
            if is_same {
                let _ = writeln!(
                    shown,
                    "{}: the same output and the same response: {}",
                    name(&args.file),
                    sum(&rerun)
                );
            }
            shown.push_str(&differences);
            if args.live {
                let (files, changes) = (changed_files(&capture, &root), tree(&capture, &root)?);
                tell_changes(&mut shown, &files, &changes, args.verbose);
            }
            (rerun, is_same)
        }
    };
    if let (Some(path), Some(text)) = (&args.out, &rerun.output) {
        let inputs = std::slice::from_ref(&args.file);
        let mut out = AtomicFile::create("--out", Path::new("."), path, inputs)?;
        out.write(|file| file.write_all(text))?;
        out.commit()?;
    }
    Ok(Replayed { shown, is_same })
}

/// Runs the request in a capture.
fn run_recorded(capture: &Capture, host: &mut impl Host) -> Result<Outcome, CommandError> {
    let Recorded { request, inputs } = Recorded::new(capture, host)?;
    Ok(request::run(&request, inputs.as_ref(), host)?)
}

/// Runs a bare request with the files and the tree as they are now.
fn run_bare(args: &Replay, request: &Request) -> Rerun {
    let directory = args.cwd.as_deref().unwrap_or(Path::new(""));
    let Decoded { root, arguments, inputs } = Decoded::new(directory, request);
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let mut host = LiveHost::new(Disk::new(Context::new(&root, &cache)), None);
    let result = worker::run(&arguments, inputs.as_ref(), &mut host);
    Rerun::new(result, host.take_output())
}

fn name(path: &Path) -> String {
    Escaped(path.as_os_str().as_bytes()).to_string()
}

/// What a request came to, in a few words.
fn sum(rerun: &Rerun) -> String {
    match &rerun.outcome {
        Some(Outcome { report, .. }) => format!(
            "{} rows, {} links, {} directory links",
            report.rows, report.links, report.directory_links
        ),
        None => format!("exit code {}", rerun.response.exit_code),
    }
}

/// How what a request came to differs from what was recorded. Empty if it does not.
fn differences(
    (output, response): &(Option<Vec<u8>>, Option<capture::RecordedResponse>),
    rerun: &Rerun,
) -> String {
    let mut shown = String::new();
    match response {
        None => {
            shown.push_str("the program panicked when this was recorded: there is no response\n")
        }
        Some(response) => {
            if response.exit_code != rerun.response.exit_code {
                let _ = writeln!(
                    shown,
                    "the exit code was {}, and is {}",
                    response.exit_code, rerun.response.exit_code
                );
            }
            unified(
                &mut shown,
                "response",
                response.output.as_bytes(),
                rerun.response.output.as_bytes(),
            );
        }
    }
    match (output, &rerun.output) {
        (Some(was), Some(is)) => unified(&mut shown, "output", was, is),
        (None, Some(_)) => shown.push_str("nothing was written, and now something is\n"),
        (Some(_), None) => shown.push_str("an output was written, and now there is none\n"),
        (None, None) => {}
    }
    shown
}

/// Appends the unified diff of two texts, if they differ.
fn unified(shown: &mut String, what: &str, was: &[u8], is: &[u8]) {
    if was == is {
        return;
    }
    let mut config = TextDiff::configure();
    let diff = config.algorithm(Algorithm::Myers).timeout(PATIENCE).diff_lines(was, is);
    let _ = writeln!(shown, "--- recorded {what}\n+++ replayed {what}");
    for hunk in diff.unified_diff().context_radius(AROUND).iter_hunks() {
        let _ = writeln!(shown, "{}", hunk.header());
        for change in hunk.iter_changes() {
            let mark = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            let line = change.value();
            let _ = writeln!(shown, "{mark}{}", Escaped(line.strip_suffix(b"\n").unwrap_or(line)));
            if !line.ends_with(b"\n") {
                shown.push_str("\\ No newline at end of file\n");
            }
        }
    }
}

/// The facts about the tree that have changed since.
fn tree(capture: &Capture, root: &Path) -> Result<FactChanges, CommandError> {
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let Some(recorded) = capture.facts.as_ref().and_then(ReplayTree::new) else {
        return Ok(FactChanges::default());
    };
    let never = || false;
    let mut view = View::new(root, false, &cache, &never)
        .map_err(|source| RequestError::Root { path: root.to_owned(), source })?;
    Ok(changes(&recorded, &mut view)?)
}

/// The specs and files of arguments that are there and hold something else now.
fn changed_files(capture: &Capture, root: &Path) -> Vec<FactChange> {
    let files = capture.files.iter().filter_map(|file| {
        let path = root.join(std::ffi::OsStr::from_bytes(&file.path));
        let what = match holds(&path, &file.text) {
            Ok(true) => return None,
            Ok(false) => "held other text",
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                "was read, and is not there"
            }
            Err(_) => "was read, and cannot be",
        };
        Some(FactChange { path: file.path.clone(), what: what.to_owned(), was: None, is: None })
    });
    files.collect()
}

/// Whether the file at `path` holds `text`.
fn holds(path: &PathBuf, text: &[u8]) -> std::io::Result<bool> {
    let metadata = fs::metadata(path)?;
    // A stranger's path may lead to what never ends.
    if !metadata.is_file() || metadata.len() != text.len() as u64 {
        return Ok(false);
    }
    let mut now = Vec::with_capacity(text.len());
    fs::File::open(path)?.take(text.len() as u64 + 1).read_to_end(&mut now)?;
    Ok(now == text)
}

fn tell_changes(shown: &mut String, files: &[FactChange], changes: &FactChanges, verbose: bool) {
    let facts = files.len() + changes.facts.len();
    match facts {
        0 => shown.push_str("no fact has changed since\n"),
        1 => shown.push_str("1 fact has changed since:\n"),
        _ => {
            let _ = writeln!(shown, "{facts} facts have changed since:");
        }
    }
    for change in files.iter().chain(&changes.facts) {
        tell(shown, change);
    }
    if !changes.touched.is_empty() {
        let directories = match changes.touched.len() {
            1 => "1 directory has".to_owned(),
            more => format!("{more} directories have"),
        };
        let end = if verbose { ":" } else { "; --verbose lists them" };
        let _ = writeln!(shown, "{directories} other times, or another identity{end}");
        if verbose {
            changes.touched.iter().for_each(|change| tell(shown, change));
        }
    }
}

fn tell(shown: &mut String, change: &FactChange) {
    let _ = write!(shown, "  {}: {}", Escaped(&change.path), change.what);
    let texts = match (&change.was, &change.is) {
        (Some(was), Some(is)) => format!(": {} -> {}", Escaped(was), Escaped(is)),
        (Some(text), None) | (None, Some(text)) => format!(" (to {})", Escaped(text)),
        (None, None) => String::new(),
    };
    let _ = writeln!(shown, "{texts}");
}

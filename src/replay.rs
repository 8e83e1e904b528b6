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

use crate::again::{self, Again, Held};
use crate::capture::{Capture, Change, Changes, Live, Recorded, Replaying, changes};
use crate::cli::ReplayArgs;
use crate::command::{self, Context, Outcome};
use crate::error::Error;
use crate::output::Output;
use crate::server::Request;
use crate::show::Shown;
use crate::site::{Disk, Site};
use crate::tree::{Cache, View};
use crate::worker::Understood;

/// How long looking for a short difference may take; after that, a longer one will do.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many lines stand around a difference.
const AROUND: usize = 3;

/// What a replay came to.
pub struct Replayed {
    /// What is to be shown.
    pub shown: String,
    /// Output and answer are what they were.
    pub is_same: bool,
}

/// What a request came to when it was run again.
struct Came {
    written: Option<Vec<u8>>,
    exit_code: i32,
    said: String,
    outcome: Option<Outcome>,
}

impl Came {
    fn new(outcome: Result<Outcome, Error>, written: Option<Vec<u8>>) -> Self {
        let (exit_code, said) = command::answer(&outcome);
        Self { written, exit_code, said, outcome: outcome.ok() }
    }
}

/// Runs the request in a file again.
pub fn replay(args: &ReplayArgs) -> Result<Replayed, Error> {
    let mut shown = String::new();
    let (came, is_same) = match Held::read(&args.file)? {
        Held::Request(request) => {
            let came = run_bare(args, &request)?;
            let _ = writeln!(shown, "{}: {}", name(&args.file), sum(&came));
            for line in came.said.lines() {
                let _ = writeln!(shown, "{}", Shown(line.as_bytes()));
            }
            let is_same = came.exit_code == 0;
            (came, is_same)
        }
        Held::Capture(capture) => {
            let replaying =
                Replaying::new(&capture).map_err(|wrong| again::damaged(&args.file, wrong))?;
            let recorded = (replaying.output.clone(), replaying.answer.clone());
            let cache = Cache::new(Cache::DEFAULT_LIMIT);
            let root = again::root(&capture, args.cwd.as_deref());
            let context = Context::new(&root, &cache);
            let mut site = Live::new(Disk::new(&context), Some(replaying));
            let came = match args.live {
                true => run_live(&capture, &mut site),
                false => run(&capture, &args.file)?,
            };
            let differences = differences(&recorded, &came);
            let is_same = differences.is_empty();
            if is_same {
                let _ = writeln!(
                    shown,
                    "{}: the same output and the same answer: {}",
                    name(&args.file),
                    sum(&came)
                );
            }
            shown.push_str(&differences);
            if args.live {
                let (files, changes) = (changed_files(&capture, &root), tree(&capture, &root)?);
                tell_changes(&mut shown, &files, &changes, args.verbose);
            }
            (came, is_same)
        }
    };
    if let (Some(path), Some(text)) = (&args.out, &came.written) {
        let mut out =
            Output::create("--out", Path::new("."), path, std::slice::from_ref(&args.file))?;
        out.write(|file| file.write_all(text))?;
        out.commit()?;
    }
    Ok(Replayed { shown, is_same })
}

/// Runs a request from what was recorded alone.
fn run(capture: &Capture, file: &Path) -> Result<Came, Error> {
    let mut site = Replaying::new(capture).map_err(|wrong| again::damaged(file, wrong))?;
    let outcome = run_on(capture, &mut site);
    Ok(Came::new(outcome, site.take_written()))
}

/// Runs it with the tree as it is now.
fn run_live(capture: &Capture, site: &mut Live<'_>) -> Came {
    let outcome = run_on(capture, site);
    Came::new(outcome, site.take_written())
}

fn run_on(capture: &Capture, site: &mut impl Site) -> Result<Outcome, Error> {
    let Again { args, inputs } = Again::new(capture, site)?;
    command::resolve(&args, inputs.as_ref(), site)
}

/// Runs a bare request with the files and the tree as they are now.
fn run_bare(args: &ReplayArgs, request: &Request) -> Result<Came, Error> {
    let directory = args.cwd.as_deref().unwrap_or(Path::new(""));
    let Understood { root, arguments, inputs } = Understood::new(directory, request);
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let context = Context::new(&root, &cache);
    let mut site = Live::new(Disk::new(&context), None);
    let outcome = command::run_on(&mut site, &arguments, inputs.as_ref());
    Ok(Came::new(outcome, site.take_written()))
}

fn name(path: &Path) -> String {
    Shown(path.as_os_str().as_bytes()).to_string()
}

/// What a request came to, in a few words.
fn sum(came: &Came) -> String {
    match &came.outcome {
        Some(Outcome { report, .. }) => format!(
            "{} rows, {} links, {} directory links",
            report.rows, report.links, report.directory_links
        ),
        None => format!("exit code {}", came.exit_code),
    }
}

/// How what a request came to differs from what was recorded. Empty if it does not.
fn differences(
    (output, answer): &(Option<Vec<u8>>, Option<crate::capture::Answer>),
    came: &Came,
) -> String {
    let mut shown = String::new();
    match answer {
        None => shown.push_str("the program panicked when this was recorded: there is no answer\n"),
        Some(answer) => {
            if answer.exit_code != came.exit_code {
                let _ = writeln!(
                    shown,
                    "the exit code was {}, and is {}",
                    answer.exit_code, came.exit_code
                );
            }
            unified(&mut shown, "answer", answer.output.as_bytes(), came.said.as_bytes());
        }
    }
    match (output, &came.written) {
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
            let _ = writeln!(shown, "{mark}{}", Shown(line.strip_suffix(b"\n").unwrap_or(line)));
            if !line.ends_with(b"\n") {
                shown.push_str("\\ No newline at end of file\n");
            }
        }
    }
}

/// The facts about the tree that have changed since.
fn tree(capture: &Capture, root: &Path) -> Result<Changes, Error> {
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let Some(recorded) = capture.facts.as_ref().and_then(Recorded::new) else {
        return Ok(Changes::default());
    };
    let never = || false;
    let mut view = View::new(root, false, &cache, &never)
        .map_err(|source| Error::Root { path: root.to_owned(), source })?;
    changes(&recorded, &mut view)
        .map_err(|stopped| Error::from(crate::resolve::ResolveError::from(stopped)))
}

/// The specs and files of arguments that are there and hold something else now.
fn changed_files(capture: &Capture, root: &Path) -> Vec<Change> {
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
        Some(Change { path: file.path.clone(), what: what.to_owned(), was: None, is: None })
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

fn tell_changes(shown: &mut String, files: &[Change], changes: &Changes, verbose: bool) {
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

fn tell(shown: &mut String, change: &Change) {
    let _ = write!(shown, "  {}: {}", Shown(&change.path), change.what);
    let texts = match (&change.was, &change.is) {
        (Some(was), Some(is)) => format!(": {} -> {}", Shown(was), Shown(is)),
        (Some(text), None) | (None, Some(text)) => format!(" (to {})", Shown(text)),
        (None, None) => String::new(),
    };
    let _ = writeln!(shown, "{texts}");
}

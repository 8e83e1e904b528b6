//! `mtree-worker replay`: runs a request again, and compares the result with the recorded one.
//!
//! Knows how outputs and responses are compared; must not know how rows are resolved.

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use similar::{Algorithm, ChangeTag, TextDiff};

use super::error::CommandError;
use super::loading::{self, Loaded, RecordedRequest};
use super::nouns::count;
use crate::args::Replay;
use crate::capture::{
    Capture, FactChange, FactChanges, LiveHost, RecordedResponse, ReplayHost, ReplayTree, changes,
};
use crate::display::Escaped;
use crate::fs::{Cache, View};
use crate::layer::{CutFrame, WrittenFrame};
use crate::request::{
    self, AtomicFile, Context, Disk, Host, Listing, Outcome, OutputError, RequestError,
};
use crate::server::{Request, Response};
use crate::worker::{self, Decoded, respond};

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long the search for a short diff may take. After that, a longer one is printed.
const DIFF_TIMEOUT: Duration = Duration::from_secs(5);
/// How many lines of context a diff has.
const CONTEXT_LINES: usize = 3;

/// The result of running a request again.
struct Rerun {
    /// `None` if no output was committed.
    output: Option<Vec<u8>>,
    response: Response,
    /// `None` if the request failed.
    outcome: Option<Outcome>,
    /// Of a layer that was written again: its descriptor, as JSON.
    descriptor: Option<String>,
    /// Of a layer that would be written: its frames.
    frames: Option<Vec<CutFrame>>,
    /// Whether the layer was written to `--out`.
    is_layer_written: bool,
    /// The sources that are not what they were when the request was recorded.
    changed_sources: Vec<FactChange>,
}

impl Rerun {
    fn new<E: std::error::Error + 'static>(
        result: Result<Outcome, E>,
        output: Option<Vec<u8>>,
    ) -> Self {
        let response = respond(&result);
        Self {
            output,
            response,
            outcome: result.ok(),
            descriptor: None,
            frames: None,
            is_layer_written: false,
            changed_sources: Vec::new(),
        }
    }
}

/// Runs the request in a file again. The exit code is 0 if output and response are the recorded ones. Writes nothing
/// but `--out`.
pub(crate) fn replay(args: &Replay) -> Result<Response, CommandError> {
    match Loaded::read(&args.file)? {
        Loaded::Request(request) => replay_bare(args, &request),
        Loaded::Capture(capture) => replay_capture(args, &capture),
    }
}

/// Runs a bare request. There is nothing to compare its result with.
fn replay_bare(args: &Replay, request: &Request) -> Result<Response, CommandError> {
    let rerun = run_bare(args, request);
    let mut text = format!("{}: {}\n", Escaped::path(&args.file), summary(&rerun));
    for line in rerun.response.output.lines() {
        let _ = writeln!(text, "{}", Escaped(line.as_bytes()));
    }
    write_output(args, &rerun)?;
    Ok(Response { exit_code: (rerun.response.exit_code != 0).into(), output: text })
}

/// Runs the request in a capture, and compares the result with the recorded one.
fn replay_capture(args: &Replay, capture: &Capture) -> Result<Response, CommandError> {
    let host = loading::host(capture, &args.file)?;
    let recorded = Recording::new(capture, &host);
    let root = loading::root(capture, args.cwd.as_deref());
    let mut rerun = match args.live {
        true => run_live(args, capture, host, &root)?,
        false => run_on_capture(capture, host),
    };
    let ResultComparison { differences, wording } = compare(&recorded, &rerun);
    let mut text = String::new();
    if differences.is_empty() {
        let what = match wording {
            None => "the same output and the same response",
            Some(_) => "the same output and the same exit code",
        };
        let _ = writeln!(text, "{}: {what}: {}", Escaped::path(&args.file), summary(&rerun));
    }
    text.push_str(&differences);
    text.push_str(&wording.unwrap_or_default());
    if args.live {
        let mut files = changed_files(capture, &root);
        files.append(&mut rerun.changed_sources);
        let changes = changed_facts(capture, &root)?;
        list_changes(&mut text, &files, &changes, args.verbose);
    }
    write_output(args, &rerun)?;
    Ok(Response { exit_code: (!differences.is_empty()).into(), output: text })
}

/// Writes the output to `--out`, unless the layer is there.
fn write_output(args: &Replay, rerun: &Rerun) -> Result<(), OutputError> {
    if let (Some(path), Some(output), false) = (&args.out, &rerun.output, rerun.is_layer_written) {
        let mut out = create(path, &args.file)?;
        out.write(|file| file.write_all(output))?;
        out.commit()?;
    }
    Ok(())
}

/// Creates `--out`.
fn create(path: &Path, input: &Path) -> Result<AtomicFile, OutputError> {
    AtomicFile::create("--out", Path::new("."), path, &[input.to_owned()])
}

/// Runs the request in a capture on the disk. Only specs and flag files are read from the capture, by `recorded`.
fn run_live(
    args: &Replay,
    capture: &Capture,
    recorded: ReplayHost,
    root: &Path,
) -> Result<Rerun, CommandError> {
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let context = Context { is_sandbox: capture.is_sandbox, ..Context::new(root, &cache) };
    let mut host = LiveHost::new(Disk::new(context), Some(recorded));
    if let (Some(path), true) = (&args.out, capture.layer.is_some()) {
        host.write_layer_to(create(path, &args.file)?);
    }
    let result = run_recorded(capture, &mut host);
    let changed_sources = host.take_changed_sources();
    let mut rerun = Rerun { changed_sources, ..Rerun::new(result, host.take_output()) };
    if let Some((descriptor, file)) = host.take_layer() {
        rerun.descriptor = Some(descriptor);
        if let Some(file) = file {
            file.commit()?;
            rerun.is_layer_written = true;
        }
    }
    Ok(rerun)
}

/// Runs the request in a capture on the capture alone.
fn run_on_capture(capture: &Capture, mut host: ReplayHost) -> Rerun {
    let result = run_recorded(capture, &mut host);
    let frames = host.take_cut().map(|cut| cut.frames);
    Rerun { frames, ..Rerun::new(result, host.take_output()) }
}

/// Runs the request in a capture.
fn run_recorded(capture: &Capture, host: &mut impl Host) -> Result<Outcome, CommandError> {
    let RecordedRequest { request, inputs } = RecordedRequest::new(capture, host)?;
    let listing = inputs.map(Listing::new);
    Ok(request::run(&request, listing.as_ref(), host)?)
}

/// Runs a bare request on the file system.
fn run_bare(args: &Replay, request: &Request) -> Rerun {
    let directory = args.cwd.as_deref().unwrap_or(Path::new(""));
    let Decoded { root, is_sandbox, arguments } = Decoded::new(directory, request);
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let context = Context { is_sandbox, ..Context::new(&root, &cache) };
    let mut host = LiveHost::new(Disk::new(context), None);
    let result = worker::run(&arguments, Some(request), &mut host);
    Rerun::new(result, host.take_output())
}

/// The result of a request, in a few words.
fn summary(rerun: &Rerun) -> String {
    match &rerun.outcome {
        Some(Outcome { report, .. }) => format!(
            "{}, {}, {}",
            count(report.rows, "row"),
            count(report.links, "link"),
            count(report.directory_links, "directory link")
        ),
        None => format!("exit code {}", rerun.response.exit_code),
    }
}

/// The recorded result of a request.
struct Recording {
    /// `None` if no output was committed.
    output: Option<Vec<u8>>,
    /// `None` if the program panicked.
    response: Option<RecordedResponse>,
    /// The version of the program that recorded it.
    version: String,
    /// The descriptor of the layer, as JSON. Empty if none was written.
    descriptor: String,
    /// Its frames.
    frames: Vec<WrittenFrame>,
}

impl Recording {
    fn new(capture: &Capture, host: &ReplayHost) -> Self {
        Self {
            output: host.output.clone(),
            response: host.response.clone(),
            version: capture.program_version.clone(),
            descriptor: host.descriptor().to_owned(),
            frames: host.frames().frames,
        }
    }
}

/// How a result differs from the recorded one.
struct ResultComparison {
    /// Differences in output, exit code or response. Empty if there are none.
    differences: String,
    /// A note, if another version recorded a response with the same exit code and other words. Warnings
    /// and errors may be worded differently in each version.
    wording: Option<String>,
}

fn compare(recorded: &Recording, rerun: &Rerun) -> ResultComparison {
    let mut comparison = ResultComparison { differences: String::new(), wording: None };
    let text = &mut comparison.differences;
    match &recorded.response {
        None => {
            text.push_str("the program panicked when this was recorded: there is no response\n")
        }
        Some(response) => {
            let (was, is) = (response.exit_code, rerun.response.exit_code);
            if was != is {
                let _ = writeln!(text, "the exit code was {was}, and is {is}");
            }
            let mut diff = String::new();
            let (before, now) = (response.output.as_bytes(), rerun.response.output.as_bytes());
            push_diff(&mut diff, "response", before, now);
            if was == is && recorded.version != VERSION && !diff.is_empty() {
                let version = Escaped(recorded.version.as_bytes());
                comparison.wording = Some(format!(
                    "note: the wording of the response differs: recorded by {version}\n{diff}"
                ));
            } else {
                text.push_str(&diff);
            }
        }
    }
    match (&recorded.output, &rerun.output) {
        (Some(was), Some(is)) => push_diff(text, "output", was, is),
        (None, Some(_)) => text.push_str("no output was written, and now one is\n"),
        (Some(_), None) => text.push_str("an output was written, and now none is\n"),
        (None, None) => {}
    }
    if let Some(frames) = &rerun.frames {
        text.push_str(&compare_frames(&recorded.frames, frames));
    }
    if let Some(descriptor) = &rerun.descriptor {
        push_diff(text, "layer", recorded.descriptor.as_bytes(), descriptor.as_bytes());
    }
    comparison
}

/// How the frames of a layer differ from the recorded ones, in one line. Empty if they do not.
fn compare_frames(was: &[WrittenFrame], is: &[CutFrame]) -> String {
    // Without a layer, the response says why.
    if was.is_empty() || was.iter().map(|frame| &frame.cut).eq(is) {
        return String::new();
    }
    let same = was.iter().zip(is).take_while(|(was, is)| was.cut == **is).count();
    let offset: u64 = is[..same].iter().map(|frame| frame.size).sum();
    let what = match (was.get(same), is.get(same)) {
        (Some(was), Some(is)) if was.cut.size == is.size => "it has other headers",
        (Some(_), Some(_)) => "it is cut otherwise",
        _ => "it is in one of them alone",
    };
    format!(
        "the layer had {} frames, and has {}; the first that differs is frame {}, at {offset} bytes of the tar: \
         {what}\n",
        was.len(),
        is.len(),
        same + 1
    )
}

/// Appends the unified diff of two texts, if they differ.
fn push_diff(text: &mut String, what: &str, was: &[u8], is: &[u8]) {
    if was == is {
        return;
    }
    let mut config = TextDiff::configure();
    let diff = config.algorithm(Algorithm::Myers).timeout(DIFF_TIMEOUT).diff_lines(was, is);
    let _ = writeln!(text, "--- recorded {what}\n+++ replayed {what}");
    for hunk in diff.unified_diff().context_radius(CONTEXT_LINES).iter_hunks() {
        let _ = writeln!(text, "{}", hunk.header());
        for change in hunk.iter_changes() {
            let mark = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            let line = change.value();
            let _ = writeln!(text, "{mark}{}", Escaped(line.strip_suffix(b"\n").unwrap_or(line)));
            if !line.ends_with(b"\n") {
                text.push_str("\\ No newline at end of file\n");
            }
        }
    }
}

/// The facts about the tree that have changed since the recording.
fn changed_facts(capture: &Capture, root: &Path) -> Result<FactChanges, CommandError> {
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let Some(recorded) = capture.facts.as_ref().and_then(ReplayTree::new) else {
        return Ok(FactChanges::default());
    };
    let never = || false;
    let mut view = View::new(root, false, &cache, &never)
        .map_err(|source| RequestError::Root { path: root.to_owned(), source })?;
    Ok(changes(&recorded, &mut view)?)
}

/// The specs and flag files that have changed since the recording.
fn changed_files(capture: &Capture, root: &Path) -> Vec<FactChange> {
    let files = capture.files.iter().filter_map(|file| {
        let path = root.join(std::ffi::OsStr::from_bytes(&file.path));
        let what = match has_content(&path, &file.text) {
            Ok(true) => return None,
            Ok(false) => "has other content",
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                "was read, and does not exist"
            }
            Err(_) => "was read, and cannot be read",
        };
        Some(FactChange { path: file.path.clone(), what: what.to_owned(), was: None, is: None })
    });
    files.collect()
}

/// Whether the file at `path` has the content `text`.
fn has_content(path: &Path, text: &[u8]) -> std::io::Result<bool> {
    let metadata = fs::metadata(path)?;
    // The path comes from an untrusted capture, and may lead to a device that never ends.
    if !metadata.is_file() || metadata.len() != text.len() as u64 {
        return Ok(false);
    }
    let mut now = Vec::with_capacity(text.len());
    fs::File::open(path)?.take(text.len() as u64 + 1).read_to_end(&mut now)?;
    Ok(now == text)
}

/// Appends the changes since the recording.
fn list_changes(text: &mut String, files: &[FactChange], changes: &FactChanges, verbose: bool) {
    let facts = files.len() + changes.facts.len();
    match facts {
        0 => text.push_str("no fact has changed since\n"),
        1 => text.push_str("1 fact has changed since:\n"),
        _ => {
            let _ = writeln!(text, "{facts} facts have changed since:");
        }
    }
    for change in files.iter().chain(&changes.facts) {
        push_change(text, change);
    }
    if !changes.directories.is_empty() {
        let directories = match changes.directories.len() {
            1 => "1 directory has".to_owned(),
            more => format!("{more} directories have"),
        };
        let end = if verbose { ":" } else { "; --verbose lists them" };
        let _ = writeln!(text, "{directories} other times, or another identity{end}");
        if verbose {
            changes.directories.iter().for_each(|change| push_change(text, change));
        }
    }
}

fn push_change(text: &mut String, change: &FactChange) {
    let _ = write!(text, "  {}: {}", Escaped(&change.path), change.what);
    if let (Some(was), Some(is)) = (&change.was, &change.is) {
        let _ = write!(text, ": {} -> {}", Escaped(was), Escaped(is));
    }
    text.push('\n');
}

//! The command line: what can be said, and how it is answered.
//!
//! Knows every flag, and which part of the program each command is; must not know how any of them does
//! its work.

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::capture::{Form, Notes, Received, Recording, Shelf};
use crate::command::{self, Context};
use crate::error::Error;
use crate::explain;
use crate::flagfile;
use crate::inspect;
use crate::log;
use crate::output;
use crate::page;
use crate::replay;
use crate::resolve::{DirectoryLinks, MissingTarget, Options};
use crate::server::{self, Ended, Protocol};
use crate::show::Shown;
use crate::site::{Disk, Purpose, Site};
use crate::spec::{Change, Owner};
use crate::tree::Cache;
use crate::worker::Worker;

/// Turns the copies in image layers back into the symlinks that they are.
///
/// Arguments are also read from files: @FILE and --flagfile=FILE stand for the lines of FILE, and an
/// argument that begins with @@ for itself without the first @.
#[derive(Parser)]
#[command(name = "mtree-worker", version, max_term_width = 100)]
struct CommandLine {
    #[command(flatten)]
    startup: Startup,
    #[command(subcommand)]
    command: Option<Command>,
}

/// How the process runs, whatever it is asked to do.
#[derive(Args)]
#[command(next_help_heading = "Worker")]
struct Startup {
    /// Serve requests of Bazel's worker protocol on stdin, and answer on stdout.
    #[arg(long = "persistent_worker")]
    persistent_worker: bool,
    /// How requests and answers are written.
    #[arg(long, value_enum, default_value_t, value_name = "PROTOCOL")]
    protocol: ProtocolArg,
    /// How many requests may run at once [default: as many as there are cores].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// The most memory to remember directories in.
    #[arg(long, value_name = "BYTES", default_value_t = Cache::DEFAULT_LIMIT)]
    cache_limit: usize,
    /// The longest request to accept.
    #[arg(long, value_name = "BYTES", default_value_t = server::Options::default().max_request)]
    max_request: u64,
    /// Write a capture of each request to this directory [also: the environment's MTREE_WORKER_RECORD].
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// The most that the captures of that directory may take: the oldest go.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    record_limit: u64,
}

/// The environment variable that stands for `--record`.
const RECORD: &str = "MTREE_WORKER_RECORD";

#[derive(Clone, Copy, Default, ValueEnum)]
enum ProtocolArg {
    /// Protobuf messages, each behind its length.
    #[default]
    Proto,
    /// JSON objects.
    Json,
}

/// The command line of a request: what a worker is asked to do.
#[derive(Parser)]
#[command(name = "mtree-worker", arg_required_else_help = false)]
struct RequestLine {
    #[command(subcommand)]
    command: RequestCommand,
}

#[derive(Subcommand)]
enum RequestCommand {
    Resolve(Box<ResolveArgs>),
}

/// What is to be done.
#[derive(Subcommand)]
enum Command {
    Resolve(Box<ResolveArgs>),
    Inspect(InspectArgs),
    Replay(ReplayArgs),
    Explain(Box<ExplainArgs>),
    Report(ReportArgs),
}

/// Reads an mtree spec, finds out which of its files are symlinks, and writes it with those as links.
///
/// Sources (content=) are relative to the working directory. A row becomes a link only if what it
/// points to is itself in the archive.
#[derive(Args)]
pub struct ResolveArgs {
    /// The spec to read.
    #[arg(long, value_name = "IN")]
    pub mtree: PathBuf,
    /// The spec to write: all of it, or nothing.
    #[arg(long, value_name = "OUT")]
    pub out: PathBuf,
    #[command(flatten)]
    pub how: How,
    /// Write what the run came to, in numbers.
    #[arg(long, value_name = "FILE.json")]
    pub report: Option<PathBuf>,
}

/// How rows are changed and resolved.
#[derive(Args)]
pub struct How {
    /// The spec of another layer: links may lead to its rows. May be given again.
    #[arg(long, value_name = "SPEC")]
    pub also: Vec<PathBuf>,
    /// What becomes of a link that leads out of the archive.
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    missing_target: MissingTargetArg,
    /// What becomes of a directory that is one symlink in the tree.
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    directory_links: DirectoryLinksArg,
    /// link= holds the path of the symlink itself, as rules_py writes it.
    #[arg(long)]
    pub link_is_source: bool,
    /// Only change rows, as the flags below say.
    #[arg(long)]
    pub no_resolve: bool,
    /// Take this directory away from the head of every path; rows elsewhere go.
    #[arg(long, value_name = "P")]
    strip_prefix: Option<OsString>,
    /// Put every row below this directory, and make the directory rows that are missing.
    #[arg(long, value_name = "D")]
    package_dir: Option<OsString>,
    /// The time of every row that has one, in seconds since 1970.
    #[arg(long, value_name = "T")]
    mtime: Option<OsString>,
    /// The uid of every row that has one.
    #[arg(long, value_name = "N")]
    owner: Option<OsString>,
    /// The uname of every row that has one.
    #[arg(long, value_name = "S")]
    ownername: Option<OsString>,
    /// The gid of every row that has one.
    #[arg(long, value_name = "N")]
    group: Option<OsString>,
    /// The gname of every row that has one.
    #[arg(long, value_name = "S")]
    groupname: Option<OsString>,
}

/// Shows what a layer of a directory would weigh with copies and with links.
///
/// The directory is seen as Bazel's glob(["**"]) sees it: linked directories are entered, but never round in
/// a circle.
#[derive(Args)]
pub struct InspectArgs {
    /// The directory: a toolchain, a virtual environment, a node_modules.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Write the resolved spec, for `bsdtar -cf layer.tar @FILE`.
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
}

/// Runs a recorded request again, from what was recorded alone, and compares.
///
/// The status is 0 if output and answer are what they were, and 1, with the difference, if not. FILE
/// may also hold a bare WorkRequest, behind its length or as JSON: that is run on the file system.
#[derive(Args)]
pub struct ReplayArgs {
    /// A capture, or a WorkRequest.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Ask the file system instead, and list which facts have changed since.
    #[arg(long)]
    pub live: bool,
    /// Where the tree lies now [default: where it was recorded].
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Keep the output here. Otherwise nothing is written.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Log every question and its answer, and list directories that have other times.
    #[arg(long)]
    pub verbose: bool,
}

/// Says why rows became what they became: source, staging, home, trail, and the rule that decided.
///
/// Without an ARCHIVE-PATH, that is told of every row that was turned into a link, and of every row
/// that was left a file for want of a target.
#[derive(Args)]
pub struct ExplainArgs {
    /// A capture (unless --mtree is given), then archive paths: * ? [a-z] {a,b} within a part, ** across.
    #[arg(value_name = "FILE] [ARCHIVE-PATH", required_unless_present = "mtree")]
    pub paths: Vec<OsString>,
    /// Explain this spec, with the tree as it is now.
    #[arg(long, value_name = "SPEC")]
    pub mtree: Option<PathBuf>,
    #[command(flatten)]
    pub how: How,
    /// Write JSON.
    #[arg(long)]
    pub json: bool,
}

/// Writes a page that shows what layers weigh, what links save, and which rows stayed files.
///
/// The page is one file that asks for nothing else.
#[derive(Args)]
pub struct ReportArgs {
    /// Captures, or files of `resolve --report`.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The page.
    #[arg(long, value_name = "OUT.html")]
    pub html: PathBuf,
    /// Where files lie that are to be weighed [default: where the request was recorded].
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum MissingTargetArg {
    /// The row stays a file, and its bytes go in.
    #[default]
    Inline,
    /// The author's text is written, if it is relative: another layer may hold the target.
    Keep,
    /// That is an error.
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

impl How {
    /// How to resolve.
    pub fn options(&self) -> Options {
        Options {
            missing_target: match self.missing_target {
                MissingTargetArg::Inline => MissingTarget::Inline,
                MissingTargetArg::Keep => MissingTarget::Keep,
                MissingTargetArg::Fail => MissingTarget::Fail,
            },
            directory_links: match self.directory_links {
                DirectoryLinksArg::Collapse => DirectoryLinks::Collapse,
                DirectoryLinksArg::Expand => DirectoryLinks::Expand,
            },
        }
    }

    /// How to change rows before that.
    pub fn change(&self) -> Change {
        // As in tar.bzl, an empty value is none.
        let bytes = |value: &Option<OsString>| -> Option<Vec<u8>> {
            let bytes = value.as_deref().map(OsStr::as_bytes)?;
            (!bytes.is_empty()).then(|| bytes.to_vec())
        };
        Change {
            strip_prefix: bytes(&self.strip_prefix),
            package_dir: bytes(&self.package_dir),
            mtime: bytes(&self.mtime),
            owner: Owner {
                uid: bytes(&self.owner),
                gid: bytes(&self.group),
                uname: bytes(&self.ownername),
                gname: bytes(&self.groupname),
            },
        }
    }
}

/// Reads the arguments of a request.
pub fn parse_request(arguments: Vec<OsString>) -> Result<Box<ResolveArgs>, Error> {
    let RequestLine { command: RequestCommand::Resolve(args) } =
        RequestLine::try_parse_from(with_name(arguments)).map_err(|error| usage(&error))?;
    Ok(args)
}

/// Reads the arguments of a process that runs `resolve` once.
pub fn parse_once(arguments: Vec<OsString>) -> Result<Box<ResolveArgs>, Error> {
    let line = CommandLine::try_parse_from(with_name(arguments)).map_err(|error| usage(&error))?;
    match line.command {
        Some(Command::Resolve(args)) => Ok(args),
        _ => Err(Error::Usage("this command line is not one of resolve".to_owned())),
    }
}

fn with_name(arguments: Vec<OsString>) -> impl Iterator<Item = OsString> {
    [OsString::from("mtree-worker")].into_iter().chain(arguments)
}

/// What clap has against the arguments, as one sentence.
fn usage(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let sentence: Vec<_> =
        text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let sentence = sentence.join(" ");
    Error::Usage(sentence.strip_prefix("error: ").unwrap_or(&sentence).to_owned())
}

/// The program: `arguments` are those behind its name.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match answer(arguments) {
        Ok(code) => code,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn answer(arguments: impl Iterator<Item = OsString>) -> Result<ExitCode, Error> {
    let started_with: Vec<OsString> = arguments.collect();
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let here = Context::new(Path::new("."), &cache);
    let mut disk = Disk::new(&here);
    let read = |path: &Path| disk.read(path, Purpose::Arguments);
    let arguments = flagfile::expand(started_with.iter().cloned(), read)?;
    let CommandLine { startup, command } =
        match CommandLine::try_parse_from(with_name(arguments.clone())) {
            Ok(line) => line,
            Err(error) if !error.use_stderr() => {
                // Nobody is left to be told that the help could not be printed.
                let _ = error.print();
                return Ok(ExitCode::SUCCESS);
            }
            Err(error) => return Err(usage(&error)),
        };
    let Some(command) = command else {
        if startup.persistent_worker {
            return Ok(serve(&startup, started_with));
        }
        return Err(Error::Usage(
            "nothing is asked for: resolve, inspect, replay, explain, report?".to_owned(),
        ));
    };
    if startup.persistent_worker {
        let sentence = "--persistent_worker takes its commands from stdin: name none beside it";
        return Err(Error::Usage(sentence.to_owned()));
    }
    let cache = Cache::new(startup.cache_limit);
    let context = Context::new(Path::new("."), &cache);
    match command {
        Command::Resolve(args) => {
            log::begin_if_asked();
            let shelf = startup.shelf(started_with, say_warning);
            let code = once(&args, &arguments, &context, shelf);
            // The process ends: thousands of directories need not be given back one by one.
            std::mem::forget(cache);
            return Ok(code);
        }
        Command::Inspect(args) => {
            log::begin_if_asked();
            let shown = inspect::inspect(&args, &cache, std::io::stderr().is_terminal())?;
            print(&shown);
        }
        Command::Replay(args) => {
            if args.verbose {
                log::begin("trace");
            } else {
                log::begin_if_asked();
            }
            let replayed = replay::replay(&args)?;
            print(&replayed.shown);
            if !replayed.is_same {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Report(args) => {
            log::begin_if_asked();
            page::write(&args)?;
        }
        Command::Explain(args) => {
            log::begin_if_asked();
            let colours = std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            print(&explain::explain(*args, colours)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what a command has to show.
fn print(shown: &str) {
    // A reader that has seen enough, such as head, is no failure.
    let _ = std::io::stdout().lock().write_all(shown.as_bytes());
}

/// Runs `resolve` once.
fn once(
    args: &ResolveArgs,
    arguments: &[OsString],
    context: &Context<'_>,
    shelf: Option<Arc<Shelf>>,
) -> ExitCode {
    let Some(shelf) = shelf else {
        let outcome = command::resolve(args, None, &mut Disk::new(context));
        return told(&command::answer(&outcome));
    };
    let received = Received { form: Form::CommandLine, request: Bytes::new(), request_id: 0 };
    let mut notes = Notes::new(&shelf, received);
    notes.begin(context.root, arguments);
    let outcome = command::resolve(args, None, &mut Recording::new(Disk::new(context), &mut notes));
    let answer = command::answer(&outcome);
    notes.answer(answer.0, &answer.1);
    let code = told(&answer);
    shelf.close();
    code
}

/// Tells the user an answer.
fn told((exit_code, output): &(i32, String)) -> ExitCode {
    // Where stderr is closed, there is nobody to tell.
    let _ = std::io::stderr().write_all(output.as_bytes());
    if *exit_code == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say_warning(warning: &str) {
    say(&format!("warning: {warning}"));
}

impl Startup {
    /// Where requests are recorded, if they are. That they cannot be is a warning.
    fn shelf(&self, started_with: Vec<OsString>, warn: fn(&str)) -> Option<Arc<Shelf>> {
        let asked = std::env::var_os(RECORD).filter(|directory| !directory.is_empty());
        let directory = self.record.clone().or(asked.map(PathBuf::from))?;
        let started_with = started_with.into_iter().map(OsString::into_vec).collect();
        match Shelf::open(directory, self.record_limit, started_with, warn) {
            Ok(shelf) => Some(Arc::new(shelf)),
            Err(error) => {
                warn(&format!("requests are not recorded: {error}"));
                None
            }
        }
    }
}

/// What a process gives back that SIGTERM ended, by custom: 128 and the signal's number.
const TERMINATED: u8 = 128 + 15;

fn serve(startup: &Startup, started_with: Vec<OsString>) -> ExitCode {
    log::begin("info");
    let shelf = startup.shelf(started_with, |warning| tracing::warn!("{warning}"));
    let defaults = server::Options::default();
    let options = server::Options {
        protocol: match startup.protocol {
            ProtocolArg::Proto => Protocol::Proto,
            ProtocolArg::Json => Protocol::Json,
        },
        jobs: startup.jobs.map_or(defaults.jobs, NonZeroUsize::get),
        max_request: startup.max_request,
    };
    let ended = server::serve(&options, Worker::new(startup.cache_limit, shelf.clone()));
    if let Some(shelf) = shelf
        && !matches!(ended, Ok(Ended::Terminated))
    {
        shelf.close();
    }
    match ended {
        Ok(Ended::Input) => ExitCode::SUCCESS,
        Ok(Ended::Terminated) => {
            output::abandon_all();
            ExitCode::from(TERMINATED)
        }
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Says one sentence on stderr.
fn say(sentence: &str) {
    // Where stderr is closed, there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "mtree-worker: {}", Shown(sentence.as_bytes()));
}

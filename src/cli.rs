//! The program: dispatches commands, prints their output, and maps results to exit codes.
//!
//! Must not know any flag, nor how a command does its work.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::args::{self, ArgsError, Command, Invocation, Startup, UsageError};
use crate::capture::CaptureStore;
use crate::commands::{self, CommandError, LayerProgress};
use crate::display::Escaped;
use crate::error::Sentence;
use crate::fs::Cache;
use crate::log;
use crate::malloc;
use crate::request::{Context, Disk, LayerState, remove_unfinished};
use crate::server::{self, Ended, Response};
use crate::signals;
use crate::threads;
use crate::worker::{self, Worker};

/// The exit code of a usage error, by convention.
const USAGE_ERROR: u8 = 2;
/// The exit code of `diff` on an error.
const TROUBLE: u8 = 2;

/// Runs the program. `arguments` do not include its name.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let typed: Vec<OsString> = arguments.collect();
    match read_arguments(&typed) {
        Ok((Invocation::Print(text), _)) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Ok((Invocation::Serve(startup), _)) => serve(startup, typed),
        Ok((Invocation::Once(startup, command), arguments)) => {
            let failure = failure(matches!(command, Command::Diff(_)));
            run_once(startup, command, typed, &arguments).unwrap_or_else(|error| {
                print_error(&Sentence(&error).to_string());
                failure
            })
        }
        Err(ArgsError::Usage(error)) => print_usage_error(&error),
        Err(error) => {
            print_error(&Sentence(&error).to_string());
            failure(args::is_diff(&typed))
        }
    }
}

/// The status of an error. Like diff(1), `diff` has status 1 for a difference, and 2 for an error.
fn failure(is_diff: bool) -> ExitCode {
    if is_diff { ExitCode::from(TROUBLE) } else { ExitCode::FAILURE }
}

/// Parses the command line. Also returns its arguments, with those from files.
fn read_arguments(typed: &[OsString]) -> Result<(Invocation, Vec<OsString>), ArgsError> {
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let mut disk = Disk::new(Context::new(Path::new("."), &cache));
    let arguments = args::expand(typed.iter().cloned(), &mut disk)?;
    Ok((args::parse(arguments.clone())?, arguments))
}

/// Runs a command once.
fn run_once(
    startup: Startup,
    command: Command,
    typed: Vec<OsString>,
    arguments: &[OsString],
) -> Result<ExitCode, CommandError> {
    match &command {
        Command::Replay(replay) if replay.verbose => log::begin("trace"),
        _ => log::begin_if_asked(),
    }
    // If no threads can be started, this one does the work.
    let _ = threads::share();
    // A layer takes long, and its temporary file is large.
    let writes_layer = match &command {
        Command::Layer(_) => true,
        Command::Inspect(inspect) => inspect.layer.is_some(),
        _ => false,
    };
    if writes_layer {
        signals::on_end(|status| {
            remove_unfinished();
            std::process::exit(status.into());
        });
    }
    let cache = Cache::new(startup.cache_limit);
    let layers = LayerState::once(layer_threads(&startup));
    let is_terminal = std::io::stderr().is_terminal();
    let bar = LayerProgress::new(is_terminal);
    let context = Context {
        layers: Some(&layers),
        progress: &|written, total| bar.show(written, total),
        ..Context::new(Path::new("."), &cache)
    };
    match command {
        Command::Resolve(request) | Command::Layer(request) => {
            let store = open_store(&startup, typed, print_warning);
            let is_sandbox = std::env::current_dir().is_ok_and(|path| worker::is_sandbox(&path));
            let context = Context { is_sandbox, ..context };
            let response = commands::once::run(&request, arguments, context, store);
            // The process ends. Freeing thousands of cached directories would take time.
            std::mem::forget(cache);
            return Ok(print_messages(&response));
        }
        Command::Inspect(inspect) => {
            print(&commands::inspect::inspect(&inspect, context, is_terminal)?);
        }
        Command::Replay(replay) => {
            return Ok(print_comparison(&commands::replay::replay(&replay)?));
        }
        Command::Explain(explain) => {
            print(&commands::explain::explain(&explain, is_coloured())?);
        }
        Command::Diff(diff) => {
            return Ok(print_comparison(&commands::diff::diff(&diff, is_coloured())?));
        }
        Command::OciLayout(layout) => commands::oci_layout::write(&layout)?,
        Command::Generate(directory) => commands::generate::generate(&directory)?,
        Command::Report(report) => commands::report::write(&report)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Serves requests until stdin ends, a signal arrives, or the parent process ends.
fn serve(startup: Startup, typed: Vec<OsString>) -> ExitCode {
    malloc::restart_with_one_heap();
    log::begin("info");
    // Before the server counts the threads that it can start.
    if let Some(problem) = threads::share() {
        tracing::warn!("each request is resolved by one thread: {problem}");
    }
    let store = open_store(&startup, typed, |warning| tracing::warn!("{warning}"));
    let layers = LayerState::worker(layer_threads(&startup), startup.frame_limit);
    let worker = Worker::new(startup.cache_limit, layers, store.clone());
    let ended = server::serve(&startup.server, worker);
    match ended {
        Ok(Ended::Signal(_)) => remove_unfinished(),
        Ok(Ended::Parent) => {
            remove_unfinished();
            tracing::info!("the parent process has ended, and so does the worker");
        }
        Ok(Ended::Input) | Err(_) => {
            if let Some(store) = store {
                store.close();
            }
        }
    }
    match ended {
        Ok(ended) => ExitCode::from(ended.status()),
        Err(error) => {
            print_error(&Sentence(&error).to_string());
            ExitCode::FAILURE
        }
    }
}

/// How many threads compress: no more than there are cores, nor than `--jobs` allows.
fn layer_threads(startup: &Startup) -> NonZeroUsize {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    NonZeroUsize::new(startup.server.jobs).unwrap_or(NonZeroUsize::MIN).min(cores)
}

/// Opens the store of captures, if requests are to be recorded. Failure is a warning.
fn open_store(
    startup: &Startup,
    typed: Vec<OsString>,
    warn: fn(&str),
) -> Option<Arc<CaptureStore>> {
    let directory = startup.record.clone()?;
    let typed = typed.into_iter().map(OsString::into_vec).collect();
    match CaptureStore::open(directory, startup.record_limit, typed, warn) {
        Ok(store) => Some(Arc::new(store)),
        Err(error) => {
            warn(&format!("requests are not recorded: {}", Sentence(&error)));
            None
        }
    }
}

/// Whether output is coloured.
fn is_coloured() -> bool {
    std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints the output of a command.
fn print(text: &str) {
    // A reader that closes its end early, such as head(1), is not a failure.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints the response of a command that compares: its output is the differences.
fn print_comparison(response: &Response) -> ExitCode {
    print(&response.output);
    status(response)
}

/// Prints the response to a request: its output is warnings, or an error.
fn print_messages(response: &Response) -> ExitCode {
    // If stderr is closed, nothing can be reported.
    let _ = std::io::stderr().write_all(response.output.as_bytes());
    status(response)
}

fn status(response: &Response) -> ExitCode {
    if response.exit_code == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints a usage error: clap's text, several lines long.
fn print_usage_error(error: &UsageError) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "mtree-worker: {error}");
    ExitCode::from(USAGE_ERROR)
}

fn print_warning(warning: &str) {
    print_error(&format!("warning: {warning}"));
}

/// Prints one sentence on stderr.
fn print_error(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "mtree-worker: {}", Escaped(sentence.as_bytes()));
}

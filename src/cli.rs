//! The program: which command runs, and the exit code.
//!
//! Must not know any flag, nor how a command does its work.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::args::{self, ArgsError, Command, Invocation, Startup, UsageError};
use crate::capture::CaptureStore;
use crate::commands::{self, CommandError};
use crate::display::Escaped;
use crate::error::Sentence;
use crate::fs::Cache;
use crate::log;
use crate::request::{Context, Disk, abandon_all};
use crate::server::{self, Ended, Response};
use crate::worker::Worker;

/// The exit code for a command line that is refused, as clap's and bsdtar's users know it.
const USAGE: u8 = 2;
/// The exit code of a process that SIGTERM ended, by custom: 128 and the signal's number.
const TERMINATED: u8 = 128 + 15;

/// Runs the program. `arguments` are those that stand behind its name.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let typed: Vec<OsString> = arguments.collect();
    match read_arguments(&typed) {
        Ok((Invocation::Print(text), _)) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Ok((Invocation::Serve(startup), _)) => serve(startup, typed),
        Ok((Invocation::Once(startup, command), arguments)) => {
            once(startup, command, typed, &arguments).unwrap_or_else(|error| {
                say(&Sentence(&error).to_string());
                ExitCode::FAILURE
            })
        }
        Err(ArgsError::Usage(error)) => refuse(&error),
        Err(error) => {
            say(&Sentence(&error).to_string());
            ExitCode::FAILURE
        }
    }
}

/// The invocation that was typed, and its arguments with those from files.
fn read_arguments(typed: &[OsString]) -> Result<(Invocation, Vec<OsString>), ArgsError> {
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let mut disk = Disk::new(Context::new(Path::new("."), &cache));
    let arguments = args::expand(typed.iter().cloned(), &mut disk)?;
    Ok((args::parse(arguments.clone())?, arguments))
}

/// Runs a command once.
fn once(
    startup: Startup,
    command: Command,
    typed: Vec<OsString>,
    arguments: &[OsString],
) -> Result<ExitCode, CommandError> {
    match &command {
        Command::Replay(replay) if replay.verbose => log::begin("trace"),
        _ => log::begin_if_asked(),
    }
    let cache = Cache::new(startup.cache_limit);
    match command {
        Command::Resolve(request) => {
            let store = store(&startup, typed, say_warning);
            let context = Context::new(Path::new("."), &cache);
            let response = commands::resolve::resolve(&request, arguments, context, store);
            // The process ends: thousands of directories need not be freed one by one.
            std::mem::forget(cache);
            return Ok(tell(&response));
        }
        Command::Inspect(inspect) => {
            let is_terminal = std::io::stderr().is_terminal();
            print(&commands::inspect::inspect(&inspect, &cache, is_terminal)?);
        }
        Command::Replay(replay) => {
            let replayed = commands::replay::replay(&replay)?;
            print(&replayed.shown);
            if !replayed.is_same {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Explain(explain) => {
            let colours = std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            print(&commands::explain::explain(&explain, colours)?);
        }
        Command::Report(report) => commands::report::write(&report)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Serves requests until the input ends or a signal comes.
fn serve(startup: Startup, typed: Vec<OsString>) -> ExitCode {
    log::begin("info");
    let store = store(&startup, typed, |warning| tracing::warn!("{warning}"));
    let ended = server::serve(&startup.server, Worker::new(startup.cache_limit, store.clone()));
    if let Some(store) = store
        && !matches!(ended, Ok(Ended::Terminated))
    {
        store.close();
    }
    match ended {
        Ok(Ended::Input) => ExitCode::SUCCESS,
        Ok(Ended::Terminated) => {
            abandon_all();
            ExitCode::from(TERMINATED)
        }
        Err(error) => {
            say(&Sentence(&error).to_string());
            ExitCode::FAILURE
        }
    }
}

/// Where captures are kept, if anywhere. A directory that cannot be used is a warning.
fn store(startup: &Startup, typed: Vec<OsString>, warn: fn(&str)) -> Option<Arc<CaptureStore>> {
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

/// Prints what a command shows.
fn print(text: &str) {
    // A reader that has seen enough, such as head, is not a failure.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Tells the user a response.
fn tell(response: &Response) -> ExitCode {
    // A closed stderr leaves no way to report anything.
    let _ = std::io::stderr().write_all(response.output.as_bytes());
    if response.exit_code == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Refuses a command line.
fn refuse(error: &UsageError) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "mtree-worker: {error}");
    ExitCode::from(USAGE)
}

fn say_warning(warning: &str) {
    say(&format!("warning: {warning}"));
}

/// Says one sentence on stderr.
fn say(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "mtree-worker: {}", Escaped(sentence.as_bytes()));
}

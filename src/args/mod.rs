//! Arguments: what can be typed, and the plain values that the program uses instead.
//!
//! All of clap is here. Arguments are converted once, at the door; must not know how a command does its
//! work.

mod error;
pub mod flagfile;
mod resolve;
mod startup;
mod tools;

use std::ffi::OsString;
use std::path::Path;

use clap::{CommandFactory, Parser, Subcommand};

use crate::request::{Host, Purpose, ResolveRequest};

pub use error::{ArgsError, MOST_FLAGFILES, UsageError};
pub use startup::Startup;
pub use tools::{Explain, Inspect, Replay, Subject, WriteReport};

/// A command line.
#[derive(Debug)]
pub enum Invocation {
    /// Serve requests on stdin.
    Serve(Startup),
    /// Run a command once.
    Once(Startup, Command),
    /// Print this: help, or the version.
    Print(String),
}

/// What is to be done once.
#[derive(Debug)]
pub enum Command {
    /// `resolve`
    Resolve(Box<ResolveRequest>),
    /// `inspect`
    Inspect(Inspect),
    /// `replay`
    Replay(Replay),
    /// `explain`
    Explain(Explain),
    /// `report`
    Report(WriteReport),
}

/// Turns the copies in image layers back into symlinks.
///
/// Arguments are also read from files: @FILE and --flagfile=FILE stand for the lines of FILE, and an
/// argument that begins with @@ stands for itself without the first @.
#[derive(Parser)]
#[command(name = "mtree-worker", version, max_term_width = 100)]
struct CommandLine {
    #[command(flatten)]
    startup: startup::StartupArgs,
    #[command(subcommand)]
    command: Option<CommandArgs>,
}

#[derive(Subcommand)]
enum CommandArgs {
    Resolve(Box<resolve::ResolveArgs>),
    Inspect(tools::InspectArgs),
    Replay(tools::ReplayArgs),
    Explain(Box<tools::ExplainArgs>),
    Report(tools::ReportArgs),
}

/// The command line of a request: what a worker may be asked.
#[derive(Parser)]
#[command(name = "mtree-worker", arg_required_else_help = false)]
struct RequestLine {
    #[command(subcommand)]
    command: RequestCommand,
}

#[derive(Subcommand)]
enum RequestCommand {
    Resolve(Box<resolve::ResolveArgs>),
}

/// Reads the arguments of the process, which stand behind its name. Files of arguments are already read.
pub fn parse(arguments: Vec<OsString>) -> Result<Invocation, UsageError> {
    if arguments.is_empty() {
        let help = CommandLine::command().render_help();
        return Ok(Invocation::Print(help.to_string()));
    }
    let CommandLine { startup, command } = match CommandLine::try_parse_from(named(arguments)) {
        Ok(line) => line,
        Err(error) if !error.use_stderr() => {
            return Ok(Invocation::Print(error.render().to_string()));
        }
        Err(error) => return Err(UsageError::new(&error)),
    };
    let refuse =
        |kind, sentence: &str| UsageError::new(&CommandLine::command().error(kind, sentence));
    match command {
        None if startup.persistent_worker => Ok(Invocation::Serve(startup.into())),
        None => Err(refuse(clap::error::ErrorKind::MissingSubcommand, "a command is required")),
        Some(_) if startup.persistent_worker => Err(refuse(
            clap::error::ErrorKind::ArgumentConflict,
            "--persistent_worker reads its requests from stdin; give no command with it",
        )),
        Some(command) => Ok(Invocation::Once(startup.into(), command.into())),
    }
}

impl From<CommandArgs> for Command {
    fn from(args: CommandArgs) -> Self {
        match args {
            CommandArgs::Resolve(args) => Self::Resolve(Box::new((*args).into())),
            CommandArgs::Inspect(args) => Self::Inspect(args.into()),
            CommandArgs::Replay(args) => Self::Replay(args.into()),
            CommandArgs::Explain(args) => Self::Explain((*args).into()),
            CommandArgs::Report(args) => Self::Report(args.into()),
        }
    }
}

/// Reads the arguments of a request, those in files of arguments included, which `host` reads.
pub fn read_request(
    arguments: impl IntoIterator<Item = OsString>,
    host: &mut impl Host,
) -> Result<ResolveRequest, ArgsError> {
    let arguments = expand(arguments, host)?;
    Ok(parse_request(arguments)?)
}

/// The arguments with those from files of arguments in their places.
pub fn expand(
    arguments: impl IntoIterator<Item = OsString>,
    host: &mut impl Host,
) -> Result<Vec<OsString>, ArgsError> {
    let read = |path: &Path| host.read(path, Purpose::Arguments).map_err(ArgsError::from);
    flagfile::expand(arguments, read)
}

/// Reads the arguments of a request. Files of arguments are already read.
pub fn parse_request(arguments: Vec<OsString>) -> Result<ResolveRequest, UsageError> {
    match RequestLine::try_parse_from(named(arguments)) {
        Ok(RequestLine { command: RequestCommand::Resolve(args) }) => Ok((*args).into()),
        Err(error) => Err(UsageError::new(&error)),
    }
}

fn named(arguments: Vec<OsString>) -> impl Iterator<Item = OsString> {
    [OsString::from("mtree-worker")].into_iter().chain(arguments)
}

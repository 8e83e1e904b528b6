//! Arguments: the command line as clap parses it, and the plain values that it is converted to.
//!
//! No other module knows clap. Must not know how a command does its work.

mod diff;
mod error;
pub mod flagfile;
mod generate;
mod layer;
mod resolve;
mod startup;
mod tools;
mod version;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::oci::Layout;
use crate::request::{Host, Purpose, ResolveRequest};

pub use diff::{Diff, DiffFormat};
pub use error::{ArgsError, MOST_FLAGFILES, UsageError};
pub use generate::generate;
pub use startup::Startup;
pub use tools::{Explain, Inspect, Replay, Subject, WriteReport};

/// A command line.
#[derive(Debug)]
pub enum Invocation {
    /// Serve requests on stdin.
    Serve(Startup),
    /// Run a command once.
    Once(Startup, Command),
    /// Print the help, or the version.
    Print(String),
}

/// A command, with its arguments.
#[derive(Debug)]
pub enum Command {
    /// `resolve`
    Resolve(Box<ResolveRequest>),
    /// `layer`
    Layer(Box<ResolveRequest>),
    /// `inspect`
    Inspect(Inspect),
    /// `replay`
    Replay(Replay),
    /// `explain`
    Explain(Explain),
    /// `diff`
    Diff(Diff),
    /// `report`
    Report(WriteReport),
    /// `oci-layout`
    OciLayout(Layout),
    /// `generate`, with the directory to write to.
    Generate(PathBuf),
}

/// Turns copies in image layers back into symlinks.
///
/// Arguments can be read from files: @FILE and --flagfile=FILE are replaced with the lines of FILE. An
/// argument that begins with @@ loses its first @.
#[derive(Parser)]
#[command(name = "mtree-worker", version, long_version = version::LONG.as_str(), max_term_width = 100)]
struct CommandLine {
    #[command(flatten)]
    startup: startup::StartupArgs,
    #[command(subcommand)]
    command: Option<CommandArgs>,
}

#[derive(Subcommand)]
enum CommandArgs {
    Resolve(Box<resolve::ResolveArgs>),
    Layer(Box<layer::LayerArgs>),
    Inspect(tools::InspectArgs),
    Replay(tools::ReplayArgs),
    Explain(Box<tools::ExplainArgs>),
    Diff(diff::DiffArgs),
    Report(tools::ReportArgs),
    OciLayout(tools::OciLayoutArgs),
    Generate(generate::GenerateArgs),
}

/// The command line of a request to a worker.
#[derive(Parser)]
#[command(name = "mtree-worker", arg_required_else_help = false)]
struct RequestLine {
    #[command(subcommand)]
    command: RequestCommand,
}

#[derive(Subcommand)]
enum RequestCommand {
    Resolve(Box<resolve::ResolveArgs>),
    Layer(Box<layer::LayerArgs>),
}

/// Parses the arguments of the process, without its name. Flag files are already expanded. No
/// arguments at all print the help.
pub fn parse(arguments: Vec<OsString>) -> Result<Invocation, UsageError> {
    if arguments.is_empty() {
        let help = CommandLine::command().render_help();
        return Ok(Invocation::Print(help.to_string()));
    }
    let CommandLine { startup, command } =
        match CommandLine::try_parse_from(with_program_name(arguments)) {
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
        None => Err(refuse(ErrorKind::MissingSubcommand, "a command is required")),
        Some(_) if startup.persistent_worker => Err(refuse(
            ErrorKind::ArgumentConflict,
            "--persistent_worker reads requests from stdin and takes no command",
        )),
        Some(command) => {
            let command = command.convert().map_err(|error| UsageError::new(&error))?;
            Ok(Invocation::Once(startup.into(), command))
        }
    }
}

impl CommandArgs {
    /// The command. An error if its flags contradict each other.
    fn convert(self) -> Result<Command, clap::Error> {
        Ok(match self {
            Self::Resolve(args) => Command::Resolve(Box::new((*args).into())),
            Self::Layer(args) => Command::Layer(Box::new(args.into_request::<CommandLine>()?)),
            Self::Inspect(args) => Command::Inspect(args.convert::<CommandLine>()?),
            Self::Replay(args) => Command::Replay(args.into()),
            Self::Explain(args) => Command::Explain((*args).into()),
            Self::Diff(args) => Command::Diff(args.into()),
            Self::Report(args) => Command::Report(args.into()),
            Self::OciLayout(args) => Command::OciLayout(args.convert::<CommandLine>()?),
            Self::Generate(args) => Command::Generate(args.directory),
        })
    }
}

/// Whether a command line is that of `diff`, whose flag files may not be readable.
pub fn is_diff(typed: &[OsString]) -> bool {
    let is_file = |argument: &&OsString| {
        let bytes = argument.as_bytes();
        bytes.starts_with(b"@") || bytes.starts_with(b"--flagfile=")
    };
    let known: Vec<_> = typed.iter().filter(|argument| !is_file(argument)).cloned().collect();
    let line = CommandLine::command().ignore_errors(true);
    let matches = line.try_get_matches_from(with_program_name(known));
    matches.is_ok_and(|matches| matches.subcommand_name() == Some("diff"))
}

/// Expands and parses the arguments of a request. `host` reads flag files.
pub fn read_request(
    arguments: impl IntoIterator<Item = OsString>,
    host: &mut impl Host,
) -> Result<ResolveRequest, ArgsError> {
    let arguments = expand(arguments, host)?;
    Ok(parse_request(arguments)?)
}

/// Expands the arguments. `host` reads flag files.
pub fn expand(
    arguments: impl IntoIterator<Item = OsString>,
    host: &mut impl Host,
) -> Result<Vec<OsString>, ArgsError> {
    let read = |path: &Path| host.read(path, Purpose::Arguments).map_err(ArgsError::from);
    flagfile::expand(arguments, read)
}

/// Parses the arguments of a request. Flag files are already expanded.
pub fn parse_request(arguments: Vec<OsString>) -> Result<ResolveRequest, UsageError> {
    let parsed = RequestLine::try_parse_from(with_program_name(arguments));
    let request = parsed.and_then(|RequestLine { command }| match command {
        RequestCommand::Resolve(args) => Ok((*args).into()),
        RequestCommand::Layer(args) => args.into_request::<RequestLine>(),
    });
    request.map_err(|error| UsageError::new(&error))
}

/// A usage error of the subcommand `name`, with the usage line of that one.
fn usage_error<C: CommandFactory>(name: &str, kind: ErrorKind, sentence: String) -> clap::Error {
    let mut command = C::command();
    // Without this, its usage line would not name the program.
    command.build();
    match command.find_subcommand_mut(name) {
        Some(subcommand) => subcommand.error(kind, sentence),
        None => command.error(kind, sentence),
    }
}

fn with_program_name(arguments: Vec<OsString>) -> impl Iterator<Item = OsString> {
    [OsString::from("mtree-worker")].into_iter().chain(arguments)
}

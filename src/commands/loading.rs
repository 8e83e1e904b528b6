//! Requests that are read from files: from a capture, or bare.
//!
//! Knows what `replay`, `explain` and `report` have in common. Must not know what they do with a request.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::error::CommandError;
use crate::args::{self, ArgsError, Command, Invocation};
use crate::capture::{self, Capture, CaptureError, Form, ReplayHost};
use crate::request::{Host, ResolveRequest};
use crate::resolve::Inputs;
use crate::server::{Incoming, Protocol, Request};
use crate::worker;

/// What a file holds.
pub(super) enum Loaded {
    /// A capture.
    Capture(Box<Capture>),
    /// A bare `WorkRequest`.
    Request(Box<Request>),
}

impl Loaded {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, CommandError> {
        let file = read_file(path)?;
        if capture::is_capture(&file) {
            return decode(&file, path).map(|capture| Self::Capture(Box::new(capture)));
        }
        match request(&file) {
            Ok(request) => Ok(Self::Request(Box::new(request))),
            Err(problem) => Err(CommandError::NotARequest { path: path.to_owned(), problem }),
        }
    }
}

/// Reads a file.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, CommandError> {
    std::fs::read(path).map_err(|source| CommandError::Read { path: path.to_owned(), source })
}

/// Reads a file that must be a capture.
pub(super) fn read_capture(path: &Path) -> Result<Capture, CommandError> {
    decode(&read_file(path)?, path)
}

/// Decodes the capture in `file`, which is at `path`.
pub(super) fn decode(file: &[u8], path: &Path) -> Result<Capture, CommandError> {
    capture::read(file).map_err(|source| unusable(path, source))
}

/// The host that the capture at `path` is.
pub(super) fn host(capture: &Capture, path: &Path) -> Result<ReplayHost, CommandError> {
    ReplayHost::new(capture).map_err(|source| unusable(path, source))
}

fn unusable(path: &Path, source: CaptureError) -> CommandError {
    CommandError::Capture { path: path.to_owned(), source }
}

/// The one request that a file holds.
fn request(file: &[u8]) -> Result<Request, String> {
    let mut message = file;
    let length = prost::encoding::decode_varint(&mut message);
    let is_delimited = length.is_ok_and(|length| length == message.len() as u64);
    let incoming = match is_delimited {
        true => Incoming::read(Protocol::Proto, Bytes::copy_from_slice(message)),
        false => match file.trim_ascii_start().first() {
            Some(b'{') => Incoming::read(Protocol::Json, Bytes::copy_from_slice(file)),
            _ => Err("it begins with neither its length nor {".to_owned()),
        },
    }?;
    match incoming {
        Incoming::Request(request) => Ok(request),
        Incoming::Cancel { request_id } => Err(format!("it only cancels the request {request_id}")),
    }
}

/// What a recorded request asks for.
pub(super) struct Recorded {
    /// The request.
    pub request: ResolveRequest,
    /// The inputs that it listed, if any.
    pub inputs: Option<Inputs>,
}

impl Recorded {
    /// Reads the request in a capture. Files of arguments are those of `host`.
    pub(super) fn new(capture: &Capture, host: &mut impl Host) -> Result<Self, CommandError> {
        let arguments = capture.arguments.iter().cloned().map(OsString::from_vec);
        let arguments: Vec<_> = arguments.collect();
        let protocol = match capture.form() {
            // Files of arguments were read before the command was known.
            Form::CommandLine => {
                return Ok(Self { request: bounded(once(arguments)?)?, inputs: None });
            }
            Form::Proto => Protocol::Proto,
            Form::Json => Protocol::Json,
        };
        let inputs = match Incoming::read(protocol, capture.request.clone()) {
            Ok(Incoming::Request(request)) => worker::listed_inputs(&request),
            Ok(Incoming::Cancel { .. }) => None,
            Err(problem) => return Err(CommandError::DamagedRequest(problem)),
        };
        Ok(Self { request: bounded(args::read_request(arguments, host)?)?, inputs })
    }
}

/// The request of a process that ran `resolve` once.
fn once(arguments: Vec<OsString>) -> Result<ResolveRequest, CommandError> {
    match args::parse(arguments).map_err(ArgsError::from)? {
        Invocation::Once(_, Command::Resolve(request)) => Ok(*request),
        _ => Err(CommandError::DamagedRequest("its arguments are not those of resolve".to_owned())),
    }
}

/// The longest `--package-dir` of a capture, in bytes: four times what any system takes for a path. Each
/// of its parts becomes a row that names all parts before it.
const LONGEST_PACKAGE_DIR: usize = 4 * 4096;

/// Refuses a request that would make gigabytes of a small capture.
fn bounded(request: ResolveRequest) -> Result<ResolveRequest, CommandError> {
    match &request.options.change.package_dir {
        Some(directory) if directory.len() > LONGEST_PACKAGE_DIR => {
            Err(CommandError::LongPackageDir(LONGEST_PACKAGE_DIR))
        }
        _ => Ok(request),
    }
}

/// The root of a recorded request whose worker runs in `directory`, or where it ran.
pub(super) fn root(capture: &Capture, directory: Option<&Path>) -> PathBuf {
    let ran_in = Path::new(OsStr::from_bytes(&capture.working_directory));
    directory.unwrap_or(ran_in).join(OsStr::from_bytes(&capture.root))
}

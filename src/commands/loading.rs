//! Reads captures and bare requests from files, for `replay`, `explain`, `diff` and `report`.
//!
//! Must not know what these commands do with a request.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::error::{CommandError, NotARequest};
use crate::args::{self, ArgsError, Command, Invocation};
use crate::capture::{self, Capture, CaptureError, Form, ReplayHost};
use crate::request::{Host, ResolveRequest};
use crate::resolve::Inputs;
use crate::server::{Incoming, Protocol, Request};
use crate::worker;

/// The content of a file.
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
        match decode_request(&file) {
            Ok(request) => Ok(Self::Request(Box::new(request))),
            Err(source) => Err(CommandError::NotARequest { path: path.to_owned(), source }),
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
    capture::read(file).map_err(|source| capture_error(path, source))
}

/// A host that answers from the capture at `path`.
pub(super) fn host(capture: &Capture, path: &Path) -> Result<ReplayHost, CommandError> {
    ReplayHost::new(capture).map_err(|source| capture_error(path, source))
}

fn capture_error(path: &Path, source: CaptureError) -> CommandError {
    CommandError::Capture { path: path.to_owned(), source }
}

/// Decodes the one request in `file`.
fn decode_request(file: &[u8]) -> Result<Request, NotARequest> {
    let mut message = file;
    let length = prost::encoding::decode_varint(&mut message);
    let is_delimited = length.is_ok_and(|length| length == message.len() as u64);
    let incoming = match is_delimited {
        true => Incoming::read(Protocol::Proto, Bytes::copy_from_slice(message)),
        false => match file.trim_ascii_start().first() {
            Some(b'{') => Incoming::read(Protocol::Json, Bytes::copy_from_slice(file)),
            _ => return Err(NotARequest::Beginning),
        },
    };
    match incoming.map_err(NotARequest::Undecodable)? {
        Incoming::Request(request) => Ok(request),
        Incoming::Cancel { request_id } => Err(NotARequest::Cancel(request_id)),
    }
}

/// The request in a capture.
pub struct RecordedRequest {
    /// The request.
    pub request: ResolveRequest,
    /// The inputs that it lists, if any.
    pub inputs: Option<Inputs>,
}

impl RecordedRequest {
    /// Parses the request in a capture. `host` reads flag files.
    pub fn new(capture: &Capture, host: &mut impl Host) -> Result<Self, CommandError> {
        let arguments = capture.arguments.iter().cloned().map(OsString::from_vec);
        let arguments: Vec<_> = arguments.collect();
        let protocol = match capture.form() {
            // Flag files were expanded before the request began.
            Form::CommandLine => {
                return Ok(Self { request: bounded(resolve_request(arguments)?)?, inputs: None });
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

/// The request of a process that ran `resolve` or `layer` once.
fn resolve_request(arguments: Vec<OsString>) -> Result<ResolveRequest, CommandError> {
    match args::parse(arguments).map_err(ArgsError::from)? {
        Invocation::Once(_, Command::Resolve(request) | Command::Layer(request)) => Ok(*request),
        _ => Err(CommandError::NotResolve),
    }
}

/// The longest `--package-dir` of a capture, in bytes: four times the longest path of any system. Each of
/// its components becomes a row whose path repeats all components before it.
const LONGEST_PACKAGE_DIR: usize = 4 * 4096;

/// Refuses a request that would take gigabytes of memory for a small capture.
fn bounded(request: ResolveRequest) -> Result<ResolveRequest, CommandError> {
    match &request.options.change.package_dir {
        Some(directory) if directory.len() > LONGEST_PACKAGE_DIR => {
            Err(CommandError::LongPackageDir(LONGEST_PACKAGE_DIR))
        }
        _ => Ok(request),
    }
}

/// The root of a recorded request if its process runs in `directory`, or else where it ran.
pub(super) fn root(capture: &Capture, directory: Option<&Path>) -> PathBuf {
    let recorded = Path::new(OsStr::from_bytes(&capture.working_directory));
    directory.unwrap_or(recorded).join(OsStr::from_bytes(&capture.root))
}

//! A request that is met again: from a capture, or from a file that holds it bare.
//!
//! Knows what `replay`, `explain` and `report` have in common: reading such a file, and turning it into
//! arguments and inputs. Must not know what is done with them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::capture::{self, Capture, CaptureError, Form};
use crate::cli::{self, ResolveArgs};
use crate::command;
use crate::error::Error;
use crate::resolve::Inputs;
use crate::server::{Incoming, Protocol, Request};
use crate::site::Site;
use crate::worker;

/// What a file holds.
pub enum Held {
    Capture(Box<Capture>),
    Request(Box<Request>),
}

impl Held {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file =
            std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        if capture::is_capture(&file) {
            return read(&file, path).map(|capture| Self::Capture(Box::new(capture)));
        }
        match request(&file) {
            Ok(request) => Ok(Self::Request(Box::new(request))),
            Err(wrong) => Err(Error::NoRequest { path: path.to_owned(), wrong }),
        }
    }
}

/// Reads a file that must be a capture.
pub fn read_capture(path: &Path) -> Result<Capture, Error> {
    let file =
        std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    read(&file, path)
}

fn read(file: &[u8], path: &Path) -> Result<Capture, Error> {
    capture::read(file).map_err(|wrong| damaged(path, wrong))
}

/// What is wrong with the capture at `path`.
pub fn damaged(path: &Path, wrong: CaptureError) -> Error {
    Error::Capture { path: path.to_owned(), wrong }
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
pub struct Again {
    pub args: Box<ResolveArgs>,
    pub inputs: Option<Inputs>,
}

impl Again {
    /// Reads a captured request once more; files of arguments are those of `site`.
    pub fn new(capture: &Capture, site: &mut impl Site) -> Result<Self, Error> {
        let arguments = capture.arguments.iter().cloned().map(OsString::from_vec);
        let arguments: Vec<_> = arguments.collect();
        let protocol = match capture.form() {
            // Files of arguments were read before the command was known.
            Form::CommandLine => {
                return Ok(Self { args: bounded(cli::parse_once(arguments)?)?, inputs: None });
            }
            Form::Proto => Protocol::Proto,
            Form::Json => Protocol::Json,
        };
        let inputs = match Incoming::read(protocol, capture.request.clone()) {
            Ok(Incoming::Request(request)) => worker::listed(&request),
            Ok(Incoming::Cancel { .. }) => None,
            Err(wrong) => {
                return Err(Error::AsRecorded(format!("the request in it is damaged: {wrong}")));
            }
        };
        Ok(Self { args: bounded(command::arguments_of(site, &arguments)?)?, inputs })
    }
}

/// The longest `--package-dir` of a capture, in bytes: four times what any system takes for a path. Each
/// of its parts becomes a row that names all parts before it.
const LONGEST_DIRECTORY: usize = 4 * 4096;

/// Refuses what would take a stranger's word for gigabytes.
fn bounded(args: Box<ResolveArgs>) -> Result<Box<ResolveArgs>, Error> {
    match args.how.change().package_dir {
        Some(directory) if directory.len() > LONGEST_DIRECTORY => Err(Error::AsRecorded(format!(
            "--package-dir is longer than {LONGEST_DIRECTORY} bytes: such a request is not run again"
        ))),
        _ => Ok(args),
    }
}

/// The root that a captured request has if its worker runs in `directory`, or where it ran.
pub fn root(capture: &Capture, directory: Option<&Path>) -> PathBuf {
    let ran_in = Path::new(OsStr::from_bytes(&capture.working_directory));
    directory.unwrap_or(ran_in).join(OsStr::from_bytes(&capture.root))
}

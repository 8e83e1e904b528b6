//! One request, however it was sent.
//!
//! Knows the fields of `WorkRequest`; must not know how frames are told apart, nor what arguments mean.

use bytes::Bytes;
use prost::Message;

use super::Protocol;
use super::inputs::ListedInputs;
use super::json::{self, JsonRequest};
use super::protocol::WorkRequest;

/// What Bazel asks for (worker_protocol.proto, `WorkRequest`). Paths and arguments are bytes: they
/// name files, and a file's name need not be UTF-8.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// What would stand on the command line of a process that runs once.
    pub arguments: Vec<Vec<u8>>,
    /// What the request may read.
    pub inputs: ListedInputs,
    /// 0 for a request that runs alone.
    pub request_id: i32,
    /// Above 0: log more of this request.
    pub verbosity: i32,
    /// The directory, relative to the working directory, below which this request's files lie.
    /// Empty if that is the working directory itself.
    pub sandbox_dir: Vec<u8>,
    /// The message as it was received, and how it is written. Shares the frame.
    pub received: (Protocol, Bytes),
}

/// The longest message, in bytes: protobuf has no longer one.
const LONGEST: usize = i32::MAX as usize;

/// One frame's meaning.
#[derive(Debug)]
pub enum Incoming {
    /// A request, to be answered once.
    Request(Request),
    /// The wish that the request with this id be stopped.
    Cancel {
        /// `request_id` of the request meant.
        request_id: i32,
    },
}

impl Incoming {
    /// Reads one message: a `WorkRequest` without its length, or one JSON object.
    ///
    /// The error says in words what is wrong with the message.
    pub fn read(protocol: Protocol, message: Bytes) -> Result<Self, String> {
        if message.len() > LONGEST {
            return Err(format!(
                "it has {} bytes, and protobuf has no message of 2 GiB",
                message.len()
            ));
        }
        let mut incoming = match protocol {
            Protocol::Proto => WorkRequest::decode(&message[..])
                .map(|request| Incoming::from_proto(request, message.clone()))
                .map_err(|error| error.to_string()),
            Protocol::Json => json::read_request(&message)
                .map(Incoming::from_json)
                .map_err(|error| error.to_string()),
        }?;
        if let Incoming::Request(request) = &mut incoming {
            request.received = (protocol, message);
        }
        Ok(incoming)
    }

    fn from_json(request: JsonRequest) -> Self {
        if request.cancel {
            return Incoming::Cancel { request_id: request.request_id };
        }
        Incoming::Request(Request {
            arguments: request.arguments,
            inputs: ListedInputs::from(request.input_paths),
            request_id: request.request_id,
            verbosity: request.verbosity,
            sandbox_dir: request.sandbox_dir,
            ..Request::default()
        })
    }

    fn from_proto(request: WorkRequest, message: Bytes) -> Self {
        if request.cancel {
            return Incoming::Cancel { request_id: request.request_id };
        }
        Incoming::Request(Request {
            arguments: request.arguments,
            inputs: ListedInputs::in_frame(message, request.inputs),
            request_id: request.request_id,
            verbosity: request.verbosity,
            sandbox_dir: request.sandbox_dir,
            ..Request::default()
        })
    }
}

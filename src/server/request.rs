//! One request, in either protocol.
//!
//! Knows the fields of `WorkRequest`; must not know how a stream is split into frames, nor what arguments mean.

use bytes::Bytes;
use prost::Message;

use super::Protocol;
use super::error::MessageError;
use super::inputs::ListedInputs;
use super::json::{self, JsonRequest};
use super::protocol::WorkRequest;

/// A request of Bazel (worker_protocol.proto, `WorkRequest`). Paths and arguments are bytes: they name files,
/// and the name of a file need not be UTF-8.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The command line of a process that would run once.
    pub arguments: Vec<Vec<u8>>,
    /// What the request may read.
    pub inputs: ListedInputs,
    /// 0 for a request that runs alone.
    pub request_id: i32,
    /// Above 0: log more of this request.
    pub verbosity: i32,
    /// The directory of this request's files, relative to the working directory. Empty if it is the working
    /// directory itself.
    pub sandbox_dir: Vec<u8>,
    /// The protocol, and the message verbatim. Shares the memory of the frame.
    pub received: (Protocol, Bytes),
}

/// The longest message that protobuf allows, in bytes.
const LONGEST: usize = i32::MAX as usize;

/// The meaning of one frame.
#[derive(Debug)]
pub enum Incoming {
    /// A request, which has exactly one response.
    Request(Request),
    /// A cancel of the request with this id.
    Cancel {
        /// The `request_id` of the request to cancel.
        request_id: i32,
    },
}

impl Incoming {
    /// Reads one message: a `WorkRequest` without its length, or one JSON object.
    ///
    /// # Errors
    ///
    /// What is wrong with the message.
    pub fn read(protocol: Protocol, message: Bytes) -> Result<Self, MessageError> {
        if message.len() > LONGEST {
            return Err(MessageError::TooLong(message.len()));
        }
        let mut incoming = match protocol {
            Protocol::Proto => {
                Incoming::from_proto(WorkRequest::decode(&message[..])?, message.clone())
            }
            Protocol::Json => Incoming::from_json(json::read_request(&message)?),
        };
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
            inputs: ListedInputs::from(request.inputs),
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

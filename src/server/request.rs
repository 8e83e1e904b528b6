//! One request, in either protocol.
//!
//! Knows the fields of `WorkRequest`; must not know how a stream is split into frames, nor what arguments mean.

use bytes::Bytes;
use prost::{DecodeError, Message};

use super::Protocol;
use super::error::MessageError;
use super::inputs::{self, ListedInputs};
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

/// Decodes a `WorkRequest` without its length.
fn decode(message: &[u8]) -> Result<WorkRequest, DecodeError> {
    match inputs::split(message) {
        Some((inputs, others)) => Ok(WorkRequest { inputs, ..WorkRequest::decode(&others[..])? }),
        None => WorkRequest::decode(message),
    }
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
            Protocol::Proto => Incoming::from_proto(decode(&message)?, message.clone()),
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

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// A field of bytes, whose number may be wrong for its place.
    fn field(
        number: impl Strategy<Value = u8>,
        value: impl Strategy<Value = Vec<u8>>,
    ) -> impl Strategy<Value = Vec<u8>> {
        (number, value).prop_map(|(number, value)| {
            let mut field = vec![number << 3 | 2];
            prost::encoding::encode_varint(value.len() as u64, &mut field);
            [field, value].concat()
        })
    }

    fn message() -> impl Strategy<Value = Vec<u8>> {
        let length = prop_oneof![4 => 0..4usize, 1 => 120..140usize];
        let text = length.prop_flat_map(|length| vec(any::<u8>(), length)).boxed();
        let text = || text.clone();
        let fields_of_input = prop_oneof![
            2 => (field(Just(1), text()), field(Just(2), text())).prop_map(|(path, digest)| [path, digest].concat()),
            2 => field(Just(1), text()),
            1 => vec(field(1..4u8, text()), 0..4).prop_map(|fields| fields.concat()),
        ];
        let scalar = (prop_oneof![Just(3u8), Just(4), Just(5), Just(7)], 0..128u8)
            .prop_map(|(number, value)| vec![number << 3, value]);
        let one = prop_oneof![
            4 => field(Just(2), fields_of_input),
            1 => field(prop_oneof![Just(1u8), Just(6), Just(9)], text()),
            1 => scalar,
        ];
        vec(one, 0..8).prop_map(|fields| fields.concat())
    }

    proptest! {
        #[test]
        fn a_message_is_decoded_as_prost_decodes_it(
            mut message in message(),
            damaged in prop::option::weighted(0.5, (any::<prop::sample::Index>(), any::<u8>())),
            cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        ) {
            if let Some((at, byte)) = damaged.filter(|_| !message.is_empty()) {
                let at = at.index(message.len());
                message[at] = byte;
            }
            if let Some(cut) = cut {
                message.truncate(cut.index(message.len() + 1));
            }
            let text = |decoded: Result<WorkRequest, DecodeError>| decoded.map_err(|error| error.to_string());
            prop_assert_eq!(text(decode(&message)), text(WorkRequest::decode(&message[..])));
        }
    }
}

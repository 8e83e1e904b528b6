//! The worker protocol's messages, by the rust-protobuf crates: not by the code under test.

use protobuf::{CodedInputStream, Message};
use protobuf_json_mapping::ParseOptions;

pub(crate) mod generated {
    include!(concat!(env!("OUT_DIR"), "/protocol/mod.rs"));
}

pub use generated::worker_protocol::{Input, WorkRequest, WorkResponse};

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Proto,
    Json,
}

/// A request for `arguments`.
pub fn request(request_id: i32, arguments: &[&str]) -> WorkRequest {
    WorkRequest {
        request_id,
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        ..WorkRequest::default()
    }
}

/// A cancel of a request.
pub fn cancel(request_id: i32) -> WorkRequest {
    WorkRequest { request_id, cancel: true, ..WorkRequest::default() }
}

/// `message`, after its length.
pub fn delimited(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let mut stream = protobuf::CodedOutputStream::vec(&mut frame);
    stream.write_bytes_no_tag(message).expect("a Vec can be written");
    drop(stream);
    frame
}

impl WorkRequest {
    /// The request as it is sent. JSON has no white space, as some versions of Bazel write it.
    pub fn sent(&self, protocol: Protocol) -> Vec<u8> {
        match protocol {
            Protocol::Proto => delimited(&self.write_to_bytes().expect("a request is complete")),
            Protocol::Json => protobuf_json_mapping::print_to_string(self)
                .expect("a request is complete")
                .into_bytes(),
        }
    }
}

/// Takes the complete responses that `received` begins with.
pub fn take_answers(
    protocol: Protocol,
    received: &mut Vec<u8>,
) -> Vec<Result<WorkResponse, String>> {
    let mut answers = Vec::new();
    while let Some((message, end)) = match protocol {
        Protocol::Proto => delimited_message(received),
        Protocol::Json => line(received),
    } {
        let answer = match protocol {
            Protocol::Proto => {
                WorkResponse::parse_from_bytes(message).map_err(|error| error.to_string())
            }
            Protocol::Json => json_answer(message),
        };
        answers.push(
            answer.map_err(|fault| format!("stdout has what is no answer: {fault}: {message:?}")),
        );
        received.drain(..end);
    }
    answers
}

/// The message at the head of `bytes`, and where it ends.
fn delimited_message(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let mut stream = CodedInputStream::from_bytes(bytes);
    let length = usize::try_from(stream.read_raw_varint64().ok()?).ok()?;
    let begin = usize::try_from(stream.pos()).ok()?;
    let end = begin.checked_add(length)?;
    Some((bytes.get(begin..end)?, end))
}

/// The line at the head of `bytes`, and where the next begins.
fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let length = bytes.iter().position(|&byte| byte == b'\n')?;
    Some((&bytes[..length], length + 1))
}

fn json_answer(line: &[u8]) -> Result<WorkResponse, String> {
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let strict = ParseOptions::default();
    protobuf_json_mapping::parse_from_str_with_options(text, &strict)
        .map_err(|error| error.to_string())
}

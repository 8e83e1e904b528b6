//! The errors that end the server before the end of its input.

use std::io;

/// Why a message is no `WorkRequest`.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// It is longer than a protobuf message can be.
    #[error("it has {0} bytes, and a protobuf message is shorter than 2 GiB")]
    TooLong(usize),
    /// It is no protobuf message of that type.
    #[error(transparent)]
    Proto(#[from] prost::DecodeError),
    /// It is no JSON object of that type.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Why [`serve`](super::serve) failed. An offset is a byte of stdin, counted from 0.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The operating system provides no event loop, or none that receives signals.
    #[error("cannot wait for requests (check the limits on processes and open files)")]
    Start(#[source] io::Error),
    /// Reading stdin failed.
    #[error("stdin, byte {at}: cannot be read (start the worker again)")]
    Read {
        /// How many bytes were read before.
        at: u64,
        /// The system's error.
        source: io::Error,
    },
    /// The length of a request is not a varint.
    #[error(
        "stdin, byte {at}: a request's length is not a varint of 64 bits; check that the writer and \
         --protocol agree"
    )]
    Length {
        /// The offset of the length.
        at: u64,
    },
    /// A JSON object does not begin with `{`.
    #[error(
        "stdin, byte {at}: '{}' where a JSON object should begin; check that the writer and --protocol agree",
        .found.escape_ascii()
    )]
    NoObject {
        /// The offset of the byte.
        at: u64,
        /// The byte.
        found: u8,
    },
    /// A request is longer than [`ServerOptions::max_request`](super::ServerOptions::max_request).
    #[error(
        "stdin, byte {at}: a request of {length} bytes or more, where {limit} are allowed; raise \
         --max-request if the request is right"
    )]
    TooLong {
        /// The offset of the request.
        at: u64,
        /// Its length in bytes, or a lower bound of it.
        length: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The input ends within a request.
    #[error(
        "stdin, byte {at}: the input ends {length} bytes into a request; check why its writer stopped"
    )]
    Truncated {
        /// The offset of the request.
        at: u64,
        /// How many of its bytes were read.
        length: u64,
    },
    /// A complete frame is not a `WorkRequest`.
    #[error(
        "stdin, byte {at}: not a WorkRequest: {problem}; check that the writer and --protocol agree"
    )]
    Undecodable {
        /// The offset of the frame.
        at: u64,
        /// What is wrong with it. It is part of the sentence, and not a source.
        problem: MessageError,
    },
    /// Writing a response to stdout failed.
    #[error(
        "cannot write a response to stdout (is the process that started the worker still running?)"
    )]
    Write(#[source] io::Error),
}

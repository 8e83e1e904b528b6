//! What ends the server before its input does.

use std::fmt;
use std::io;

/// Why [`serve`](super::serve) stopped. Each is printed as one sentence that says what is wrong,
/// where, and what to do; a range is a byte of stdin, counted from 0.
#[derive(Debug)]
pub enum ServerError {
    /// The operating system gave no event loop, or none that hears signals.
    Start(io::Error),
    /// Reading stdin failed.
    Read {
        /// How many bytes had been read.
        at: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// What stands where a request's length should is no varint.
    Length {
        /// Where the length begins.
        at: u64,
    },
    /// What stands where a JSON object should begin is no `{`.
    NoObject {
        /// Where it stands.
        at: u64,
        /// The byte that stands there.
        found: u8,
    },
    /// A request is longer than [`ServerOptions::max_request`](super::ServerOptions::max_request).
    TooLong {
        /// Where the request begins.
        at: u64,
        /// Its length in bytes, as far as it is known.
        length: u64,
        /// The most that is allowed, in bytes.
        limit: u64,
    },
    /// Stdin ends within a request.
    Truncated {
        /// Where the request begins.
        at: u64,
        /// How many of its bytes there are.
        length: u64,
    },
    /// A whole frame that is no `WorkRequest`.
    Undecodable {
        /// Where the frame begins.
        at: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// Writing a response to stdout failed.
    Write(io::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerError::Start(source) => write!(
                formatter,
                "cannot wait for requests: {source}; check the limits on processes and open files"
            ),
            ServerError::Read { at, source } => write!(
                formatter,
                "stdin, byte {at}: cannot read on: {source}; start the worker again"
            ),
            ServerError::Length { at } => write!(
                formatter,
                "stdin, byte {at}: a request's length is no varint of 64 bits; \
                 check that the writer and --protocol agree"
            ),
            ServerError::NoObject { at, found } => write!(
                formatter,
                "stdin, byte {at}: '{}' where a JSON object should begin; \
                 check that the writer and --protocol agree",
                found.escape_ascii()
            ),
            ServerError::TooLong { at, length, limit } => write!(
                formatter,
                "stdin, byte {at}: a request of {length} bytes or more, where {limit} are allowed; \
                 raise --max-request if there are such requests"
            ),
            ServerError::Truncated { at, length } => write!(
                formatter,
                "stdin, byte {at}: the input ends {length} bytes into a request; \
                 find out why its writer stopped there"
            ),
            ServerError::Undecodable { at, problem } => write!(
                formatter,
                "stdin, byte {at}: no WorkRequest: {problem}; \
                 check that the writer and --protocol agree"
            ),
            ServerError::Write(source) => write!(
                formatter,
                "cannot write a response to stdout: {source}; \
                 see whether what started the worker is still there"
            ),
        }
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServerError::Start(source)
            | ServerError::Read { source, .. }
            | ServerError::Write(source) => Some(source),
            ServerError::Length { .. }
            | ServerError::NoObject { .. }
            | ServerError::TooLong { .. }
            | ServerError::Truncated { .. }
            | ServerError::Undecodable { .. } => None,
        }
    }
}

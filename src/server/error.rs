//! What ends the server before its input does.

use std::io;

/// Why [`serve`](super::serve) stopped. A place is a byte of stdin, counted from 0.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The operating system gave no event loop, or none that receives signals.
    #[error("cannot wait for requests (check the limits on processes and open files)")]
    Start(#[source] io::Error),
    /// Reading stdin failed.
    #[error("stdin, byte {at}: cannot be read (start the worker again)")]
    Read {
        /// How many bytes had been read.
        at: u64,
        /// The system's error.
        source: io::Error,
    },
    /// There is no varint where a request's length should be.
    #[error(
        "stdin, byte {at}: a request's length is not a varint of 64 bits; check that the writer and \
         --protocol agree"
    )]
    Length {
        /// Where the length begins.
        at: u64,
    },
    /// There is no `{` where a JSON object should begin.
    #[error(
        "stdin, byte {at}: '{}' where a JSON object should begin; check that the writer and --protocol agree",
        .found.escape_ascii()
    )]
    NoObject {
        /// Where the byte is.
        at: u64,
        /// The byte that is there.
        found: u8,
    },
    /// A request is longer than [`ServerOptions::max_request`](super::ServerOptions::max_request).
    #[error(
        "stdin, byte {at}: a request of {length} bytes or more, where {limit} are allowed; raise \
         --max-request if there are such requests"
    )]
    TooLong {
        /// Where the request begins.
        at: u64,
        /// Its length in bytes, as far as it is known.
        length: u64,
        /// The most that is allowed, in bytes.
        limit: u64,
    },
    /// Stdin ends within a request.
    #[error(
        "stdin, byte {at}: the input ends {length} bytes into a request; find out why its writer \
         stopped there"
    )]
    Truncated {
        /// Where the request begins.
        at: u64,
        /// How many of its bytes there are.
        length: u64,
    },
    /// A whole frame that is not a `WorkRequest`.
    #[error(
        "stdin, byte {at}: not a WorkRequest: {problem}; check that the writer and --protocol agree"
    )]
    Undecodable {
        /// Where the frame begins.
        at: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// Writing a response to stdout failed.
    #[error(
        "cannot write a response to stdout (is the process that started the worker still running?)"
    )]
    Write(#[source] io::Error),
}

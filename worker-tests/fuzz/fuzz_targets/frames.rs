//! Frames: however a stream is cut, its frames are the same; and what is in one is read as the second
//! implementation of the protocol reads it.

#![no_main]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use libfuzzer_sys::fuzz_target;
use mtree_worker::server::{Frames, Incoming, Protocol, ServerError, ServerOptions};
use protobuf::Message;
use tokio::io::{AsyncRead, ReadBuf};
use worker_fuzz::{Chooser, split, within};
use worker_tests::client::WorkRequest;

/// What reading takes whatever comes, and what a byte of a request may become, in bytes.
const BASE: usize = 1 << 20;
const A_BYTE: usize = 100;

/// What is said of a stream that ends between two frames.
const CLEAN: &str = "a clean end";

fuzz_target!(|input: &[u8]| {
    let Some((choices, stream)) = split(input) else {
        return;
    };
    let protocol = if choices & 1 == 0 { Protocol::Proto } else { Protocol::Json };
    // A length may claim a gigabyte; what is taken must follow what came.
    let max_request = [1 << 30, 1 << 8][(choices >> 1 & 1) as usize];
    let options = ServerOptions { protocol, jobs: 1, max_request, ..ServerOptions::default() };
    let chooser = Chooser::new(choices);
    let read = |chooser| {
        within(BASE + A_BYTE * stream.len(), || frames(Cut { rest: stream, chooser }, &options))
    };
    let (whole, end) = read(None);
    let (cut, cut_end) = read(Some(chooser));
    assert_eq!(whole, cut);
    assert_eq!(end, cut_end);
    if protocol == Protocol::Proto {
        let others = frames_of_the_other(stream);
        assert!(others.starts_with(&whole));
        assert!(end != CLEAN || others == whole);
    }
    for message in whole {
        let decoded = Incoming::read(protocol, message.clone().into());
        if let Ok(Incoming::Request(request)) = &decoded {
            assert_eq!(request.inputs.iter().count(), request.inputs.len());
        }
        // What only the second implementation reads is damaged: it passes over known fields of a wrong
        // type, and over unknown ones that end behind their message.
        if protocol == Protocol::Proto
            && let Ok(read) = decoded
            && let Ok(other) = WorkRequest::parse_from_bytes(&message)
        {
            same(read, &other);
        }
    }
});

/// The messages of a stream, and how it ends: where, and in which way.
fn frames(stream: Cut<'_>, options: &ServerOptions) -> (Vec<Vec<u8>>, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut frames = Frames::new(stream, options);
    let mut messages = Vec::new();
    runtime.block_on(async {
        loop {
            match frames.next().await {
                Ok(Some(frame)) => messages.push(frame.message.to_vec()),
                Ok(None) => return (messages, CLEAN.to_owned()),
                // How much of a JSON object has come by then depends on the cuts.
                Err(ServerError::TooLong { at, .. }) => {
                    return (messages, format!("too long at {at}"));
                }
                Err(error) => return (messages, error.to_string()),
            }
        }
    })
}

fn same(read: Incoming, other: &WorkRequest) {
    let request = match read {
        Incoming::Cancel { request_id } => {
            assert!(other.cancel);
            return assert_eq!(request_id, other.request_id);
        }
        Incoming::Request(request) => request,
    };
    assert!(!other.cancel);
    assert_eq!(
        (request.request_id, request.verbosity, &request.sandbox_dir[..]),
        (other.request_id, other.verbosity, other.sandbox_dir.as_bytes())
    );
    assert!(request.arguments.iter().eq(other.arguments.iter().map(String::as_bytes)));
    let inputs = request.inputs.iter().map(|input| (input.path, input.digest));
    let of_other = other.inputs.iter().map(|input| (input.path.as_bytes(), &input.digest[..]));
    assert!(inputs.eq(of_other));
}

/// The messages of a stream as the second implementation separates them.
fn frames_of_the_other(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut stream = protobuf::CodedInputStream::from_bytes(bytes);
    let mut messages = Vec::new();
    while let Ok(length) = stream.read_raw_varint64()
        && length <= bytes.len() as u64 - stream.pos()
    {
        messages.push(stream.read_raw_bytes(length as u32).expect("they are there"));
    }
    messages
}

/// A stream that comes in pieces.
struct Cut<'s> {
    rest: &'s [u8],
    /// How long each is; without one, all comes at once.
    chooser: Option<Chooser>,
}

impl AsyncRead for Cut<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = self.rest.len().min(buffer.remaining());
        let length = match &mut self.chooser {
            Some(chooser) => (1 + chooser.below(9)).min(most),
            None => most,
        };
        let (now, rest) = self.rest.split_at(length);
        buffer.put_slice(now);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

//! Captures: a file from a stranger is replayed from what it holds, or refused, and takes no more
//! memory than its bytes explain.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mtree_worker::capture::{self, ReplayHost};
use mtree_worker::commands::RecordedRequest;
use mtree_worker::request::{self, Listing};
use mtree_worker::worker::respond;
use worker_fuzz::{split, within};

/// The mark and the version that a capture's file begins with.
const HEAD: &[u8] = b"MTREECAP\x01\0\0\0";

/// What reading arguments and resolving take whatever the capture is, in bytes.
const BASE: usize = 16 << 20;
/// What a byte of a capture may become, in bytes: an empty file in it is two bytes long.
const A_BYTE: usize = 200;

// The input: a Capture, which is compressed here so that its checksum is true; or a file as it is.
fuzz_target!(|input: &[u8]| {
    let Some((choices, text)) = split(input) else {
        return;
    };
    let file = match choices & 1 {
        0 => [HEAD, &zstd::encode_all(text, 1).expect("it can be compressed")].concat(),
        _ => text.to_vec(),
    };
    within(BASE + A_BYTE * text.len(), || replay(&file));
});

fn replay(file: &[u8]) {
    let Ok(capture) = capture::read(file) else {
        return;
    };
    let Ok(mut host) = ReplayHost::new(&capture) else {
        return;
    };
    if let Ok(RecordedRequest { request, inputs }) = RecordedRequest::new(&capture, &mut host) {
        let listing = inputs.map(Listing::new);
        let result = request::run(&request, listing.as_ref(), &mut host);
        let response = respond(&result);
        assert_eq!(host.take_output().is_some(), response.exit_code == 0);
        assert_eq!(response.exit_code == 1, result.is_err());
        assert!(response.output.is_empty() || response.output.starts_with("mtree-worker: "));
    }
}

//! Captures, as proto/capture.proto says: read and written by rust-protobuf, not by the code under
//! test.

use std::{fs, io::Read, path::Path};

use protobuf::Message;

pub use crate::client::messages::generated::capture::{Capture, Facts, Refusal};

/// The magic number and the version that a capture's file begins with.
const HEAD: &[u8] = b"MTREECAP\x01\0\0\0";

/// Reads the capture at `path`.
pub fn read(path: &Path) -> Capture {
    let file = fs::read(path).expect("the capture can be read");
    let body = file.strip_prefix(HEAD).expect("it begins as a capture");
    let mut message = Vec::new();
    zstd::Decoder::new(body)
        .and_then(|mut decoder| decoder.read_to_end(&mut message))
        .expect("it is zstd");
    Capture::parse_from_bytes(&message).expect("it is a Capture")
}

/// Writes a capture to `path`.
pub fn write(path: &Path, capture: &Capture) {
    let message = capture.write_to_bytes().expect("it can be written");
    let body = zstd::encode_all(&message[..], 1).expect("it can be compressed");
    fs::write(path, [HEAD, &body[..]].concat()).expect("the file can be written");
}

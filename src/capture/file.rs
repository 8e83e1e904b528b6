//! The file that a capture is kept in: a mark, a version, and the capture, compressed.
//!
//! Nothing in a file is trusted: it may come from a stranger. What is read is bounded before it is
//! read, and a checksum tells whether it is what was written.

use std::io::{self, Read, Write};

use bytes::Bytes;
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

use super::proto::Capture;

/// What every file begins with.
const MARK: &[u8; 8] = b"MTREECAP";
/// The version of capture.proto that is written, and the newest that is read.
const VERSION: u32 = 1;
/// The most that a capture may hold, in bytes. One of half a million rows holds a third of it.
const LARGEST: u64 = 512 << 20;
/// The most arguments, files and other parts that a capture may have.
const MOST_PARTS: usize = 1 << 20;
/// Little time rather than little room: specs and facts become a tenth of themselves either way.
const LEVEL: i32 = 1;
/// The largest window that a compressed stream may ask for, as a power of two.
const WINDOW: u32 = 27;

/// Why a capture cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("this is no capture; mtree-worker --record DIR writes them")]
    NoCapture,
    #[error(
        "this capture has version {0} of the format, and this mtree-worker reads up to {VERSION}; use a newer one"
    )]
    Newer(u32),
    #[error("the capture is cut off or damaged: {0}; copy it again")]
    Damaged(String),
    #[error("the capture holds more than {LARGEST} bytes, or more than {MOST_PARTS} parts")]
    TooLarge,
}

/// Whether `file` holds a capture, of whatever version, or the beginning of one.
pub fn is_capture(file: &[u8]) -> bool {
    file.starts_with(MARK)
}

/// Writes a capture.
pub fn write(capture: &Capture, out: &mut dyn Write) -> io::Result<()> {
    if capture.encoded_len() as u64 > LARGEST {
        return Err(io::Error::other("it holds more than a capture may"));
    }
    out.write_all(MARK)?;
    out.write_all(&VERSION.to_le_bytes())?;
    let mut encoder = zstd::stream::write::Encoder::new(out, LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.write_all(&capture.encode_to_vec())?;
    encoder.finish()?.flush()
}

/// Reads a capture from the bytes of its file.
pub fn read(file: &[u8]) -> Result<Capture, CaptureError> {
    let body = file.strip_prefix(MARK).ok_or(CaptureError::NoCapture)?;
    let damaged = |what: &dyn std::fmt::Display| CaptureError::Damaged(what.to_string());
    let (version, body) = body.split_first_chunk().ok_or_else(|| damaged(&"it ends early"))?;
    match u32::from_le_bytes(*version) {
        VERSION => {}
        newer if newer > VERSION => return Err(CaptureError::Newer(newer)),
        other => return Err(damaged(&format_args!("there is no version {other}"))),
    }
    let mut decoder = zstd::stream::read::Decoder::new(body).map_err(|error| damaged(&error))?;
    decoder.window_log_max(WINDOW).map_err(|error| damaged(&error))?;
    let mut message = Vec::new();
    decoder.take(LARGEST + 1).read_to_end(&mut message).map_err(|error| damaged(&error))?;
    if message.len() as u64 > LARGEST {
        return Err(CaptureError::TooLarge);
    }
    match parts(&message) {
        Some(parts) if parts <= MOST_PARTS => {}
        Some(_) => return Err(CaptureError::TooLarge),
        None => return Err(damaged(&"its parts cannot be told apart")),
    }
    Capture::decode(Bytes::from(message)).map_err(|error| damaged(&error))
}

/// How many fields a message has: each may become a value many times as long as it is.
fn parts(mut message: &[u8]) -> Option<usize> {
    let mut parts = 0;
    while !message.is_empty() {
        let (number, wire_type) = decode_key(&mut message).ok()?;
        skip_field(wire_type, number, &mut message, DecodeContext::default()).ok()?;
        parts += 1;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let capture = Capture { request_id: 7, root: b"r".repeat(1000), ..Capture::default() };
        let mut file = Vec::new();
        write(&capture, &mut file).unwrap();
        file
    }

    #[test]
    fn a_capture_comes_back() {
        assert_eq!(read(&written()).unwrap().request_id, 7);
    }

    #[test]
    fn a_capture_that_is_cut_anywhere_is_an_error() {
        let file = written();
        for end in 0..file.len() {
            assert!(read(&file[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_capture_that_is_changed_anywhere_is_an_error() {
        let file = written();
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            // The header of zstd has bits that mean nothing.
            if let Ok(capture) = read(&changed) {
                assert_eq!(capture, read(&file).unwrap(), "{at}");
            }
        }
    }

    #[test]
    fn a_capture_of_too_many_parts_is_refused() {
        let arguments = vec![Vec::new(); MOST_PARTS + 1];
        let mut file = Vec::new();
        write(&Capture { arguments, ..Capture::default() }, &mut file).unwrap();
        assert!(matches!(read(&file), Err(CaptureError::TooLarge)));
    }
}

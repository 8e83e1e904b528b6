//! The file that a capture is kept in: a mark, a version, and the capture, compressed.
//!
//! Nothing in a file is trusted: it may come from a stranger. What is read is bounded before it is
//! read, and a checksum tells whether it is what was written.

use std::io::{self, Read, Write};

use bytes::Bytes;
use prost::Message;

use super::limits::{LARGEST, MOST_FACTS, MOST_PARTS, fits};
use super::proto::Capture;

/// What every file begins with.
const MARK: &[u8; 8] = b"MTREECAP";
/// The version of capture.proto that is written, and the newest that is read.
const VERSION: u32 = 1;
/// Little time rather than little room: specs and facts become a tenth of themselves either way.
const LEVEL: i32 = 1;
/// The largest window that a compressed stream may ask for, as a power of two.
const WINDOW: u32 = 27;

/// Why a capture cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file is something else.
    #[error("this is not a capture; mtree-worker --record DIR writes them")]
    NotACapture,
    /// The file has a newer format than this program reads.
    #[error(
        "this capture has version {0} of the format, and this mtree-worker reads up to {VERSION}; use a newer one"
    )]
    Newer(u32),
    /// The file is not what was written.
    #[error("the capture is cut off or damaged: {0}; copy it again")]
    Damaged(String),
    /// The file stands for more than is read.
    #[error(
        "the capture holds more than {LARGEST} bytes, {MOST_PARTS} parts or {MOST_FACTS} facts or lines"
    )]
    TooLarge,
}

/// Whether `file` holds a capture, of whatever version, or the beginning of one.
pub fn is_capture(file: &[u8]) -> bool {
    file.starts_with(MARK)
}

/// Writes a capture.
pub(crate) fn write(capture: &Capture, out: &mut dyn Write) -> io::Result<()> {
    let message = capture.encode_to_vec();
    if fits(&message) != Some(true) {
        return Err(io::Error::other(CaptureError::TooLarge));
    }
    out.write_all(MARK)?;
    out.write_all(&VERSION.to_le_bytes())?;
    let mut encoder = zstd::stream::write::Encoder::new(out, LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.write_all(&message)?;
    encoder.finish()?.flush()
}

/// Reads a capture from the bytes of its file.
pub fn read(file: &[u8]) -> Result<Capture, CaptureError> {
    let body = file.strip_prefix(MARK).ok_or(CaptureError::NotACapture)?;
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
    match fits(&message) {
        Some(true) => {}
        Some(false) => return Err(CaptureError::TooLarge),
        None => return Err(damaged(&"its parts cannot be told apart")),
    }
    Capture::decode(Bytes::from(message)).map_err(|error| damaged(&error))
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
    fn a_capture_that_holds_too_much_is_neither_written_nor_read() {
        let capture = Capture { arguments: vec![Vec::new(); MOST_PARTS + 1], ..Capture::default() };
        assert!(write(&capture, &mut Vec::new()).is_err());
        let body = zstd::encode_all(&capture.encode_to_vec()[..], LEVEL).unwrap();
        let file = [&MARK[..], &VERSION.to_le_bytes(), &body].concat();
        assert!(matches!(read(&file), Err(CaptureError::TooLarge)));
    }
}

//! A capture's file: a magic number, a version, and the compressed capture.
//!
//! Nothing in a file is trusted: it may come from a stranger. Limits are checked before anything is
//! decoded, and a checksum finds damage.

use std::io::{self, Read, Write};

use bytes::Bytes;
use prost::Message;

use super::limits::{LARGEST, MOST_FACTS, MOST_PARTS, fits};
use super::proto::Capture;

/// What every file begins with.
const MAGIC: &[u8; 8] = b"MTREECAP";
/// The newest version of capture.proto.
pub const VERSION: u32 = 2;
/// The version of captures without a layer, which older programs read too.
const VERSION_OF_RESOLVE: u32 = 1;
/// The zstd level. Speed matters more than size: specs and facts shrink to a tenth at any level.
const LEVEL: i32 = 1;
/// The largest window that a compressed stream may need, as a power of two.
const WINDOW: u32 = 27;

/// Why a capture cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file does not begin as a capture.
    #[error("not a capture; mtree-worker --record DIR writes captures")]
    NotACapture,
    /// The file has a newer format than this program reads.
    #[error(
        "the capture has version {0} of the format, and this mtree-worker reads up to {VERSION}; use a newer one"
    )]
    Newer(u32),
    /// The file is not what was written.
    #[error("the capture is cut off or damaged (copy it again)")]
    Damaged(#[source] Damage),
    /// The capture is over a limit.
    #[error(
        "the capture holds more than {LARGEST} bytes, {MOST_PARTS} parts or {MOST_FACTS} facts or lines"
    )]
    TooLarge,
}

/// What is wrong with a damaged capture.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file ends within its header.
    #[error("it ends within its header")]
    Header,
    /// No program ever wrote this version.
    #[error("there is no version {0} of the format")]
    Version(u32),
    /// The compressed part cannot be decompressed, or its checksum is wrong.
    #[error("it cannot be decompressed")]
    Compression(#[source] io::Error),
    /// The message is not made of protobuf fields.
    #[error("its fields cannot be decoded")]
    Fields,
    /// The message is not a Capture.
    #[error("its fields cannot be decoded")]
    Message(#[source] prost::DecodeError),
    /// Facts are missing: every capture has them.
    #[error("it has no facts")]
    NoFacts,
    /// The columns of facts do not fit together, or no tree can have these facts.
    #[error("its facts contradict each other")]
    Facts,
    /// The output does not fit the spec that it differs from.
    #[error("its output does not fit its spec")]
    Output,
}

impl From<Damage> for CaptureError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

/// Whether `file` begins as a capture does, of any version.
pub fn is_capture(file: &[u8]) -> bool {
    file.starts_with(MAGIC)
}

/// Writes a capture.
pub(crate) fn write(capture: &Capture, out: &mut dyn Write) -> io::Result<()> {
    let message = capture.encode_to_vec();
    if fits(&message) != Some(true) {
        return Err(io::Error::other(CaptureError::TooLarge));
    }
    out.write_all(MAGIC)?;
    let version = if capture.layer.is_some() { VERSION } else { VERSION_OF_RESOLVE };
    out.write_all(&version.to_le_bytes())?;
    let mut encoder = zstd::stream::write::Encoder::new(out, LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.write_all(&message)?;
    encoder.finish()?.flush()
}

/// Reads a capture from the bytes of its file.
pub fn read(file: &[u8]) -> Result<Capture, CaptureError> {
    let body = file.strip_prefix(MAGIC).ok_or(CaptureError::NotACapture)?;
    let (version, body) = body.split_first_chunk().ok_or(Damage::Header)?;
    match u32::from_le_bytes(*version) {
        VERSION_OF_RESOLVE..=VERSION => {}
        newer if newer > VERSION => return Err(CaptureError::Newer(newer)),
        other => return Err(Damage::Version(other).into()),
    }
    let mut decoder = zstd::stream::read::Decoder::new(body).map_err(Damage::Compression)?;
    decoder.window_log_max(WINDOW).map_err(Damage::Compression)?;
    let mut message = Vec::new();
    decoder.take(LARGEST + 1).read_to_end(&mut message).map_err(Damage::Compression)?;
    if message.len() as u64 > LARGEST {
        return Err(CaptureError::TooLarge);
    }
    match fits(&message) {
        Some(true) => {}
        Some(false) => return Err(CaptureError::TooLarge),
        None => return Err(Damage::Fields.into()),
    }
    Ok(Capture::decode(Bytes::from(message)).map_err(Damage::Message)?)
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
    fn a_capture_is_read_as_it_was_written() {
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
            // zstd ignores some bits of its header.
            if let Ok(capture) = read(&changed) {
                assert_eq!(capture, read(&file).unwrap(), "{at}");
            }
        }
    }

    #[test]
    fn a_capture_over_a_limit_is_neither_written_nor_read() {
        let capture = Capture { arguments: vec![Vec::new(); MOST_PARTS + 1], ..Capture::default() };
        assert!(write(&capture, &mut Vec::new()).is_err());
        let body = zstd::encode_all(&capture.encode_to_vec()[..], LEVEL).unwrap();
        let file = [&MAGIC[..], &VERSION.to_le_bytes(), &body].concat();
        assert!(matches!(read(&file), Err(CaptureError::TooLarge)));
    }
}

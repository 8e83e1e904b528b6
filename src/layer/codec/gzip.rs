//! gzip (RFC 1952): members of one frame each, or one member of many frames.
//!
//! Knows libdeflate and the form of a member; must not know what is compressed.

use libdeflater::{CompressionLvl, Compressor};

use super::CodecError;
use super::deflate;

/// The header of a member: deflate, no name, no time, no hint of the level, and no operating system.
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// From this level on, libdeflate begins with the statistics of the stream before, so its output depends on that.
const ADAPTIVE: u8 = 10;

/// An empty last block, with fixed codes.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// Compresses with libdeflate at one level.
pub(super) struct Deflate {
    level: u8,
    compressor: Compressor,
}

impl Deflate {
    /// `level` is 1 to 12.
    pub(super) fn new(level: u8) -> Self {
        Self { level, compressor: compressor(level) }
    }

    /// Appends `raw` as a member to `out`, and returns its CRC-32.
    pub(super) fn member(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<u32, CodecError> {
        out.extend_from_slice(&HEADER);
        self.stream(raw, out)?;
        let crc = crc32fast::hash(raw);
        push_trailer(out, crc, raw.len() as u64);
        Ok(crc)
    }

    /// Appends `raw` to `out` as blocks that another piece, or the end of a member, may follow, and
    /// returns its CRC-32.
    pub(super) fn piece(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<u32, CodecError> {
        let start = out.len();
        self.stream(raw, out)?;
        deflate::reopen(start, out)?;
        Ok(crc32fast::hash(raw))
    }

    fn stream(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if self.level >= ADAPTIVE {
            self.compressor = compressor(self.level);
        }
        let start = out.len();
        out.resize(start + self.compressor.deflate_compress_bound(raw.len()), 0);
        let length = self
            .compressor
            .deflate_compress(raw, &mut out[start..])
            .map_err(|_| CodecError("libdeflate says that its bound is too small"))?;
        out.truncate(start + length);
        Ok(())
    }
}

fn compressor(level: u8) -> Compressor {
    // A `GzipLevel` is a level of libdeflate: the fallback is never used.
    Compressor::new(CompressionLvl::new(level.into()).unwrap_or(CompressionLvl::fastest()))
}

/// What ends a member of `length` bytes with the CRC-32 `crc`, made of pieces.
pub(super) fn end_of_member(crc: u32, length: u64) -> Vec<u8> {
    let mut end = LAST_BLOCK.to_vec();
    push_trailer(&mut end, crc, length);
    end
}

fn push_trailer(out: &mut Vec<u8>, crc: u32, length: u64) {
    out.extend_from_slice(&crc.to_le_bytes());
    // RFC 1952: the size modulo 2^32.
    out.extend_from_slice(&(length as u32).to_le_bytes());
}

//! Decompresses gzip and zstd, and finds where their members and frames begin.
//!
//! Knows compressed formats; must not know what is compressed.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, Operation};

use super::error::ArchiveError;

/// The most frames. A layer of a terabyte has that many of one MiB.
pub(super) const MOST_FRAMES: usize = 1 << 20;
/// The largest window of zstd, as a power of two: what zstd accepts by default.
const WINDOW: u32 = 27;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, of one or more members.
    Gzip,
    /// zstd, of one or more frames.
    Zstd,
}

impl Compression {
    /// The compression of a file that begins with `head`, of which four bytes suffice.
    pub fn of(head: &[u8]) -> Self {
        // A skippable frame may be the first.
        let is_skippable = matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        match head {
            _ if head.starts_with(GZIP) => Self::Gzip,
            _ if head.starts_with(ZSTD) || is_skippable => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// A gzip member, a zstd frame, or the padding behind the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressedFrame {
    /// Where its content begins in the tar.
    pub offset: u64,
    /// How many bytes of the tar it holds.
    pub raw_len: u64,
    /// How many bytes it takes.
    pub len: u64,
    /// The digest of these.
    pub digest: [u8; 32],
}

/// Counts and hashes the bytes that are taken from a reader.
pub(super) struct Counted<R> {
    inner: R,
    taken: u64,
    /// In a box, since it is large.
    hasher: Box<blake3::Hasher>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let read = available.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if amount == 0 {
            return;
        }
        // What is consumed was filled, so that this neither reads nor fails.
        if let Ok(bytes) = self.inner.fill_buf() {
            self.hasher.update(&bytes[..amount]);
        }
        self.taken += amount as u64;
        self.inner.consume(amount);
    }
}

/// The bytes of a layer, uncompressed, as they are read.
pub(super) struct Decompressed<R: BufRead> {
    state: State<R>,
    compression: Compression,
    frames: Vec<CompressedFrame>,
    /// Bytes read so far, uncompressed.
    raw: u64,
    /// Bytes of the frames before this one, compressed.
    before: u64,
}

enum State<R: BufRead> {
    Plain(R),
    /// Between two frames.
    Between(Counted<R>),
    Gzip(Box<GzDecoder<Counted<R>>>),
    /// The last: whether the frame has ended.
    Zstd(Counted<R>, ZstdDecoder<'static>, bool),
    End,
}

impl<R: BufRead> Decompressed<R> {
    pub(super) fn new(input: R, compression: Compression) -> Self {
        let state = match compression {
            Compression::None => State::Plain(input),
            _ => State::Between(Counted { inner: input, taken: 0, hasher: Box::default() }),
        };
        Self { state, compression, frames: Vec::new(), raw: 0, before: 0 }
    }

    /// Reads until `buffer` is full or the layer ends.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_some(&mut buffer[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }

    /// How many bytes were read, uncompressed.
    pub(super) fn position(&self) -> u64 {
        self.raw
    }

    /// The frames, once all is read.
    pub(super) fn into_frames(self) -> Vec<CompressedFrame> {
        self.frames
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        loop {
            let read = match &mut self.state {
                State::Plain(input) => read(input, buffer).map_err(ArchiveError::Read)?,
                State::Gzip(decoder) => read(decoder, buffer).map_err(decoding)?,
                State::Zstd(_, _, true) => 0,
                State::Zstd(input, decoder, has_ended) => {
                    let read;
                    (read, *has_ended) = read_zstd(decoder, input, buffer).map_err(decoding)?;
                    read
                }
                State::End => return Ok(0),
                State::Between(_) => 0,
            };
            if read > 0 || matches!(self.state, State::Plain(_)) {
                self.raw += read as u64;
                return Ok(read);
            }
            self.next_frame()?;
        }
    }

    /// Ends the frame that is read, if there is one, and begins the next.
    fn next_frame(&mut self) -> Result<(), ArchiveError> {
        let mut zstd = None;
        let mut input = match std::mem::replace(&mut self.state, State::End) {
            State::Gzip(decoder) => self.end_frame((*decoder).into_inner())?,
            State::Zstd(input, decoder, _) => {
                zstd = Some(decoder);
                self.end_frame(input)?
            }
            State::Between(input) => input,
            State::Plain(_) | State::End => return Ok(()),
        };
        let head = input.fill_buf().map_err(ArchiveError::Read)?;
        self.state = match (self.compression, head.first()) {
            (_, None) => State::End,
            // Padding: a magic number does not begin with a zero.
            (_, Some(0)) if !self.frames.is_empty() => {
                self.skip_padding(&mut input)?;
                self.end_frame(input)?;
                State::End
            }
            (Compression::Gzip, Some(0x1f)) => State::Gzip(Box::new(GzDecoder::new(input))),
            (Compression::Zstd, Some(0x28 | 0x50..=0x5f)) => {
                // One decoder reads all frames.
                let decoder = zstd.map_or_else(zstd_decoder, Ok).map_err(decoding)?;
                State::Zstd(input, decoder, false)
            }
            _ => return Err(ArchiveError::Garbage(self.before)),
        };
        Ok(())
    }

    /// Records a frame, whose bytes were taken from `input`. Returns the input for the next one.
    fn end_frame(&mut self, mut input: Counted<R>) -> Result<Counted<R>, ArchiveError> {
        if self.frames.len() == MOST_FRAMES {
            return Err(ArchiveError::ManyFrames);
        }
        let offset = self.frames.last().map_or(0, |frame| frame.offset + frame.raw_len);
        self.frames.push(CompressedFrame {
            offset,
            raw_len: self.raw - offset,
            len: input.taken,
            digest: *input.hasher.finalize().as_bytes(),
        });
        self.before += input.taken;
        input.taken = 0;
        input.hasher.reset();
        Ok(input)
    }

    fn skip_padding(&self, input: &mut Counted<R>) -> Result<(), ArchiveError> {
        loop {
            let padding = input.fill_buf().map_err(ArchiveError::Read)?;
            let length = padding.len();
            if length == 0 {
                return Ok(());
            }
            if let Some(at) = padding.iter().position(|byte| *byte != 0) {
                return Err(ArchiveError::Garbage(self.before + input.taken + at as u64));
            }
            input.consume(length);
        }
    }
}

fn read(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Reads from a zstd frame. Returns the number of bytes, which is 0 at its end, and whether the frame has ended.
fn read_zstd(
    decoder: &mut ZstdDecoder<'_>,
    input: &mut impl BufRead,
    buffer: &mut [u8],
) -> io::Result<(usize, bool)> {
    loop {
        let compressed = input.fill_buf()?;
        let is_cut_off = compressed.is_empty();
        let status = decoder.run_on_buffers(compressed, buffer)?;
        input.consume(status.bytes_read);
        let is_at_end = status.remaining == 0;
        if status.bytes_written > 0 || is_at_end {
            return Ok((status.bytes_written, is_at_end));
        }
        if is_cut_off {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The decoder of zstd.
fn zstd_decoder() -> io::Result<ZstdDecoder<'static>> {
    let mut decoder = ZstdDecoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW))?;
    Ok(decoder)
}

/// An error while decompressing: of the system if it has a number, else of the data.
fn decoding(error: io::Error) -> ArchiveError {
    match error.raw_os_error() {
        Some(_) => ArchiveError::Read(error),
        None => ArchiveError::Compression(error),
    }
}

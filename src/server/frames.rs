//! A stream of bytes cut into frames, one request each.
//!
//! Knows where a frame ends, in both protocols; must not know what is in it. Whatever the stream
//! claims, memory is taken only for bytes that have arrived.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::ServerError;
use super::json::Scan;
use super::{Protocol, ServerOptions};

/// How much is read at once, in bytes, unless a longer frame is known to come. Shorter frames are
/// copied out of the buffer, so that one that is kept does not keep its neighbours.
const CHUNK: usize = 64 << 10;

/// The longest varint of 64 bits, in bytes.
const LONGEST_LENGTH: usize = 10;

/// One message without its length.
#[derive(Debug)]
pub struct Frame {
    /// Where the frame begins, length included, in bytes from the beginning of the stream.
    pub at: u64,
    /// The message.
    pub message: Bytes,
}

/// Reads frames from a stream.
pub struct Frames<R> {
    stream: R,
    /// What has arrived and is in no frame yet.
    buffer: BytesMut,
    /// Where in the stream the buffer begins.
    at: u64,
    limit: u64,
    protocol: Protocol,
    /// How far the search for the end of the object at the buffer's head has come.
    scan: Scan,
}

/// What the buffer begins with.
enum Head {
    /// A message behind `skip` bytes.
    Frame { skip: usize, length: usize },
    /// A part of a frame, or nothing; the frame wants at least so many bytes more.
    Wants(u64),
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Frames of `stream`, from its beginning.
    pub fn new(stream: R, options: &ServerOptions) -> Self {
        Frames {
            stream,
            buffer: BytesMut::new(),
            at: 0,
            limit: options.max_request,
            protocol: options.protocol,
            scan: Scan::default(),
        }
    }

    /// The next frame, or `None` where the stream ends between two. May be dropped before it is
    /// ready without losing a byte.
    pub async fn next(&mut self) -> Result<Option<Frame>, ServerError> {
        loop {
            match self.head()? {
                Head::Frame { skip, length } => return Ok(Some(self.take(skip, length))),
                Head::Wants(bytes) => {
                    if self.read(bytes).await? == 0 {
                        return self.end();
                    }
                }
            }
        }
    }

    fn head(&mut self) -> Result<Head, ServerError> {
        match self.protocol {
            Protocol::Proto => self.delimited(),
            Protocol::Json => self.object(),
        }
    }

    /// A message behind its length.
    fn delimited(&self) -> Result<Head, ServerError> {
        let mut message = &self.buffer[..];
        let Ok(length) = prost::encoding::decode_varint(&mut message) else {
            return match self.buffer.len() {
                // Fewer bytes can only be the beginning of a length.
                LONGEST_LENGTH.. => Err(ServerError::Length { at: self.at }),
                _ => Ok(Head::Wants(1)),
            };
        };
        self.allow(length)?;
        let there = message.len();
        match usize::try_from(length) {
            Ok(length) if length <= there => {
                Ok(Head::Frame { skip: self.buffer.len() - there, length })
            }
            _ => Ok(Head::Wants(length - there as u64)),
        }
    }

    /// An object, behind whatever white space there is.
    fn object(&mut self) -> Result<Head, ServerError> {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let blanks = self.buffer.iter().take_while(|byte| is_blank(byte)).count();
        self.pass(blanks);
        match self.buffer.first() {
            None => return Ok(Head::Wants(1)),
            Some(b'{') => {}
            Some(&found) => return Err(ServerError::NoObject { at: self.at, found }),
        }
        let end = self.scan.end_of_object(&self.buffer);
        self.allow(end.unwrap_or(self.buffer.len()) as u64)?;
        Ok(end.map_or(Head::Wants(1), |length| Head::Frame { skip: 0, length }))
    }

    fn allow(&self, length: u64) -> Result<(), ServerError> {
        if length <= self.limit {
            return Ok(());
        }
        Err(ServerError::TooLong { at: self.at, length, limit: self.limit })
    }

    /// Reads once: no more than is there, and of a frame longer than a chunk no more than it wants.
    async fn read(&mut self, wanted: u64) -> Result<usize, ServerError> {
        let most = usize::try_from(wanted).unwrap_or(usize::MAX).max(CHUNK);
        self.buffer.reserve(CHUNK);
        let mut room = (&mut self.buffer).limit(most);
        match self.stream.read_buf(&mut room).await {
            Ok(length) => Ok(length),
            Err(source) => {
                Err(ServerError::Read { at: self.at + self.buffer.len() as u64, source })
            }
        }
    }

    fn take(&mut self, skip: usize, length: usize) -> Frame {
        let at = self.at;
        self.pass(skip);
        let message = if length < CHUNK {
            let message = Bytes::copy_from_slice(&self.buffer[..length]);
            self.pass(length);
            message
        } else {
            // The frame takes the buffer with it, and what stands behind it moves to a new one.
            let behind = BytesMut::from(&self.buffer[length..]);
            let mut message = std::mem::replace(&mut self.buffer, behind);
            message.truncate(length);
            self.at += length as u64;
            message.freeze()
        };
        self.scan = Scan::default();
        Frame { at, message }
    }

    fn pass(&mut self, length: usize) {
        self.buffer.advance(length);
        self.at += length as u64;
    }

    fn end(&self) -> Result<Option<Frame>, ServerError> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        Err(ServerError::Truncated { at: self.at, length: self.buffer.len() as u64 })
    }
}

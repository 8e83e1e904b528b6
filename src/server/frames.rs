//! Splits a stream of bytes into frames. A frame holds one request.
//!
//! Knows where a frame ends, in both protocols; must not know its content. The memory that is allocated follows the
//! bytes that have arrived, whatever length the stream claims.

use std::io::ErrorKind;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::ServerError;
use super::json::Scan;
use super::{Protocol, ServerOptions};

/// How much is read at once, in bytes, unless the current frame is longer. Shorter frames are copied out of
/// the buffer, so that a stored frame does not keep the memory of its neighbours.
const CHUNK: usize = 64 << 10;

/// For each byte of a frame that has arrived, so many that are missing may be allocated. A frame is copied when its buffer
/// grows: at a factor of 2, that is about its size again.
const GROWTH: usize = 32;

/// The longest varint of 64 bits, in bytes.
const LONGEST_LENGTH: usize = 10;

/// One message without its length.
#[derive(Debug)]
pub struct Frame {
    /// The offset of the frame in the stream, in bytes. The frame includes its length.
    pub at: u64,
    /// The message.
    pub message: Bytes,
}

/// Reads frames from a stream.
pub struct Frames<R> {
    stream: R,
    /// The bytes that have arrived and belong to no frame yet.
    buffer: BytesMut,
    /// The offset of the buffer in the stream.
    at: u64,
    limit: u64,
    protocol: Protocol,
    /// The state of the search for the end of the object at the head of the buffer.
    scan: Scan,
}

/// What is at the head of the buffer.
enum Head {
    /// A message after `skip` bytes.
    Frame { skip: usize, length: usize },
    /// A part of a frame, or nothing. At least this many bytes are missing.
    Incomplete(u64),
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// The frames of `stream`, from its beginning.
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

    /// The next frame, or `None` if the stream ends after a complete frame. The future may be dropped before
    /// it is ready; no byte is lost.
    pub async fn next(&mut self) -> Result<Option<Frame>, ServerError> {
        loop {
            match self.head()? {
                Head::Frame { skip, length } => return Ok(Some(self.take(skip, length))),
                Head::Incomplete(bytes) => {
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

    /// A message after its length.
    fn delimited(&self) -> Result<Head, ServerError> {
        let mut message = &self.buffer[..];
        let Ok(length) = prost::encoding::decode_varint(&mut message) else {
            return match self.buffer.len() {
                // Fewer bytes may be the beginning of a length.
                LONGEST_LENGTH.. => Err(ServerError::Length { at: self.at }),
                _ => Ok(Head::Incomplete(1)),
            };
        };
        self.check_limit(length)?;
        let arrived = message.len();
        match usize::try_from(length) {
            Ok(length) if length <= arrived => {
                Ok(Head::Frame { skip: self.buffer.len() - arrived, length })
            }
            _ => Ok(Head::Incomplete(length - arrived as u64)),
        }
    }

    /// An object, after any white space.
    fn object(&mut self) -> Result<Head, ServerError> {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let blanks = self.buffer.iter().take_while(|byte| is_blank(byte)).count();
        self.advance(blanks);
        match self.buffer.first() {
            None => return Ok(Head::Incomplete(1)),
            Some(b'{') => {}
            Some(&found) => return Err(ServerError::NoObject { at: self.at, found }),
        }
        let end = self.scan.end_of_object(&self.buffer);
        self.check_limit(end.unwrap_or(self.buffer.len()) as u64)?;
        Ok(end.map_or(Head::Incomplete(1), |length| Head::Frame { skip: 0, length }))
    }

    fn check_limit(&self, length: u64) -> Result<(), ServerError> {
        if length <= self.limit {
            return Ok(());
        }
        Err(ServerError::TooLong { at: self.at, length, limit: self.limit })
    }

    /// Reads once, without waiting for more than has arrived. Of a frame longer than a chunk it reads no more
    /// than the `missing` bytes.
    async fn read(&mut self, missing: u64) -> Result<usize, ServerError> {
        let limit = usize::try_from(missing).unwrap_or(usize::MAX).max(CHUNK);
        self.buffer.reserve(limit.min(CHUNK.max(GROWTH.saturating_mul(self.buffer.len()))));
        let mut room = (&mut self.buffer).limit(limit);
        loop {
            match self.stream.read_buf(&mut room).await {
                Ok(length) => return Ok(length),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    let at = self.at + self.buffer.len() as u64;
                    return Err(ServerError::Read { at, source });
                }
            }
        }
    }

    fn take(&mut self, skip: usize, length: usize) -> Frame {
        let at = self.at;
        self.advance(skip);
        let message = if length < CHUNK {
            let message = Bytes::copy_from_slice(&self.buffer[..length]);
            self.advance(length);
            message
        } else {
            // The frame takes the buffer. The bytes after the frame move to a new one.
            let rest = BytesMut::from(&self.buffer[length..]);
            let mut message = std::mem::replace(&mut self.buffer, rest);
            message.truncate(length);
            self.at += length as u64;
            message.freeze()
        };
        self.scan = Scan::default();
        Frame { at, message }
    }

    fn advance(&mut self, length: usize) {
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::ReadBuf;

    use super::*;

    /// Gives a byte at a time, and fails before each.
    struct Interrupted {
        rest: &'static [u8],
        is_next: bool,
    }

    impl AsyncRead for Interrupted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.is_next = !self.is_next;
            if self.is_next {
                return Poll::Ready(Err(ErrorKind::Interrupted.into()));
            }
            if let Some((byte, rest)) = self.rest.split_first() {
                buffer.put_slice(&[*byte]);
                self.rest = rest;
            }
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_interrupted_read_is_repeated() {
        let stream = Interrupted { rest: b"\x02ab\x01c", is_next: false };
        let mut frames = Frames::new(stream, &ServerOptions::default());
        let mut messages = Vec::new();
        while let Some(frame) = frames.next().await.unwrap() {
            messages.push(frame.message);
        }
        assert_eq!(messages, [&b"ab"[..], b"c"]);
    }
}

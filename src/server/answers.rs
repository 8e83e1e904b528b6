//! Answers on their way out.
//!
//! Knows how an answer is written in both protocols, and that frames may not be mixed; must not
//! know which request deserves which answer.

use std::io;

use bytes::{BufMut, BytesMut};
use prost::Message;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::protocol::WorkResponse;
use super::{Answer, Protocol, json};

/// Writes whole answers, one behind the other.
pub struct Answers<W> {
    stream: W,
    protocol: Protocol,
    /// What has not been handed to the stream. Begins within an answer while that is being written.
    pending: BytesMut,
    /// Something was handed to the stream since it was last flushed.
    unflushed: bool,
}

impl<W: AsyncWrite + Unpin> Answers<W> {
    pub fn new(stream: W, protocol: Protocol) -> Self {
        Answers { stream, protocol, pending: BytesMut::new(), unflushed: false }
    }

    /// Adds the answer of the request `request_id`; `None` if it was cancelled.
    pub fn add(&mut self, request_id: i32, answer: Option<Answer>) -> io::Result<()> {
        let was_cancelled = answer.is_none();
        let Answer { exit_code, output } = answer.unwrap_or_default();
        let response = WorkResponse { exit_code, output, request_id, was_cancelled };
        match self.protocol {
            Protocol::Proto => {
                let message = response.encode_length_delimited_to_vec();
                self.pending.put_slice(&message);
            }
            Protocol::Json => self.pending.put_slice(&json::write_answer(&response)?),
        }
        self.unflushed = true;
        Ok(())
    }

    /// Writes until all answers have left. May be dropped before it is ready and called again.
    pub async fn write(&mut self) -> io::Result<()> {
        self.stream.write_all_buf(&mut self.pending).await?;
        self.stream.flush().await?;
        self.unflushed = false;
        Ok(())
    }

    /// True if all answers have left.
    pub fn all_written(&self) -> bool {
        !self.unflushed
    }

    /// How much waits to be written, in bytes.
    pub fn held(&self) -> u64 {
        self.pending.len() as u64
    }
}

//! Responses on their way out.
//!
//! Knows how a response is written in both protocols, and that frames may not be mixed; must not
//! know which request deserves which response.

use std::io;

use bytes::{BufMut, BytesMut};
use prost::Message;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::protocol::WorkResponse;
use super::{Protocol, Response, json};

/// Writes whole responses, one behind the other.
pub(super) struct Responses<W> {
    stream: W,
    protocol: Protocol,
    /// What has not been handed to the stream. Begins within a response while that is being written.
    pending: BytesMut,
    /// Something was handed to the stream since it was last flushed.
    unflushed: bool,
}

impl<W: AsyncWrite + Unpin> Responses<W> {
    pub(super) fn new(stream: W, protocol: Protocol) -> Self {
        Responses { stream, protocol, pending: BytesMut::new(), unflushed: false }
    }

    /// Adds the response of the request `request_id`; `None` if it was cancelled.
    pub(super) fn add(&mut self, request_id: i32, response: Option<Response>) -> io::Result<()> {
        let was_cancelled = response.is_none();
        let Response { exit_code, output } = response.unwrap_or_default();
        let response = WorkResponse { exit_code, output, request_id, was_cancelled };
        match self.protocol {
            Protocol::Proto => {
                let message = response.encode_length_delimited_to_vec();
                self.pending.put_slice(&message);
            }
            Protocol::Json => self.pending.put_slice(&json::write_response(&response)?),
        }
        self.unflushed = true;
        Ok(())
    }

    /// Writes until all responses have left. May be dropped before it is ready and called again.
    pub(super) async fn write(&mut self) -> io::Result<()> {
        self.stream.write_all_buf(&mut self.pending).await?;
        self.stream.flush().await?;
        self.unflushed = false;
        Ok(())
    }

    /// True if all responses have left.
    pub(super) fn all_written(&self) -> bool {
        !self.unflushed
    }

    /// How much waits to be written, in bytes.
    pub(super) fn held(&self) -> u64 {
        self.pending.len() as u64
    }
}

//! Writes responses to a stream.
//!
//! Knows the encoding of a response in both protocols, and that responses must not be interleaved; must not know
//! which response a request gets.

use std::io;

use bytes::{BufMut, BytesMut};
use prost::Message;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::protocol::WorkResponse;
use super::{Protocol, Response, json};

/// Writes complete responses, one after the other.
pub(super) struct Responses<W> {
    stream: W,
    protocol: Protocol,
    /// The bytes that the stream has not accepted yet. The first ones may be the end of a response.
    pending: BytesMut,
    /// The stream has not been flushed since the last response was added.
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

    /// Writes all responses and flushes the stream. The future may be dropped before it is ready; a further call
    /// continues.
    pub(super) async fn write(&mut self) -> io::Result<()> {
        self.stream.write_all_buf(&mut self.pending).await?;
        self.stream.flush().await?;
        self.unflushed = false;
        Ok(())
    }

    /// True if all responses are written and flushed.
    pub(super) fn all_written(&self) -> bool {
        !self.unflushed
    }

    /// How many bytes wait to be written.
    pub(super) fn held(&self) -> u64 {
        self.pending.len() as u64
    }
}

//! Buffers that are used again, so that the memory of a frame is neither asked for nor cleared twice.
//!
//! Knows bytes; must not know what they are.

use std::sync::{Mutex, PoisonError};

/// Bytes at the head of memory that was cleared once.
#[derive(Default)]
pub struct Buffer {
    memory: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// What was put in.
    pub fn as_slice(&self) -> &[u8] {
        &self.memory[..self.length]
    }

    /// Takes all bytes out.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Appends `bytes`.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Appends `count` zeros.
    pub fn extend_zeros(&mut self, count: usize) {
        self.room(count).fill(0);
        self.length += count;
    }

    /// Room for `count` bytes behind those put in. What is in it is of no meaning.
    pub fn room(&mut self, count: usize) -> &mut [u8] {
        let end = self.length + count;
        if self.memory.len() < end {
            self.memory.resize(end, 0);
        }
        &mut self.memory[self.length..end]
    }

    /// Takes the first `count` bytes of the room as put in.
    pub fn put(&mut self, count: usize) {
        self.length += count;
    }

    /// Replaces everything by what `write` does to a vector.
    pub fn write<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let result = write(&mut self.memory);
        self.length = self.memory.len();
        result
    }
}

/// Buffers that nobody uses now.
#[derive(Default)]
pub struct Pool(Mutex<Vec<Buffer>>);

impl Pool {
    /// An empty buffer.
    pub fn take(&self) -> Buffer {
        let mut buffer =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Gives back a buffer.
    pub fn give(&self, buffer: Buffer) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

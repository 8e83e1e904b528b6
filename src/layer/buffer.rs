//! Buffers that are used again, so that the memory of a frame is neither requested nor cleared twice.
//!
//! Knows bytes; must not know what they are.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that grow and shrink within memory that is cleared once.
#[derive(Default)]
pub(super) struct Buffer {
    memory: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// Its bytes.
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.memory[..self.length]
    }

    /// Removes all bytes.
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// Appends `bytes`.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Appends `count` zeros.
    pub(super) fn extend_zeros(&mut self, count: usize) {
        self.room(count).fill(0);
        self.length += count;
    }

    /// The memory of the `count` bytes after the last one, with any content.
    pub(super) fn room(&mut self, count: usize) -> &mut [u8] {
        let end = self.length + count;
        if self.memory.len() < end {
            self.memory.resize(end, 0);
        }
        &mut self.memory[self.length..end]
    }

    /// Appends the first `count` bytes of [`Buffer::room`], as they are.
    pub(super) fn put(&mut self, count: usize) {
        self.length += count;
    }

    /// Replaces all bytes by the vector that `write` leaves.
    pub(super) fn write<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let result = write(&mut self.memory);
        self.length = self.memory.len();
        result
    }
}

/// How many bytes of buffers may be idle for each thread that makes frames.
const IDLE_PER_THREAD: usize = 4 << 20;

/// Buffers that are not in use.
pub struct BufferPool {
    idle: Mutex<Idle>,
    /// The most memory that idle buffers have together, in bytes.
    limit: usize,
}

#[derive(Default)]
struct Idle {
    buffers: Vec<Buffer>,
    memory: usize,
}

impl BufferPool {
    /// An empty pool for `threads` threads that make frames.
    pub fn new(threads: NonZeroUsize) -> Self {
        Self { idle: Mutex::default(), limit: IDLE_PER_THREAD * threads.get() }
    }

    /// Frees all buffers that are idle.
    pub fn free(&self) {
        *self.lock() = Idle::default();
    }

    /// An empty buffer with memory for `length` bytes, and for no more than twice as many: the budget of frames under way
    /// counts lengths, not memory.
    pub(super) fn take(&self, length: usize) -> Buffer {
        let mut idle = self.lock();
        let fits = |buffer: &Buffer| (length..=2 * length).contains(&buffer.memory.capacity());
        let found = idle.buffers.iter().rposition(fits);
        let other = || (idle.memory > self.limit / 2).then_some(0);
        let removed = found.or_else(other).map(|at| idle.buffers.remove(at));
        if let Some(buffer) = &removed {
            idle.memory -= buffer.memory.capacity();
        }
        drop(idle);
        match removed.filter(fits) {
            Some(mut buffer) => {
                buffer.clear();
                buffer
            }
            None => Buffer { memory: Vec::with_capacity(length), length: 0 },
        }
    }

    /// Gives back a buffer. It is freed if the idle ones reach the limit.
    pub(super) fn give(&self, buffer: Buffer) {
        let mut idle = self.lock();
        if idle.memory + buffer.memory.capacity() <= self.limit {
            idle.memory += buffer.memory.capacity();
            idle.buffers.push(buffer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_keeps_no_more_than_its_limit() {
        let pool = BufferPool { limit: 1000, ..BufferPool::new(NonZeroUsize::MIN) };
        let buffers: Vec<_> = (0..3)
            .map(|_| {
                let mut buffer = pool.take(400);
                buffer.extend(&[1; 400]);
                buffer
            })
            .collect();
        buffers.into_iter().for_each(|buffer| pool.give(buffer));
        assert_eq!(pool.lock().buffers.len(), 2);
        assert_eq!(pool.take(400).as_slice(), b"");
        pool.free();
        assert_eq!(pool.lock().buffers.len(), 0);
    }

    #[test]
    fn a_buffer_has_no_more_memory_than_twice_what_is_wanted() {
        let pool = BufferPool::new(NonZeroUsize::MIN);
        pool.give(pool.take(1000));
        assert_eq!(pool.take(499).memory.capacity(), 499);
        assert_eq!(pool.take(1001).memory.capacity(), 1001);
        assert_eq!(pool.lock().memory, 1000);
        assert_eq!(pool.take(500).memory.capacity(), 1000);
        assert_eq!(pool.lock().memory, 0);
    }
}

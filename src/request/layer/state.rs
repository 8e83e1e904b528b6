//! What all layer requests of a process share.
//!
//! Knows the parts of [`crate::layer`] that outlive a request; must not know requests.

use std::num::NonZeroUsize;

use crate::layer::{BufferPool, DigestFunction, Index, Permits};

/// What all layer requests of a process share.
pub struct LayerState {
    /// The frames of earlier layers. `None` in a process that runs one request: it has no use for them.
    pub index: Option<Index>,
    /// The function of the inputs' digests, once it is known.
    pub digest_function: DigestFunction,
    /// How many threads read and compress at once, whatever the number of requests.
    pub permits: Permits,
    /// The memory of frames under way.
    pub buffers: BufferPool,
}

impl LayerState {
    /// For a process that runs one request, on `threads` threads.
    pub fn once(threads: NonZeroUsize) -> Self {
        Self {
            index: None,
            digest_function: DigestFunction::default(),
            permits: Permits::new(threads),
            buffers: BufferPool::new(threads),
        }
    }

    /// For a worker, which holds outputs of at most `frame_limit` bytes.
    pub fn worker(threads: NonZeroUsize, frame_limit: u64) -> Self {
        Self { index: Some(Index::new(frame_limit)), ..Self::once(threads) }
    }
}

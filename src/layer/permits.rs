//! Permits: they limit how many threads make frames at the same time, for all layers together.
//!
//! Knows numbers of threads; must not know what they do.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, PoisonError};

/// Permits to make a frame, shared by all layers of a process.
pub struct Permits {
    all: NonZeroUsize,
    free: Mutex<usize>,
    returned: Condvar,
}

/// A permit, until it is dropped.
pub(super) struct Permit<'p>(&'p Permits);

impl Permits {
    /// `all` permits.
    pub fn new(all: NonZeroUsize) -> Self {
        Self { all, free: Mutex::new(all.get()), returned: Condvar::new() }
    }

    /// How many there are, taken or not.
    pub fn all(&self) -> NonZeroUsize {
        self.all
    }

    /// Waits for a permit.
    pub(super) fn take(&self) -> Permit<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.returned.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Permit(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.returned.notify_one();
    }
}

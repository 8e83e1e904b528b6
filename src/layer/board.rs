//! Assigns runs of frames to threads, and hands both sides of finished runs to their consumers in order.
//!
//! Knows numbers of frames and how many bytes are under way; must not know what is done with a frame.
//! Runs are begun in order and finished in any order; two consumers, which hash and write, take them in order again. So if
//! several frames fail, the error of the first is reported, whatever the threads did.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::error::LayerError;

/// The half of a finished run that one consumer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Its uncompressed bytes, to be hashed.
    Raw,
    /// Its compressed bytes, to be hashed and written.
    Blob,
}

/// The runs that are to be made, and those that are finished and not yet taken.
pub(super) struct Board<T> {
    state: Mutex<BoardState<T>>,
    changed: Condvar,
    sizes: Vec<u64>,
    /// How many bytes may be under way, on both sides together.
    budget: u64,
}

struct BoardState<T> {
    next: usize,
    /// In bytes. Each run counts for its size on each side, until that is consumed.
    under_way: u64,
    ready: [HashMap<usize, T>; 2],
    error: Option<(usize, LayerError)>,
    is_stopped: bool,
}

impl<T> Board<T> {
    /// A board of runs of frames of these `sizes`, in bytes, of which `budget` bytes may be under way. One run may be
    /// under way whatever its size.
    pub(super) fn new(sizes: Vec<u64>, budget: u64) -> Self {
        let state = BoardState {
            next: 0,
            under_way: 0,
            ready: [HashMap::new(), HashMap::new()],
            error: None,
            is_stopped: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), sizes, budget }
    }

    /// The next run to make, once the budget has room for it. `None` if there are no more, or the layer failed.
    pub(super) fn begin(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            let size = 2 * self.sizes.get(state.next)?;
            if state.is_stopped {
                return None;
            }
            if state.under_way == 0 || state.under_way + size <= self.budget {
                state.under_way += size;
                state.next += 1;
                return Some(state.next - 1);
            }
            state = self.wait(state);
        }
    }

    /// Hands over both sides of `run`. If `raw` is `None`, that side counts as consumed.
    pub(super) fn deliver(&self, run: usize, raw: Option<T>, blob: T) {
        let mut state = self.lock();
        match raw {
            Some(raw) => drop(state.ready[0].insert(run, raw)),
            None => state.under_way -= self.sizes[run],
        }
        state.ready[1].insert(run, blob);
        self.changed.notify_all();
    }

    /// One side of `run`, once it is finished. `None` if the layer failed.
    pub(super) fn take(&self, run: usize, side: Side) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.is_stopped {
                return None;
            }
            if let Some(item) = state.ready[side as usize].remove(&run) {
                return Some(item);
            }
            state = self.wait(state);
        }
    }

    /// Frees the budget of `run` on one side.
    pub(super) fn done(&self, run: usize) {
        self.lock().under_way -= self.sizes[run];
        self.changed.notify_all();
    }

    /// Stops all threads, since `frame` failed.
    pub(super) fn fail(&self, frame: usize, error: LayerError) {
        let mut state = self.lock();
        if state.error.as_ref().is_none_or(|(earlier, _)| frame < *earlier) {
            state.error = Some((frame, error));
        }
        state.is_stopped = true;
        self.changed.notify_all();
    }

    /// A guard that stops all threads if it is dropped in a panic: they would wait for this thread.
    pub(super) fn stop_on_panic(&self) -> StopOnPanic<'_, T> {
        StopOnPanic(self)
    }

    /// The error of the first frame that failed.
    pub(super) fn into_error(self) -> Option<LayerError> {
        self.state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .error
            .map(|(_, error)| error)
    }

    fn lock(&self) -> MutexGuard<'_, BoardState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, BoardState<T>>) -> MutexGuard<'s, BoardState<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Board::stop_on_panic`].
pub(super) struct StopOnPanic<'b, T>(&'b Board<T>);

impl<T> Drop for StopOnPanic<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().is_stopped = true;
            self.0.changed.notify_all();
        }
    }
}

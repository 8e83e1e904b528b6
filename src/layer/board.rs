//! The order of the frames: who makes which one, and who takes it next.
//!
//! Knows numbers of frames and how many bytes are under way; must not know what is done with a frame.
//! Frames are begun in order and finished in any; two consumers take them in order again. So where
//! frames fail, the first one's error is the one reported, whatever the threads did.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::error::LayerError;

/// What one consumer takes of each run of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Its uncompressed bytes, for their sum.
    Raw,
    /// Its compressed bytes, for the output.
    Blob,
}

/// Where threads that make frames leave them for those that take them.
pub(super) struct Board<T> {
    state: Mutex<BoardState<T>>,
    changed: Condvar,
    sizes: Vec<u64>,
    /// How many bytes may be under way.
    budget: u64,
}

struct BoardState<T> {
    next: usize,
    /// Each run counts for its size on each side.
    under_way: u64,
    ready: [HashMap<usize, T>; 2],
    error: Option<(usize, LayerError)>,
    is_stopped: bool,
}

impl<T> Board<T> {
    /// A board of runs of frames of these `sizes`, in bytes, of which `budget` bytes may be under way; one run
    /// always may.
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

    /// The next run to make, once there is room for it. `None` if there are no more, or all stops.
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

    /// Hands over what was made of `run`. A side of which there is nothing is done with.
    pub(super) fn deliver(&self, run: usize, raw: Option<T>, blob: T) {
        let mut state = self.lock();
        match raw {
            Some(raw) => drop(state.ready[0].insert(run, raw)),
            None => state.under_way -= self.sizes[run],
        }
        state.ready[1].insert(run, blob);
        self.changed.notify_all();
    }

    /// What was made of `run`, once that is ready. `None` if all stops.
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

    /// Says that what was taken of `run` on one side is done with.
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

    /// Stops all threads when it is dropped in a panic: they would wait for this one.
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

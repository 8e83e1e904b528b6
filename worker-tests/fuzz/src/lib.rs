//! What the fuzz targets share: choices that stand before an input's text, and a count of the memory
//! that is taken for it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes of each input say what is done with the rest.
pub const CHOICES: usize = 4;

/// The choices at the head of an input, and its text. `None` for one that is too short.
pub fn split(input: &[u8]) -> Option<(u32, &[u8])> {
    let (choices, text) = input.split_first_chunk::<CHOICES>()?;
    Some((u32::from_le_bytes(*choices), text))
}

/// Numbers that follow from the one that they begin with.
pub struct Chooser(u64);

impl Chooser {
    /// Begins with `choices`.
    pub fn new(choices: u32) -> Self {
        Self(u64::from(choices))
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        // Knuth's generator; its high bits are the better ones.
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize).checked_rem(end).unwrap_or_default()
    }
}

/// Does `work`, and fails if Rust code takes more than `most` bytes of memory for it at once.
pub fn within<T>(most: usize, work: impl FnOnce() -> T) -> T {
    let before = TAKEN.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let done = work();
    let taken = MOST.load(Ordering::Relaxed).saturating_sub(before);
    assert!(taken <= most, "{taken} bytes of memory were taken, where {most} would do");
    done
}

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

/// The system's allocator, and a count of what it gave.
struct Counting;

// SAFETY: every call is passed on as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let taken = TAKEN.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(taken, Ordering::Relaxed);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

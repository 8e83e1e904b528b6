//! Which entries of a recorded layer are in which frame, for `explain` and `report`.
//!
//! Pure. Must not know where a frame came from.

use std::ops::Range;

use crate::layer::CutFrame;

/// By frame, the numbers of the entries that have bytes in it.
pub(super) fn entries_of(frames: &[CutFrame]) -> Vec<Range<usize>> {
    let mut end = 0_usize;
    let ranges = frames.iter().map(|frame| {
        let start = end.saturating_sub(usize::from(frame.begins_within));
        end = start.saturating_add(frame.entries);
        start..end
    });
    ranges.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_within_an_entry_has_that_entry() {
        let frame =
            |entries, begins_within| CutFrame { entries, begins_within, size: 0, headers: 0 };
        let frames = [frame(2, false), frame(1, false), frame(1, true), frame(3, false)];
        assert_eq!(entries_of(&frames), [0..2, 2..3, 2..3, 3..6]);
    }
}

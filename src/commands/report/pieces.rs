//! Which frames were made and which reused, and why.
//!
//! Pure. The page calls a frame a piece.

use serde::Serialize;

use super::measured::MeasuredEntry;
use crate::commands::frames::entries_of;
use crate::layer::{FrameOrigin, FrameTable};

/// The most runs. Further frames are counted, and not drawn.
const MOST: usize = 2_000;

/// The frames of a layer.
#[derive(Default, Serialize)]
pub(super) struct Pieces {
    pub made: usize,
    pub reused: usize,
    /// Each that occurs, in the order of the layer.
    reasons: Vec<FrameReason>,
    /// Frames with one reason that stand one after the other, in the order of the layer.
    runs: Vec<Run>,
}

/// Why frames were made or reused.
#[derive(Serialize)]
struct FrameReason {
    why: &'static str,
    is_reused: bool,
    frames: usize,
    tar: u64,
    compressed: u64,
}

/// Frames that stand one after the other.
#[derive(Serialize)]
struct Run {
    /// The number of the reason.
    reason: usize,
    frames: usize,
    tar: u64,
    compressed: u64,
    /// The paths of the first entry and of the last.
    first: String,
    last: String,
}

const REUSED: &str = "copied from an earlier build: the same entries with the same contents";

impl Pieces {
    /// The frames of a layer with `entries`.
    pub(super) fn new(table: &FrameTable, entries: &[MeasuredEntry]) -> Self {
        let mut pieces = Self::default();
        let cuts: Vec<_> = table.frames.iter().map(|frame| frame.cut.clone()).collect();
        let path = |number: usize| entries.get(number).map_or("", |entry| &entry.path).to_owned();
        for (frame, rows) in table.frames.iter().zip(entries_of(&cuts)) {
            let is_changed = || {
                let changed = table.changed.as_ref()?;
                let next = changed.partition_point(|entry| (*entry as usize) < rows.start);
                Some(changed.get(next).is_some_and(|entry| rows.contains(&(*entry as usize))))
            };
            let why = why(frame.origin, is_changed);
            let (tar, compressed) = (frame.cut.size, frame.length);
            match frame.origin {
                FrameOrigin::Reused => pieces.reused += 1,
                _ => pieces.made += 1,
            }
            let known = pieces.reasons.iter().position(|reason| reason.why == why);
            let number = known.unwrap_or_else(|| {
                let is_reused = frame.origin == FrameOrigin::Reused;
                pieces.reasons.push(FrameReason {
                    why,
                    is_reused,
                    frames: 0,
                    tar: 0,
                    compressed: 0,
                });
                pieces.reasons.len() - 1
            });
            let reason = &mut pieces.reasons[number];
            reason.frames += 1;
            reason.tar = reason.tar.saturating_add(tar);
            reason.compressed = reason.compressed.saturating_add(compressed);
            let last = path(rows.end.saturating_sub(1));
            let is_full = pieces.runs.len() == MOST;
            match pieces.runs.last_mut() {
                Some(run) if run.reason == number => {
                    run.frames += 1;
                    run.tar = run.tar.saturating_add(tar);
                    run.compressed = run.compressed.saturating_add(compressed);
                    run.last = last;
                }
                _ if is_full => {}
                _ => {
                    let first = path(rows.start);
                    pieces.runs.push(Run {
                        reason: number,
                        frames: 1,
                        tar,
                        compressed,
                        first,
                        last,
                    });
                }
            }
        }
        pieces
    }
}

/// Why a frame was made or reused. `is_changed` returns whether an entry in it differs from the layer before; `None` if no
/// layer before is known.
fn why(origin: FrameOrigin, is_changed: impl Fn() -> Option<bool>) -> &'static str {
    match (origin, is_changed()) {
        (FrameOrigin::Reused, _) => REUSED,
        (FrameOrigin::Damaged, _) => {
            "made anew: the file with the earlier build was changed in place, and failed its checksum"
        }
        (FrameOrigin::Unknown, _) => {
            "made: the program ran once and remembers no earlier build, or a file changed a moment before"
        }
        (FrameOrigin::NotHeld, None) => "made: this worker had not built this layer before",
        (FrameOrigin::NotHeld, Some(true)) => "made: an entry in it is new or changed",
        (FrameOrigin::NotHeld, Some(false)) => {
            "made: its entries are unchanged, but other entries stand next to them now"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests_support::entry;
    use super::*;
    use crate::layer::{CutFrame, WrittenFrame};

    #[test]
    fn frames_with_one_reason_that_stand_together_are_one_run() {
        let frame = |origin| WrittenFrame {
            cut: CutFrame { entries: 1, begins_within: false, size: 512, headers: 0 },
            length: 10,
            origin,
        };
        use FrameOrigin::{NotHeld, Reused};
        let origins = [Reused, Reused, NotHeld, NotHeld, Reused];
        let table = FrameTable { frames: origins.map(frame).into(), changed: Some(vec![3]) };
        let entries = ["a", "b", "c", "d", "e"].map(|path| entry(path, 512));
        let pieces = Pieces::new(&table, &entries);
        assert_eq!((pieces.made, pieces.reused), (2, 3));
        let runs = pieces.runs.iter().map(|run| (run.reason, run.frames, &*run.first, &*run.last));
        assert_eq!(
            runs.collect::<Vec<_>>(),
            [(0, 2, "a", "b"), (1, 1, "c", "c"), (2, 1, "d", "d"), (0, 1, "e", "e")]
        );
        let reasons =
            pieces.reasons.iter().map(|reason| (reason.why, reason.frames, reason.compressed));
        assert_eq!(
            reasons.collect::<Vec<_>>(),
            [
                (REUSED, 3, 30),
                (
                    "made: its entries are unchanged, but other entries stand next to them now",
                    1,
                    10
                ),
                ("made: an entry in it is new or changed", 1, 10),
            ]
        );
    }
}

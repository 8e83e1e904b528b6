//! The comparison of gzip members and zstd frames.
//!
//! Pure, like `compare`.

use std::collections::HashSet;

use super::entry::ComparedEntry;
use crate::archive::CompressedFrame;

/// How the frames of two layers differ.
pub(super) struct FrameDifference<'s> {
    /// How many each has.
    pub count: [usize; 2],
    /// How many of each the other does not have.
    pub only: [usize; 2],
    /// Whether both tars are cut at the same places.
    pub is_cut_alike: bool,
    pub first: FirstFrame<'s>,
}

/// The first frame that differs.
pub(super) struct FirstFrame<'s> {
    /// Whether it is one of the new layer.
    pub is_new: bool,
    /// From 1.
    pub number: usize,
    pub frame: CompressedFrame,
    /// The entry that it begins with or within.
    pub entry: Option<&'s [u8]>,
}

/// Compares the frames of two layers. `None` if they are the same.
pub(super) fn compare<'s>(
    frames: [&[CompressedFrame]; 2],
    entries: [&'s [ComparedEntry]; 2],
) -> Option<FrameDifference<'s>> {
    let keys = frames.map(|frames| frames.iter().map(key).collect::<Vec<_>>());
    if keys[0] == keys[1] {
        return None;
    }
    let sets = [0, 1].map(|side: usize| keys[side].iter().copied().collect::<HashSet<_>>());
    let only = [0, 1].map(|side: usize| {
        let is_only = |key: &&FrameKey| !sets[1 - side].contains(*key);
        keys[side].iter().filter(is_only).count()
    });
    // The first that only the new layer has; else the first that only the old one has; else the first out of order.
    let first_only = |side: usize| keys[side].iter().position(|key| !sets[1 - side].contains(key));
    let elsewhere = || keys[0].iter().zip(&keys[1]).position(|(old, new)| old != new);
    let (side, at) = match (first_only(1), first_only(0)) {
        (Some(at), _) => (1, at),
        (None, Some(at)) => (0, at),
        (None, None) if keys[1].len() > keys[0].len() => (1, elsewhere().unwrap_or(keys[0].len())),
        (None, None) => (0, elsewhere().unwrap_or(keys[1].len())),
    };
    let frame = frames[side][at];
    let begins_before = |entry: &ComparedEntry| match entry {
        ComparedEntry::Member(member) => member.offset <= frame.offset,
        ComparedEntry::Row(_) => false,
    };
    let entry = entries[side].partition_point(begins_before).checked_sub(1);
    let cuts = frames.map(|frames| frames.iter().map(|frame| frame.raw_len).collect::<Vec<_>>());
    Some(FrameDifference {
        count: frames.map(<[CompressedFrame]>::len),
        only,
        is_cut_alike: cuts[0] == cuts[1],
        first: FirstFrame {
            is_new: side == 1,
            number: at + 1,
            frame,
            entry: entry.map(|at| entries[side][at].path()),
        },
    })
}

/// What identifies a frame: its bytes.
type FrameKey = (u64, [u8; 32]);

fn key(frame: &CompressedFrame) -> FrameKey {
    (frame.len, frame.digest)
}

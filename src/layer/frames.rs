//! Frames: where the tar is cut.
//!
//! Knows the size and the name of each entry; must not know their contents, nor codecs. The constants here are part of
//! the format version.
//!
//! A frame begins before an entry whose name's hash is small, before and after each large entry, and at each
//! [`PART`] within one. Entries alone decide that, so that two layers are cut alike where they have the same consecutive
//! entries, whatever is before or after (docs/design.md, "Frames"). [`MOST`] limits the frames of a spec in which no
//! name begins one: it counts from the last cut.

use std::ops::Range;

use super::header::END;

/// From this size on, an entry is a frame of its own, or several. In bytes, header and padding included.
pub const LARGE: u64 = 256 << 10;
/// How much of a large entry is in a frame, in bytes.
pub const PART: u64 = 1 << 20;
/// The most that small entries make up in a frame, in bytes. Names chosen by chance reach it once in
/// 10 million frames.
pub const MOST: u64 = 8 << 20;
/// A frame begins before one of this many of the smallest entries.
const ENTRIES: u64 = 32;
/// A frame begins before an entry of N bytes in N of this many cases, if that is more often.
const SPACING: u64 = 512 << 10;

/// A part of the tar that is compressed on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFrame {
    /// The numbers of its entries. They are whole, unless there is a `part`.
    pub entries: Range<usize>,
    /// If it is a part of one large entry: the range of its bytes in that entry, header included.
    pub part: Option<Range<u64>>,
    /// Whether the end of the tar follows its entries.
    pub is_last: bool,
    /// In bytes, without the end of the tar.
    pub size: u64,
}

impl LayerFrame {
    /// In bytes, with the end of the tar if it is the last.
    pub(super) fn tar_size(&self) -> u64 {
        self.size + if self.is_last { END.len() as u64 } else { 0 }
    }
}

/// The name and size of an entry, which decide the cuts.
#[derive(Clone, Copy, Debug)]
pub struct EntrySize {
    /// The [`hash`] of its name.
    pub hash: u64,
    /// Its header, content and padding, in bytes.
    pub size: u64,
}

impl EntrySize {
    fn is_large(&self) -> bool {
        self.size >= LARGE
    }

    fn begins_frame(&self) -> bool {
        // The hash is below size/SPACING or 1/ENTRIES of its range.
        let threshold = (u64::MAX / SPACING * self.size.min(LARGE)).max(u64::MAX / ENTRIES);
        self.is_large() || self.hash < threshold
    }
}

/// The hash of a name: FNV-1a in 64 bits, then the finalizer of MurmurHash3, since the cuts look at the
/// highest bits.
pub fn hash(name: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in name {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

/// Cuts the tar of `entries`. There is always a frame; the last one holds the end of the tar.
pub fn cut(entries: impl Iterator<Item = EntrySize>) -> Vec<LayerFrame> {
    let mut frames = Vec::new();
    let mut open = LayerFrame { entries: 0..0, part: None, is_last: false, size: 0 };
    for (number, entry) in entries.enumerate() {
        if entry.begins_frame() || open.size.saturating_add(entry.size) > MOST {
            let next = LayerFrame { entries: number..number, part: None, is_last: false, size: 0 };
            let closed = std::mem::replace(&mut open, next);
            if !closed.entries.is_empty() {
                frames.push(closed);
            }
        }
        if entry.is_large() {
            for start in (0..entry.size).step_by(PART as usize) {
                let part = start..entry.size.min(start + PART);
                let size = part.end - part.start;
                frames.push(LayerFrame {
                    entries: number..number + 1,
                    part: Some(part),
                    is_last: false,
                    size,
                });
            }
            open.entries = number + 1..number + 1;
        } else {
            open.entries.end = number + 1;
            open.size += entry.size;
        }
    }
    open.is_last = true;
    frames.push(open);
    frames
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(sizes: &[(u32, u64)]) -> Vec<EntrySize> {
        sizes
            .iter()
            .map(|(name, size)| EntrySize { hash: hash(&name.to_le_bytes()), size: *size })
            .collect()
    }

    fn some_entries() -> impl Strategy<Value = Vec<EntrySize>> {
        let size = prop_oneof![20 => 1_u64..100, 5 => 1..600_u64, 1 => 1..8000_u64];
        prop::collection::vec((0..9999_u32, size.prop_map(|blocks| blocks * 512)), 0..200)
            .prop_map(|sizes| entries(&sizes))
    }

    #[test]
    fn the_hash_of_a_name_is_the_one_of_this_format_version() {
        assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
        assert_eq!(hash(b"usr/bin/python3"), 0x411a_a6f5_d20f_2d13);
    }

    #[test]
    fn a_layer_without_entries_is_one_frame() {
        let frame = LayerFrame { entries: 0..0, part: None, is_last: true, size: 0 };
        assert_eq!(cut([].into_iter()), [frame]);
    }

    #[test]
    fn small_entries_begin_a_frame_once_in_32() {
        let entries: Vec<_> = (0..100_000).map(|name| (name, 1024)).collect();
        let frames = cut(self::entries(&entries).into_iter()).len();
        assert!((2900..3350).contains(&frames), "{frames}");
    }

    proptest! {
        #[test]
        fn frames_are_the_entries_in_order(entries in some_entries()) {
            let frames = cut(entries.iter().copied());
            let mut at = (0, 0);
            for frame in &frames {
                prop_assert!(frame.size <= MOST);
                match &frame.part {
                    None => {
                        prop_assert_eq!(at, (frame.entries.start, 0));
                        at = (frame.entries.end, 0);
                        prop_assert_eq!(frame.size, entries[frame.entries.clone()].iter().map(|entry| entry.size).sum::<u64>());
                    }
                    Some(part) => {
                        prop_assert_eq!(at, (frame.entries.start, part.start));
                        prop_assert!(part.end - part.start <= PART);
                        prop_assert_eq!(part.end - part.start, frame.size);
                        at = if part.end == entries[frame.entries.start].size { (frame.entries.end, 0) } else { (at.0, part.end) };
                    }
                }
            }
            prop_assert_eq!(at, (entries.len(), 0));
            prop_assert_eq!(frames.iter().filter(|frame| frame.is_last).count(), 1);
        }

        #[test]
        fn one_changed_entry_moves_no_boundary_beyond_its_neighbours(
            before in some_entries(), after in some_entries(), old in 1..600_u64, new in 1..600_u64,
        ) {
            // Distances from the end, so that a changed size moves none after it.
            let starts = |size: u64| {
                let changed = EntrySize { hash: hash(b"changed"), size: size * 512 };
                let entries = || before.iter().copied().chain([changed]).chain(after.iter().copied());
                cut(entries()).iter().map(|frame| (frame.entries.start, frame.part.as_ref().map_or(0, |part| part.start)))
                    .filter(|start| start.0 != before.len() && start.0 != before.len() + 1)
                    .collect::<Vec<_>>()
            };
            prop_assert_eq!(starts(old), starts(new));
        }
    }
}

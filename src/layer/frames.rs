//! Frames: where the tar is cut.
//!
//! Knows the size and the name of each row of the tar; must not know what is in them, nor codecs. The
//! constants here are part of the format version.
//!
//! A frame begins before a row whose name's hash is small, before and behind each large row, and at each
//! [`PART`] within one. Rows alone decide that, so that two layers with the same rows in a row are cut
//! alike there, whatever is before or behind (docs/design.md, "Frames"). [`MOST`] is a rein on specs made such
//! that no name cuts: it counts from the last cut, and is forgotten at the next one.

use std::ops::Range;

use super::header::END;

/// From this size on a row is a frame of its own, or several. In bytes, header and padding included.
pub const LARGE: u64 = 256 << 10;
/// How much of a large row is in a frame, in bytes.
pub const PART: u64 = 1 << 20;
/// The most that small rows make up in a frame, in bytes. Names chosen by chance reach it once in
/// 10 million frames.
pub const MOST: u64 = 8 << 20;
/// A frame begins before one of this many of the smallest rows.
const ROWS: u64 = 32;
/// A frame begins before a row of N bytes in N of this many cases, if that is more often.
const SPACING: u64 = 512 << 10;

/// A stretch of the tar that is compressed on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFrame {
    /// The rows of which it holds bytes: all of each, unless `part` says which of the only one.
    pub rows: Range<usize>,
    /// Bytes of the row, header included.
    pub part: Option<Range<u64>>,
    /// Whether the end of the tar follows.
    pub is_last: bool,
    /// In bytes, without the end of the tar.
    pub size: u64,
}

impl LayerFrame {
    /// In bytes, with the end of the tar if that follows.
    pub(super) fn tar_size(&self) -> u64 {
        self.size + if self.is_last { END.len() as u64 } else { 0 }
    }
}

/// A row as the cuts see it.
#[derive(Clone, Copy, Debug)]
pub struct RowSize {
    /// Of its name, by [`hash`].
    pub hash: u64,
    /// Its header, content and padding, in bytes.
    pub size: u64,
}

impl RowSize {
    fn is_large(&self) -> bool {
        self.size >= LARGE
    }

    fn begins_frame(&self) -> bool {
        // The hash is below size/SPACING or 1/ROWS of its range.
        let threshold = (u64::MAX / SPACING * self.size.min(LARGE)).max(u64::MAX / ROWS);
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

/// Cuts the tar of `rows`. There is always a frame; the last one holds the end of the tar.
pub fn cut(rows: impl Iterator<Item = RowSize>) -> Vec<LayerFrame> {
    let mut frames = Vec::new();
    let mut open = LayerFrame { rows: 0..0, part: None, is_last: false, size: 0 };
    for (number, row) in rows.enumerate() {
        if row.begins_frame() || open.size.saturating_add(row.size) > MOST {
            let next = LayerFrame { rows: number..number, part: None, is_last: false, size: 0 };
            let closed = std::mem::replace(&mut open, next);
            if !closed.rows.is_empty() {
                frames.push(closed);
            }
        }
        if row.is_large() {
            for start in (0..row.size).step_by(PART as usize) {
                let part = start..row.size.min(start + PART);
                let size = part.end - part.start;
                frames.push(LayerFrame {
                    rows: number..number + 1,
                    part: Some(part),
                    is_last: false,
                    size,
                });
            }
            open.rows = number + 1..number + 1;
        } else {
            open.rows.end = number + 1;
            open.size += row.size;
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

    fn rows(sizes: &[(u32, u64)]) -> Vec<RowSize> {
        sizes
            .iter()
            .map(|(name, size)| RowSize { hash: hash(&name.to_le_bytes()), size: *size })
            .collect()
    }

    fn some_rows() -> impl Strategy<Value = Vec<RowSize>> {
        let size = prop_oneof![20 => 1_u64..100, 5 => 1..600_u64, 1 => 1..8000_u64];
        prop::collection::vec((0..9999_u32, size.prop_map(|blocks| blocks * 512)), 0..200)
            .prop_map(|sizes| rows(&sizes))
    }

    #[test]
    fn the_hash_of_a_name_is_the_one_of_this_format_version() {
        assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
        assert_eq!(hash(b"usr/bin/python3"), 0x411a_a6f5_d20f_2d13);
    }

    #[test]
    fn a_layer_without_rows_is_one_frame() {
        let frame = LayerFrame { rows: 0..0, part: None, is_last: true, size: 0 };
        assert_eq!(cut([].into_iter()), [frame]);
    }

    #[test]
    fn small_rows_begin_a_frame_once_in_32() {
        let rows: Vec<_> = (0..100_000).map(|name| (name, 1024)).collect();
        let frames = cut(self::rows(&rows).into_iter()).len();
        assert!((2900..3350).contains(&frames), "{frames}");
    }

    proptest! {
        #[test]
        fn frames_are_the_rows_in_order(rows in some_rows()) {
            let frames = cut(rows.iter().copied());
            let mut at = (0, 0);
            for frame in &frames {
                prop_assert!(frame.size <= MOST);
                match &frame.part {
                    None => {
                        prop_assert_eq!(at, (frame.rows.start, 0));
                        at = (frame.rows.end, 0);
                        prop_assert_eq!(frame.size, rows[frame.rows.clone()].iter().map(|row| row.size).sum::<u64>());
                    }
                    Some(part) => {
                        prop_assert_eq!(at, (frame.rows.start, part.start));
                        prop_assert!(part.end - part.start <= PART);
                        prop_assert_eq!(part.end - part.start, frame.size);
                        at = if part.end == rows[frame.rows.start].size { (frame.rows.end, 0) } else { (at.0, part.end) };
                    }
                }
            }
            prop_assert_eq!(at, (rows.len(), 0));
            prop_assert_eq!(frames.iter().filter(|frame| frame.is_last).count(), 1);
        }

        #[test]
        fn one_changed_row_moves_no_boundary_beyond_its_neighbours(
            before in some_rows(), after in some_rows(), old in 1..600_u64, new in 1..600_u64,
        ) {
            // Distances from the end, so that a changed size moves none behind it.
            let starts = |size: u64| {
                let changed = RowSize { hash: hash(b"changed"), size: size * 512 };
                let rows = || before.iter().copied().chain([changed]).chain(after.iter().copied());
                cut(rows()).iter().map(|frame| (frame.rows.start, frame.part.as_ref().map_or(0, |part| part.start)))
                    .filter(|start| start.0 != before.len() && start.0 != before.len() + 1)
                    .collect::<Vec<_>>()
            };
            prop_assert_eq!(starts(old), starts(new));
        }
    }
}

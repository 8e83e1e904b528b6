//! The table of a layer's frames: what is in each, and where it came from.
//!
//! Knows frames after they are cut; must not know how they are made.

use super::codec::Codec;
use super::entries::Entries;
use super::frames::LayerFrame;
use super::header;
use super::plan::Plan;

/// Where a frame came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameOrigin {
    /// It was written before, and is in an output that is held.
    Reused,
    /// It was made: no output that is held has it.
    NotHeld,
    /// It was made: an output that is held had it, but the frame or a content of it was not as before.
    Damaged,
    /// It was made: the identity of a content in it is unknown, or the process has no index of frames.
    Unknown,
}

/// A frame before it is compressed, which depends on entries and codec alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutFrame {
    /// How many entries have bytes in it.
    pub entries: usize,
    /// Whether it begins within an entry.
    pub begins_within: bool,
    /// Its size in the tar, in bytes, without the end of the tar.
    pub size: u64,
    /// A hash of the headers of its entries.
    pub headers: u64,
}

/// A frame that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFrame {
    /// What is in it.
    pub cut: CutFrame,
    /// Its size in the layer, in bytes.
    pub length: u64,
    /// Where it came from.
    pub origin: FrameOrigin,
}

/// The frames of a layer, and what changed since the last layer of the same output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameTable {
    /// In the order of the layer.
    pub frames: Vec<WrittenFrame>,
    /// The numbers of the entries that the last layer of the same output did not have, or had with another header or
    /// content. `None` if no such layer is held.
    pub changed: Option<Vec<u32>>,
}

/// The frames that the layer of `entries` has.
pub fn cut_frames(entries: &dyn Entries, codec: Codec) -> Vec<CutFrame> {
    Plan::new(entries, codec, None).frames.iter().map(|frame| cut_frame(entries, frame)).collect()
}

pub(super) fn cut_frame(entries: &dyn Entries, frame: &LayerFrame) -> CutFrame {
    let mut hasher = blake3::Hasher::new();
    let mut header = Vec::new();
    for entry in entries.range(frame.entries.clone()) {
        header.clear();
        header::write(&entry, &mut header);
        hasher.update(&header);
    }
    let first = *hasher.finalize().as_bytes().first_chunk().unwrap_or(&[0; 8]);
    CutFrame {
        entries: frame.entries.len(),
        begins_within: frame.part.as_ref().is_some_and(|part| part.start > 0),
        size: frame.size,
        headers: u64::from_le_bytes(first),
    }
}

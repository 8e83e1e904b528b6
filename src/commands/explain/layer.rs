//! Where a row is in the layer, in which frame, and where that frame came from.
//!
//! Knows entries, frames, and why frames are made; must not know how rows became entries.

use std::collections::HashMap;
use std::ops::Range;

use serde::Serialize;

use crate::capture::CutLayer;
use crate::commands::frames::entries_of;
use crate::display::{Escaped, escaped};
use crate::layer::{FrameOrigin, FrameTable, WrittenFrame};
use crate::path;

/// A layer that was recorded.
pub(super) struct RecordedLayer {
    layer: CutLayer,
    table: FrameTable,
    /// By escaped archive path: the entry.
    entries: HashMap<String, usize>,
    /// By entry: where it begins in the tar, in bytes.
    offsets: Vec<u64>,
    /// By frame: where it begins in the tar, in bytes.
    frame_offsets: Vec<u64>,
    /// By frame: the entries that have bytes in it.
    frame_entries: Vec<Range<usize>>,
}

/// Where a row is in the layer.
#[derive(Serialize)]
pub(in crate::commands) struct LayerPosition {
    /// In the uncompressed tar, in bytes.
    pub offset: u64,
    /// Header, content and padding, in bytes.
    pub size: u64,
    /// The number of its first frame, from 1.
    pub first_frame: usize,
    /// The number of its last frame.
    pub last_frame: usize,
    /// How many frames the layer has.
    pub frames: usize,
    /// `reused` or `made`; of several frames `made` if one was.
    pub origin: &'static str,
    /// Why it was reused or made.
    pub why: String,
}

impl RecordedLayer {
    /// `None` if the entries of the layer are not those of the table.
    pub(super) fn new(layer: CutLayer, table: FrameTable) -> Option<Self> {
        if !table.frames.iter().map(|frame| &frame.cut).eq(&layer.frames) {
            return None;
        }
        let entries = layer.entries.iter().enumerate();
        let entries = entries.map(|(number, entry)| (escaped(&path::normal(&entry.path)), number));
        Some(Self {
            entries: entries.collect(),
            offsets: offsets(layer.sizes.iter().copied()),
            frame_offsets: offsets(layer.frames.iter().map(|frame| frame.size)),
            frame_entries: entries_of(&layer.frames),
            layer,
            table,
        })
    }

    /// Where the row at an escaped archive path is.
    pub(super) fn position_of(&self, path: &str) -> Option<LayerPosition> {
        let entry = *self.entries.get(path)?;
        let (offset, size) = (self.offsets[entry], self.layer.sizes[entry]);
        let frame_at =
            |at: u64| self.frame_offsets.partition_point(|start| *start <= at).max(1) - 1;
        let (first, last) = (frame_at(offset), frame_at(offset + size - 1));
        let frames = &self.table.frames;
        let made = (first..=last).find(|number| frames[*number].origin != FrameOrigin::Reused);
        let why = match made {
            None => "an earlier layer has it with the same rows and contents".to_owned(),
            Some(number) => self.why(entry, number, &frames[number]),
        };
        Some(LayerPosition {
            offset,
            size,
            first_frame: first + 1,
            last_frame: last + 1,
            frames: frames.len(),
            origin: if made.is_some() { "made" } else { "reused" },
            why,
        })
    }

    /// Why a frame of an entry was made.
    fn why(&self, entry: usize, number: usize, frame: &WrittenFrame) -> String {
        match frame.origin {
            FrameOrigin::Damaged => {
                return "the earlier layer that has it was changed in place: its checksum differs"
                    .to_owned();
            }
            FrameOrigin::Unknown => return "no earlier layers are held".to_owned(),
            FrameOrigin::Reused | FrameOrigin::NotHeld => {}
        }
        let Some(changed) = &self.table.changed else {
            return "no earlier layer of this name is held".to_owned();
        };
        let is_changed = |entry: usize| changed.binary_search(&(entry as u32)).is_ok();
        if is_changed(entry) {
            return "its content or header changed".to_owned();
        }
        match self.frame_entries[number].clone().find(|entry| is_changed(*entry)) {
            Some(neighbour) => {
                let path = Escaped(&self.layer.entries[neighbour].path);
                format!("its content is the same, and that of its neighbour {path} changed")
            }
            None => "its content is the same, and other rows are its neighbours now".to_owned(),
        }
    }
}

/// The offset of each of consecutive pieces with these sizes.
fn offsets(sizes: impl Iterator<Item = u64>) -> Vec<u64> {
    let starts = sizes.scan(0, |next, size| {
        let start = *next;
        *next += size;
        Some(start)
    });
    starts.collect()
}

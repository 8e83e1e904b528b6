//! The plan of a layer: its frames, their keys, and what is to be done for each.
//!
//! Knows entries, cuts and what the index found; must not read a content nor compress.

use std::collections::HashMap;

use rayon::prelude::*;

use super::codec::Codec;
use super::descriptor::FORMAT_VERSION;
use super::entry::TarEntry;
use super::frames::{self, LayerFrame, RowSize};
use super::header::{self, END, padding};
use super::identity::ContentIdentity;
use super::index::{Index, Key, Lookup};

/// Fewer entries than this are not worth waking another thread for.
const WORTH_SHARING: usize = 512;

/// What is to be done for each frame of a layer.
pub(super) struct Plan {
    pub frames: Vec<LayerFrame>,
    pub keys: Vec<Option<Key>>,
    pub lookup: Lookup,
    /// By frame, whether its uncompressed bytes are wanted, for the sum or for a check.
    pub wants_raw: Vec<bool>,
    /// The entries whose content is spread over frames and checked as a whole while these pass by.
    pub checked: HashMap<usize, Spread>,
}

/// A content that is spread over frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    /// The size of the header before it, in bytes.
    pub header: u64,
    /// Its own, in bytes.
    pub size: u64,
}

impl Plan {
    /// Plans the layer of `entries`. Without an index, nothing is looked up and no key made.
    pub(super) fn new(entries: &[TarEntry], codec: Codec, index: Option<&Index>) -> Self {
        let row = |entry: &TarEntry| RowSize {
            hash: frames::hash(&entry.path),
            size: header_len(entry) + padded(entry),
        };
        let rows: Vec<_> = entries.par_iter().with_min_len(WORTH_SHARING).map(row).collect();
        let frames = frames::cut(rows.into_iter());
        let (mut keys, mut lookup) = (vec![None; frames.len()], Lookup::default());
        if let Some(index) = index {
            keys = frames.par_iter().map(|frame| key(entries, codec, frame)).collect();
            lookup = index.find(&keys);
        }
        lookup.frames.resize(frames.len(), None);
        // Sums begin behind the head. Without compression they are taken of the frames as they are.
        let head = lookup.head_len();
        let wants_raw = (0..frames.len()).map(|number| codec != Codec::None && number >= head);
        let mut plan =
            Self { wants_raw: wants_raw.collect(), frames, keys, lookup, checked: HashMap::new() };
        plan.check_spread(entries, codec);
        plan
    }

    /// How many bytes the tar has.
    pub(super) fn size(&self) -> u64 {
        self.frames.iter().map(|frame| frame.size).sum::<u64>() + END.len() as u64
    }

    /// Has each content checked as a whole of which a part is read anew: its other parts are then read
    /// as well.
    fn check_spread(&mut self, entries: &[TarEntry], codec: Codec) {
        for (frame, found) in self.frames.iter().zip(&self.lookup.frames) {
            let entry = frame.rows.start;
            if frame.part.is_none() || found.is_some() || self.checked.contains_key(&entry) {
                continue;
            }
            let identity = entries[entry].data().map(|content| content.identity);
            if let Some(ContentIdentity::Listed(_) | ContentIdentity::Hashed(_)) = identity {
                let spread =
                    Spread { header: header_len(&entries[entry]), size: entries[entry].size };
                self.checked.insert(entry, spread);
            }
        }
        for (frame, wants_raw) in self.frames.iter().zip(&mut self.wants_raw) {
            *wants_raw |= codec != Codec::None
                && frame.part.is_some()
                && self.checked.contains_key(&frame.rows.start);
        }
    }
}

/// The size of an entry's header, in bytes.
pub(super) fn header_len(entry: &TarEntry) -> u64 {
    let mut header = Vec::new();
    header::write(entry, &mut header);
    header.len() as u64
}

/// The size of an entry's content with what fills its last block, in bytes.
fn padded(entry: &TarEntry) -> u64 {
    entry.data_len() + padding(entry.data_len()) as u64
}

/// The key of a frame: the BLAKE3 of everything that its bytes depend on, each stretch with its length
/// or of a fixed one. `None` if nothing is known of a content in it.
fn key(entries: &[TarEntry], codec: Codec, frame: &LayerFrame) -> Option<Key> {
    let mut hash = blake3::Hasher::new_derive_key("mtree-worker layer frame");
    hash.update(&FORMAT_VERSION.to_le_bytes());
    hash.update(&codec.tag());
    hash.update(&[u8::from(frame.is_last)]);
    let part = frame.part.clone().unwrap_or(0..u64::MAX);
    hash.update(&part.start.to_le_bytes()).update(&part.end.to_le_bytes());
    let mut header = Vec::new();
    for entry in &entries[frame.rows.clone()] {
        header.clear();
        header::write(entry, &mut header);
        hash.update(&(header.len() as u64).to_le_bytes());
        hash.update(&header);
        if let Some(content) = entry.data() {
            hash.update(&entry.size.to_le_bytes());
            update_identity(&mut hash, &content.identity)?;
        }
    }
    Some(*hash.finalize().as_bytes())
}

pub(super) fn update_identity(hash: &mut blake3::Hasher, identity: &ContentIdentity) -> Option<()> {
    match identity {
        ContentIdentity::Unknown => return None,
        ContentIdentity::Listed(listed) => {
            let bytes = listed.as_bytes();
            hash.update(&[1, bytes.len() as u8]).update(bytes);
        }
        ContentIdentity::Stamp(stamp) => {
            hash.update(&[2]);
            for number in [stamp.device, stamp.inode, stamp.size] {
                hash.update(&number.to_le_bytes());
            }
            hash.update(&stamp.modified.to_le_bytes()).update(&stamp.changed.to_le_bytes());
        }
        ContentIdentity::Hashed(digest) => {
            hash.update(&[3]).update(digest);
        }
    }
    Some(())
}

//! The plan of a layer: its frames, their keys, and what is to be done for each.
//!
//! Knows entries, cuts, and what the index found; must not read a content nor compress.

use std::collections::HashMap;
use std::ops::Range;

use super::codec::Codec;
use super::descriptor::FORMAT_VERSION;
use super::entries::Entries;
use super::entry::{FileContent, TarEntry};
use super::frames::{self, LayerFrame, RowSize};
use super::header::{self, END, padding};
use super::identity::ContentIdentity;
use super::index::{Index, Key, Lookup};

/// So many bytes of frames, uncompressed, are reused together.
const RUN: u64 = 4 << 20;

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

/// What a plan needs of a row.
#[derive(Clone, Copy, Debug)]
pub struct PlannedRow {
    pub(super) size: RowSize,
    /// The BLAKE3 of its header and of what is known of its content. `None` if of that nothing is known.
    pub(super) digest: Option<[u8; 32]>,
}

impl PlannedRow {
    /// What a plan needs of `entry`. `header` is overwritten.
    pub fn new(entry: &TarEntry, header: &mut Vec<u8>) -> Self {
        header.clear();
        header::write(entry, header);
        let size = header.len() as u64 + entry.data_len() + padding(entry.data_len()) as u64;
        let mut hash = blake3::Hasher::new();
        hash.update(&(header.len() as u64).to_le_bytes()).update(header);
        let is_known = match entry.data() {
            Some(content) => {
                hash.update(&entry.size.to_le_bytes());
                update_identity(&mut hash, &content.identity)
            }
            None => true,
        };
        let digest = is_known.then(|| *hash.finalize().as_bytes());
        Self { size: RowSize { hash: frames::hash(&entry.path), size }, digest }
    }
}

impl Plan {
    /// Plans the layer of `entries`. Without an index, nothing is looked up and no key made.
    pub(super) fn new(entries: &dyn Entries, codec: Codec, index: Option<&Index>) -> Self {
        let rows = (0..entries.count()).map(|number| entries.planned(number).size);
        let frames = frames::cut(rows);
        let (mut keys, mut lookup) = (vec![None; frames.len()], Lookup::default());
        if let Some(index) = index {
            keys = frames.iter().map(|frame| key(entries, codec, frame)).collect();
            lookup = index.find(&keys);
        }
        lookup.frames.resize(frames.len(), None);
        // Sums begin behind the head. Without compression they are taken of the frames as they are.
        let head = lookup.head_len();
        let wants_raw = (0..frames.len()).map(|number| codec != Codec::None && number >= head);
        let wants_raw = wants_raw.collect();
        let mut plan = Self { wants_raw, frames, keys, lookup, checked: HashMap::new() };
        plan.check_spread(entries, codec);
        plan
    }

    /// The frames in runs that one thread makes together: frames that are reused as they are take less time than
    /// another thread to wake. Every other frame is a run of its own.
    pub(super) fn runs(&self) -> Vec<Range<usize>> {
        let mut runs = Vec::<Range<usize>>::new();
        let mut size = 0;
        for (number, frame) in self.frames.iter().enumerate() {
            let is_copied = self.lookup.frames[number].is_some() && !self.wants_raw[number];
            size += frame.size;
            match runs.last_mut() {
                Some(run) if is_copied && size <= RUN => run.end = number + 1,
                _ => {
                    runs.push(number..number + 1);
                    // What follows a frame that is made begins another run.
                    size = if is_copied { frame.size } else { RUN };
                }
            }
        }
        runs
    }

    /// How many bytes the tar has.
    pub(super) fn size(&self) -> u64 {
        self.frames.iter().map(|frame| frame.size).sum::<u64>() + END.len() as u64
    }

    /// Notes each content of which a part is read again: it is checked as a whole, so its other parts are read as well.
    fn check_spread(&mut self, entries: &dyn Entries, codec: Codec) {
        for (frame, found) in self.frames.iter().zip(&self.lookup.frames) {
            let number = frame.rows.start;
            if frame.part.is_none() || found.is_some() || self.checked.contains_key(&number) {
                continue;
            }
            let entry = entries.entry(number);
            if entry.data().is_some_and(FileContent::is_known_by_bytes) {
                let spread = Spread { header: header_len(&entry), size: entry.size };
                self.checked.insert(number, spread);
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
fn header_len(entry: &TarEntry) -> u64 {
    let mut header = Vec::new();
    header::write(entry, &mut header);
    header.len() as u64
}

/// The key of a frame: the BLAKE3 of everything that its bytes depend on, each of a fixed length. `None` if nothing is
/// known of a content in it.
fn key(entries: &dyn Entries, codec: Codec, frame: &LayerFrame) -> Option<Key> {
    let mut hash = blake3::Hasher::new_derive_key("mtree-worker layer frame");
    hash.update(&FORMAT_VERSION.to_le_bytes());
    hash.update(&codec.tag());
    hash.update(&[u8::from(frame.is_last)]);
    let part = frame.part.clone().unwrap_or(0..u64::MAX);
    hash.update(&part.start.to_le_bytes()).update(&part.end.to_le_bytes());
    for row in frame.rows.clone() {
        hash.update(&entries.planned(row).digest?);
    }
    Some(*hash.finalize().as_bytes())
}

/// Adds what is known of a content. Whether anything is.
fn update_identity(hash: &mut blake3::Hasher, identity: &ContentIdentity) -> bool {
    match identity {
        ContentIdentity::Unknown => return false,
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
    true
}

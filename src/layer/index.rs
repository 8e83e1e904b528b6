//! The index of frames: the outputs that are held open, and the compressed frames in them.
//!
//! Knows keys and files that are held open; must not know what a key is made of, nor tar. Memory holds
//! the index alone: the frames stay in the outputs that they were written to. Requests that run at the
//! same time share it.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::Sha256;
use twox_hash::XxHash3_128;

use super::history::EntryHistory;

/// The key of a frame: a BLAKE3 of everything that its bytes depend on.
pub(super) type Key = [u8; 32];

/// The most outputs that are held, whatever their sizes: each takes a file descriptor.
pub const MOST_OUTPUTS: usize = 64;

/// A frame in an output that is held.
#[derive(Clone)]
pub struct HeldFrame {
    /// `None` if a content in it has no identity: it is never found.
    pub key: Option<Key>,
    /// Its offset in the output, in bytes.
    pub offset: u64,
    /// Its compressed size, in bytes.
    pub length: usize,
    /// The CRC-32 of its uncompressed bytes, if the codec needs it.
    pub crc: u32,
    /// The checksum of its compressed bytes.
    pub checksum: Checksum,
    /// The checksum of its uncompressed bytes, if a content in it is identified by a digest.
    pub raw_checksum: Option<Checksum>,
    /// The SHA-256 states after this frame.
    pub after: Hashers,
}

/// An XXH3 of 128 bits. It detects accidental changes, not deliberate ones.
pub(super) type Checksum = u128;

/// The checksum of `bytes`.
pub fn checksum(bytes: &[u8]) -> u128 {
    XxHash3_128::oneshot(bytes)
}

/// The SHA-256 states of the uncompressed and of the compressed stream, after a frame.
#[derive(Clone, Default)]
pub struct Hashers {
    pub raw: Sha256,
    pub blob: Sha256,
}

/// An output that is held open.
pub struct Output {
    name: Box<[u8]>,
    file: File,
    frames: Vec<HeldFrame>,
    history: Option<Arc<EntryHistory>>,
}

impl Output {
    /// Reads `frame` into `bytes`, which has its length. Returns whether it is the frame that was written: the output may
    /// have been changed or truncated since.
    pub fn read(&self, frame: &HeldFrame, bytes: &mut [u8]) -> bool {
        self.file.read_exact_at(bytes, frame.offset).is_ok() && checksum(bytes) == frame.checksum
    }

    /// Its size on the disk, in bytes.
    fn size(&self) -> u64 {
        self.frames.last().map_or(0, |last| last.offset + last.length as u64)
    }
}

/// A frame that was found.
#[derive(Clone)]
pub struct FoundFrame {
    pub output: Arc<Output>,
    number: usize,
}

impl FoundFrame {
    /// The frame in the output.
    pub fn held(&self) -> &HeldFrame {
        &self.output.frames[self.number]
    }
}

/// The frames of a layer that an index has.
#[derive(Default)]
pub struct Lookup {
    /// By frame.
    pub frames: Vec<Option<FoundFrame>>,
    /// The output that begins with the most of the layer's first frames, and how many these are.
    pub head: Option<(Arc<Output>, usize)>,
}

impl Lookup {
    /// How many frames the head has.
    pub fn head_len(&self) -> usize {
        self.head.as_ref().map_or(0, |(_, length)| *length)
    }

    /// The frames of the head.
    pub fn head_frames(&self) -> &[HeldFrame] {
        self.head.as_ref().map_or(&[], |(output, length)| &output.frames[..*length])
    }
}

/// The outputs that a process holds open, and the frames in them.
pub struct Index {
    /// The most bytes that the outputs have on the disk, together.
    limit: u64,
    state: Mutex<IndexState>,
}

#[derive(Default)]
struct IndexState {
    /// Counts the uses of outputs, to find the least recently used one.
    clock: u64,
    /// The id of the next output.
    next: u64,
    /// By id.
    outputs: HashMap<u64, HeldOutput>,
    /// The id of the output, and the number of the frame in it.
    frames: HashMap<Key, (u64, usize)>,
}

/// An output, and its use.
struct HeldOutput {
    output: Arc<Output>,
    /// The clock at its last use.
    used: u64,
    /// How many keys of `frames` map to it.
    wanted: usize,
}

impl Index {
    /// An empty index that holds outputs of at most `limit` bytes together.
    pub fn new(limit: u64) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// Looks up the frames of a layer. The frames that are found stay readable until the `Lookup` is dropped.
    pub fn find(&self, keys: &[Option<Key>]) -> Lookup {
        let mut state = self.lock();
        state.clock += 1;
        let IndexState { clock, outputs, frames, .. } = &mut *state;
        let mut lookup = Lookup { frames: Vec::with_capacity(keys.len()), head: None };
        for key in keys {
            let place = key.as_ref().and_then(|key| frames.get(key));
            lookup.frames.push(place.and_then(|&(id, number)| {
                let held = outputs.get_mut(&id)?;
                held.used = *clock;
                Some(FoundFrame { output: Arc::clone(&held.output), number })
            }));
        }
        for held in outputs.values() {
            let same = held.output.frames.iter().zip(keys);
            let length =
                same.take_while(|(frame, key)| frame.key.is_some() && frame.key == **key).count();
            if length > lookup.head_len() {
                lookup.head = Some((Arc::clone(&held.output), length));
            }
        }
        lookup
    }

    /// Holds the output `name`, which is in its place and has `frames`. `file` may be read.
    ///
    /// An earlier output of that name is closed, as are outputs of which no key maps to a frame any more and,
    /// at the limits, the least recently used ones.
    ///
    /// `history` is for [`Index::history`].
    pub fn hold(
        &self,
        name: &[u8],
        file: File,
        frames: Vec<HeldFrame>,
        history: Option<EntryHistory>,
    ) {
        let mut closed = Vec::new();
        let mut state = self.lock();
        let replaced: Vec<_> = state.ids(|held| *held.output.name == *name);
        let output = Output { name: name.into(), file, frames, history: history.map(Arc::new) };
        let size = output.size();
        if size <= self.limit && output.frames.iter().any(|frame| frame.key.is_some()) {
            state.insert(output);
        }
        closed.extend(replaced.into_iter().filter_map(|id| state.close(id)));
        let unwanted = state.ids(|held| held.wanted == 0);
        closed.extend(unwanted.into_iter().filter_map(|id| state.close(id)));
        while state.outputs.len() > MOST_OUTPUTS || state.size() > self.limit {
            let Some((&oldest, _)) = state.outputs.iter().min_by_key(|(_, held)| held.used) else {
                break;
            };
            closed.extend(state.close(oldest));
        }
        drop(state);
        // The kernel may free all pages of a file here: without the lock, no other request waits for that.
        drop(closed);
    }

    /// The entries of the output `name`, if it is held and they are known.
    pub fn history(&self, name: &[u8]) -> Option<Arc<EntryHistory>> {
        let state = self.lock();
        let held = state.outputs.values().find(|held| *held.output.name == *name)?;
        held.output.history.clone()
    }

    /// How many outputs are held, and how many bytes they have on the disk.
    pub fn held(&self) -> (usize, u64) {
        let state = self.lock();
        (state.outputs.len(), state.size())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, IndexState> {
        // Every change is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IndexState {
    fn ids(&self, matches: impl Fn(&HeldOutput) -> bool) -> Vec<u64> {
        self.outputs.iter().filter(|(_, held)| matches(held)).map(|(&id, _)| id).collect()
    }

    fn size(&self) -> u64 {
        self.outputs.values().map(|held| held.output.size()).sum()
    }

    fn insert(&mut self, output: Output) {
        let id = self.next;
        self.next += 1;
        self.clock += 1;
        let mut wanted = 0;
        for (number, frame) in output.frames.iter().enumerate() {
            let Some(key) = frame.key else { continue };
            match self.frames.insert(key, (id, number)) {
                // The layer has the same frame twice.
                Some((earlier, _)) if earlier == id => {}
                earlier => {
                    wanted += 1;
                    if let Some(held) =
                        earlier.and_then(|(earlier, _)| self.outputs.get_mut(&earlier))
                    {
                        held.wanted -= 1;
                    }
                }
            }
        }
        let held = HeldOutput { output: Arc::new(output), used: self.clock, wanted };
        self.outputs.insert(id, held);
    }

    /// Removes an output, and returns it: its file is closed when that is dropped.
    fn close(&mut self, id: u64) -> Option<Arc<Output>> {
        let held = self.outputs.remove(&id)?;
        for key in held.output.frames.iter().filter_map(|frame| frame.key.as_ref()) {
            if self.frames.get(key).is_some_and(|&(holder, _)| holder == id) {
                self.frames.remove(key);
            }
        }
        Some(held.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(keys: &[u8]) -> Vec<HeldFrame> {
        let frame = |(number, &key): (usize, &u8)| HeldFrame {
            key: Some([key; 32]),
            offset: number as u64,
            length: 1,
            crc: 0,
            checksum: checksum(&[key]),
            raw_checksum: None,
            after: Hashers::default(),
        };
        keys.iter().enumerate().map(frame).collect()
    }

    fn hold(index: &Index, name: &str, keys: &[u8]) {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(keys, 0).unwrap();
        index.hold(name.as_bytes(), file, frames(keys), None);
    }

    fn keys(keys: &[u8]) -> Vec<Option<Key>> {
        keys.iter().map(|&key| Some([key; 32])).collect()
    }

    #[test]
    fn frames_are_found_by_their_keys_and_the_longest_head_by_their_order() {
        let index = Index::new(100);
        hold(&index, "a", b"12345");
        hold(&index, "b", b"1267");
        let lookup = index.find(&keys(b"1239"));
        assert!(lookup.frames[..3].iter().all(Option::is_some));
        assert!(lookup.frames[3].is_none());
        assert_eq!(lookup.head_len(), 3);
        let found = lookup.frames[2].as_ref().unwrap();
        let mut bytes = [0];
        assert!(found.output.read(found.held(), &mut bytes));
        assert_eq!(&bytes, b"3");
    }

    #[test]
    fn a_frame_whose_bytes_were_changed_is_not_read() {
        let index = Index::new(100);
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"12", 0).unwrap();
        index.hold(b"a", file.try_clone().unwrap(), frames(b"12"), None);
        let lookup = index.find(&keys(b"12"));
        let reads = |number: usize| {
            let found = lookup.frames[number].as_ref().unwrap();
            found.output.read(found.held(), &mut [0])
        };
        file.write_all_at(b"9", 0).unwrap();
        assert!(!reads(0));
        assert!(reads(1));
        file.set_len(1).unwrap();
        assert!(!reads(1));
    }

    #[test]
    fn an_output_is_closed_when_another_takes_its_name_or_all_of_its_frames() {
        let index = Index::new(100);
        hold(&index, "a", b"12");
        hold(&index, "a", b"13");
        assert_eq!(index.held(), (1, 2));
        hold(&index, "b", b"1345");
        assert_eq!(index.held(), (1, 4));
        hold(&index, "b", b"9");
        assert_eq!(index.held(), (1, 1));
    }

    #[test]
    fn the_outputs_that_were_not_used_for_longest_are_closed_at_the_limits() {
        let index = Index::new(5);
        hold(&index, "a", b"12");
        hold(&index, "b", b"34");
        index.find(&keys(b"1"));
        hold(&index, "c", b"56");
        assert_eq!(index.held(), (2, 4));
        assert!(index.find(&keys(b"1")).frames[0].is_some());
        assert!(index.find(&keys(b"3")).frames[0].is_none());
        hold(&index, "d", b"abcdef");
        assert_eq!(index.held(), (2, 4));
        for key in 0..=100 {
            hold(&Index::new(0), "e", &[key]);
        }
        let index = Index::new(1000);
        for key in 0..=100 {
            hold(&index, &key.to_string(), &[key]);
        }
        assert_eq!(index.held(), (MOST_OUTPUTS, MOST_OUTPUTS as u64));
    }
}

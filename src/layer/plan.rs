//! The plan of a layer: its frames, their keys, and what each of them needs.
//!
//! Knows entries, cuts, and the frames that the index has; must not read a content nor compress.

use std::collections::HashMap;
use std::ops::Range;

use super::codec::Codec;
use super::descriptor::FORMAT_VERSION;
use super::entries::Entries;
use super::entry::{FileContent, LinkText, TarEntry};
use super::frames::{self, EntrySize, LayerFrame};
use super::header::{self, END, padding};
use super::identity::{ContentIdentity, FileStamp};
use super::index::{Index, Key, Lookup};

/// The size of a run of frames that are copied, in uncompressed bytes.
const COPIED_RUN: u64 = 4 << 20;
/// The size of a run of frames that are copied, and whose contents are read to hash the uncompressed tar.
const READ_RUN: u64 = 1 << 20;

/// What each frame of a layer needs.
pub(super) struct Plan {
    pub frames: Vec<LayerFrame>,
    pub keys: Vec<Option<Key>>,
    pub lookup: Lookup,
    /// By frame, whether its uncompressed bytes are needed, to be hashed or checked.
    pub wants_raw: Vec<bool>,
    /// By number of an entry, its content that is spread over frames and checked as a whole.
    pub checked: HashMap<usize, Spread>,
}

/// A content that is spread over frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    /// The size of the header before it, in bytes.
    pub header: u64,
    /// Its own size, in bytes.
    pub size: u64,
}

/// What a plan needs of an entry.
#[derive(Clone, Copy, Debug)]
pub struct PlannedEntry {
    pub(super) size: EntrySize,
    /// The BLAKE3 of everything that its header depends on, and of the identity of its content. `None` if it has a content
    /// without one.
    pub(super) digest: Option<[u8; 32]>,
}

impl PlannedEntry {
    /// What a plan needs of `entry`. `text` is overwritten.
    pub fn new(entry: &TarEntry, text: &mut Vec<u8>) -> Self {
        let size = header::len(entry) + entry.data_len() + padding(entry.data_len()) as u64;
        text.clear();
        push_fields(text, entry);
        let is_known = entry.data().is_none_or(|content| push_identity(text, &content.identity));
        let digest = is_known.then(|| *blake3::hash(text).as_bytes());
        Self { size: EntrySize { hash: frames::hash(&entry.path), size }, digest }
    }
}

impl Plan {
    /// Plans the layer of `entries`. Without an index, no frame has a key.
    pub(super) fn new(entries: &dyn Entries, codec: Codec, index: Option<&Index>) -> Self {
        let sizes = (0..entries.count()).map(|number| entries.planned(number).size);
        let frames = frames::cut(sizes);
        let (mut keys, mut lookup) = (vec![None; frames.len()], Lookup::default());
        if let Some(index) = index {
            keys = frames.iter().map(|frame| key(entries, codec, frame)).collect();
            lookup = index.find(&keys);
        }
        lookup.frames.resize(frames.len(), None);
        // The hashers after the head are known. Without compression, the writer hashes the only stream.
        let head = lookup.head_len();
        let wants_raw = (0..frames.len()).map(|number| codec != Codec::None && number >= head);
        let wants_raw = wants_raw.collect();
        let mut plan = Self { wants_raw, frames, keys, lookup, checked: HashMap::new() };
        plan.check_spread(entries, codec);
        plan
    }

    /// The frames in runs, each of which one thread makes: to reuse a frame takes less time than to wake a thread. A frame
    /// that is not reused is a run of its own.
    pub(super) fn runs(&self) -> Vec<Range<usize>> {
        let mut runs = Vec::<Range<usize>>::new();
        let mut left = 0;
        for (number, frame) in self.frames.iter().enumerate() {
            let limit = match (&self.lookup.frames[number], self.wants_raw[number]) {
                (None, _) => 0,
                (Some(_), false) => COPIED_RUN,
                (Some(_), true) => READ_RUN,
            };
            match runs.last_mut() {
                Some(run) if frame.size <= left.min(limit) => run.end = number + 1,
                _ => {
                    runs.push(number..number + 1);
                    left = limit;
                }
            }
            left = left.saturating_sub(frame.size);
        }
        runs
    }

    /// The size of the tar, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.frames.iter().map(|frame| frame.size).sum::<u64>() + END.len() as u64
    }

    /// Adds each content of which a part is not reused to `checked`: it is checked as a whole, so its other parts are read as
    /// well.
    fn check_spread(&mut self, entries: &dyn Entries, codec: Codec) {
        for (frame, found) in self.frames.iter().zip(&self.lookup.frames) {
            let number = frame.entries.start;
            if frame.part.is_none() || found.is_some() || self.checked.contains_key(&number) {
                continue;
            }
            let entry = entries.entry(number);
            if entry.data().is_some_and(FileContent::is_known_by_bytes) {
                let spread = Spread { header: header::len(&entry), size: entry.size };
                self.checked.insert(number, spread);
            }
        }
        for (frame, wants_raw) in self.frames.iter().zip(&mut self.wants_raw) {
            *wants_raw |= codec != Codec::None
                && frame.part.is_some()
                && self.checked.contains_key(&frame.entries.start);
        }
    }
}

/// The key of a frame: the BLAKE3 of everything that its bytes depend on, each of a fixed length. `None` if a content in
/// it has no identity.
fn key(entries: &dyn Entries, codec: Codec, frame: &LayerFrame) -> Option<Key> {
    let mut hasher = blake3::Hasher::new_derive_key("mtree-worker layer frame");
    hasher.update(&FORMAT_VERSION.to_le_bytes());
    hasher.update(&codec.tag());
    hasher.update(&[u8::from(frame.is_last)]);
    let part = frame.part.clone().unwrap_or(0..u64::MAX);
    hasher.update(&part.start.to_le_bytes()).update(&part.end.to_le_bytes());
    for entry in frame.entries.clone() {
        hasher.update(&entries.planned(entry).digest?);
    }
    Some(*hasher.finalize().as_bytes())
}

/// Appends everything that the header of `entry` depends on, and whether a content follows. Entries that differ in it
/// append different bytes: each field has a length, fixed or before it. These bytes are a quarter of the header's, most of
/// which are zeros.
fn push_fields(to: &mut Vec<u8>, entry: &TarEntry) {
    let TarEntry {
        path,
        kind,
        mode,
        uid,
        gid,
        uname,
        gname,
        time,
        device,
        flags,
        link,
        size,
        content: _,
    } = entry;
    let (link_kind, link) = match link {
        None => (0, None),
        Some(LinkText::Symlink(text)) => (1, Some(text)),
        Some(LinkText::Hard(text)) => (2, Some(text)),
    };
    to.extend_from_slice(&[*kind as u8, link_kind, u8::from(entry.data().is_some())]);
    for number in [*mode, device.major, device.minor, time.nanoseconds] {
        to.extend_from_slice(&number.to_le_bytes());
    }
    for number in [*uid, *gid, time.seconds, size.cast_signed()] {
        to.extend_from_slice(&number.to_le_bytes());
    }
    let link = link.map(|text| &**text);
    for text in [Some(&**path), link, uname.as_deref(), gname.as_deref(), flags.as_deref()] {
        // No text is `u64::MAX` bytes long.
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        to.extend_from_slice(&length.to_le_bytes());
        to.extend_from_slice(text.unwrap_or_default());
    }
}

/// Appends the identity of a content. Returns whether it has one.
fn push_identity(to: &mut Vec<u8>, identity: &ContentIdentity) -> bool {
    match identity {
        ContentIdentity::Unknown => return false,
        ContentIdentity::Listed(listed) => {
            let bytes = listed.as_bytes();
            to.extend_from_slice(&[1, bytes.len() as u8]);
            to.extend_from_slice(bytes);
        }
        ContentIdentity::Stamp(stamp) => {
            let FileStamp { device, inode, size, modified, changed } = stamp;
            to.push(2);
            for number in [device, inode, size] {
                to.extend_from_slice(&number.to_le_bytes());
            }
            for time in [modified, changed] {
                to.extend_from_slice(&time.to_le_bytes());
            }
        }
        ContentIdentity::Hashed(digest) => {
            to.push(3);
            to.extend_from_slice(digest);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::entry::{Device, EntryKind, Time};
    use crate::layer::identity::Listed;

    fn entry() -> TarEntry {
        TarEntry {
            path: b"./ab"[..].into(),
            kind: EntryKind::File,
            mode: 0o644,
            uid: 1,
            gid: 2,
            uname: Some(b"u"[..].into()),
            gname: None,
            time: Time { seconds: 3, nanoseconds: 4 },
            device: Device::default(),
            flags: None,
            link: Some(LinkText::Symlink(b"c"[..].into())),
            size: 5,
            content: Some(FileContent {
                source: b"s"[..].into(),
                identity: ContentIdentity::Listed(Listed::Short([6; 20])),
            }),
        }
    }

    #[test]
    fn every_change_of_an_entry_but_of_its_source_changes_its_digest() {
        let stamp = FileStamp { device: 1, inode: 2, size: 3, modified: 4, changed: 5 };
        let identities = [
            ContentIdentity::Listed(Listed::Short([7; 20])),
            ContentIdentity::Listed(Listed::Long([6; 32])),
            ContentIdentity::Hashed([6; 32]),
            ContentIdentity::Stamp(stamp),
            ContentIdentity::Stamp(FileStamp { device: 2, inode: 1, ..stamp }),
            ContentIdentity::Stamp(FileStamp { modified: 5, changed: 4, ..stamp }),
            ContentIdentity::Stamp(FileStamp { size: 4, ..stamp }),
        ];
        let mut entries = vec![
            entry(),
            TarEntry { path: b"./abc"[..].into(), ..entry() },
            TarEntry {
                path: b"./a"[..].into(),
                link: Some(LinkText::Symlink(b"bc"[..].into())),
                ..entry()
            },
            TarEntry { kind: EntryKind::Fifo, ..entry() },
            TarEntry { kind: EntryKind::Block, ..entry() },
            TarEntry { kind: EntryKind::Block, device: Device { major: 1, minor: 0 }, ..entry() },
            TarEntry { kind: EntryKind::Block, device: Device { major: 0, minor: 1 }, ..entry() },
            TarEntry { mode: 0o755, ..entry() },
            TarEntry { uid: 2, gid: 1, ..entry() },
            TarEntry { uid: -1, ..entry() },
            TarEntry { uname: None, gname: Some(b"u"[..].into()), ..entry() },
            TarEntry { uname: None, ..entry() },
            TarEntry { uname: Some(b""[..].into()), ..entry() },
            TarEntry { flags: Some(b"u"[..].into()), ..entry() },
            TarEntry { time: Time { seconds: 4, nanoseconds: 3 }, ..entry() },
            TarEntry { link: None, ..entry() },
            TarEntry { link: Some(LinkText::Hard(b"c"[..].into())), ..entry() },
            TarEntry { size: 6, ..entry() },
            TarEntry { content: None, ..entry() },
        ];
        entries.extend(identities.map(|identity| {
            let content = Some(FileContent { source: b"s"[..].into(), identity });
            TarEntry { content, ..entry() }
        }));
        let digest = |entry: &TarEntry| PlannedEntry::new(entry, &mut vec![9; 9]).digest.unwrap();
        let digests: std::collections::HashSet<_> = entries.iter().map(digest).collect();
        assert_eq!(digests.len(), entries.len());
        let mut moved = entry();
        moved.content.as_mut().unwrap().source = b"t"[..].into();
        assert_eq!(digest(&moved), digest(&entry()));
        moved.content.as_mut().unwrap().identity = ContentIdentity::Unknown;
        assert_eq!(PlannedEntry::new(&moved, &mut Vec::new()).digest, None);
    }
}

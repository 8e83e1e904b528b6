//! What a capture holds of a layer: sources, hashes and frames.
//!
//! Knows how each is encoded; nothing that is decoded is trusted.

use std::io;

use super::proto::{FrameFact, HashFact, IdentityKind, RecordedOrigin, SourceFact};
use crate::layer::rows::OnDisk;
use crate::layer::{
    ContentIdentity, CutFrame, FileStamp, FrameOrigin, FrameTable, Listed, Time, WrittenFrame,
};
use crate::request::SourceState;

pub(crate) use super::proto::LayerFacts;

/// The error number of an error that has none.
const EIO: i32 = 5;

impl SourceFact {
    /// The fact that the disk answered so.
    pub(crate) fn new(answer: &io::Result<SourceState>) -> Self {
        let SourceState { is_file, on_disk, identity } = match answer {
            Ok(state) => state,
            Err(error) => return Self { error: number(error), ..Self::default() },
        };
        let (kind, identity) = match identity {
            ContentIdentity::Unknown => (IdentityKind::NoIdentity, Vec::new()),
            ContentIdentity::Listed(listed) => (IdentityKind::Listed, listed.as_bytes().to_vec()),
            ContentIdentity::Stamp(_) => (IdentityKind::Stamp, Vec::new()),
            ContentIdentity::Hashed(hash) => (IdentityKind::Hashed, hash.to_vec()),
        };
        let OnDisk { uid, gid, mode, time, links, stamp } = *on_disk;
        let (changed, changed_nanoseconds) = parts(stamp.changed);
        Self {
            error: 0,
            is_file: *is_file,
            size: stamp.size,
            mode,
            uid,
            gid,
            links,
            device: stamp.device,
            inode: stamp.inode,
            modified: time.seconds,
            modified_nanoseconds: time.nanoseconds,
            changed,
            changed_nanoseconds,
            kind: kind.into(),
            identity,
        }
    }

    /// What the disk answered. `None` if no disk answers so.
    pub(crate) fn answer(&self) -> Option<io::Result<SourceState>> {
        if self.error != 0 {
            return Some(Err(io::Error::from_raw_os_error(self.error.try_into().ok()?)));
        }
        let stamp = FileStamp {
            device: self.device,
            inode: self.inode,
            size: self.size,
            modified: joined(self.modified, self.modified_nanoseconds),
            changed: joined(self.changed, self.changed_nanoseconds),
        };
        let identity = match (self.kind(), self.identity.len()) {
            (IdentityKind::NoIdentity, 0) => ContentIdentity::Unknown,
            (IdentityKind::Stamp, 0) => ContentIdentity::Stamp(stamp),
            (IdentityKind::Hashed, 32) => ContentIdentity::Hashed(*self.identity.first_chunk()?),
            (IdentityKind::Listed, 32) => {
                ContentIdentity::Listed(Listed::Long(*self.identity.first_chunk()?))
            }
            (IdentityKind::Listed, 20) => {
                ContentIdentity::Listed(Listed::Short(*self.identity.first_chunk()?))
            }
            _ => return None,
        };
        let time = Time {
            seconds: self.modified,
            nanoseconds: self.modified_nanoseconds.min(999_999_999),
        };
        let Self { uid, gid, mode, links, .. } = *self;
        let on_disk = OnDisk { uid, gid, mode: mode & 0o7777, time, links, stamp };
        Some(Ok(SourceState { is_file: self.is_file, on_disk, identity }))
    }
}

impl HashFact {
    /// The fact that the disk answered so.
    pub(crate) fn new(answer: &io::Result<[u8; 32]>) -> Self {
        match answer {
            Ok(hash) => Self { error: 0, hash: hash.to_vec() },
            Err(error) => Self { error: number(error), hash: Vec::new() },
        }
    }

    /// What the disk answered. `None` if no disk answers so.
    pub(crate) fn answer(&self) -> Option<io::Result<[u8; 32]>> {
        match (self.error, self.hash.len()) {
            (0, 32) => Some(Ok(*self.hash.first_chunk()?)),
            (0, _) => None,
            (error, _) => Some(Err(io::Error::from_raw_os_error(error.try_into().ok()?))),
        }
    }
}

impl LayerFacts {
    /// Records the frames of the layer that was written.
    pub(crate) fn add_table(&mut self, table: FrameTable) {
        let frames =
            table.frames.into_iter().map(|WrittenFrame { cut, length, origin }| FrameFact {
                rows: cut.entries as u32,
                begins_within: cut.begins_within,
                size: cut.size,
                length,
                headers: cut.headers,
                origin: match origin {
                    FrameOrigin::Reused => RecordedOrigin::Reused,
                    FrameOrigin::NotHeld => RecordedOrigin::NotHeld,
                    FrameOrigin::Damaged => RecordedOrigin::Damaged,
                    FrameOrigin::Unknown => RecordedOrigin::UnknownContent,
                }
                .into(),
            });
        self.frames = frames.collect();
        self.had_earlier = table.changed.is_some();
        let mut last = 0;
        for entry in table.changed.unwrap_or_default() {
            self.changed_entries.push(entry - last);
            last = entry;
        }
    }

    /// The frames of the layer that was written.
    pub(crate) fn table(&self) -> FrameTable {
        let frames = self.frames.iter().map(|frame| WrittenFrame {
            cut: CutFrame {
                entries: frame.rows as usize,
                begins_within: frame.begins_within,
                size: frame.size,
                headers: frame.headers,
            },
            length: frame.length,
            origin: match frame.origin() {
                RecordedOrigin::Reused => FrameOrigin::Reused,
                RecordedOrigin::NotHeld => FrameOrigin::NotHeld,
                RecordedOrigin::Damaged => FrameOrigin::Damaged,
                RecordedOrigin::UnknownContent => FrameOrigin::Unknown,
            },
        });
        let mut last = 0_u32;
        let changed = self.changed_entries.iter().map(|difference| {
            last = last.saturating_add(*difference);
            last
        });
        FrameTable {
            frames: frames.collect(),
            changed: self.had_earlier.then(|| changed.collect()),
        }
    }
}

fn number(error: &io::Error) -> u32 {
    error.raw_os_error().unwrap_or(EIO).unsigned_abs()
}

/// The seconds and nanoseconds of a time in nanoseconds since 1970.
fn parts(nanoseconds: i128) -> (i64, u32) {
    let seconds = nanoseconds.div_euclid(1_000_000_000);
    let rest = nanoseconds.rem_euclid(1_000_000_000);
    (i64::try_from(seconds).unwrap_or(i64::MAX), rest as u32)
}

fn joined(seconds: i64, nanoseconds: u32) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_is_is_read_as_it_was_recorded() {
        let stamp =
            FileStamp { device: 1, inode: 2, size: 3, modified: -4, changed: 5_000_000_006 };
        let time = Time { seconds: -1, nanoseconds: 999_999_996 };
        let on_disk = OnDisk { uid: 1, gid: 2, mode: 0o4755, time, links: 3, stamp };
        for identity in [
            ContentIdentity::Unknown,
            ContentIdentity::Stamp(stamp),
            ContentIdentity::Hashed([7; 32]),
            ContentIdentity::Listed(Listed::Long([8; 32])),
            ContentIdentity::Listed(Listed::Short([9; 20])),
        ] {
            let state = SourceState { is_file: true, on_disk, identity };
            let read = SourceFact::new(&Ok(state)).answer().unwrap().unwrap();
            assert_eq!((read.on_disk, read.identity), (on_disk, identity));
        }
        let error = SourceFact::new(&Err(io::Error::from_raw_os_error(2))).answer().unwrap();
        assert_eq!(error.unwrap_err().raw_os_error(), Some(2));
    }

    #[test]
    fn an_identity_of_no_length_that_one_has_is_refused() {
        let kind = IdentityKind::Listed.into();
        assert!(
            SourceFact { kind, identity: vec![1; 21], ..SourceFact::default() }.answer().is_none()
        );
    }
}

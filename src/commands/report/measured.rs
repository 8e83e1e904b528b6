//! The entries of a layer with what each takes in the tar and in the layer.
//!
//! Pure: the entries and frames of a capture in, numbers out. Must not know what the page looks like.

use crate::capture::CutLayer;
use crate::display::escaped;
use crate::layer::{ContentIdentity, EntryKind, FrameTable, LinkText, TarEntry, frames, header};
use crate::path;

use super::packages::{Package, package_of};

/// A layer whose entries are measured.
pub(super) struct MeasuredLayer {
    /// In the order of the layer.
    pub entries: Vec<MeasuredEntry>,
    /// Whether the recorded frames are those of the entries. If not, what entries take in the layer is unknown, and
    /// counts as 0.
    pub has_frames: bool,
}

/// An entry of a layer.
pub(super) struct MeasuredEntry {
    /// Escaped, without a slash at its end.
    pub path: String,
    pub kind: PageKind,
    /// The text of a symlink, or the path that a hard link names. Escaped.
    pub link: Option<String>,
    /// The size of the file, also of one that is a hard link to an earlier entry. 0 for others.
    pub content: u64,
    pub bytes: EntryBytes,
    pub package: Option<Package>,
    /// Unknown for anything but a file.
    pub identity: ContentIdentity,
    /// A hash of the header.
    pub header: u64,
}

/// What an entry is, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageKind {
    File,
    Directory,
    Symlink,
    HardLink,
    Other,
}

impl PageKind {
    /// The word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::HardLink => "hard link",
            Self::Other => "device or pipe",
        }
    }

    fn of(entry: &TarEntry) -> Self {
        match entry.kind {
            _ if entry.is_hard_link() => Self::HardLink,
            EntryKind::File => Self::File,
            EntryKind::Directory => Self::Directory,
            EntryKind::Symlink => Self::Symlink,
            EntryKind::Character | EntryKind::Block | EntryKind::Fifo => Self::Other,
        }
    }
}

/// What entries take, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EntryBytes {
    /// In the tar: header, content and padding.
    pub tar: u64,
    /// In the layer: an estimate. Entries of one frame are compressed together, so each has the share of the frame that
    /// it has of the uncompressed bytes in it.
    pub compressed: u64,
}

impl EntryBytes {
    /// Adds what another takes.
    pub(super) fn add(&mut self, other: Self) {
        self.tar = self.tar.saturating_add(other.tar);
        self.compressed = self.compressed.saturating_add(other.compressed);
    }

    /// The sum of what some take.
    pub(super) fn sum<'e>(entries: impl IntoIterator<Item = &'e MeasuredEntry>) -> Self {
        let mut sum = Self::default();
        entries.into_iter().for_each(|entry| sum.add(entry.bytes));
        sum
    }
}

impl MeasuredLayer {
    /// Measures the entries of `layer`, whose frames are `table`.
    pub(super) fn new(layer: &CutLayer, table: &FrameTable) -> Self {
        let recorded = table.frames.iter();
        let has_frames = recorded.clone().map(|frame| &frame.cut).eq(&layer.frames);
        let frames: Vec<(u64, u64)> = match has_frames {
            true => recorded.map(|frame| (frame.cut.size, frame.length)).collect(),
            false => Vec::new(),
        };
        let shares = shares(&layer.sizes, &frames);
        let entries = layer.entries.iter().zip(&layer.sizes).zip(shares);
        let entries = entries.map(|((entry, tar), compressed)| {
            let tar = *tar;
            measure(entry, EntryBytes { tar, compressed }, layer)
        });
        Self { entries: entries.collect(), has_frames }
    }
}

fn measure(entry: &TarEntry, bytes: EntryBytes, layer: &CutLayer) -> MeasuredEntry {
    let mut written = Vec::new();
    header::write(entry, &mut written);
    let kind = PageKind::of(entry);
    let is_file = entry.kind == EntryKind::File;
    let path = escaped(&path::normal(&entry.path));
    let content = entry.content.as_ref().filter(|_| is_file);
    let source = content.map(|content| escaped(&content.source));
    MeasuredEntry {
        package: package_of(&path, source.as_deref()),
        path,
        kind,
        link: entry.link.as_ref().map(|link| match link {
            LinkText::Symlink(text) | LinkText::Hard(text) => escaped(text),
        }),
        content: content.map_or(0, |_| entry.size),
        bytes,
        identity: content.map_or(ContentIdentity::Unknown, |content| match content.identity {
            // The capture has no identity, but may have the stamp of the file.
            ContentIdentity::Unknown => {
                let stamp = layer.stamps.get(&*content.source);
                stamp.map_or(ContentIdentity::Unknown, |stamp| ContentIdentity::Stamp(*stamp))
            }
            known => known,
        }),
        header: frames::hash(&written),
    }
}

/// By entry, its share of the frames' lengths. `sizes` are those of the entries, `frames` the size and length of each
/// frame; both cover the same tar. The sum of the shares is that of the lengths.
fn shares(sizes: &[u64], frames: &[(u64, u64)]) -> Vec<u64> {
    let mut shares = vec![0_u64; sizes.len()];
    let (mut entry, mut left) = (0, sizes.first().copied().unwrap_or(0));
    for &(size, length) in frames {
        let (mut at, mut given) = (0, 0);
        while at < size && entry < sizes.len() {
            let taken = left.min(size - at);
            at += taken;
            // What all entries up to here have, less what those before have: no byte is lost by rounding.
            let until = (u128::from(length) * u128::from(at) / u128::from(size)) as u64;
            shares[entry] = shares[entry].saturating_add(until - given);
            (given, left) = (until, left - taken);
            if left == 0 {
                entry += 1;
                left = sizes.get(entry).copied().unwrap_or(0);
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_share_their_frames_and_no_byte_is_lost() {
        // Three entries in one frame; then one over two frames.
        assert_eq!(
            shares(&[100, 100, 100, 900], &[(300, 10), (600, 600), (300, 3)]),
            [3, 3, 4, 603]
        );
        // A frame with parts of two entries.
        assert_eq!(shares(&[100, 300], &[(200, 100), (200, 1)]), [50, 51]);
        assert_eq!(shares(&[512], &[(512, u64::MAX)]), [u64::MAX]);
        assert_eq!(shares(&[512, 512], &[]), [0, 0]);
    }
}

/// Entries for the tests of other modules.
#[cfg(test)]
pub(super) mod tests_support {
    use super::*;

    /// A file of `tar` bytes, half of them after compression, whose content differs from all others by its path and size.
    pub(in super::super) fn entry(path: &str, tar: u64) -> MeasuredEntry {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&frames::hash(path.as_bytes()).to_le_bytes());
        hash[8..16].copy_from_slice(&tar.to_le_bytes());
        MeasuredEntry {
            path: path.to_owned(),
            kind: PageKind::File,
            link: None,
            content: tar.saturating_sub(512),
            bytes: EntryBytes { tar, compressed: tar / 2 },
            package: package_of(path, None),
            identity: ContentIdentity::Hashed(hash),
            header: tar,
        }
    }

    /// A layer of entries.
    pub(in super::super) fn layer(entries: Vec<MeasuredEntry>) -> MeasuredLayer {
        MeasuredLayer { entries, has_frames: true }
    }
}

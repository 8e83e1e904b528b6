//! The rows of the layer that an output held before: which of them a new one has with another content or header.
//!
//! Knows hashes of rows; must not know frames. Kept only where requests are recorded, since nothing but an explanation
//! asks for it.

use super::entry::TarEntry;
use super::frames;
use super::header;
use super::plan::update_identity;

/// Two hashes of each row, in the order of the first: of its path, and of its header and the identity of its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowHistory(Vec<(u64, u64)>);

impl RowHistory {
    /// The history that `entries` make.
    pub(super) fn new(entries: &[TarEntry]) -> Self {
        let mut rows: Vec<_> = entries.iter().map(row).collect();
        rows.sort_unstable();
        Self(rows)
    }

    /// The numbers of the `entries` that were not in the layer before as they are now, in order.
    pub(super) fn changed(&self, entries: &[TarEntry]) -> Vec<u32> {
        let is_changed = |(_, entry): &(u32, &TarEntry)| self.0.binary_search(&row(entry)).is_err();
        (0..).zip(entries).filter(is_changed).map(|(number, _)| number).collect()
    }
}

/// The hashes of an entry.
fn row(entry: &TarEntry) -> (u64, u64) {
    let mut header = Vec::new();
    header::write(entry, &mut header);
    let mut hash = blake3::Hasher::new();
    hash.update(&header);
    if let Some(content) = entry.data() {
        // One of which nothing is known is never as before.
        let _ = update_identity(&mut hash, &content.identity);
    }
    let first = *hash.finalize().as_bytes().first_chunk().unwrap_or(&[0; 8]);
    (frames::hash(&entry.path), u64::from_le_bytes(first))
}

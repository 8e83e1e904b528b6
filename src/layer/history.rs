//! The entries of the last layer of an output, to find those that changed.
//!
//! Knows hashes of entries; must not know what they are made of, nor frames. It is made only where requests are recorded:
//! nothing but `explain` needs it.

use super::entries::Entries;
use super::plan::PlannedEntry;

/// Two hashes of each entry, sorted: of its path, and of its header and the identity of its content. An entry whose content
/// has no identity is not in it, so it always counts as changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryHistory(Vec<(u64, u64)>);

impl EntryHistory {
    /// The history of a layer of `entries`.
    pub(super) fn new(entries: &dyn Entries) -> Self {
        let mut history: Vec<_> = planned(entries).filter_map(hashes).collect();
        history.sort_unstable();
        Self(history)
    }

    /// The numbers of the `entries` that the last layer did not have, or had with another header or content, in order.
    pub(super) fn changed(&self, entries: &dyn Entries) -> Vec<u32> {
        let is_same =
            |entry| hashes(entry).is_some_and(|hashes| self.0.binary_search(&hashes).is_ok());
        (0..)
            .zip(planned(entries))
            .filter(|&(_, entry)| !is_same(entry))
            .map(|(number, _)| number)
            .collect()
    }
}

fn planned(entries: &dyn Entries) -> impl Iterator<Item = PlannedEntry> {
    (0..entries.count()).map(|number| entries.planned(number))
}

fn hashes(entry: PlannedEntry) -> Option<(u64, u64)> {
    let digest = entry.digest?;
    let first = *digest.first_chunk().unwrap_or(&[0; 8]);
    Some((entry.size.hash, u64::from_le_bytes(first)))
}

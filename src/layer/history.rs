//! The rows of the layer that an output held before: which of them a new one has with another content or header.
//!
//! Knows hashes of rows; must not know entries or frames. Kept only where requests are recorded, since nothing but an
//! explanation asks for it.

use super::entries::Entries;
use super::plan::PlannedRow;

/// Two hashes of each row, in the order of the first: of its path, and of its header and the identity of its content.
/// A row without the latter is never the same as before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowHistory(Vec<(u64, u64)>);

impl RowHistory {
    /// The history that `entries` make.
    pub(super) fn new(entries: &dyn Entries) -> Self {
        let mut rows: Vec<_> = planned(entries).filter_map(hashes).collect();
        rows.sort_unstable();
        Self(rows)
    }

    /// The numbers of the `entries` that were not in the layer before as they are now, in order.
    pub(super) fn changed(&self, entries: &dyn Entries) -> Vec<u32> {
        let is_same = |row| hashes(row).is_some_and(|row| self.0.binary_search(&row).is_ok());
        (0..)
            .zip(planned(entries))
            .filter(|&(_, row)| !is_same(row))
            .map(|(number, _)| number)
            .collect()
    }
}

fn planned(entries: &dyn Entries) -> impl Iterator<Item = PlannedRow> {
    (0..entries.count()).map(|number| entries.planned(number))
}

fn hashes(row: PlannedRow) -> Option<(u64, u64)> {
    let digest = row.digest?;
    let first = *digest.first_chunk().unwrap_or(&[0; 8]);
    Some((row.size.hash, u64::from_le_bytes(first)))
}

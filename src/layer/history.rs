//! The rows of the layer that an output held before: which of them a new one has with another content or header.
//!
//! Knows hashes of rows; must not know entries or frames. Kept only where requests are recorded, since nothing but an
//! explanation asks for it.

use super::plan::PlannedRow;

/// Two hashes of each row, in the order of the first: of its path, and of its header and the identity of its content.
/// A row without the latter is never the same as before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowHistory(Vec<(u64, u64)>);

impl RowHistory {
    /// The history that `rows` make.
    pub(super) fn new(rows: &[PlannedRow]) -> Self {
        let mut rows: Vec<_> = rows.iter().filter_map(hashes).collect();
        rows.sort_unstable();
        Self(rows)
    }

    /// The numbers of the `rows` that were not in the layer before as they are now, in order.
    pub(super) fn changed(&self, rows: &[PlannedRow]) -> Vec<u32> {
        let is_same = |row| hashes(row).is_some_and(|row| self.0.binary_search(&row).is_ok());
        (0..).zip(rows).filter(|(_, row)| !is_same(row)).map(|(number, _)| number).collect()
    }
}

fn hashes(row: &PlannedRow) -> Option<(u64, u64)> {
    let digest = row.digest?;
    let first = *digest.first_chunk().unwrap_or(&[0; 8]);
    Some((row.size.hash, u64::from_le_bytes(first)))
}

//! The order of rows in a layer.
//!
//! Knows archive paths and sources; must not know the rest of a row.

use hashbrown::HashMap;

use super::groups::{GroupedRow, parents};

/// Whether a source is of an external repository: below `external/`, or beside the main repository with
/// `--experimental_sibling_repository_layout`.
fn is_external(source: &[u8]) -> bool {
    source.starts_with(b"external/") || source.starts_with(b"../")
}

/// The indices of `rows`, those of external repositories first, otherwise in order.
/// The directory rows above a row of an external repository are first, too. Rows of one path stay together.
pub(super) fn stable_first(rows: &[GroupedRow<'_>]) -> Vec<usize> {
    let mut first = HashMap::<&[u8], bool>::new();
    for row in rows {
        first.entry(row.path).or_insert_with(|| !row.is_directory && is_external(row.source));
    }
    let stable = first.iter().filter(|(_, is_stable)| **is_stable).map(|(path, _)| *path);
    let above = parents(stable);
    let is_stable = |row: &GroupedRow<'_>| {
        first.get(row.path) == Some(&true) || row.is_directory && above.contains(row.path)
    };
    let (mut indices, rest): (Vec<_>, Vec<_>) =
        (0..rows.len()).partition(|index| is_stable(&rows[*index]));
    indices.extend(rest);
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_rows_come_first_with_their_directories_and_duplicates() {
        let row = |path: &'static str, source: &'static str| GroupedRow {
            path: path.trim_end_matches('/').as_bytes(),
            source: source.as_bytes(),
            is_directory: path.ends_with('/'),
        };
        let rows = [
            row("app/", ""),
            row("app/main", "main"),
            row("app/lib/", ""),
            row("app/lib/x", "external/x/x"),
            row("own/", ""),
            row("app/y", "../y/y"),
            row("app/lib/x", "own"),
            row("z", "own"),
        ];
        assert_eq!(stable_first(&rows), [0, 2, 3, 5, 6, 1, 4, 7]);
    }
}

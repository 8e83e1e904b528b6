//! The inputs that a layer does not read, for Bazel's `unused_inputs_list`.
//!
//! Knows paths; must not know why a row is not in the layer. The sources of a row that became a link count as read:
//! if one of them is another symlink tomorrow, the layer changes.

use hashbrown::HashSet;

use super::rows::LayerRows;
use crate::mtree::RowId;
use crate::path;

/// The sources of all rows of the request without those of the rows `written`, one a line, in the order of the spec.
/// Then the lines of `inputs` that are neither a source nor `read`.
pub(super) fn inputs<'p>(
    rows: &'p LayerRows<'_>,
    written: impl Iterator<Item = RowId>,
    inputs: &'p [u8],
    read: impl Iterator<Item = &'p [u8]>,
) -> Vec<u8> {
    let mut known: HashSet<&[u8]> = read.collect();
    // An input may be the directory that sources are in.
    for source in written.flat_map(|row| rows.sources(row)) {
        let mut upwards = path::upwards(source);
        while upwards.next().is_some_and(|path| known.insert(path)) {}
    }
    let inputs = inputs.split(|&byte| byte == b'\n').filter(|path| !path.is_empty());
    let mut lines = Vec::new();
    for path in rows.all_sources().chain(inputs) {
        if known.insert(path) && is_a_line(path) {
            lines.extend_from_slice(path);
            lines.push(b'\n');
        }
    }
    lines
}

/// Whether Bazel reads the line as this path: it ends lines at carriage returns too, and trims them.
fn is_a_line(path: &[u8]) -> bool {
    let is_trimmed = |byte: Option<&u8>| byte.is_none_or(|&byte| byte <= b' ');
    !path.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
        && !is_trimmed(path.first())
        && !is_trimmed(path.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_bazel_would_read_as_another_is_no_line() {
        for path in ["a\nb", "a\rb", " a", "a ", "a\t", ""] {
            assert!(!is_a_line(path.as_bytes()), "{path:?}");
        }
        assert!(is_a_line(b"a b/c"));
    }
}

//! The sources that a layer does not read, for Bazel's `unused_inputs_list`.
//!
//! Knows sources; must not know why a row is not in the layer. What a row that became a link stands for counts as
//! read: a symlink that leads elsewhere tomorrow changes the layer.

use hashbrown::HashSet;

use super::rows::LayerRows;

/// The sources of all rows of the request but those of the rows `written`, one a line, in the order of the spec.
pub(super) fn inputs(rows: &LayerRows<'_>, written: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut known: HashSet<&[u8]> = written.flat_map(|number| rows.sources(number)).collect();
    let mut lines = Vec::new();
    for source in rows.all_sources() {
        // Bazel reads lines: one that holds a newline cannot be named.
        if known.insert(source) && !source.contains(&b'\n') {
            lines.extend_from_slice(source);
            lines.push(b'\n');
        }
    }
    lines
}

//! Which layers of the page are builds of one layer.
//!
//! Pure. Knows names of outputs and entries; must not know sizes.

use std::collections::HashMap;

use super::changes;
use super::contents::WrittenContents;

/// By layer: the number of the build before. Two layers are builds of one layer if their requests name the same output, or
/// if they are alone on the page and at least half of the files of the larger one are also in the other.
pub(super) fn before(layers: &[Option<WrittenContents>]) -> Vec<Option<usize>> {
    let mut last: HashMap<&[u8], usize> = HashMap::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(layers.len());
    for (number, layer) in layers.iter().enumerate() {
        before.push(layer.as_ref().and_then(|layer| last.insert(&layer.out, number)));
    }
    let mut written =
        layers.iter().enumerate().filter_map(|(at, layer)| Some((at, layer.as_ref()?)));
    if let (Some((old_at, old)), Some((new_at, new)), None) =
        (written.next(), written.next(), written.next())
        && changes::are_alike(&old.measured, &new.measured)
    {
        before[new_at] = Some(old_at);
    }
    before
}

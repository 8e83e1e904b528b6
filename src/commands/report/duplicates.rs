//! Contents that are stored more than once, within a layer and across layers.
//!
//! Pure. Contents are the same if their identities are: a digest, or the inode and times of the file.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::Serialize;

use super::measured::{MeasuredLayer, PageKind};
use crate::layer::ContentIdentity;

/// The most contents that are listed.
const MOST: usize = 1_000;
/// The most copies of one content that are listed.
const MOST_COPIES: usize = 50;

/// The contents that are stored more than once.
#[derive(Default, Serialize)]
pub(super) struct Duplicates {
    /// What all copies but one take, in bytes of content.
    pub wasted: u64,
    /// How much of this is because several layers have the content.
    pub wasted_across: u64,
    /// How many contents are stored more than once.
    count: usize,
    /// The ones that waste the most, first.
    contents: Vec<StoredTwice>,
    /// How many files are known by their inode alone: equal ones elsewhere on the disk are not found.
    known_by_inode: usize,
    files: usize,
}

/// A content that is stored more than once.
#[derive(Serialize)]
struct StoredTwice {
    content: u64,
    copies: usize,
    wasted: u64,
    layers: usize,
    /// Some of the copies: the number of the layer, and the path.
    paths: Vec<(usize, String)>,
}

impl Duplicates {
    /// Looks through layers, each with its number.
    pub(super) fn new<'l>(layers: impl Iterator<Item = (usize, &'l MeasuredLayer)>) -> Self {
        let mut found = Self::default();
        let mut contents: HashMap<(ContentIdentity, u64), Vec<(usize, &str)>> = HashMap::new();
        for (number, layer) in layers {
            for entry in layer.entries.iter().filter(|entry| entry.kind == PageKind::File) {
                if entry.content == 0 {
                    continue;
                }
                found.files += 1;
                match entry.identity {
                    ContentIdentity::Unknown => found.known_by_inode += 1,
                    identity => {
                        found.known_by_inode +=
                            usize::from(matches!(identity, ContentIdentity::Stamp(_)));
                        let paths = contents.entry((identity, entry.content)).or_default();
                        paths.push((number, &entry.path));
                    }
                }
            }
        }
        contents.retain(|_, paths| paths.len() > 1);
        found.count = contents.len();
        for ((_, content), paths) in contents {
            let mut layers: Vec<usize> = paths.iter().map(|(layer, _)| *layer).collect();
            layers.dedup();
            let times = |more: usize| content.saturating_mul(more as u64 - 1);
            let wasted = times(paths.len());
            found.wasted = found.wasted.saturating_add(wasted);
            found.wasted_across = found.wasted_across.saturating_add(times(layers.len()));
            let first = paths.iter().take(MOST_COPIES);
            found.contents.push(StoredTwice {
                content,
                copies: paths.len(),
                wasted,
                layers: layers.len(),
                paths: first.map(|(layer, path)| (*layer, (*path).to_owned())).collect(),
            });
        }
        found.contents.sort_by(|one, other| {
            (Reverse(one.wasted), &one.paths).cmp(&(Reverse(other.wasted), &other.paths))
        });
        found.contents.truncate(MOST);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests_support::{entry, layer};
    use super::*;

    #[test]
    fn all_copies_but_one_are_wasted() {
        let copy = |path: &str| {
            let mut copy = entry("the content", 1512);
            path.clone_into(&mut copy.path);
            copy
        };
        let mut hard_link = copy("e");
        hard_link.kind = PageKind::HardLink;
        let layers = [
            layer(vec![copy("a"), copy("b"), entry("other", 1512), hard_link]),
            layer(vec![copy("c"), entry("empty", 512)]),
        ];
        let found = Duplicates::new(layers.iter().enumerate());
        assert_eq!((found.wasted, found.wasted_across, found.count), (2000, 1000, 1));
        let paths = [(0, "a"), (0, "b"), (1, "c")].map(|(layer, path)| (layer, path.to_owned()));
        assert_eq!(found.contents[0].paths, paths);
        assert_eq!((found.contents[0].copies, found.contents[0].layers, found.files), (3, 2, 4));
    }

    #[test]
    fn a_content_of_which_nothing_is_known_equals_no_other() {
        let unknown = |path| {
            let mut unknown = entry(path, 1512);
            unknown.identity = ContentIdentity::Unknown;
            unknown
        };
        let layers = [layer(vec![unknown("a"), unknown("b")])];
        let found = Duplicates::new(layers.iter().enumerate());
        assert_eq!((found.wasted, found.known_by_inode), (0, 2));
    }
}

//! The sentences at the top of the page: how large a layer is, and why its size changed.
//!
//! Pure. Must not know where the numbers come from.

use super::changes::Changes;
use super::words::{bytes, count, number};

/// What the sentences are about.
pub(super) struct Headline<'h> {
    pub name: &'h str,
    /// The tar, and the layer as it was written. `None` if that is not compressed.
    pub tar: u64,
    pub compressed: Option<u64>,
    pub entries: usize,
    /// The largest package, with its bytes in the tar.
    pub largest: Option<(&'h str, u64)>,
    /// Against the build before.
    pub changes: Option<&'h Changes>,
    /// Whether the build before has the same digest.
    pub is_same: bool,
    pub made: usize,
    pub reused: usize,
}

impl Headline<'_> {
    /// The sentences, the most important first.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if let Some(changes) = self.changes {
            sentences.push(self.change(changes));
        }
        let entries = count(self.entries, "entry");
        // The size, and that of the build before if it is known.
        let size = |now: u64, before: fn(&Changes) -> u64| match self.changes.map(before) {
            Some(before @ 1..) if !self.is_same => {
                format!("{} (before: {})", bytes(now), bytes(before))
            }
            _ => bytes(now),
        };
        let tar = size(self.tar, |changes| changes.tar[0]);
        sentences.push(match self.compressed {
            Some(compressed) => {
                let compressed = size(compressed, |changes| changes.compressed[0]);
                format!(
                    "{} is {compressed} compressed and {tar} uncompressed, with {entries}.",
                    self.name
                )
            }
            None => format!("{} is {tar}, with {entries}. It is not compressed.", self.name),
        });
        if let (None, Some((package, size))) = (self.changes, self.largest) {
            sentences
                .push(format!("The largest package in it is {package}, with {}.", bytes(size)));
        }
        if self.changes.is_some() && self.made + self.reused > 0 {
            let pieces = count(self.made + self.reused, "piece");
            sentences.push(match (self.made, self.reused) {
                (_, 0) => format!("All of its {pieces} were made anew."),
                (0, _) => format!("All of its {pieces} were copied from an earlier build."),
                (made, _) => format!(
                    "Of its {pieces}, {} {} made anew; the others were copied from an earlier build.",
                    number(made),
                    if made == 1 { "was" } else { "were" }
                ),
            });
        }
        sentences
    }

    /// How the layer differs from the build before.
    fn change(&self, changes: &Changes) -> String {
        if self.is_same {
            return format!(
                "{} has not changed since the build before: both have the same digest.",
                self.name
            );
        }
        let [old, new] = changes.tar;
        let difference = bytes(old.abs_diff(new));
        let percent = match old.abs_diff(new) as f64 / old.max(1) as f64 * 100.0 {
            small if small < 0.1 => "less than 0.1 %".to_owned(),
            share => format!("{share:.1} %"),
        };
        let mut sentence = match old.cmp(&new) {
            std::cmp::Ordering::Equal => format!("{} is as large as the build before", self.name),
            std::cmp::Ordering::Less => {
                format!("{} grew by {difference} uncompressed ({percent})", self.name)
            }
            std::cmp::Ordering::Greater => {
                format!("{} shrank by {difference} uncompressed ({percent})", self.name)
            }
        };
        if let Some((directory, most)) = &changes.most_below {
            let share = match most.unsigned_abs() {
                all if all == old.abs_diff(new) => "all of it".to_owned(),
                part => bytes(part),
            };
            sentence.push_str(&format!(", {share} in {directory}"));
        }
        let parts =
            [(changes.added, "new"), (changes.removed, "removed"), (changes.changed, "changed")];
        let parts: Vec<_> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(many, what)| format!("{} {what}", number(*many)))
            .collect();
        match parts.is_empty() {
            true => sentence + ": no entry is new, removed or changed.",
            false => format!("{sentence}. Entries: {}.", parts.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests_support::{entry, layer};
    use super::*;

    fn headline<'h>(changes: Option<&'h Changes>, is_same: bool) -> Headline<'h> {
        Headline {
            name: "app.tar.gz",
            tar: 5_000_000,
            compressed: Some(1_000_000),
            entries: 1200,
            largest: Some(("numpy", 3_000_000)),
            changes,
            is_same,
            made: 2,
            reused: 8,
        }
    }

    #[test]
    fn a_layer_alone_says_its_size_and_its_largest_package() {
        assert_eq!(
            headline(None, false).sentences(),
            [
                "app.tar.gz is 1.0 MB compressed and 5.0 MB uncompressed, with 1,200 entries.",
                "The largest package in it is numpy, with 3.0 MB.",
            ]
        );
        let uncompressed = Headline { compressed: None, largest: None, ..headline(None, false) };
        let sentence = "app.tar.gz is 5.0 MB, with 1,200 entries. It is not compressed.";
        assert_eq!(uncompressed.sentences(), [sentence]);
    }

    #[test]
    fn a_layer_that_grew_says_where() {
        let old = layer(vec![entry("lib/a", 1 << 20)]);
        let new =
            layer(vec![entry("lib/a", 1 << 20), entry("lib/torch/x", 40_000_000), entry("b", 512)]);
        let changes = Changes::new(&old, &new);
        assert_eq!(
            headline(Some(&changes), false).sentences(),
            [
                "app.tar.gz grew by 40.0 MB uncompressed (3814.7 %), 40.0 MB in lib/torch. Entries: 2 new.",
                "app.tar.gz is 1.0 MB (before: 524.3 kB) compressed and 5.0 MB (before: 1.0 MB) uncompressed, with 1,200 entries.",
                "Of its 10 pieces, 2 were made anew; the others were copied from an earlier build.",
            ]
        );
        let changes = Changes::new(&new, &old);
        let sentence = "app.tar.gz shrank by 40.0 MB uncompressed (97.4 %), 40.0 MB in lib/torch. Entries: 2 removed.";
        assert_eq!(headline(Some(&changes), false).sentences()[0], sentence);
    }

    #[test]
    fn a_layer_that_did_not_change_says_so() {
        let build = || layer(vec![entry("a", 1024)]);
        let changes = Changes::new(&build(), &build());
        let sentence =
            "app.tar.gz has not changed since the build before: both have the same digest.";
        assert_eq!(headline(Some(&changes), true).sentences()[0], sentence);
        let sentence =
            "app.tar.gz is as large as the build before: no entry is new, removed or changed.";
        assert_eq!(headline(Some(&changes), false).sentences()[0], sentence);
    }
}

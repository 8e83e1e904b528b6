//! What changed between two builds of a layer.
//!
//! Pure: two measured layers in, differences out. `mtree-worker diff` compares more; this compares sizes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::measured::{EntryBytes, MeasuredEntry, MeasuredLayer, PageKind};
use super::packages::{Package, name_and_kind};
use super::tree;
use crate::layer::ContentIdentity;

/// The most entries, directories and packages that are listed.
const MOST: usize = 1_000;

/// How a layer differs from the build before.
#[derive(Default, Serialize)]
pub(super) struct Changes {
    pub added: usize,
    pub removed: usize,
    pub changed: usize,
    pub unchanged: usize,
    /// Files that were written again, whose content may be the same: they are counted among the changed.
    written_again: usize,
    /// Files whose contents cannot be compared, since the builds identify them in different ways: they are counted among
    /// the unchanged.
    not_compared: usize,
    pub tar: [u64; 2],
    pub compressed: [u64; 2],
    /// The largest change first.
    entries: Vec<ReportedChange>,
    directories: Vec<SizeChange>,
    packages: Vec<SizeChange>,
    /// The deepest directory that most of the difference is below, with the difference in bytes of the tar.
    pub most_below: Option<(String, i64)>,
}

#[derive(Serialize)]
struct ReportedChange {
    path: String,
    /// In words.
    what: String,
    tar: [u64; 2],
    compressed: [u64; 2],
}

#[derive(Serialize)]
struct SizeChange {
    name: String,
    /// Of a package.
    kind: &'static str,
    tar: [u64; 2],
    compressed: [u64; 2],
}

/// Sizes before and after.
type Sizes = [EntryBytes; 2];

fn difference(sizes: &Sizes) -> i64 {
    let [old, new] = sizes.map(|bytes| i64::try_from(bytes.tar).unwrap_or(i64::MAX));
    new.saturating_sub(old)
}

fn tar(sizes: &Sizes) -> [u64; 2] {
    sizes.map(|bytes| bytes.tar)
}

fn compressed(sizes: &Sizes) -> [u64; 2] {
    sizes.map(|bytes| bytes.compressed)
}

/// The sort key that puts the largest change first.
fn largest(sizes: &Sizes) -> (Reverse<u64>, Reverse<u64>) {
    let by_compressed = sizes[0].compressed.abs_diff(sizes[1].compressed);
    (Reverse(difference(sizes).unsigned_abs()), Reverse(by_compressed))
}

impl Changes {
    /// Compares the builds of a layer, the old one and the new one.
    pub(super) fn new(old: &MeasuredLayer, new: &MeasuredLayer) -> Self {
        let pairs = pairs(&old.entries, &new.entries);
        let mut changes = Self::default();
        let totals = [old, new].map(|layer| EntryBytes::sum(&layer.entries));
        (changes.tar, changes.compressed) = (tar(&totals), compressed(&totals));
        let mut found: Vec<(Sizes, ReportedChange)> = Vec::new();
        let mut packages: BTreeMap<Option<&Package>, Sizes> = BTreeMap::new();
        let mut all: Vec<(&str, bool, Sizes)> = Vec::new();
        for pair in &pairs {
            let sizes = pair.map(|entry| entry.map_or(EntryBytes::default(), |entry| entry.bytes));
            for (side, entry) in pair.iter().enumerate() {
                if let Some(entry) = entry {
                    packages.entry(entry.package.as_ref()).or_default()[side].add(entry.bytes);
                }
            }
            let Some(entry) = pair[1].or(pair[0]) else { continue };
            all.push((&entry.path, entry.kind == PageKind::Directory, sizes));
            let Some(what) = changes.count(pair) else { continue };
            let (path, tar, compressed) = (entry.path.clone(), tar(&sizes), compressed(&sizes));
            found.push((sizes, ReportedChange { path, what, tar, compressed }));
        }
        found.sort_by(|(one, entry), (other, next)| {
            (largest(one), &entry.path).cmp(&(largest(other), &next.path))
        });
        changes.entries = found.into_iter().take(MOST).map(|(_, entry)| entry).collect();
        let packages = packages.into_iter().filter(|(_, sizes)| difference(sizes) != 0);
        let mut packages: Vec<_> = packages.collect();
        packages.sort_by_key(|(package, sizes)| (largest(sizes), *package));
        let packages = packages.into_iter().take(MOST).map(|(package, sizes)| {
            let (name, kind) = name_and_kind(package);
            SizeChange { name, kind, tar: tar(&sizes), compressed: compressed(&sizes) }
        });
        changes.packages = packages.collect();
        changes.add_directories(&all);
        changes
    }

    /// Counts a pair of entries. What changed, in words; `None` if nothing did.
    fn count(&mut self, pair: &[Option<&MeasuredEntry>; 2]) -> Option<String> {
        let (old, new) = match pair {
            [Some(old), Some(new)] => (old, new),
            [old, _] => {
                let is_old = old.is_some();
                self.removed += usize::from(is_old);
                self.added += usize::from(!is_old);
                return Some(if is_old { "removed" } else { "new" }.to_owned());
            }
        };
        let mut what = Vec::new();
        if old.kind != new.kind {
            what.push(format!("was a {}, is a {}", old.kind.word(), new.kind.word()));
        } else if old.link != new.link {
            what.push("links elsewhere".to_owned());
        }
        if new.kind == old.kind && matches!(new.kind, PageKind::File | PageKind::HardLink) {
            if old.content != new.content {
                what.push("other content".to_owned());
            } else if old.identity != new.identity {
                match (&old.identity, &new.identity) {
                    (ContentIdentity::Stamp(_), ContentIdentity::Stamp(_)) => {
                        what.push("the file was written again".to_owned());
                        self.written_again += 1;
                    }
                    (ContentIdentity::Listed(_), ContentIdentity::Listed(_))
                    | (ContentIdentity::Hashed(_), ContentIdentity::Hashed(_)) => {
                        what.push("other content".to_owned());
                    }
                    _ => self.not_compared += 1,
                }
            }
        }
        // A header also has the size and the link.
        if what.is_empty() && old.header != new.header {
            what.push("other owner, mode or time".to_owned());
        }
        match what.is_empty() {
            true => self.unchanged += 1,
            false => self.changed += 1,
        }
        (!what.is_empty()).then(|| what.join(", "))
    }

    /// Lists the directories whose sizes differ, except those whose difference is all in one child: the child is listed.
    fn add_directories(&mut self, all: &[(&str, bool, Sizes)]) {
        let add = |sum: &mut Sizes, sizes: Sizes| {
            sum.iter_mut().zip(sizes).for_each(|(sum, bytes)| sum.add(bytes));
        };
        let branches = tree::branches(all.iter().copied(), add);
        let differences: Vec<i64> = branches.iter().map(|branch| difference(&branch.sum)).collect();
        // By branch: the child with the largest difference.
        let mut children: Vec<Option<usize>> = vec![None; branches.len()];
        for (number, branch) in branches.iter().enumerate().skip(1) {
            let size = |child: usize| differences[child].unsigned_abs();
            let known = &mut children[branch.parent];
            if known.is_none_or(|known| size(number) > size(known)) {
                *known = Some(number);
            }
        }
        let is_most = |part: i64, whole: i64| {
            part.signum() == whole.signum() && part.unsigned_abs() >= whole.unsigned_abs() / 5 * 4
        };
        let mut most = 0;
        while let Some(child) = children[most]
            && branches[child].is_directory
            && is_most(differences[child], differences[0])
        {
            most = child;
        }
        if most != 0 && differences[0] != 0 {
            self.most_below = Some((tree::path_of(&branches, most), differences[most]));
        }
        let mut listed: Vec<usize> = (1..branches.len())
            .filter(|number| {
                let all_in_child = children[*number].is_some_and(|child| {
                    differences[child] == differences[*number] && branches[child].is_directory
                });
                branches[*number].is_directory && differences[*number] != 0 && !all_in_child
            })
            .collect();
        listed.sort_by_key(|number| (largest(&branches[*number].sum), *number));
        let directories = listed.into_iter().take(MOST).map(|number| SizeChange {
            name: tree::path_of(&branches, number),
            kind: "",
            tar: tar(&branches[number].sum),
            compressed: compressed(&branches[number].sum),
        });
        self.directories = directories.collect();
    }
}

/// The entries of two builds, those of one path together: the first with the first, and so on.
fn pairs<'e>(
    old: &'e [MeasuredEntry],
    new: &'e [MeasuredEntry],
) -> Vec<[Option<&'e MeasuredEntry>; 2]> {
    let mut of_old: HashMap<&str, std::collections::VecDeque<&MeasuredEntry>> = HashMap::new();
    for entry in old {
        of_old.entry(&entry.path).or_default().push_back(entry);
    }
    let mut take = |path: &str| of_old.get_mut(path).and_then(|entries| entries.pop_front());
    let mut pairs: Vec<_> = new.iter().map(|entry| [take(&entry.path), Some(entry)]).collect();
    pairs.extend(of_old.into_values().flatten().map(|entry| [Some(entry), None]));
    pairs
}

/// Whether two layers look like builds of one layer: at least half of the files of the larger one are also in the other.
pub(super) fn are_alike(one: &MeasuredLayer, other: &MeasuredLayer) -> bool {
    let files = |layer: &MeasuredLayer| -> std::collections::HashSet<String> {
        let files = layer.entries.iter().filter(|entry| entry.kind != PageKind::Directory);
        files.map(|entry| entry.path.clone()).collect()
    };
    let (one, other) = (files(one), files(other));
    one.intersection(&other).count() * 2 >= one.len().max(other.len()).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests_support::{entry, layer};
    use super::*;

    #[test]
    fn what_grew_is_named_with_the_deepest_directory_that_has_most_of_it() {
        let old = layer(vec![entry("app/a", 1024), entry("app/lib/b", 1024), entry("gone", 512)]);
        let new = layer(vec![
            entry("app/a", 1024),
            entry("app/lib/b", 2048),
            entry("app/site-packages/torch/x.so", 1 << 20),
            entry("app/site-packages/torch/y.so", 1 << 19),
        ]);
        let changes = Changes::new(&old, &new);
        assert_eq!(
            (changes.added, changes.removed, changes.changed, changes.unchanged),
            (2, 1, 1, 1)
        );
        let most = ("app/site-packages/torch".to_owned(), (1 << 20) + (1 << 19));
        assert_eq!(changes.most_below, Some(most));
        let entries = changes.entries.iter().map(|entry| (&*entry.path, &*entry.what));
        assert_eq!(
            entries.collect::<Vec<_>>(),
            [
                ("app/site-packages/torch/x.so", "new"),
                ("app/site-packages/torch/y.so", "new"),
                ("app/lib/b", "other content"),
                ("gone", "removed"),
            ]
        );
        let packages = changes.packages.iter().map(|package| (&*package.name, package.tar));
        let torch = ("torch", [0, (1 << 20) + (1 << 19)]);
        assert_eq!(packages.collect::<Vec<_>>(), [torch, ("in no package", [2560, 3072])]);
        let directories = changes.directories.iter().map(|directory| &*directory.name);
        assert_eq!(directories.collect::<Vec<_>>(), ["app", "app/site-packages/torch", "app/lib"]);
    }

    #[test]
    fn equal_builds_have_no_changes() {
        let build = || layer(vec![entry("a", 1024), entry("b/c", 512)]);
        let changes = Changes::new(&build(), &build());
        assert_eq!(
            (changes.unchanged, changes.entries.len(), changes.directories.len()),
            (2, 0, 0)
        );
        assert_eq!(changes.most_below, None);
    }

    #[test]
    fn each_kind_of_change_has_its_words() {
        let changed = |change: fn(&mut MeasuredEntry)| {
            let mut new = entry("a", 1024);
            change(&mut new);
            Changes::new(&layer(vec![entry("a", 1024)]), &layer(vec![new])).entries.remove(0).what
        };
        assert_eq!(changed(|new| new.kind = PageKind::Symlink), "was a file, is a symlink");
        assert_eq!(changed(|new| new.link = Some("b".to_owned())), "links elsewhere");
        assert_eq!(changed(|new| new.header = 1), "other owner, mode or time");
        assert_eq!(changed(|new| new.identity = ContentIdentity::Hashed([9; 32])), "other content");
    }

    #[test]
    fn contents_of_which_two_builds_know_different_things_are_not_compared() {
        let mut new = entry("a", 1024);
        new.identity = ContentIdentity::Unknown;
        let changes = Changes::new(&layer(vec![entry("a", 1024)]), &layer(vec![new]));
        assert_eq!((changes.unchanged, changes.not_compared), (1, 1));
    }

    #[test]
    fn layers_are_builds_of_one_if_most_files_are_in_both() {
        let of = |paths: &[&str]| layer(paths.iter().map(|path| entry(path, 512)).collect());
        assert!(are_alike(&of(&["a", "b", "c"]), &of(&["a", "b", "d", "e"])));
        assert!(!are_alike(&of(&["a", "b", "c"]), &of(&["a", "d", "e"])));
        // A small layer may repeat files of a large one.
        assert!(!are_alike(&of(&["a", "b", "c", "d", "e"]), &of(&["a", "b"])));
        assert!(!are_alike(&of(&[]), &of(&[])));
    }
}

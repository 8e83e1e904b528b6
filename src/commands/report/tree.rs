//! What directories take.
//!
//! Pure: measured entries in, nodes of a tree out. The tree is a list, since a path may have any depth.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::Serialize;

use super::measured::{EntryBytes, MeasuredEntry, PageKind};

/// The most nodes of a tree. The largest are kept.
pub(super) const MOST: usize = 20_000;

/// A file, or a directory with all that is below it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct TreeNode {
    /// If a directory has nothing but one directory in it, both are one node: their names, joined by a slash.
    pub name: String,
    /// The number of the directory that it is in, which is lower than its own. The first node is the layer, and is in
    /// itself.
    pub parent: usize,
    pub tar: u64,
    pub compressed: u64,
    /// How many entries it has, itself among them if the layer has an entry for it.
    pub entries: usize,
    pub is_directory: bool,
}

/// A directory or file while the tree is made.
pub(super) struct Branch<'e, T> {
    pub name: &'e str,
    pub parent: usize,
    pub children: usize,
    pub is_directory: bool,
    pub sum: T,
}

/// The branches of entries. The first is the root; a parent is before its children. `add` adds an entry to the sum of
/// each directory that it is in, and to its own.
pub(super) fn branches<'e, E: Copy, T: Default>(
    entries: impl Iterator<Item = (&'e str, bool, E)>,
    mut add: impl FnMut(&mut T, E),
) -> Vec<Branch<'e, T>> {
    let root = Branch { name: "", parent: 0, children: 0, is_directory: true, sum: T::default() };
    let mut branches = vec![root];
    let mut numbers: HashMap<(usize, &str), usize> = HashMap::new();
    for (path, is_directory, entry) in entries {
        let mut at = 0;
        add(&mut branches[0].sum, entry);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            branches[at].is_directory = true;
            let next = branches.len();
            let number = *numbers.entry((at, name)).or_insert(next);
            if number == next {
                branches[at].children += 1;
                let sum = T::default();
                branches.push(Branch { name, parent: at, children: 0, is_directory: false, sum });
            }
            at = number;
            add(&mut branches[at].sum, entry);
        }
        branches[at].is_directory |= is_directory;
    }
    branches
}

/// The tree of a layer's entries.
pub(super) fn tree(entries: &[MeasuredEntry]) -> Vec<TreeNode> {
    let all = entries
        .iter()
        .map(|entry| (entry.path.as_str(), entry.kind == PageKind::Directory, entry.bytes));
    let add = |(bytes, entries): &mut (EntryBytes, usize), entry: EntryBytes| {
        bytes.add(entry);
        *entries += 1;
    };
    let branches = branches(all, add);
    let mut order: Vec<usize> = (0..branches.len()).collect();
    // A parent takes no less than a child, and is before it.
    order.sort_by_key(|number| (Reverse(branches[*number].sum.0.tar), *number));
    order.truncate(MOST);
    order.sort_unstable();
    // By branch: its node.
    let mut numbers = HashMap::new();
    let mut nodes: Vec<TreeNode> = Vec::new();
    // By node: its last branch. Others were joined with it.
    let mut last: Vec<usize> = Vec::new();
    for number in order {
        let branch = &branches[number];
        let parent = numbers.get(&branch.parent).copied().unwrap_or(0);
        let is_only = number > 0 && parent > 0 && branches[branch.parent].children == 1;
        if is_only && branch.is_directory && last[parent] == branch.parent {
            nodes[parent].name.push('/');
            nodes[parent].name.push_str(branch.name);
            last[parent] = number;
            numbers.insert(number, parent);
            continue;
        }
        numbers.insert(number, nodes.len());
        last.push(number);
        let (EntryBytes { tar, compressed }, entries) = branch.sum;
        let (name, is_directory) = (branch.name.to_owned(), branch.is_directory);
        nodes.push(TreeNode { name, parent, tar, compressed, entries, is_directory });
    }
    nodes
}

/// The path of a branch.
pub(super) fn path_of<T>(branches: &[Branch<'_, T>], number: usize) -> String {
    let mut names = Vec::new();
    let mut at = number;
    while at != 0 {
        names.push(branches[at].name);
        at = branches[at].parent;
    }
    names.reverse();
    names.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests_support::entry;
    use super::*;

    fn shown(nodes: &[TreeNode]) -> Vec<String> {
        let show = |node: &TreeNode| {
            let slash = if node.is_directory { "/" } else { "" };
            format!(
                "{}:{}{slash} {} {} {}",
                node.parent, node.name, node.tar, node.compressed, node.entries
            )
        };
        nodes.iter().map(show).collect()
    }

    #[test]
    fn a_directory_has_what_is_below_it() {
        let nodes = tree(&[entry("a/b", 1024), entry("c", 512), entry("a/d/e", 2048)]);
        assert_eq!(
            shown(&nodes),
            [
                "0:/ 3584 1792 3",
                "0:a/ 3072 1536 2",
                "1:b 1024 512 1",
                "0:c 512 256 1",
                "1:d/ 2048 1024 1",
                "4:e 2048 1024 1"
            ]
        );
    }

    #[test]
    fn directories_with_nothing_but_one_directory_are_one_node() {
        let nodes = tree(&[entry("a/b/c/x", 512), entry("a/b/c/y", 512)]);
        assert_eq!(
            shown(&nodes),
            ["0:/ 1024 512 2", "0:a/b/c/ 1024 512 2", "1:x 512 256 1", "1:y 512 256 1"]
        );
    }

    #[test]
    fn the_largest_nodes_are_kept_with_their_parents() {
        let mut entries: Vec<_> =
            (0..MOST).map(|number| entry(&format!("small/{number}"), 512)).collect();
        entries.push(entry("large/one", 1 << 20));
        let nodes = tree(&entries);
        assert_eq!(nodes.len(), MOST);
        assert!(nodes.iter().any(|node| node.name == "one"));
        assert_eq!((nodes[0].entries, nodes[1].entries), (MOST + 1, MOST));
    }

    #[test]
    fn a_path_below_a_file_makes_that_a_directory() {
        let nodes = tree(&[entry("a", 512), entry("a/b", 512)]);
        assert_eq!(shown(&nodes), ["0:/ 1024 512 2", "0:a/ 1024 512 2", "1:b 512 256 1"]);
    }
}

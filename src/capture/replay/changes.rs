//! Which facts have changed since they were recorded.
//!
//! Knows facts, and the tree as it is now; must not know what the request did with them.

use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};

use super::tree::{RecordedEntry, ReplayTree};
use crate::display::Escaped;
use crate::request::ObservedTree;
use crate::resolve::{Directory, Entered, Entry, Stopped};

/// A fact that has changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FactChange {
    /// The path, relative to the root or absolute.
    pub path: Vec<u8>,
    /// What it was and what it is now, in words.
    pub what: String,
    /// The old value, if `what` does not say it.
    pub was: Option<Vec<u8>>,
    /// The new value, if `what` does not say it.
    pub is: Option<Vec<u8>>,
}

/// What has changed in a tree.
#[derive(Debug, Default)]
pub struct FactChanges {
    /// Facts that can change the output, by path.
    pub facts: Vec<FactChange>,
    /// Directories with other times or another inode, by path. Alone, these do not change the output.
    pub directories: Vec<FactChange>,
}

/// Compares what was recorded with `live`. A directory that is gone is one change: what was in it is not
/// listed too.
pub fn changes(
    recorded: &ReplayTree,
    live: &mut impl ObservedTree,
) -> Result<FactChanges, Stopped> {
    let mut comparison = TreeComparison { changes: FactChanges::default(), live: HashMap::new() };
    comparison.compare_tree(recorded, live)?;
    comparison.compare_stamps(recorded, live);
    let mut changes = comparison.changes;
    changes.facts.sort();
    changes.facts.dedup();
    changes.directories.sort();
    Ok(changes)
}

struct TreeComparison {
    changes: FactChanges,
    /// The recorded directories that still exist, each with the directory that is there now.
    live: HashMap<Directory, Directory>,
}

/// What was recorded of one directory.
#[derive(Default)]
struct RecordedDirectory<'r> {
    entries: Vec<(&'r [u8], &'r RecordedEntry)>,
    entered: Vec<(&'r [u8], Entered)>,
    above: Option<Entered>,
}

impl TreeComparison {
    /// Compares breadth-first, through directories that still exist.
    fn compare_tree(
        &mut self,
        recorded: &ReplayTree,
        live: &mut impl ObservedTree,
    ) -> Result<(), Stopped> {
        let mut by_directory: HashMap<Directory, RecordedDirectory<'_>> = HashMap::new();
        for (directory, name, entry) in recorded.entries() {
            by_directory.entry(directory).or_default().entries.push((name, entry));
        }
        for (directory, name, entered) in recorded.all_entered() {
            by_directory.entry(directory).or_default().entered.push((name, entered));
        }
        for (directory, above) in recorded.all_above() {
            by_directory.entry(directory).or_default().above = Some(above);
        }
        let mut next = VecDeque::new();
        self.live.insert(Directory(0), live.root());
        next.push_back(Directory(0));
        if let Some(top) = recorded.recorded_top() {
            let now = live.top()?;
            self.compare_entered(b"/".to_vec(), top, now, &mut next);
        }
        let mut done = HashSet::new();
        while let Some(directory) = next.pop_front() {
            let (Some(mut known), true) = (by_directory.remove(&directory), done.insert(directory))
            else {
                continue;
            };
            known.entered.sort_unstable_by_key(|(name, _)| *name);
            let here = self.live[&directory];
            let mut changed = HashSet::new();
            for (name, was) in known.entries {
                let now = live.entry(here, name)?.map_text(Box::from);
                if now != *was {
                    changed.insert(name);
                    self.changes.facts.push(change(recorded.path(directory, name), was, &now));
                }
            }
            for (name, was) in known.entered {
                if !changed.contains(name) {
                    let now = live.enter(here, name)?;
                    self.compare_entered(recorded.path(directory, name), was, now, &mut next);
                }
            }
            if let Some(above) = known.above {
                let now = live.above(here)?;
                self.compare_entered(recorded.path(directory, b".."), above, now, &mut next);
            }
        }
        Ok(())
    }

    /// Compares a directory that was entered, and queues it if it still exists.
    fn compare_entered(
        &mut self,
        path: Vec<u8>,
        was: Entered,
        is: Entered,
        next: &mut VecDeque<Directory>,
    ) {
        let what = match (was, is) {
            (Entered::Directory(was), Entered::Directory(is)) => match self.live.get(&was) {
                Some(known) if *known == is => return,
                Some(_) => "was the same directory as another, and is not",
                None => {
                    self.live.insert(was, is);
                    next.push_back(was);
                    return;
                }
            },
            (Entered::NotADirectory, Entered::NotADirectory)
            | (Entered::Unreadable, Entered::Unreadable) => return,
            (Entered::Directory(_), Entered::NotADirectory) => "was a directory, and is not one",
            (Entered::NotADirectory, Entered::Directory(_)) => "was not a directory, and is one",
            (Entered::Unreadable, _) => "could not be read, and can be read",
            (_, Entered::Unreadable) => "could be read, and cannot be read",
        };
        self.changes.facts.push(FactChange { path, what: what.to_owned(), was: None, is: None });
    }

    /// Compares the identity and times of directories.
    fn compare_stamps(&mut self, recorded: &ReplayTree, live: &impl ObservedTree) {
        let (then, now) = (recorded.stamps(), live.stamps());
        for (&directory, &here) in &self.live {
            let pair = then.get(directory.0 as usize).zip(now.get(here.0 as usize));
            let Some((then, now)) = pair.filter(|(then, now)| then != now) else {
                continue;
            };
            let what = match then.identity == now.identity {
                true => "has other times",
                false => "is another directory",
            };
            let path = recorded.path(directory, b"");
            self.changes.directories.push(FactChange {
                path,
                what: what.to_owned(),
                was: None,
                is: None,
            });
        }
    }
}

fn change(path: Vec<u8>, was: &RecordedEntry, is: &RecordedEntry) -> FactChange {
    let words = |entry: &RecordedEntry, symlink: &str| match entry {
        Entry::Absent => "absent".to_owned(),
        Entry::Plain(()) => "a file or directory".to_owned(),
        Entry::Symlink(text) => format!("{symlink} to {}", Escaped(text)),
        Entry::Unreadable => "unreadable".to_owned(),
    };
    let again = if matches!(was, Entry::Symlink(_)) { "one" } else { "a symlink" };
    let what = format!("was {}, and is {}", words(was, "a symlink"), words(is, again));
    FactChange { path, what, was: None, is: None }
}

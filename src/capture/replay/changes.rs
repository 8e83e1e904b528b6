//! Which facts have changed since they were taken down.
//!
//! Knows facts, and a tree to ask again; must not know what was made of them.

use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};

use super::tree::{RecordedEntry, ReplayTree};
use crate::request::ObservedTree;
use crate::resolve::{Directory, Entered, Entry, Stopped};

/// A fact that has changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FactChange {
    /// Where: relative to the root, or absolute.
    pub path: Vec<u8>,
    /// What it was and what it is, in words.
    pub what: String,
    /// The text of the symlink that it was, if it was one.
    pub was: Option<Vec<u8>>,
    /// The text of the symlink that it is, if it is one.
    pub is: Option<Vec<u8>>,
}

/// What has changed in a tree.
#[derive(Debug, Default)]
pub struct FactChanges {
    /// Facts that can change what becomes of a row, by path.
    pub facts: Vec<FactChange>,
    /// Directories that have other times, or are other directories that show the same.
    pub touched: Vec<FactChange>,
}

/// Compares what was recorded with what `live` tells now. Where a directory is gone, what stood in it
/// is not told beside.
pub fn changes(
    recorded: &ReplayTree,
    live: &mut impl ObservedTree,
) -> Result<FactChanges, Stopped> {
    let mut compared = Compared { changes: FactChanges::default(), live: HashMap::new() };
    compared.go(recorded, live)?;
    compared.stamps(recorded, live);
    let mut changes = compared.changes;
    changes.facts.sort();
    changes.facts.dedup();
    changes.touched.sort();
    Ok(changes)
}

struct Compared {
    changes: FactChanges,
    /// By directory of the record: the one that stands there now.
    live: HashMap<Directory, Directory>,
}

/// What the record tells of one directory.
#[derive(Default)]
struct RecordedDirectory<'r> {
    entries: Vec<(&'r [u8], &'r RecordedEntry)>,
    entered: Vec<(&'r [u8], Entered)>,
    above: Option<Entered>,
}

impl Compared {
    fn go(&mut self, recorded: &ReplayTree, live: &mut impl ObservedTree) -> Result<(), Stopped> {
        let mut by_directory: HashMap<Directory, RecordedDirectory<'_>> = HashMap::new();
        for (directory, name, stands) in recorded.entries() {
            by_directory.entry(directory).or_default().entries.push((name, stands));
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
        if let Some(top) = recorded.known_top() {
            let now = live.top()?;
            self.entered(b"/".to_vec(), top, now, &mut next);
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
            for (name, stands) in known.entries {
                let now = live.entry(here, name)?.map_text(Box::from);
                if now != *stands {
                    changed.insert(name);
                    self.changes.facts.push(change(recorded.path(directory, name), stands, &now));
                }
            }
            for (name, was) in known.entered {
                if !changed.contains(name) {
                    let now = live.enter(here, name)?;
                    self.entered(recorded.path(directory, name), was, now, &mut next);
                }
            }
            if let Some(above) = known.above {
                let now = live.above(here)?;
                self.entered(recorded.path(directory, b".."), above, now, &mut next);
            }
        }
        Ok(())
    }

    fn entered(
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
            | (Entered::Unknown, Entered::Unknown) => return,
            (Entered::Directory(_), Entered::NotADirectory) => "was a directory, and is none",
            (Entered::NotADirectory, Entered::Directory(_)) => "was no directory, and is one",
            (Entered::Unknown, _) => "could not be read, and can be",
            (_, Entered::Unknown) => "could be read, and cannot be",
        };
        self.changes.facts.push(FactChange { path, what: what.to_owned(), was: None, is: None });
    }

    /// Compares which directories they are, and when they were changed.
    fn stamps(&mut self, recorded: &ReplayTree, live: &impl ObservedTree) {
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
            self.changes.touched.push(FactChange {
                path,
                what: what.to_owned(),
                was: None,
                is: None,
            });
        }
    }
}

fn change(path: Vec<u8>, was: &RecordedEntry, is: &RecordedEntry) -> FactChange {
    let text = |stands: &RecordedEntry| match stands {
        Entry::Symlink(text) => Some(text.to_vec()),
        _ => None,
    };
    let word = |stands: &RecordedEntry| match stands {
        Entry::Absent => "not there",
        Entry::Plain(()) => "a file or directory",
        Entry::Symlink(_) => "a link",
        Entry::Unreadable => "unreadable",
    };
    let what = match (was, is) {
        (Entry::Symlink(_), Entry::Symlink(_)) => "was a link, and is another".to_owned(),
        _ => format!("was {}, and is {}", word(was), word(is)),
    };
    FactChange { path, what, was: text(was), is: text(is) }
}

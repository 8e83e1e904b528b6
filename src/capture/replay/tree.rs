//! A tree that answers from recorded facts alone.
//!
//! A question without a recorded answer is an error. Must not read the disk.

use hashbrown::HashMap;

use crate::capture::format::{Fact, FactKind, Facts, MOST_FACTS, for_each};
use crate::display::escaped;
use crate::fs::{Counts, Identity, Observations, Stamp, Unreadable};
use crate::request::ObservedTree;
use crate::resolve::{Directory, Entered, Entry, Stopped, Tree};

/// The longest path to show, in bytes. A stranger's facts may hold a directory that is its own parent.
const LONGEST_PATH: usize = 4096;
/// The longest text of a symlink, in bytes: longer than any system allows.
const LONGEST_LINK: usize = 1 << 16;

/// A tree made of recorded facts.
pub struct ReplayTree {
    entries: HashMap<EntryKey, RecordedEntry>,
    entered: HashMap<EntryKey, Entered>,
    above: HashMap<Directory, Entered>,
    locations: HashMap<Directory, Option<EntryKey>>,
    top: Option<Entered>,
    stopped: Option<Stopped>,
    observations: Observations,
    stamps: Vec<Stamp>,
    /// By directory: how it was reached first.
    first_paths: Vec<Option<FirstPath>>,
}

/// What was at a location.
pub(super) type RecordedEntry = Entry<Box<[u8]>>;

/// A directory, and a name in it.
type EntryKey = (Directory, Box<[u8]>);

/// How a directory was reached.
#[derive(Clone)]
enum FirstPath {
    Root,
    Top,
    Above(Directory),
    In(Directory, Box<[u8]>),
}

const ROOT: Directory = Directory(0);

impl ReplayTree {
    /// The tree that `facts` are of. `None` if no tree can have them.
    pub fn new(facts: &Facts) -> Option<Self> {
        let stamps = stamps(facts)?;
        if facts.kinds.len() > MOST_FACTS || stamps.len() > MOST_FACTS {
            return None;
        }
        let mut first_paths = vec![None; stamps.len()];
        if let Some(root) = first_paths.first_mut() {
            *root = Some(FirstPath::Root);
        }
        let mut recorded = Self {
            entries: HashMap::new(),
            entered: HashMap::new(),
            above: HashMap::new(),
            locations: HashMap::new(),
            top: None,
            stopped: facts.stopped.as_ref().map(|stopped| match stopped.cancelled {
                true => Stopped::Cancelled,
                false => Stopped::Failed {
                    path: stopped.path.clone(),
                    reason: escaped(stopped.reason.as_bytes()),
                },
            }),
            observations: Observations {
                counts: Counts { listed: facts.listed as usize, reused: facts.reused as usize },
                unreadable: facts.unreadable.as_ref().map(|directory| Unreadable {
                    path: directory.path.clone(),
                    reason: escaped(directory.reason.as_bytes()),
                }),
            },
            stamps,
            first_paths,
        };
        for_each(facts, |fact| recorded.add(fact))?;
        Some(recorded)
    }

    fn add(&mut self, fact: Fact<'_>) -> Option<()> {
        let Fact { kind, directory, name, number, text } = fact;
        // A `/` in a name would lead out of the directory. The name of `/` itself is empty.
        let is_name = !name.contains(&b'/') && !name.contains(&0);
        let key = || is_name.then(|| (directory, Box::from(name)));
        if text.len() > LONGEST_LINK {
            return None;
        }
        match kind {
            FactKind::Absent => self.entries.extend([(key()?, Entry::Absent)]),
            FactKind::Plain => self.entries.extend([(key()?, Entry::Plain(()))]),
            FactKind::Link => self.entries.extend([(key()?, Entry::Symlink(text.into()))]),
            FactKind::Unknown => self.entries.extend([(key()?, Entry::Unreadable)]),
            FactKind::Entered | FactKind::NotADirectory | FactKind::EnteredUnknown => {
                let key = key()?;
                let entered =
                    entered(kind == FactKind::Entered, kind == FactKind::NotADirectory, number);
                self.reached(entered, FirstPath::In(directory, name.into()));
                self.entered.insert(key, entered);
            }
            FactKind::Above | FactKind::AboveNotADirectory | FactKind::AboveUnknown => {
                let above =
                    entered(kind == FactKind::Above, kind == FactKind::AboveNotADirectory, number);
                self.reached(above, FirstPath::Above(directory));
                self.above.insert(directory, above);
            }
            FactKind::Top | FactKind::TopNotADirectory | FactKind::TopUnknown => {
                let top =
                    entered(kind == FactKind::Top, kind == FactKind::TopNotADirectory, number);
                self.reached(top, FirstPath::Top);
                self.top = Some(top);
            }
            FactKind::Location => {
                self.locations.insert(directory, Some((number, text.into())));
            }
            FactKind::NoLocation => {
                self.locations.insert(directory, None);
            }
        }
        Some(())
    }

    fn reached(&mut self, entered: Entered, path: FirstPath) {
        if let Entered::Directory(directory) = entered
            && let Some(first_path @ None) = self.first_paths.get_mut(directory.0 as usize)
        {
            *first_path = Some(path);
        }
    }

    /// The recorded locations, each with what was there.
    pub fn entries(&self) -> impl Iterator<Item = (Directory, &[u8], &RecordedEntry)> {
        self.entries.iter().map(|((directory, name), entry)| (*directory, &**name, entry))
    }

    /// The recorded attempts to enter a directory, each with its result.
    pub fn all_entered(&self) -> impl Iterator<Item = (Directory, &[u8], Entered)> {
        self.entered.iter().map(|((directory, name), entered)| (*directory, &**name, *entered))
    }

    /// The directories whose `..` was recorded, each with what it was.
    pub fn all_above(&self) -> impl Iterator<Item = (Directory, Entered)> {
        self.above.iter().map(|(directory, above)| (*directory, *above))
    }

    /// What `/` was, if it was recorded.
    pub fn recorded_top(&self) -> Option<Entered> {
        self.top
    }

    /// The error for a question without a recorded answer.
    fn not_recorded(&self, directory: Directory, name: &[u8]) -> Stopped {
        self.stopped.clone().unwrap_or_else(|| Stopped::Failed {
            path: self.path(directory, name),
            reason: "the capture does not record it".to_owned(),
        })
    }
}

fn entered(is_directory: bool, is_other: bool, number: Directory) -> Entered {
    match (is_directory, is_other) {
        (true, _) => Entered::Directory(number),
        (_, true) => Entered::NotADirectory,
        _ => Entered::Unreadable,
    }
}

fn stamps(facts: &Facts) -> Option<Vec<Stamp>> {
    let count = facts.devices.len();
    let lengths = [
        facts.inodes.len(),
        facts.modified.len(),
        facts.modified_nanoseconds.len(),
        facts.changed.len(),
        facts.changed_nanoseconds.len(),
    ];
    let stamp = |at: usize| Stamp {
        identity: Identity { device: facts.devices[at], inode: facts.inodes[at] },
        modified: (facts.modified[at], facts.modified_nanoseconds[at].into()),
        changed: (facts.changed[at], facts.changed_nanoseconds[at].into()),
    };
    lengths.iter().all(|length| *length == count).then(|| (0..count).map(stamp).collect())
}

impl ObservedTree for ReplayTree {
    fn observations(&self) -> Observations {
        self.observations.clone()
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.stamps.clone()
    }

    fn path(&self, directory: Directory, name: &[u8]) -> Vec<u8> {
        let mut parts = vec![name];
        let mut directory = directory;
        let mut is_absolute = false;
        let mut length = 0;
        loop {
            match self.first_paths.get(directory.0 as usize).and_then(Option::as_ref) {
                // Longer than any path: the facts hold a loop.
                _ if length > LONGEST_PATH => {
                    parts.push(b"...");
                    break;
                }
                Some(FirstPath::In(parent, name)) => {
                    let cut = &name[name.len().saturating_sub(LONGEST_PATH)..];
                    length += cut.len() + 1;
                    parts.push(cut);
                    directory = *parent;
                }
                Some(FirstPath::Above(inner)) => {
                    length += b"../".len();
                    parts.push(b"..");
                    directory = *inner;
                }
                Some(FirstPath::Top) => {
                    is_absolute = true;
                    break;
                }
                Some(FirstPath::Root) | None => break,
            }
        }
        let mut path = Vec::new();
        if is_absolute {
            path.push(b'/');
        }
        for part in parts.iter().rev().filter(|part| !part.is_empty()) {
            if path.last().is_some_and(|last| *last != b'/') {
                path.push(b'/');
            }
            path.extend_from_slice(part);
        }
        if path.is_empty() {
            path.push(b'.');
        }
        path
    }
}

impl Tree for ReplayTree {
    fn root(&self) -> Directory {
        ROOT
    }

    fn top(&mut self) -> Result<Entered, Stopped> {
        self.top.ok_or_else(|| self.not_recorded(ROOT, b"/"))
    }

    fn above(&mut self, directory: Directory) -> Result<Entered, Stopped> {
        self.above.get(&directory).copied().ok_or_else(|| self.not_recorded(directory, b".."))
    }

    fn location(&self, directory: Directory) -> Option<(Directory, &[u8])> {
        let (parent, name) = self.locations.get(&directory)?.as_ref()?;
        Some((*parent, name))
    }

    fn entry(&mut self, directory: Directory, name: &[u8]) -> Result<Entry<&[u8]>, Stopped> {
        match self.entries.get(&EntryKeyRef(directory, name)) {
            Some(entry) => Ok(entry.as_deref()),
            None => Err(self.not_recorded(directory, name)),
        }
    }

    fn enter(&mut self, directory: Directory, name: &[u8]) -> Result<Entered, Stopped> {
        let known = self.entered.get(&EntryKeyRef(directory, name)).copied();
        known.ok_or_else(|| self.not_recorded(directory, name))
    }
}

/// An [`EntryKey`], borrowed.
#[derive(Hash)]
struct EntryKeyRef<'n>(Directory, &'n [u8]);

impl hashbrown::Equivalent<EntryKey> for EntryKeyRef<'_> {
    fn equivalent(&self, known: &EntryKey) -> bool {
        self.0 == known.0 && *self.1 == *known.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::format::FactLog;

    #[test]
    fn a_path_through_directories_that_contain_each_other_ends() {
        let mut log = FactLog::default();
        log.entered(Directory(2), b"x", Entered::Directory(Directory(1)));
        log.entered(Directory(1), b"y", Entered::Directory(Directory(2)));
        let count = 100_000;
        let facts = &mut log.facts;
        (facts.devices, facts.inodes) = (vec![0; count], vec![0; count]);
        (facts.modified, facts.changed) = (vec![0; count], vec![0; count]);
        (facts.modified_nanoseconds, facts.changed_nanoseconds) = (vec![0; count], vec![0; count]);
        let path = ReplayTree::new(facts).unwrap().path(Directory(1), b"name");
        assert!(path.starts_with(b".../") && path.ends_with(b"/y/x/name"), "{}", path.len());
        assert!(path.len() < 2 * LONGEST_PATH, "{}", path.len());
    }
}

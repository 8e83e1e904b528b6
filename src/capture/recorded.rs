//! A tree that answers from facts alone.
//!
//! Knows what was told; where nothing was told it says so, and must not ask anybody else.

use hashbrown::HashMap;

use super::bounds::MOST_FACTS;
use super::facts::{self, Fact};
use super::proto::{Facts, Kind};
use super::replaying::shown;
use crate::resolve::{Entered, Entry, Folder, Stopped, Tree};
use crate::site::Watched;
use crate::tree::{Counts, Identity, Noticed, Stamp, Unreadable};

/// The most bytes of the folders in a path that is shown, which a stranger's facts may make go round.
const LONGEST_PATH: usize = 4096;
/// The most bytes of a link's text: more than any system takes.
const LONGEST_LINK: usize = 1 << 16;

/// What facts tell of a tree. A question that was not asked when they were taken down has no answer.
pub struct Recorded {
    entries: HashMap<Location, Stands>,
    entered: HashMap<Location, Entered>,
    above: HashMap<Folder, Entered>,
    places: HashMap<Folder, Option<Location>>,
    top: Option<Entered>,
    stopped: Option<Stopped>,
    noticed: Noticed,
    stamps: Vec<Stamp>,
    /// By folder: how it was met first.
    met: Vec<Option<Met>>,
}

/// A folder, and a name in it.
type Location = (Folder, Box<[u8]>);

/// What stands at a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    Absent,
    Plain,
    Link(Box<[u8]>),
    Unknown,
}

/// How a folder was met.
#[derive(Clone)]
enum Met {
    Root,
    Top,
    Above(Folder),
    In(Folder, Box<[u8]>),
}

impl From<Entry<'_>> for Stands {
    fn from(entry: Entry<'_>) -> Self {
        match entry {
            Entry::Absent => Self::Absent,
            Entry::Plain => Self::Plain,
            Entry::Link(text) => Self::Link(text.into()),
            Entry::Unknown => Self::Unknown,
        }
    }
}

const ROOT: Folder = Folder(0);

impl Recorded {
    /// What `facts` tell. `None` if they cannot be what a tree told.
    pub fn new(facts: &Facts) -> Option<Self> {
        let stamps = stamps(facts)?;
        if facts.kinds.len() > MOST_FACTS || stamps.len() > MOST_FACTS {
            return None;
        }
        let mut met = vec![None; stamps.len()];
        if let Some(root) = met.first_mut() {
            *root = Some(Met::Root);
        }
        let mut recorded = Self {
            entries: HashMap::new(),
            entered: HashMap::new(),
            above: HashMap::new(),
            places: HashMap::new(),
            top: None,
            stopped: facts.stopped.as_ref().map(|stopped| match stopped.cancelled {
                true => Stopped::Cancelled,
                false => {
                    Stopped::Failed { path: stopped.path.clone(), reason: shown(&stopped.reason) }
                }
            }),
            noticed: Noticed {
                counts: Counts { listed: facts.listed as usize, reused: facts.reused as usize },
                unreadable: facts.unreadable.as_ref().map(|folder| Unreadable {
                    path: folder.path.clone(),
                    reason: shown(&folder.reason),
                }),
            },
            stamps,
            met,
        };
        facts::each(facts, |fact| recorded.add(fact))?;
        Some(recorded)
    }

    fn add(&mut self, fact: Fact<'_>) -> Option<()> {
        let Fact { kind, folder, name, number, text } = fact;
        let stands = |stands| {
            // What no name is would lead out of the folder. That of `/` is empty.
            let is_name = !name.contains(&b'/') && !name.contains(&0);
            is_name.then(|| ((folder, Box::from(name)), stands))
        };
        if text.len() > LONGEST_LINK {
            return None;
        }
        match kind {
            Kind::Absent => self.entries.extend([stands(Stands::Absent)?]),
            Kind::Plain => self.entries.extend([stands(Stands::Plain)?]),
            Kind::Link => self.entries.extend([stands(Stands::Link(text.into()))?]),
            Kind::Unknown => self.entries.extend([stands(Stands::Unknown)?]),
            Kind::Entered | Kind::NoFolder | Kind::EnteredUnknown => {
                let (place, _) = stands(Stands::Plain)?;
                let entered = entered(kind == Kind::Entered, kind == Kind::NoFolder, number);
                self.meet(entered, Met::In(folder, name.into()));
                self.entered.insert(place, entered);
            }
            Kind::Above | Kind::AboveNoFolder | Kind::AboveUnknown => {
                let above = entered(kind == Kind::Above, kind == Kind::AboveNoFolder, number);
                self.meet(above, Met::Above(folder));
                self.above.insert(folder, above);
            }
            Kind::Top | Kind::TopNoFolder | Kind::TopUnknown => {
                let top = entered(kind == Kind::Top, kind == Kind::TopNoFolder, number);
                self.meet(top, Met::Top);
                self.top = Some(top);
            }
            Kind::Place => {
                self.places.insert(folder, Some((number, text.into())));
            }
            Kind::NoPlace => {
                self.places.insert(folder, None);
            }
        }
        Some(())
    }

    fn meet(&mut self, entered: Entered, how: Met) {
        if let Entered::Folder(folder) = entered
            && let Some(met @ None) = self.met.get_mut(folder.0 as usize)
        {
            *met = Some(how);
        }
    }

    /// The locations that were asked for, each with what stood there.
    pub fn entries(&self) -> impl Iterator<Item = (Folder, &[u8], &Stands)> {
        self.entries.iter().map(|((folder, name), stands)| (*folder, &**name, stands))
    }

    /// The locations that were entered, each with what that came to.
    pub fn all_entered(&self) -> impl Iterator<Item = (Folder, &[u8], Entered)> {
        self.entered.iter().map(|((folder, name), entered)| (*folder, &**name, *entered))
    }

    /// The folders above which was asked for, each with what was there.
    pub fn all_above(&self) -> impl Iterator<Item = (Folder, Entered)> {
        self.above.iter().map(|(folder, above)| (*folder, *above))
    }

    /// What `/` was, if that was asked.
    pub fn known_top(&self) -> Option<Entered> {
        self.top
    }

    fn unasked(&self, folder: Folder, name: &[u8]) -> Stopped {
        self.stopped.clone().unwrap_or_else(|| Stopped::Failed {
            path: self.path(folder, name),
            reason: "the capture does not tell; this was not asked when it was recorded".to_owned(),
        })
    }
}

fn entered(found: bool, not: bool, number: Folder) -> Entered {
    match (found, not) {
        (true, _) => Entered::Folder(number),
        (_, true) => Entered::NoFolder,
        _ => Entered::Unknown,
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

impl Watched for Recorded {
    fn noticed(&self) -> Noticed {
        self.noticed.clone()
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.stamps.clone()
    }

    fn path(&self, folder: Folder, name: &[u8]) -> Vec<u8> {
        let mut parts = vec![name];
        let mut folder = folder;
        let mut is_absolute = false;
        let mut length = 0;
        loop {
            match self.met.get(folder.0 as usize).and_then(Option::as_ref) {
                // Longer than any path: a stranger's facts that go round.
                _ if length > LONGEST_PATH => {
                    parts.push(b"...");
                    break;
                }
                Some(Met::In(parent, name)) => {
                    let cut = &name[name.len().saturating_sub(LONGEST_PATH)..];
                    length += cut.len() + 1;
                    parts.push(cut);
                    folder = *parent;
                }
                Some(Met::Above(inner)) => {
                    length += b"../".len();
                    parts.push(b"..");
                    folder = *inner;
                }
                Some(Met::Top) => {
                    is_absolute = true;
                    break;
                }
                Some(Met::Root) | None => break,
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

impl Tree for Recorded {
    fn root(&self) -> Folder {
        ROOT
    }

    fn top(&mut self) -> Result<Entered, Stopped> {
        self.top.ok_or_else(|| self.unasked(ROOT, b"/"))
    }

    fn above(&mut self, folder: Folder) -> Result<Entered, Stopped> {
        self.above.get(&folder).copied().ok_or_else(|| self.unasked(folder, b".."))
    }

    fn place(&self, folder: Folder) -> Option<(Folder, &[u8])> {
        let (parent, name) = self.places.get(&folder)?.as_ref()?;
        Some((*parent, name))
    }

    fn entry(&mut self, folder: Folder, name: &[u8]) -> Result<Entry<'_>, Stopped> {
        match self.entries.get(&Asked(folder, name)) {
            Some(Stands::Absent) => Ok(Entry::Absent),
            Some(Stands::Plain) => Ok(Entry::Plain),
            Some(Stands::Link(text)) => Ok(Entry::Link(text)),
            Some(Stands::Unknown) => Ok(Entry::Unknown),
            None => Err(self.unasked(folder, name)),
        }
    }

    fn enter(&mut self, folder: Folder, name: &[u8]) -> Result<Entered, Stopped> {
        let known = self.entered.get(&Asked(folder, name)).copied();
        known.ok_or_else(|| self.unasked(folder, name))
    }
}

/// A location that is looked up.
#[derive(Hash)]
struct Asked<'n>(Folder, &'n [u8]);

impl hashbrown::Equivalent<Location> for Asked<'_> {
    fn equivalent(&self, known: &Location) -> bool {
        self.0 == known.0 && *self.1 == *known.1
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Log;
    use super::*;

    #[test]
    fn a_path_through_folders_that_go_round_ends() {
        let mut log = Log::default();
        log.entered(Folder(2), b"x", Entered::Folder(Folder(1)));
        log.entered(Folder(1), b"y", Entered::Folder(Folder(2)));
        let count = 100_000;
        let facts = &mut log.facts;
        (facts.devices, facts.inodes) = (vec![0; count], vec![0; count]);
        (facts.modified, facts.changed) = (vec![0; count], vec![0; count]);
        (facts.modified_nanoseconds, facts.changed_nanoseconds) = (vec![0; count], vec![0; count]);
        let path = Recorded::new(facts).unwrap().path(Folder(1), b"name");
        assert!(path.starts_with(b".../") && path.ends_with(b"/y/x/name"), "{}", path.len());
        assert!(path.len() < 2 * LONGEST_PATH, "{}", path.len());
    }
}

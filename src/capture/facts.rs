//! Facts in columns: what a tree told, one answer after the other.
//!
//! Taking a fact down is all that recording costs while a request runs, so that it is a few bytes
//! behind others, and nothing is looked up.

use super::proto::{Facts, Kind, Stopped, Unreadable};
use crate::resolve::{self, Entered, Entry, Folder};
use crate::tree::{Noticed, Stamp};

/// One fact, as it is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<'f> {
    pub kind: Kind,
    pub folder: Folder,
    pub name: &'f [u8],
    /// Of kinds that have one.
    pub number: Folder,
    /// Of kinds that have one.
    pub text: &'f [u8],
}

/// The facts of one request, while they are taken down.
#[derive(Default)]
pub struct Log {
    pub facts: Facts,
    last: u32,
}

impl Log {
    /// What stands at `name` in `folder`.
    pub fn entry(&mut self, folder: Folder, name: &[u8], entry: Entry<'_>) {
        let kind = match entry {
            Entry::Absent => Kind::Absent,
            Entry::Plain => Kind::Plain,
            Entry::Link(_) => Kind::Link,
            Entry::Unknown => Kind::Unknown,
        };
        self.push(kind, folder, name);
        if let Entry::Link(text) = entry {
            self.text(text);
        }
    }

    /// What entering `name` in `folder` came to.
    pub fn entered(&mut self, folder: Folder, name: &[u8], entered: Entered) {
        self.folder([Kind::Entered, Kind::NoFolder, Kind::EnteredUnknown], folder, name, entered);
    }

    /// What is above `folder`.
    pub fn above(&mut self, folder: Folder, entered: Entered) {
        self.folder([Kind::Above, Kind::AboveNoFolder, Kind::AboveUnknown], folder, b"", entered);
    }

    /// What `/` is.
    pub fn top(&mut self, entered: Entered) {
        self.folder([Kind::Top, Kind::TopNoFolder, Kind::TopUnknown], Folder(0), b"", entered);
    }

    /// Where `folder` lives.
    pub fn place(&mut self, folder: Folder, place: Option<(Folder, &[u8])>) {
        match place {
            Some((parent, name)) => {
                self.push(Kind::Place, folder, b"");
                self.facts.numbers.push(parent.0);
                self.text(name);
            }
            None => self.push(Kind::NoPlace, folder, b""),
        }
    }

    /// The tree gives no more answers.
    pub fn stopped(&mut self, stopped: &resolve::Stopped) {
        self.facts.stopped = Some(match stopped {
            resolve::Stopped::Cancelled => Stopped { cancelled: true, ..Stopped::default() },
            resolve::Stopped::Failed { path, reason } => {
                Stopped { cancelled: false, path: path.clone(), reason: reason.clone() }
            }
        });
    }

    /// What the tree noticed, and which folders it met.
    pub fn noticed(&mut self, noticed: Noticed, stamps: &[Stamp]) {
        let facts = &mut self.facts;
        facts.listed = noticed.counts.listed as u32;
        facts.reused = noticed.counts.reused as u32;
        facts.unreadable = noticed
            .unreadable
            .map(|folder| Unreadable { path: folder.path, reason: folder.reason });
        facts.devices = stamps.iter().map(|stamp| stamp.identity.device).collect();
        facts.inodes = stamps.iter().map(|stamp| stamp.identity.inode).collect();
        facts.modified = stamps.iter().map(|stamp| stamp.modified.0).collect();
        facts.modified_nanoseconds = stamps.iter().map(|stamp| stamp.modified.1 as u32).collect();
        facts.changed = stamps.iter().map(|stamp| stamp.changed.0).collect();
        facts.changed_nanoseconds = stamps.iter().map(|stamp| stamp.changed.1 as u32).collect();
    }

    fn folder(&mut self, kinds: [Kind; 3], folder: Folder, name: &[u8], entered: Entered) {
        let [found, not, unknown] = kinds;
        match entered {
            Entered::Folder(inner) => {
                self.push(found, folder, name);
                self.facts.numbers.push(inner.0);
            }
            Entered::NoFolder => self.push(not, folder, name),
            Entered::Unknown => self.push(unknown, folder, name),
        }
    }

    fn push(&mut self, kind: Kind, folder: Folder, name: &[u8]) {
        let facts = &mut self.facts;
        facts.kinds.push(kind as u8);
        facts.folders.push(folder.0.wrapping_sub(self.last) as i32);
        self.last = folder.0;
        facts.name_lengths.push(name.len() as u32);
        facts.names.extend_from_slice(name);
    }

    fn text(&mut self, text: &[u8]) {
        self.facts.text_lengths.push(text.len() as u32);
        self.facts.texts.extend_from_slice(text);
    }
}

/// Reads the facts back. `None` where the columns do not belong together.
pub fn each<'f>(facts: &'f Facts, mut tell: impl FnMut(Fact<'f>) -> Option<()>) -> Option<()> {
    let folders = facts.devices.len();
    let known = |number: u32| ((number as usize) < folders).then_some(Folder(number));
    let mut names = Texts { rest: &facts.names, lengths: facts.name_lengths.iter() };
    let mut texts = Texts { rest: &facts.texts, lengths: facts.text_lengths.iter() };
    let mut numbers = facts.numbers.iter();
    let mut last = 0u32;
    if facts.kinds.len() != facts.folders.len() {
        return None;
    }
    for (&kind, &difference) in facts.kinds.iter().zip(&facts.folders) {
        let kind = Kind::try_from(i32::from(kind)).ok()?;
        last = last.wrapping_add(difference as u32);
        let has_number = matches!(kind, Kind::Entered | Kind::Above | Kind::Top | Kind::Place);
        let has_text = matches!(kind, Kind::Link | Kind::Place);
        tell(Fact {
            kind,
            folder: known(last)?,
            name: names.next()?,
            number: if has_number { known(*numbers.next()?)? } else { Folder(0) },
            text: if has_text { texts.next()? } else { b"" },
        })?;
    }
    Some(())
}

/// Texts that stand one behind the other.
struct Texts<'f> {
    rest: &'f [u8],
    lengths: std::slice::Iter<'f, u32>,
}

impl<'f> Iterator for Texts<'f> {
    type Item = &'f [u8];

    fn next(&mut self) -> Option<&'f [u8]> {
        let (text, rest) = self.rest.split_at_checked(*self.lengths.next()? as usize)?;
        self.rest = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_back_as_they_were_told() {
        let mut log = Log::default();
        log.entry(Folder(1), b"a", Entry::Link(b"b"));
        log.entered(Folder(0), b"c", Entered::Folder(Folder(1)));
        log.place(Folder(1), Some((Folder(0), b"c")));
        log.facts.devices = vec![0; 2];
        let mut read = Vec::new();
        each(&log.facts, |fact| {
            read.push((fact.kind, fact.folder.0, fact.name, fact.number.0, fact.text));
            Some(())
        })
        .unwrap();
        assert_eq!(
            read,
            [
                (Kind::Link, 1, &b"a"[..], 0, &b"b"[..]),
                (Kind::Entered, 0, b"c", 1, b""),
                (Kind::Place, 1, b"", 0, b"c"),
            ]
        );
    }

    #[test]
    fn columns_that_do_not_belong_together_are_refused() {
        let mut log = Log::default();
        log.entry(Folder(0), b"a", Entry::Plain);
        assert!(each(&log.facts, |_| Some(())).is_none(), "a folder that was never met");
        log.facts.devices = vec![0];
        assert!(each(&log.facts, |_| Some(())).is_some());
        log.facts.name_lengths[0] = 2;
        assert!(each(&log.facts, |_| Some(())).is_none(), "a name that is longer than all names");
    }
}

//! Facts about the tree, in columns: each question to the tree, with its answer, in order.
//!
//! Appending facts is all that recording costs while a request runs. So a fact is a few bytes at the
//! end of each column, and nothing is looked up.

use super::proto::{FactKind, RecordedStop, UnreadableDirectory};

pub(crate) use super::proto::Facts;
use crate::fs::{Observations, Stamp};
use crate::resolve::{self, Directory, Entered, Entry};

/// One fact, as it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fact<'f> {
    pub kind: FactKind,
    pub directory: Directory,
    pub name: &'f [u8],
    /// The directory of the answer; 0 for kinds without one.
    pub number: Directory,
    /// The text of the answer; empty for kinds without one.
    pub text: &'f [u8],
}

/// The facts of one request, while it runs.
#[derive(Default)]
pub struct FactLog {
    pub facts: Facts,
    last: u32,
}

impl FactLog {
    /// Records what is at `name` in `directory`.
    pub fn entry(&mut self, directory: Directory, name: &[u8], entry: Entry<&[u8]>) {
        let kind = match entry {
            Entry::Absent => FactKind::Absent,
            Entry::Plain(()) => FactKind::Plain,
            Entry::Symlink(_) => FactKind::Link,
            Entry::Unreadable => FactKind::Unknown,
        };
        self.push(kind, directory, name);
        if let Entry::Symlink(text) = entry {
            self.text(text);
        }
    }

    /// Records the result of entering `name` in `directory`.
    pub fn entered(&mut self, directory: Directory, name: &[u8], entered: Entered) {
        self.directory(
            [FactKind::Entered, FactKind::NotADirectory, FactKind::EnteredUnknown],
            directory,
            name,
            entered,
        );
    }

    /// Records what `..` of `directory` is.
    pub fn above(&mut self, directory: Directory, entered: Entered) {
        self.directory(
            [FactKind::Above, FactKind::AboveNotADirectory, FactKind::AboveUnknown],
            directory,
            b"",
            entered,
        );
    }

    /// Records what `/` is.
    pub fn top(&mut self, entered: Entered) {
        self.directory(
            [FactKind::Top, FactKind::TopNotADirectory, FactKind::TopUnknown],
            Directory(0),
            b"",
            entered,
        );
    }

    /// Records the parent of `directory` and its name there.
    pub fn location(&mut self, directory: Directory, location: Option<(Directory, &[u8])>) {
        match location {
            Some((parent, name)) => {
                self.push(FactKind::Location, directory, b"");
                self.facts.numbers.push(parent.0);
                self.text(name);
            }
            None => self.push(FactKind::NoLocation, directory, b""),
        }
    }

    /// Records why the tree gives no more answers.
    pub fn stopped(&mut self, stopped: &resolve::Stopped) {
        self.facts.stopped = Some(match stopped {
            resolve::Stopped::Cancelled => {
                RecordedStop { cancelled: true, ..RecordedStop::default() }
            }
            resolve::Stopped::Failed { path, reason } => {
                RecordedStop { cancelled: false, path: path.clone(), reason: reason.clone() }
            }
        });
    }

    /// Records what the tree observed, and the identity and times of each directory.
    pub fn observations(&mut self, observations: Observations, stamps: &[Stamp]) {
        let facts = &mut self.facts;
        facts.listed = observations.counts.listed as u32;
        facts.reused = observations.counts.reused as u32;
        facts.unreadable = observations.unreadable.map(|directory| UnreadableDirectory {
            path: directory.path,
            reason: directory.reason,
        });
        facts.devices = stamps.iter().map(|stamp| stamp.identity.device).collect();
        facts.inodes = stamps.iter().map(|stamp| stamp.identity.inode).collect();
        facts.modified = stamps.iter().map(|stamp| stamp.modified.0).collect();
        facts.modified_nanoseconds = stamps.iter().map(|stamp| stamp.modified.1 as u32).collect();
        facts.changed = stamps.iter().map(|stamp| stamp.changed.0).collect();
        facts.changed_nanoseconds = stamps.iter().map(|stamp| stamp.changed.1 as u32).collect();
    }

    fn directory(
        &mut self,
        kinds: [FactKind; 3],
        directory: Directory,
        name: &[u8],
        entered: Entered,
    ) {
        let [found, not_a_directory, unknown] = kinds;
        match entered {
            Entered::Directory(inner) => {
                self.push(found, directory, name);
                self.facts.numbers.push(inner.0);
            }
            Entered::NotADirectory => self.push(not_a_directory, directory, name),
            Entered::Unreadable => self.push(unknown, directory, name),
        }
    }

    fn push(&mut self, kind: FactKind, directory: Directory, name: &[u8]) {
        let facts = &mut self.facts;
        facts.kinds.push(kind as u8);
        facts.directories.push(directory.0.wrapping_sub(self.last) as i32);
        self.last = directory.0;
        facts.name_lengths.push(name.len() as u32);
        facts.names.extend_from_slice(name);
    }

    fn text(&mut self, text: &[u8]) {
        self.facts.text_lengths.push(text.len() as u32);
        self.facts.texts.extend_from_slice(text);
    }
}

/// Decodes the facts in order, and calls `visit` with each. `None` if the columns do not fit together,
/// or if `visit` returns `None`.
pub(crate) fn for_each<'f>(
    facts: &'f Facts,
    mut visit: impl FnMut(Fact<'f>) -> Option<()>,
) -> Option<()> {
    let directories = facts.devices.len();
    let known = |number: u32| ((number as usize) < directories).then_some(Directory(number));
    let mut names = TextColumn { rest: &facts.names, lengths: facts.name_lengths.iter() };
    let mut texts = TextColumn { rest: &facts.texts, lengths: facts.text_lengths.iter() };
    let mut numbers = facts.numbers.iter();
    let mut last = 0u32;
    if facts.kinds.len() != facts.directories.len() {
        return None;
    }
    for (&kind, &difference) in facts.kinds.iter().zip(&facts.directories) {
        let kind = FactKind::try_from(i32::from(kind)).ok()?;
        last = last.wrapping_add(difference as u32);
        let has_number = matches!(
            kind,
            FactKind::Entered | FactKind::Above | FactKind::Top | FactKind::Location
        );
        let has_text = matches!(kind, FactKind::Link | FactKind::Location);
        visit(Fact {
            kind,
            directory: known(last)?,
            name: names.next()?,
            number: if has_number { known(*numbers.next()?)? } else { Directory(0) },
            text: if has_text { texts.next()? } else { b"" },
        })?;
    }
    Some(())
}

/// A column of texts: their bytes, concatenated, and the length of each.
struct TextColumn<'f> {
    rest: &'f [u8],
    lengths: std::slice::Iter<'f, u32>,
}

impl<'f> Iterator for TextColumn<'f> {
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
    fn facts_are_decoded_as_they_were_recorded() {
        let mut log = FactLog::default();
        log.entry(Directory(1), b"a", Entry::Symlink(&b"b"[..]));
        log.entered(Directory(0), b"c", Entered::Directory(Directory(1)));
        log.location(Directory(1), Some((Directory(0), b"c")));
        log.facts.devices = vec![0; 2];
        let mut read = Vec::new();
        for_each(&log.facts, |fact| {
            read.push((fact.kind, fact.directory.0, fact.name, fact.number.0, fact.text));
            Some(())
        })
        .unwrap();
        assert_eq!(
            read,
            [
                (FactKind::Link, 1, &b"a"[..], 0, &b"b"[..]),
                (FactKind::Entered, 0, b"c", 1, b""),
                (FactKind::Location, 1, b"", 0, b"c"),
            ]
        );
    }

    #[test]
    fn columns_that_do_not_fit_together_are_refused() {
        let mut log = FactLog::default();
        log.entry(Directory(0), b"a", Entry::Plain(()));
        assert!(for_each(&log.facts, |_| Some(())).is_none(), "a directory without a number");
        log.facts.devices = vec![0];
        assert!(for_each(&log.facts, |_| Some(())).is_some());
        log.facts.name_lengths[0] = 2;
        assert!(for_each(&log.facts, |_| Some(())).is_none(), "a name longer than the column");
    }
}

//! A tree that records every answer of another tree.
//!
//! Must change no answer, nor know why it is needed.

use std::cell::RefCell;

use tracing::trace;

use crate::capture::format::FactLog;
use crate::display::Escaped;
use crate::fs::{Observations, Stamp};
use crate::request::ObservedTree;
use crate::resolve::{Directory, Entered, EnteredEntry, Entry, Stopped, Tree, Wanted};

/// Forwards each question to a tree, and records the answer. Dropping it records what the tree observed.
pub struct RecordingTree<'l, T: ObservedTree> {
    tree: T,
    // `location` takes `&self`.
    log: RefCell<&'l mut FactLog>,
}

impl<'l, T: ObservedTree> RecordingTree<'l, T> {
    /// Records in `log` what `tree` answers.
    pub fn new(tree: T, log: &'l mut FactLog) -> Self {
        Self { tree, log: RefCell::new(log) }
    }
}

impl<T: ObservedTree> Drop for RecordingTree<'_, T> {
    fn drop(&mut self) {
        self.log.get_mut().observations(self.tree.observations(), &self.tree.stamps());
    }
}

impl<T: ObservedTree> ObservedTree for RecordingTree<'_, T> {
    fn observations(&self) -> Observations {
        self.tree.observations()
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.tree.stamps()
    }

    fn path(&self, directory: Directory, name: &[u8]) -> Vec<u8> {
        self.tree.path(directory, name)
    }
}

/// Records why the tree gave no answer, if so.
fn record_stop<T>(log: &mut FactLog, answer: Result<T, Stopped>) -> Result<T, Stopped> {
    answer.inspect_err(|stopped| {
        match stopped {
            Stopped::Cancelled => trace!("cancelled"),
            Stopped::Failed { path, reason } => trace!(path = %Escaped(path), reason, "no answer"),
        }
        log.stopped(stopped);
    })
}

/// Records what is at a location.
fn record_entry(log: &mut FactLog, directory: Directory, name: &[u8], entry: Entry<&[u8]>) {
    match entry {
        Entry::Symlink(text) => {
            trace!(directory = directory.0, name = %Escaped(name), text = %Escaped(text), "link");
        }
        _ => trace!(directory = directory.0, name = %Escaped(name), ?entry, "entry"),
    }
    log.entry(directory, name, entry);
}

impl<T: ObservedTree> Tree for RecordingTree<'_, T> {
    fn root(&self) -> Directory {
        self.tree.root()
    }

    fn takes_names(&self) -> bool {
        self.tree.takes_names()
    }

    fn top(&mut self) -> Result<Entered, Stopped> {
        let log = self.log.get_mut();
        let entered = record_stop(log, self.tree.top())?;
        trace!(?entered, "the directory /");
        log.top(entered);
        Ok(entered)
    }

    fn above(&mut self, directory: Directory) -> Result<Entered, Stopped> {
        let log = self.log.get_mut();
        let entered = record_stop(log, self.tree.above(directory))?;
        trace!(directory = directory.0, ?entered, "above");
        log.above(directory, entered);
        Ok(entered)
    }

    fn location(&self, directory: Directory) -> Option<(Directory, &[u8])> {
        let location = self.tree.location(directory);
        match location {
            Some((parent, name)) => {
                trace!(directory = directory.0, parent = parent.0, name = %Escaped(name), "location");
            }
            None => trace!(directory = directory.0, "no location"),
        }
        self.log.borrow_mut().location(directory, location);
        location
    }

    fn entry(&mut self, directory: Directory, name: &[u8]) -> Result<Entry<&[u8]>, Stopped> {
        let log = self.log.get_mut();
        let entry = record_stop(log, self.tree.entry(directory, name))?;
        record_entry(log, directory, name, entry);
        Ok(entry)
    }

    fn enter(&mut self, directory: Directory, name: &[u8]) -> Result<Entered, Stopped> {
        let log = self.log.get_mut();
        let entered = record_stop(log, self.tree.enter(directory, name))?;
        trace!(directory = directory.0, name = %Escaped(name), ?entered, "enter");
        log.entered(directory, name, entered);
        Ok(entered)
    }

    fn enter_all(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<EnteredEntry>, Stopped> {
        let log = self.log.get_mut();
        let entries = record_stop(log, self.tree.enter_all(wanted))?;
        for (&Wanted { parent, name, .. }, entry) in wanted.iter().zip(&entries) {
            record_entry(log, parent, name, entry.as_deref().without_known());
            if let Entry::Plain(entered) = entry {
                trace!(directory = parent.0, name = %Escaped(name), ?entered, "enter");
                log.entered(parent, name, *entered);
            }
        }
        Ok(entries)
    }

    fn read_all(&mut self, directories: &[(Directory, u32)]) -> Result<(), Stopped> {
        record_stop(self.log.get_mut(), self.tree.read_all(directories))
    }
}

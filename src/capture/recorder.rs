//! A tree that takes down what another one tells.
//!
//! Knows questions and answers; must change none of them, nor know what they are asked for.

use std::cell::RefCell;

use tracing::trace;

use super::facts::Log;
use crate::resolve::{Entered, Entry, Folder, Met, Stopped, Tree, Wanted};
use crate::show::Shown;
use crate::site::Watched;
use crate::tree::{Noticed, Stamp};

/// Asks `tree`, and takes every answer down. When it goes, it takes down what the tree noticed.
pub struct Recorder<'l, T: Watched> {
    tree: T,
    // Where a folder lives is asked without a way to change anything.
    log: RefCell<&'l mut Log>,
}

impl<'l, T: Watched> Recorder<'l, T> {
    /// Takes down in `log` what `tree` tells.
    pub fn new(tree: T, log: &'l mut Log) -> Self {
        Self { tree, log: RefCell::new(log) }
    }
}

impl<T: Watched> Drop for Recorder<'_, T> {
    fn drop(&mut self) {
        self.log.get_mut().noticed(self.tree.noticed(), &self.tree.stamps());
    }
}

impl<T: Watched> Watched for Recorder<'_, T> {
    fn noticed(&self) -> Noticed {
        self.tree.noticed()
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.tree.stamps()
    }

    fn path(&self, folder: Folder, name: &[u8]) -> Vec<u8> {
        self.tree.path(folder, name)
    }
}

/// Takes down that no answer came, if so.
fn heard<A>(log: &mut Log, answer: Result<A, Stopped>) -> Result<A, Stopped> {
    answer.inspect_err(|stopped| {
        match stopped {
            Stopped::Cancelled => trace!("cancelled"),
            Stopped::Failed { path, reason } => trace!(path = %Shown(path), reason, "no answer"),
        }
        log.stopped(stopped);
    })
}

/// Takes down what stands at a location.
fn told(log: &mut Log, folder: Folder, name: &[u8], entry: Entry<'_>) {
    match entry {
        Entry::Link(text) => {
            trace!(folder = folder.0, name = %Shown(name), text = %Shown(text), "link");
        }
        _ => trace!(folder = folder.0, name = %Shown(name), ?entry, "entry"),
    }
    log.entry(folder, name, entry);
}

impl<T: Watched> Tree for Recorder<'_, T> {
    fn root(&self) -> Folder {
        self.tree.root()
    }

    fn takes_names(&self) -> bool {
        self.tree.takes_names()
    }

    fn top(&mut self) -> Result<Entered, Stopped> {
        let log = self.log.get_mut();
        let entered = heard(log, self.tree.top())?;
        trace!(?entered, "the folder /");
        log.top(entered);
        Ok(entered)
    }

    fn above(&mut self, folder: Folder) -> Result<Entered, Stopped> {
        let log = self.log.get_mut();
        let entered = heard(log, self.tree.above(folder))?;
        trace!(folder = folder.0, ?entered, "above");
        log.above(folder, entered);
        Ok(entered)
    }

    fn place(&self, folder: Folder) -> Option<(Folder, &[u8])> {
        let place = self.tree.place(folder);
        match place {
            Some((parent, name)) => {
                trace!(folder = folder.0, parent = parent.0, name = %Shown(name), "place");
            }
            None => trace!(folder = folder.0, "no place"),
        }
        self.log.borrow_mut().place(folder, place);
        place
    }

    fn entry(&mut self, folder: Folder, name: &[u8]) -> Result<Entry<'_>, Stopped> {
        let log = self.log.get_mut();
        let entry = heard(log, self.tree.entry(folder, name))?;
        told(log, folder, name, entry);
        Ok(entry)
    }

    fn enter(&mut self, folder: Folder, name: &[u8]) -> Result<Entered, Stopped> {
        let log = self.log.get_mut();
        let entered = heard(log, self.tree.enter(folder, name))?;
        trace!(folder = folder.0, name = %Shown(name), ?entered, "enter");
        log.entered(folder, name, entered);
        Ok(entered)
    }

    fn enter_all(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<Met>, Stopped> {
        let log = self.log.get_mut();
        let all_met = heard(log, self.tree.enter_all(wanted))?;
        for (&Wanted { parent, name, .. }, met) in wanted.iter().zip(&all_met) {
            let entry = match met {
                Met::Absent => Entry::Absent,
                Met::Unknown => Entry::Unknown,
                Met::Plain(_) => Entry::Plain,
                Met::Link(text) => Entry::Link(text),
            };
            told(log, parent, name, entry);
            if let Met::Plain(entered) = met {
                trace!(folder = parent.0, name = %Shown(name), ?entered, "enter");
                log.entered(parent, name, *entered);
            }
        }
        Ok(all_met)
    }

    fn read_all(&mut self, folders: &[(Folder, u32)]) -> Result<(), Stopped> {
        heard(self.log.get_mut(), self.tree.read_all(folders))
    }
}

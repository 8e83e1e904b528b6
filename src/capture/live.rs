//! The disk as it is now, for a request that was made before: nothing is written.
//!
//! Knows which parts of the world are asked anew and which come from the capture; must not know what
//! for.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::facts::Log;
use super::recorder::Recorder;
use super::replaying::Replaying;
use crate::error::Error;
use crate::site::{Content, Disk, OUT, Purpose, Site};
use crate::tree::View;

/// A request on the disk whose output is held back.
pub struct Live<'c> {
    disk: Disk<'c>,
    /// Where the request was recorded, its specs are taken from there.
    recorded: Option<Replaying>,
    written: Option<Vec<u8>>,
    committed: Option<Vec<u8>>,
    /// What is told is taken down for the log alone.
    log: Log,
}

impl<'c> Live<'c> {
    /// The disk, with the files that `recorded` holds.
    pub fn new(disk: Disk<'c>, recorded: Option<Replaying>) -> Self {
        Self { disk, recorded, written: None, committed: None, log: Log::default() }
    }

    /// What the request has written by now.
    pub fn take_written(&mut self) -> Option<Vec<u8>> {
        self.committed.take()
    }
}

impl<'c> Site for Live<'c> {
    type Tree<'t>
        = Recorder<'t, View<'c>>
    where
        Self: 't;

    fn read(&mut self, path: &Path, purpose: Purpose) -> Result<Bytes, Error> {
        match &mut self.recorded {
            Some(recorded) => recorded.read(path, purpose),
            None => self.disk.read(path, purpose),
        }
    }

    fn tree(&mut self) -> Result<Self::Tree<'_>, Error> {
        Ok(Recorder::new(self.disk.tree()?, &mut self.log))
    }

    fn weigh(&mut self, source: &[u8]) -> u64 {
        self.disk.weigh(source)
    }

    fn begin(&mut self, _: &'static str, _: &Path, _: &[PathBuf]) -> Result<(), Error> {
        Ok(())
    }

    fn write(&mut self, flag: &'static str, content: Content<'_>) -> Result<(), Error> {
        if flag == OUT {
            let mut text = Vec::new();
            // A vector takes whatever is written to it.
            let _ = content.write_to(&mut text);
            self.written = Some(text);
        }
        Ok(())
    }

    fn go_on(&mut self) -> Result<(), Error> {
        self.disk.go_on()
    }

    fn commit(&mut self, flag: &'static str) -> Result<(), Error> {
        if flag == OUT {
            self.committed = self.written.take();
        }
        Ok(())
    }
}

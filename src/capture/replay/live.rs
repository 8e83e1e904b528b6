//! A host that is the disk as it is now, and keeps the output in memory.
//!
//! Knows what is read from the disk and what from the capture; must not write to the disk.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::host::ReplayHost;
use crate::capture::format::FactLog;
use crate::capture::record::RecordingTree;
use crate::fs::View;
use crate::request::{Content, Disk, Host, OutputHandle, OutputKind, Purpose, RequestError};

/// The disk, with the output kept in memory.
pub struct LiveHost<'c> {
    disk: Disk<'c>,
    /// The capture that specs and files of arguments are read from, if any.
    recorded: Option<ReplayHost>,
    written: Option<Vec<u8>>,
    committed: Option<Vec<u8>>,
    /// Required by `RecordingTree`, which logs each answer; not read.
    log: FactLog,
}

impl<'c> LiveHost<'c> {
    /// The disk. Specs and files of arguments are read from `recorded`, if given.
    pub fn new(disk: Disk<'c>, recorded: Option<ReplayHost>) -> Self {
        Self { disk, recorded, written: None, committed: None, log: FactLog::default() }
    }

    /// Takes the output that the request has committed, if any.
    pub fn take_output(&mut self) -> Option<Vec<u8>> {
        self.committed.take()
    }
}

impl<'c> Host for LiveHost<'c> {
    type Tree<'t>
        = RecordingTree<'t, View<'c>>
    where
        Self: 't;

    fn read(&mut self, path: &Path, purpose: Purpose) -> Result<Bytes, RequestError> {
        match &mut self.recorded {
            Some(recorded) => recorded.read(path, purpose),
            None => self.disk.read(path, purpose),
        }
    }

    fn is_sandbox(&self) -> bool {
        self.disk.is_sandbox()
    }

    fn tree(&mut self) -> Result<Self::Tree<'_>, RequestError> {
        Ok(RecordingTree::new(self.disk.tree()?, &mut self.log))
    }

    fn file_size(&mut self, source: &[u8]) -> Option<u64> {
        self.disk.file_size(source)
    }

    fn create(
        &mut self,
        kind: OutputKind,
        _: &Path,
        _: &[PathBuf],
    ) -> Result<OutputHandle, RequestError> {
        Ok(OutputHandle::new(kind))
    }

    fn write(&mut self, output: &OutputHandle, content: Content<'_>) -> Result<(), RequestError> {
        if output.kind() == OutputKind::Spec {
            self.written = Some(content.to_bytes());
        }
        Ok(())
    }

    fn check_cancelled(&mut self) -> Result<(), RequestError> {
        self.disk.check_cancelled()
    }

    fn commit(&mut self, output: OutputHandle) -> Result<(), RequestError> {
        if output.kind() == OutputKind::Spec {
            self.committed = self.written.take();
        }
        Ok(())
    }
}

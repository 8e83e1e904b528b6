//! A host that is the disk as it is now, and keeps the output in memory.
//!
//! Knows what is read from the disk and what from the capture; must not write to the disk.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::changes::FactChange;
use super::host::ReplayHost;
use super::kept_output::KeptOutput;
use crate::capture::format::FactLog;
use crate::capture::record::RecordingTree;
use crate::fs::View;
use crate::layer::{Codec, Entries, LayerError};
use crate::mtree::Spec;
use crate::request::{
    AtomicFile, Content, Disk, Host, OutputHandle, OutputKind, Purpose, RequestError, SourceQuery,
    SourceState, Table, WrittenLayer, assemble_to,
};
use crate::resolve::Decisions;

/// The disk, with the output kept in memory.
pub struct LiveHost<'c> {
    disk: Disk<'c>,
    /// The capture that specs and flag files are read from, if any.
    recorded: Option<ReplayHost>,
    /// Where to write a layer, if anywhere.
    layer_file: Option<AtomicFile>,
    /// The descriptor of the layer that was written, as JSON.
    descriptor: Option<String>,
    /// How many sources were asked for.
    sources_queried: usize,
    /// The sources that are not what they were.
    changed_sources: Vec<FactChange>,
    output_now: KeptOutput,
    /// Required by `RecordingTree`, which logs each answer; not read.
    log: FactLog,
}

impl<'c> LiveHost<'c> {
    /// The disk. Specs and flag files are read from `recorded`, if given.
    pub fn new(disk: Disk<'c>, recorded: Option<ReplayHost>) -> Self {
        Self {
            disk,
            recorded,
            layer_file: None,
            descriptor: None,
            sources_queried: 0,
            changed_sources: Vec::new(),
            output_now: KeptOutput::default(),
            log: FactLog::default(),
        }
    }

    /// Has the layer written to `file`, if the request writes one.
    pub fn write_layer_to(&mut self, file: AtomicFile) {
        self.layer_file = Some(file);
    }

    /// Takes the descriptor of the layer that was written, as JSON, and the file that it is in.
    pub fn take_layer(&mut self) -> Option<(String, Option<AtomicFile>)> {
        Some((self.descriptor.take()?, self.layer_file.take()))
    }

    /// Takes the sources that are not what they were when the request was recorded.
    pub fn take_changed_sources(&mut self) -> Vec<FactChange> {
        std::mem::take(&mut self.changed_sources)
    }

    /// Takes the output that the request has committed, if any.
    pub fn take_output(&mut self) -> Option<Vec<u8>> {
        self.output_now.take()
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

    fn sources(
        &mut self,
        queries: &[&SourceQuery<'_>],
    ) -> Result<Vec<io::Result<SourceState>>, RequestError> {
        let answers = self.disk.sources(queries)?;
        if let Some(recorded) = &self.recorded {
            let changed = recorded.changed_sources(self.sources_queried, queries, &answers);
            self.changed_sources.extend(changed);
        }
        self.sources_queried += queries.len();
        Ok(answers)
    }

    fn hash_sources(
        &mut self,
        sources: &[&[u8]],
    ) -> Result<Vec<io::Result<[u8; 32]>>, RequestError> {
        self.disk.hash_sources(sources)
    }

    fn write_layer(
        &mut self,
        _: &OutputHandle,
        entries: &dyn Entries,
        codec: Codec,
    ) -> Result<WrittenLayer, LayerError> {
        let context = self.disk.context();
        let layer = match &mut self.layer_file {
            Some(file) => assemble_to(file.file_mut(), context, entries, codec, Table::default()),
            // Its digests are enough to compare it.
            None => assemble_to(&mut io::sink(), context, entries, codec, Table::default()),
        }?;
        self.descriptor = layer.descriptor.to_json().ok();
        Ok(WrittenLayer { descriptor: Some(layer.descriptor), counts: Some(layer.counts) })
    }

    fn resolved(&mut self, spec: &Spec, decisions: &Decisions) {
        self.output_now.resolved(spec, decisions);
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
        self.output_now.write(output.kind(), &content);
        Ok(())
    }

    fn check_cancelled(&mut self) -> Result<(), RequestError> {
        self.disk.check_cancelled()
    }

    fn commit(&mut self, output: OutputHandle) -> Result<(), RequestError> {
        self.output_now.commit(output.kind());
        Ok(())
    }
}

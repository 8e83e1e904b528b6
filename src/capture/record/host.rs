//! A host that is the disk, and records every result.
//!
//! Knows each operation of [`Host`]; must change no result.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::recorder::RequestRecorder;
use super::tree::RecordingTree;
use crate::capture::format::{
    HashFact, LayerFacts, RecordedFile, Refusal, SourceFact, WrittenSpec,
};
use crate::error::Sentence;
use crate::fs::View;
use crate::layer::{Codec, Entries, LayerError};
use crate::mtree::Spec;
use crate::request::{
    Content, Disk, Host, OutputHandle, OutputKind, Purpose, RequestError, SourceQuery, SourceState,
    WrittenLayer,
};
use crate::resolve::Decisions;

/// The disk for one request, recorded.
pub struct RecordingHost<'n, 'c> {
    disk: Disk<'c>,
    recorder: &'n mut RequestRecorder,
    written: Option<WrittenSpec>,
}

impl<'n, 'c> RecordingHost<'n, 'c> {
    /// Records in `recorder` what a request does on `disk`.
    pub fn new(disk: Disk<'c>, recorder: &'n mut RequestRecorder) -> Self {
        Self { disk, recorder, written: None }
    }

    /// What is recorded of the layer.
    fn layer(&mut self) -> &mut LayerFacts {
        self.recorder.record.layer.get_or_insert_default()
    }

    /// Records the error of an operation that failed.
    fn record_error<T>(
        &mut self,
        operation: Operation<'_>,
        result: Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        result.inspect_err(|error| {
            let refusal = Refusal { what: operation.key(), error: Sentence(error).to_string() };
            self.recorder.record.capture.refusals.push(refusal);
        })
    }
}

/// The `what` of a [`Refusal`] for a layer that could not be written: the error is its number.
pub(crate) const LAYER_WRITE_ERROR: &[u8] = b"layer write";
/// The same for a content that could not be read; the number of the entry follows.
pub(crate) const LAYER_CONTENT_ERROR: &[u8] = b"layer content ";

/// An operation of a host that may fail.
#[derive(Clone, Copy)]
pub(crate) enum Operation<'a> {
    Read(&'a Path),
    Tree,
    Create(OutputKind),
    Write(OutputKind),
    CheckCancelled,
    Commit(OutputKind),
    Sources,
    Hashes,
    WriteLayer,
}

impl Operation<'_> {
    /// The `what` of a [`Refusal`]: part of the file format.
    pub(crate) fn key(self) -> Vec<u8> {
        match self {
            Self::Read(path) => [b"read ", path.as_os_str().as_bytes()].concat(),
            Self::Tree => b"tree".to_vec(),
            Self::Create(kind) => format!("begin {}", recorded_name(kind)).into_bytes(),
            Self::Write(kind) => format!("write {}", recorded_name(kind)).into_bytes(),
            Self::CheckCancelled => b"go on".to_vec(),
            Self::Sources => b"sources".to_vec(),
            Self::Hashes => b"hashes".to_vec(),
            Self::WriteLayer => b"layer".to_vec(),
            Self::Commit(kind) => format!("commit {}", recorded_name(kind)).into_bytes(),
        }
    }
}

/// The name of an output in a [`Refusal`]: part of the file format, whatever its flag is called.
fn recorded_name(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Spec | OutputKind::Layer => "--out",
        OutputKind::Descriptor => "--descriptor",
        OutputKind::UnusedInputs => "--unused-inputs",
        OutputKind::Report => "--report",
    }
}

impl<'c> Host for RecordingHost<'_, 'c> {
    type Tree<'t>
        = RecordingTree<'t, View<'c>>
    where
        Self: 't;

    fn read(&mut self, path: &Path, purpose: Purpose) -> Result<Bytes, RequestError> {
        let text = self.disk.read(path, purpose);
        let text = self.record_error(Operation::Read(path), text)?;
        let path = path.as_os_str().as_bytes().to_vec();
        self.recorder.record.capture.files.push(RecordedFile { path, text: text.clone() });
        Ok(text)
    }

    fn is_sandbox(&self) -> bool {
        self.disk.is_sandbox()
    }

    fn tree(&mut self) -> Result<Self::Tree<'_>, RequestError> {
        let tree = self.disk.tree();
        let tree = self.record_error(Operation::Tree, tree)?;
        Ok(RecordingTree::new(tree, &mut self.recorder.record.log))
    }

    fn file_size(&mut self, source: &[u8]) -> Option<u64> {
        let size = self.disk.file_size(source);
        self.recorder.record.log.facts.weights.push(size.unwrap_or(0));
        size
    }

    fn sources(
        &mut self,
        queries: &[&SourceQuery<'_>],
    ) -> Result<Vec<io::Result<SourceState>>, RequestError> {
        let answers = self.disk.sources(queries);
        let answers = self.record_error(Operation::Sources, answers)?;
        let facts = answers.iter().map(SourceFact::new);
        self.layer().sources.extend(facts);
        Ok(answers)
    }

    fn hash_sources(
        &mut self,
        sources: &[&[u8]],
    ) -> Result<Vec<io::Result<[u8; 32]>>, RequestError> {
        let answers = self.disk.hash_sources(sources);
        let answers = self.record_error(Operation::Hashes, answers)?;
        let facts = answers.iter().map(HashFact::new);
        self.layer().hashes.extend(facts);
        Ok(answers)
    }

    fn resolved(&mut self, spec: &Spec, decisions: &Decisions) {
        self.layer();
        let patch = decisions.edits(spec).into_patch();
        self.written = Some(WrittenSpec { base: spec.text().clone(), patch });
    }

    fn write_layer(
        &mut self,
        output: &OutputHandle,
        entries: &dyn Entries,
        codec: Codec,
    ) -> Result<WrittenLayer, LayerError> {
        self.disk.want_table();
        let written = self.disk.write_layer(output, entries, codec);
        let written = written.inspect_err(|error| {
            let (what, error) = match error {
                LayerError::Content { entry, problem, .. } => (
                    [LAYER_CONTENT_ERROR, entry.to_string().as_bytes()].concat(),
                    Sentence(problem).to_string(),
                ),
                LayerError::Write(error) => {
                    let number = error.raw_os_error().unwrap_or_default();
                    (LAYER_WRITE_ERROR.to_vec(), number.to_string())
                }
                _ => (Operation::WriteLayer.key(), Sentence(error).to_string()),
            };
            self.recorder.record.capture.refusals.push(Refusal { what, error });
        })?;
        let table = self.disk.take_table();
        let descriptor = written.descriptor.as_ref().and_then(|known| known.to_json().ok());
        let layer = self.layer();
        layer.descriptor = descriptor.unwrap_or_default();
        layer.add_table(table.unwrap_or_default());
        Ok(written)
    }

    fn create(
        &mut self,
        kind: OutputKind,
        path: &Path,
        inputs: &[PathBuf],
    ) -> Result<OutputHandle, RequestError> {
        let output = self.disk.create(kind, path, inputs);
        self.record_error(Operation::Create(kind), output)
    }

    fn write(&mut self, output: &OutputHandle, content: Content<'_>) -> Result<(), RequestError> {
        let written = self.disk.write_output(output, &content);
        self.record_error(Operation::Write(output.kind()), written)?;
        if let Content::Patched(spec, patch) = content {
            self.written = Some(WrittenSpec { base: spec.text().clone(), patch });
        }
        Ok(())
    }

    fn check_cancelled(&mut self) -> Result<(), RequestError> {
        let checked = self.disk.check_cancelled();
        self.record_error(Operation::CheckCancelled, checked)
    }

    fn commit(&mut self, output: OutputHandle) -> Result<(), RequestError> {
        let kind = output.kind();
        let committed = self.disk.commit(output);
        self.record_error(Operation::Commit(kind), committed)?;
        if matches!(kind, OutputKind::Spec | OutputKind::Layer) {
            self.recorder.record.written = self.written.take();
        }
        Ok(())
    }

    fn step_done(&mut self, step: &'static str) {
        self.recorder.step_done(step);
        self.disk.step_done(step);
    }
}

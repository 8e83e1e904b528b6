//! A host that is the disk, and records every result.
//!
//! Knows each operation of [`Host`]; must change no result.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::recorder::RequestRecorder;
use super::tree::RecordingTree;
use crate::capture::format::{RecordedFile, Refusal, WrittenSpec};
use crate::error::Sentence;
use crate::fs::View;
use crate::request::{Content, Disk, Host, OutputHandle, OutputKind, Purpose, RequestError};

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

/// An operation of a host that may fail.
#[derive(Clone, Copy)]
pub(crate) enum Operation<'a> {
    Read(&'a Path),
    Tree,
    Create(OutputKind),
    Write(OutputKind),
    CheckCancelled,
    Commit(OutputKind),
}

impl Operation<'_> {
    /// The `what` of a [`Refusal`]: part of the file format.
    pub(crate) fn key(self) -> Vec<u8> {
        match self {
            Self::Read(path) => [b"read ", path.as_os_str().as_bytes()].concat(),
            Self::Tree => b"tree".to_vec(),
            Self::Create(kind) => format!("begin {}", kind.flag()).into_bytes(),
            Self::Write(kind) => format!("write {}", kind.flag()).into_bytes(),
            Self::CheckCancelled => b"go on".to_vec(),
            Self::Commit(kind) => format!("commit {}", kind.flag()).into_bytes(),
        }
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
        let written = self.disk.write_output(output.kind(), &content);
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
        if kind == OutputKind::Spec {
            self.recorder.record.written = self.written.take();
        }
        Ok(())
    }

    fn step_done(&mut self, step: &'static str) {
        self.recorder.step_done(step);
    }
}

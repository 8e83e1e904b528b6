//! The disk, while every answer is recorded.
//!
//! Knows what a request reads, writes and is refused; must change none of it.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::recorder::RequestRecorder;
use super::tree::RecordingTree;
use crate::capture::format::{RecordedFile, Refusal, Written};
use crate::error::Sentence;
use crate::fs::View;
use crate::request::{Content, Disk, Host, OutputHandle, OutputKind, Purpose, RequestError};

/// A request on the disk that is recorded.
pub struct RecordingHost<'n, 'c> {
    disk: Disk<'c>,
    recorder: &'n mut RequestRecorder,
    written: Option<Written>,
}

impl<'n, 'c> RecordingHost<'n, 'c> {
    /// Records what a request does on the disk.
    pub fn new(disk: Disk<'c>, recorder: &'n mut RequestRecorder) -> Self {
        Self { disk, recorder, written: None }
    }

    /// Records a refusal, if it is one.
    fn recorded<A>(
        &mut self,
        what: Refused<'_>,
        answer: Result<A, RequestError>,
    ) -> Result<A, RequestError> {
        answer.inspect_err(|error| {
            let refusal = Refusal { what: what.key(), error: Sentence(error).to_string() };
            self.recorder.record.capture.refusals.push(refusal);
        })
    }
}

/// What may be refused.
#[derive(Clone, Copy)]
pub(crate) enum Refused<'a> {
    Read(&'a Path),
    Tree,
    Create(OutputKind),
    Write(OutputKind),
    Cancelled,
    Commit(OutputKind),
}

impl Refused<'_> {
    /// As it stands in a capture.
    pub(crate) fn key(self) -> Vec<u8> {
        match self {
            Self::Read(path) => [b"read ", path.as_os_str().as_bytes()].concat(),
            Self::Tree => b"tree".to_vec(),
            Self::Create(kind) => format!("begin {}", kind.flag()).into_bytes(),
            Self::Write(kind) => format!("write {}", kind.flag()).into_bytes(),
            Self::Cancelled => b"go on".to_vec(),
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
        let text = self.recorded(Refused::Read(path), text)?;
        let path = path.as_os_str().as_bytes().to_vec();
        self.recorder.record.capture.files.push(RecordedFile { path, text: text.clone() });
        Ok(text)
    }

    fn tree(&mut self) -> Result<Self::Tree<'_>, RequestError> {
        let tree = self.disk.tree();
        let tree = self.recorded(Refused::Tree, tree)?;
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
        self.recorded(Refused::Create(kind), output)
    }

    fn write(&mut self, output: &OutputHandle, content: Content<'_>) -> Result<(), RequestError> {
        let written = self.disk.put(output.kind(), &content);
        self.recorded(Refused::Write(output.kind()), written)?;
        if let Content::Patched(spec, patch) = content {
            self.written = Some(Written { base: spec.text().clone(), patch });
        }
        Ok(())
    }

    fn check_cancelled(&mut self) -> Result<(), RequestError> {
        let checked = self.disk.check_cancelled();
        self.recorded(Refused::Cancelled, checked)
    }

    fn commit(&mut self, output: OutputHandle) -> Result<(), RequestError> {
        let kind = output.kind();
        let committed = self.disk.commit(output);
        self.recorded(Refused::Commit(kind), committed)?;
        if kind == OutputKind::Spec {
            self.recorder.record.written = self.written.take();
        }
        Ok(())
    }

    fn step_done(&mut self, step: &'static str) {
        self.recorder.step_done(step);
    }
}

//! A host that is a capture: nothing outside the capture is read or written.

use std::collections::{HashMap, VecDeque};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::tree::ReplayTree;
use crate::capture::format::{
    Capture, CaptureError, Damage, FactLog, RecordedResponse, decode_output,
};
use crate::capture::record::{Operation, RecordingTree};
use crate::display::Escaped;
use crate::request::{Content, Host, OutputHandle, OutputKind, Purpose, RequestError};

/// A capture in place of the disk.
pub struct ReplayHost {
    is_sandbox: bool,
    files: HashMap<Vec<u8>, Bytes>,
    /// By operation: its error.
    errors: HashMap<Vec<u8>, String>,
    /// `None` once it is used.
    tree: Option<ReplayTree>,
    sizes: VecDeque<u64>,
    written: Option<Vec<u8>>,
    committed: Option<Vec<u8>>,
    /// Required by `RecordingTree`, which logs each answer; not read.
    log: FactLog,
    /// The output when the request was recorded, if it wrote one.
    pub output: Option<Vec<u8>>,
    /// The response when the request was recorded; `None` if the program panicked.
    pub response: Option<RecordedResponse>,
}

impl ReplayHost {
    /// The host that `capture` is.
    pub fn new(capture: &Capture) -> Result<Self, CaptureError> {
        let output = capture.output.as_ref();
        let output =
            output.map(|output| decode_output(output, &capture.files).ok_or(Damage::Output));
        let facts = capture.facts.as_ref().ok_or(Damage::NoFacts)?;
        let tree = ReplayTree::new(facts).ok_or(Damage::Facts)?;
        let files = capture.files.iter().rev();
        let refusals = capture.refusals.iter();
        Ok(Self {
            is_sandbox: capture.is_sandbox,
            files: files.map(|file| (file.path.clone(), file.text.clone())).collect(),
            errors: refusals
                .map(|refusal| (refusal.what.clone(), escaped(&refusal.error)))
                .collect(),
            tree: Some(tree),
            sizes: facts.weights.iter().copied().collect(),
            written: None,
            committed: None,
            log: FactLog::default(),
            output: output.transpose()?,
            response: capture.response.clone(),
        })
    }

    /// The text of a file that the request read when it was recorded.
    pub fn file(&self, path: &Path) -> Option<&Bytes> {
        self.files.get(path.as_os_str().as_bytes())
    }

    /// Takes the output that the request has committed, if any.
    pub fn take_output(&mut self) -> Option<Vec<u8>> {
        self.committed.take()
    }

    /// The error that an operation had when the request was recorded.
    fn recorded_error(&self, operation: Operation<'_>) -> Result<(), RequestError> {
        match self.errors.get(&operation.key()) {
            Some(error) => Err(RequestError::Recorded(error.clone())),
            None => Ok(()),
        }
    }
}

/// A capture's text, safe to show on one line.
pub(super) fn escaped(text: &str) -> String {
    Escaped(text.as_bytes()).to_string()
}

impl Host for ReplayHost {
    type Tree<'t> = RecordingTree<'t, ReplayTree>;

    fn read(&mut self, path: &Path, _: Purpose) -> Result<Bytes, RequestError> {
        self.recorded_error(Operation::Read(path))?;
        let text = self.file(path).cloned();
        text.ok_or_else(|| RequestError::NotRecorded(path.to_owned()))
    }

    fn is_sandbox(&self) -> bool {
        self.is_sandbox
    }

    fn tree(&mut self) -> Result<Self::Tree<'_>, RequestError> {
        self.recorded_error(Operation::Tree)?;
        let tree = self.tree.take();
        Ok(RecordingTree::new(tree.ok_or(RequestError::TreeUsed)?, &mut self.log))
    }

    fn file_size(&mut self, _: &[u8]) -> Option<u64> {
        self.sizes.pop_front()
    }

    fn create(
        &mut self,
        kind: OutputKind,
        _: &Path,
        _: &[PathBuf],
    ) -> Result<OutputHandle, RequestError> {
        self.recorded_error(Operation::Create(kind))?;
        Ok(OutputHandle::new(kind))
    }

    fn write(&mut self, output: &OutputHandle, content: Content<'_>) -> Result<(), RequestError> {
        self.recorded_error(Operation::Write(output.kind()))?;
        if output.kind() == OutputKind::Spec {
            self.written = Some(content.to_bytes());
        }
        Ok(())
    }

    fn check_cancelled(&mut self) -> Result<(), RequestError> {
        self.recorded_error(Operation::CheckCancelled)
    }

    fn commit(&mut self, output: OutputHandle) -> Result<(), RequestError> {
        self.recorded_error(Operation::Commit(output.kind()))?;
        if output.kind() == OutputKind::Spec {
            self.committed = self.written.take();
        }
        Ok(())
    }
}

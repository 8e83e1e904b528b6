//! A request's world as a capture tells it: nothing outside the capture is asked or written.

use std::collections::{HashMap, VecDeque};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::tree::ReplayTree;
use crate::capture::format::{Capture, CaptureError, FactLog, RecordedResponse, unkeep};
use crate::capture::record::{RecordingTree, Refused};
use crate::display::Escaped;
use crate::request::{Content, Host, OutputHandle, OutputKind, Purpose, RequestError};

/// A capture that answers for the disk.
pub struct ReplayHost {
    files: HashMap<Vec<u8>, Bytes>,
    refusals: HashMap<Vec<u8>, String>,
    tree: Option<ReplayTree>,
    sizes: VecDeque<u64>,
    written: Option<Vec<u8>>,
    committed: Option<Vec<u8>>,
    /// What is told again is taken down for the log alone.
    log: FactLog,
    /// What the request wrote when it was recorded, and what it was told.
    pub output: Option<Vec<u8>>,
    /// The response when it was recorded; `None` if the program panicked.
    pub response: Option<RecordedResponse>,
}

impl ReplayHost {
    /// The world of `capture`.
    pub fn new(capture: &Capture) -> Result<Self, CaptureError> {
        let wrong = |what: &str| CaptureError::Damaged(what.to_owned());
        let output = capture
            .output
            .as_ref()
            .map(|kept| unkeep(kept, &capture.files).ok_or_else(|| wrong("its output cannot be")));
        let facts = capture.facts.as_ref().ok_or_else(|| wrong("it holds no facts"))?;
        let tree = ReplayTree::new(facts).ok_or_else(|| wrong("its facts cannot be"))?;
        let files = capture.files.iter().rev();
        let refusals = capture.refusals.iter();
        Ok(Self {
            files: files.map(|file| (file.path.clone(), file.text.clone())).collect(),
            refusals: refusals.map(|said| (said.what.clone(), shown(&said.error))).collect(),
            tree: Some(tree),
            sizes: facts.weights.iter().copied().collect(),
            written: None,
            committed: None,
            log: FactLog::default(),
            output: output.transpose()?,
            response: capture.response.clone(),
        })
    }

    /// The text of a file that the request read.
    pub fn file(&self, path: &Path) -> Option<&Bytes> {
        self.files.get(path.as_os_str().as_bytes())
    }

    /// What the request has written by now.
    pub fn take_output(&mut self) -> Option<Vec<u8>> {
        self.committed.take()
    }

    fn allowed(&self, what: Refused<'_>) -> Result<(), RequestError> {
        match self.refusals.get(&what.key()) {
            Some(said) => Err(RequestError::Recorded(said.clone())),
            None => Ok(()),
        }
    }
}

/// What a capture says in words: on one line, whoever wrote it.
pub(super) fn shown(words: &str) -> String {
    Escaped(words.as_bytes()).to_string()
}

impl Host for ReplayHost {
    type Tree<'t> = RecordingTree<'t, ReplayTree>;

    fn read(&mut self, path: &Path, _: Purpose) -> Result<Bytes, RequestError> {
        self.allowed(Refused::Read(path))?;
        let text = self.file(path).cloned();
        text.ok_or_else(|| RequestError::NotRecorded(path.to_owned()))
    }

    fn tree(&mut self) -> Result<Self::Tree<'_>, RequestError> {
        self.allowed(Refused::Tree)?;
        let tree = self.tree.take();
        let tree = tree.ok_or_else(|| {
            RequestError::Recorded("the tree of a capture can be used once".to_owned())
        })?;
        Ok(RecordingTree::new(tree, &mut self.log))
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
        self.allowed(Refused::Create(kind))?;
        Ok(OutputHandle::new(kind))
    }

    fn write(&mut self, output: &OutputHandle, content: Content<'_>) -> Result<(), RequestError> {
        self.allowed(Refused::Write(output.kind()))?;
        if output.kind() == OutputKind::Spec {
            self.written = Some(content.to_bytes());
        }
        Ok(())
    }

    fn check_cancelled(&mut self) -> Result<(), RequestError> {
        self.allowed(Refused::Cancelled)
    }

    fn commit(&mut self, output: OutputHandle) -> Result<(), RequestError> {
        self.allowed(Refused::Commit(output.kind()))?;
        if output.kind() == OutputKind::Spec {
            self.committed = self.written.take();
        }
        Ok(())
    }
}

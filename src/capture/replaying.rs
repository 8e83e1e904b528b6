//! A request's world as a capture tells it: nothing outside the capture is asked or written.

use std::collections::{HashMap, VecDeque};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::facts::Log;
use super::file::CaptureError;
use super::output;
use super::proto::{Answer, Capture};
use super::recorded::Recorded;
use super::recorder::Recorder;
use super::recording::Refused;
use crate::error::Error;
use crate::show::Shown;
use crate::site::{Content, OUT, Purpose, Site};

/// A capture that answers for the disk.
pub struct Replaying {
    files: HashMap<Vec<u8>, Bytes>,
    refusals: HashMap<Vec<u8>, String>,
    tree: Option<Recorded>,
    weights: VecDeque<u64>,
    written: Option<Vec<u8>>,
    committed: Option<Vec<u8>>,
    /// What is told again is taken down for the log alone.
    log: Log,
    /// What the request wrote when it was recorded, and what it was answered.
    pub output: Option<Vec<u8>>,
    pub answer: Option<Answer>,
}

impl Replaying {
    /// The world of `capture`.
    pub fn new(capture: &Capture) -> Result<Self, CaptureError> {
        let wrong = |what: &str| CaptureError::Damaged(what.to_owned());
        let output = capture.output.as_ref().map(|kept| {
            output::unkeep(kept, &capture.files).ok_or_else(|| wrong("its output cannot be"))
        });
        let facts = capture.facts.as_ref().ok_or_else(|| wrong("it holds no facts"))?;
        let tree = Recorded::new(facts).ok_or_else(|| wrong("its facts cannot be"))?;
        let files = capture.files.iter().rev();
        let refusals = capture.refusals.iter();
        Ok(Self {
            files: files.map(|file| (file.path.clone(), file.text.clone())).collect(),
            refusals: refusals.map(|said| (said.what.clone(), shown(&said.error))).collect(),
            tree: Some(tree),
            weights: facts.weights.iter().copied().collect(),
            written: None,
            committed: None,
            log: Log::default(),
            output: output.transpose()?,
            answer: capture.answer.clone(),
        })
    }

    /// The text of a file that the request read.
    pub fn file(&self, path: &Path) -> Option<&Bytes> {
        self.files.get(path.as_os_str().as_bytes())
    }

    /// What the request has written by now.
    pub fn take_written(&mut self) -> Option<Vec<u8>> {
        self.committed.take()
    }

    fn allowed(&self, what: Refused<'_>) -> Result<(), Error> {
        match self.refusals.get(&what.key()) {
            Some(said) => Err(Error::AsRecorded(said.clone())),
            None => Ok(()),
        }
    }
}

/// What a capture says in words: on one line, whoever wrote it.
pub(super) fn shown(words: &str) -> String {
    Shown(words.as_bytes()).to_string()
}

impl Site for Replaying {
    type Tree<'t> = Recorder<'t, Recorded>;

    fn read(&mut self, path: &Path, _: Purpose) -> Result<Bytes, Error> {
        self.allowed(Refused::Read(path))?;
        self.file(path).cloned().ok_or_else(|| {
            let path = Shown(path.as_os_str().as_bytes()).to_string();
            Error::AsRecorded(format!("{path}: the capture does not hold this file"))
        })
    }

    fn tree(&mut self) -> Result<Self::Tree<'_>, Error> {
        self.allowed(Refused::Tree)?;
        let tree = self.tree.take();
        let tree =
            tree.ok_or_else(|| Error::AsRecorded("the tree was asked for once".to_owned()))?;
        Ok(Recorder::new(tree, &mut self.log))
    }

    fn weigh(&mut self, _: &[u8]) -> u64 {
        self.weights.pop_front().unwrap_or(0)
    }

    fn begin(&mut self, flag: &'static str, _: &Path, _: &[PathBuf]) -> Result<(), Error> {
        self.allowed(Refused::Begin(flag))
    }

    fn write(&mut self, flag: &'static str, content: Content<'_>) -> Result<(), Error> {
        self.allowed(Refused::Write(flag))?;
        if flag == OUT {
            let mut text = Vec::new();
            // A vector takes whatever is written to it.
            let _ = content.write_to(&mut text);
            self.written = Some(text);
        }
        Ok(())
    }

    fn go_on(&mut self) -> Result<(), Error> {
        self.allowed(Refused::GoOn)
    }

    fn commit(&mut self, flag: &'static str) -> Result<(), Error> {
        self.allowed(Refused::Commit(flag))?;
        if flag == OUT {
            self.committed = self.written.take();
        }
        Ok(())
    }
}

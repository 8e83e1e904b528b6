//! The disk, with somebody who takes notes.
//!
//! Knows what a request reads, writes and is refused; must change none of it.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::notes::Notes;
use super::output::Written;
use super::proto::{File, Refusal};
use super::recorder::Recorder;
use crate::error::Error;
use crate::site::{Content, Disk, OUT, Purpose, Site};
use crate::tree::View;

/// A request on the disk that is recorded.
pub struct Recording<'n, 'c> {
    disk: Disk<'c>,
    notes: &'n mut Notes,
    written: Option<Written>,
}

impl<'n, 'c> Recording<'n, 'c> {
    /// Takes notes of what a request does on the disk.
    pub fn new(disk: Disk<'c>, notes: &'n mut Notes) -> Self {
        Self { disk, notes, written: None }
    }

    /// Takes down a refusal, if it is one.
    fn heard<A>(&mut self, what: Refused<'_>, answer: Result<A, Error>) -> Result<A, Error> {
        answer.inspect_err(|error| {
            let refusal = Refusal { what: what.key(), error: error.to_string() };
            self.notes.taken.capture.refusals.push(refusal);
        })
    }
}

/// What may be refused.
#[derive(Clone, Copy)]
pub enum Refused<'a> {
    Read(&'a Path),
    Tree,
    Begin(&'a str),
    Write(&'a str),
    GoOn,
    Commit(&'a str),
}

impl Refused<'_> {
    /// As it stands in a capture.
    pub fn key(self) -> Vec<u8> {
        match self {
            Self::Read(path) => [b"read ", path.as_os_str().as_bytes()].concat(),
            Self::Tree => b"tree".to_vec(),
            Self::Begin(flag) => format!("begin {flag}").into_bytes(),
            Self::Write(flag) => format!("write {flag}").into_bytes(),
            Self::GoOn => b"go on".to_vec(),
            Self::Commit(flag) => format!("commit {flag}").into_bytes(),
        }
    }
}

impl<'c> Site for Recording<'_, 'c> {
    type Tree<'t>
        = Recorder<'t, View<'c>>
    where
        Self: 't;

    fn read(&mut self, path: &Path, purpose: Purpose) -> Result<Bytes, Error> {
        let text = self.disk.read(path, purpose);
        let text = self.heard(Refused::Read(path), text)?;
        let path = path.as_os_str().as_bytes().to_vec();
        self.notes.taken.capture.files.push(File { path, text: text.clone() });
        Ok(text)
    }

    fn tree(&mut self) -> Result<Self::Tree<'_>, Error> {
        let tree = self.disk.tree();
        let tree = self.heard(Refused::Tree, tree)?;
        Ok(Recorder::new(tree, &mut self.notes.taken.log))
    }

    fn weigh(&mut self, source: &[u8]) -> u64 {
        let weight = self.disk.weigh(source);
        self.notes.taken.log.facts.weights.push(weight);
        weight
    }

    fn begin(&mut self, flag: &'static str, path: &Path, inputs: &[PathBuf]) -> Result<(), Error> {
        let begun = self.disk.begin(flag, path, inputs);
        self.heard(Refused::Begin(flag), begun)
    }

    fn write(&mut self, flag: &'static str, content: Content<'_>) -> Result<(), Error> {
        let written = self.disk.put(flag, &content);
        self.heard(Refused::Write(flag), written)?;
        if let Content::Patched(spec, patch) = content {
            self.written = Some(Written { base: spec.text().clone(), patch });
        }
        Ok(())
    }

    fn go_on(&mut self) -> Result<(), Error> {
        let wanted = self.disk.go_on();
        self.heard(Refused::GoOn, wanted)
    }

    fn commit(&mut self, flag: &'static str) -> Result<(), Error> {
        let committed = self.disk.commit(flag);
        self.heard(Refused::Commit(flag), committed)?;
        if flag == OUT {
            self.notes.taken.written = self.written.take();
        }
        Ok(())
    }

    fn done(&mut self, step: &'static str) {
        self.notes.done(step);
    }
}

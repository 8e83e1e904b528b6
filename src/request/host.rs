//! Everything that a request reads and writes: its files, its outputs, and the tree of its sources.
//!
//! Must not know which host it is: the disk, the disk with recording, or a capture (`crate::capture`).

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::error::RequestError;
use super::report::Report;
use crate::fs::{Observations, Stamp, View};
use crate::mtree::{Patch, Spec};
use crate::resolve::{Directory, Tree};

/// A tree that also counts what it reads.
pub trait ObservedTree: Tree {
    /// The counts, and the first directory that could not be read.
    fn observations(&self) -> Observations;

    /// The identity and times of every directory that was entered, by its number.
    fn stamps(&self) -> Vec<Stamp>;

    /// The path of `name` in `directory`, relative to the root or absolute. An empty name stands for the
    /// directory itself.
    fn path(&self, directory: Directory, name: &[u8]) -> Vec<u8>;
}

impl ObservedTree for View<'_> {
    fn observations(&self) -> Observations {
        View::observations(self)
    }

    fn stamps(&self) -> Vec<Stamp> {
        View::stamps(self).collect()
    }

    fn path(&self, directory: Directory, name: &[u8]) -> Vec<u8> {
        View::path(self, directory, name)
    }
}

/// Why a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It holds arguments, one a line.
    Arguments,
    /// It is a spec.
    Spec,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arguments => "the arguments in it",
            Self::Spec => "the spec",
        })
    }
}

/// One of a request's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// The resolved spec.
    Spec,
    /// The numbers of the run.
    Report,
}

impl OutputKind {
    /// The flag that names the output.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Spec => "--out",
            Self::Report => "--report",
        }
    }
}

/// An output that was created and is not committed. [`Host::commit`] consumes it.
#[derive(Debug)]
pub struct OutputHandle(OutputKind);

impl OutputHandle {
    /// For hosts: the handle of an output that was created.
    pub fn new(kind: OutputKind) -> Self {
        Self(kind)
    }

    /// Which output it is.
    pub fn kind(&self) -> OutputKind {
        self.0
    }
}

/// The content of an output.
pub enum Content<'a> {
    /// A spec with a patch applied.
    Patched(&'a Spec, Patch),
    /// The numbers of a run, as JSON.
    Report(&'a Report),
}

impl Content<'_> {
    /// Writes the content.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Patched(spec, patch) => patch.write_to(spec.text(), out),
            Self::Report(report) => {
                serde_json::to_writer_pretty(&mut *out, report)?;
                out.write_all(b"\n")
            }
        }
    }

    /// The content as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to a vector does not fail.
        let _ = self.write_to(&mut bytes);
        bytes
    }
}

/// Everything that one request reads and writes. Paths are relative to the request's root.
pub trait Host {
    /// The tree of the request's sources.
    type Tree<'t>: ObservedTree
    where
        Self: 't;

    /// Reads a file.
    fn read(&mut self, path: &Path, purpose: Purpose) -> Result<Bytes, RequestError>;

    /// Whether sources are relative to a sandbox: a directory that was made for this request alone.
    fn is_sandbox(&self) -> bool;

    /// The tree of the request's sources.
    fn tree(&mut self) -> Result<Self::Tree<'_>, RequestError>;

    /// The size of the regular file at a source, in bytes; `None` for anything else.
    fn file_size(&mut self, source: &[u8]) -> Option<u64>;

    /// Creates an output. It must not be one of `inputs`.
    fn create(
        &mut self,
        kind: OutputKind,
        path: &Path,
        inputs: &[PathBuf],
    ) -> Result<OutputHandle, RequestError>;

    /// Writes to an output that was created.
    fn write(&mut self, output: &OutputHandle, content: Content<'_>) -> Result<(), RequestError>;

    /// Fails if the request was cancelled.
    fn check_cancelled(&mut self) -> Result<(), RequestError>;

    /// Puts an output in place, atomically. An output that is never committed is removed.
    fn commit(&mut self, output: OutputHandle) -> Result<(), RequestError>;

    /// Called when a step of the request has ended.
    fn step_done(&mut self, _step: &'static str) {}
}

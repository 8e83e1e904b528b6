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
use crate::layer::rows::OnDisk;
use crate::layer::{Codec, ContentIdentity, Descriptor, Entries, LayerCounts, LayerError, Listed};
use crate::mtree::{Patch, Spec};
use crate::resolve::{Decisions, Directory, Tree};

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
    /// It holds groups.
    Groups,
    /// It holds the paths of inputs, one a line.
    Inputs,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arguments => "the arguments in it",
            Self::Spec => "the spec",
            Self::Groups => "the groups in it",
            Self::Inputs => "the inputs in it",
        })
    }
}

/// One of a request's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// The resolved spec.
    Spec,
    /// The layer.
    Layer,
    /// What the layer is, for images.
    Descriptor,
    /// The sources that the layer does not read.
    UnusedInputs,
    /// The numbers of the run.
    Report,
}

impl OutputKind {
    /// The flag that names the output, for messages.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Spec | Self::Layer => "--out",
            Self::Descriptor => "--descriptor",
            Self::UnusedInputs => "--unused-inputs",
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
    /// The descriptor of a layer, as JSON.
    Descriptor(&'a Descriptor),
    /// Text.
    Text(&'a [u8]),
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
            Self::Descriptor(descriptor) => out.write_all(descriptor.to_json()?.as_bytes()),
            Self::Text(text) => out.write_all(text),
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

/// A question about a source.
#[derive(Clone, Copy, Debug)]
pub struct SourceQuery<'s> {
    /// Relative to the root, or absolute.
    pub path: &'s [u8],
    /// Whether a symlink there is followed.
    pub follows: bool,
    /// The digest that the request lists for it.
    pub listed: Option<Listed>,
}

/// What a source is.
#[derive(Clone, Debug)]
pub struct SourceState {
    /// Whether it is a regular file.
    pub is_file: bool,
    /// What the disk says of it.
    pub on_disk: OnDisk,
    /// What identifies its content.
    pub identity: ContentIdentity,
}

/// What is known of a layer that was written.
#[derive(Clone, Debug, Default)]
pub struct WrittenLayer {
    /// Its digests. `None` if it was not written, but compared.
    pub descriptor: Option<Descriptor>,
    /// Numbers for the report.
    pub counts: Option<LayerCounts>,
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

    /// What sources are. An answer that is an error is one of that source alone.
    fn sources(
        &mut self,
        queries: &[&SourceQuery<'_>],
    ) -> Result<Vec<io::Result<SourceState>>, RequestError>;

    /// The BLAKE3 of the bytes of each source.
    fn hash_sources(
        &mut self,
        sources: &[&[u8]],
    ) -> Result<Vec<io::Result<[u8; 32]>>, RequestError>;

    /// Called with the spec and the decisions that a layer is made of, before its contents are read.
    fn resolved(&mut self, _spec: &Spec, _decisions: &Decisions) {}

    /// Writes a layer to an output that was created.
    fn write_layer(
        &mut self,
        output: &OutputHandle,
        entries: &dyn Entries,
        codec: Codec,
    ) -> Result<WrittenLayer, LayerError>;

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

    /// Puts an output in place, atomically. An output that is never committed is removed. If that fails for an output
    /// that describes another, what was at its place is removed: it describes what was there before.
    fn commit(&mut self, output: OutputHandle) -> Result<(), RequestError>;

    /// Called when a step of the request has ended.
    fn step_done(&mut self, _step: &'static str) {}
}

//! A host that is the disk.
//!
//! Knows system calls for files by path; must not know what a request does with them.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use bytes::Bytes;
use rayon::prelude::*;
use tracing::debug;

use super::atomic_file::AtomicFile;
use super::error::RequestError;
use super::host::{
    Content, Host, OutputHandle, OutputKind, Purpose, SourceQuery, SourceState, WrittenLayer,
};
use super::layer::LayerState;
use super::sources;
use super::whole_file::{self, Memory};
use crate::fs::{Cache, View};
use crate::layer::{
    AssembledLayer, Codec, DiskContents, Entries, EntryHistory, FrameTable, Job, LayerError,
    assemble,
};

/// Where a request runs.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// The directory that every path of the request is relative to.
    pub root: &'c Path,
    /// Whether that directory is a sandbox: made for this request alone, with symlinks for its inputs.
    pub is_sandbox: bool,
    /// The cache of directories, shared by all requests.
    pub cache: &'c Cache,
    /// Whether the request is cancelled. Called before each directory that is read, and before the
    /// outputs are committed.
    pub cancelled: &'c (dyn Fn() -> bool + Sync),
    /// What layers of this process share. `None` for a process that writes none.
    pub layers: Option<&'c LayerState>,
    /// Whether the process runs further requests, which reuse the memory of this one.
    pub runs_more: bool,
    /// Called with the bytes of a layer that are written, uncompressed, and with the bytes that it has.
    pub progress: &'c (dyn Fn(u64, u64) + Sync),
}

impl<'c> Context<'c> {
    /// A request that is never cancelled, and not in a sandbox.
    pub fn new(root: &'c Path, cache: &'c Cache) -> Self {
        Self {
            root,
            is_sandbox: false,
            cache,
            cancelled: &|| false,
            layers: None,
            runs_more: false,
            progress: &|_, _| {},
        }
    }
}

/// How many sources are worth waking another thread for.
const WORTH_SHARING: usize = 256;

/// Why the output of a handle is there.
const CREATED: &str = "create makes the handle, and commit consumes it";

/// The disk, for one request.
pub struct Disk<'c> {
    context: Context<'c>,
    outputs: Vec<(OutputKind, AtomicFile)>,
    /// The layer that was written, until it is committed.
    written: Option<AssembledLayer>,
    /// Whether the table of a layer's frames is wanted.
    wants_table: bool,
}

impl<'c> Disk<'c> {
    /// The disk, for a request in `context`.
    pub fn new(context: Context<'c>) -> Self {
        Self { context, outputs: Vec::new(), written: None, wants_table: false }
    }

    /// Makes the table of frames of each layer that is written.
    pub fn want_table(&mut self) {
        self.wants_table = true;
    }

    /// Takes the table of frames of the layer that was written, if it was wanted.
    pub fn take_table(&mut self) -> Option<FrameTable> {
        self.written.as_mut()?.table.take()
    }

    /// Where the request runs.
    pub fn context(&self) -> Context<'c> {
        self.context
    }

    /// Writes to an output that was created. Unlike [`Host::write`], this only borrows the content.
    pub fn write_output(
        &mut self,
        output: &OutputHandle,
        content: &Content<'_>,
    ) -> Result<(), RequestError> {
        Ok(self.file_of(output).write(|out| content.write_to(out))?)
    }

    fn file_of(&mut self, output: &OutputHandle) -> &mut AtomicFile {
        let created = self.outputs.iter_mut().find(|(kind, _)| *kind == output.kind());
        let (_, file) = created.expect(CREATED);
        file
    }
}

impl<'c> Host for Disk<'c> {
    type Tree<'t>
        = View<'c>
    where
        Self: 't;

    fn read(&mut self, path: &Path, purpose: Purpose) -> Result<Bytes, RequestError> {
        let Context { root, runs_more, .. } = self.context;
        let memory = if runs_more { Memory::Reused } else { Memory::New };
        let text = whole_file::read(&root.join(path), memory);
        text.map_err(|source| RequestError::Read { path: path.to_owned(), purpose, source })
    }

    fn is_sandbox(&self) -> bool {
        self.context.is_sandbox
    }

    fn tree(&mut self) -> Result<View<'c>, RequestError> {
        let Context { root, is_sandbox, cache, cancelled, .. } = self.context;
        View::new(root, is_sandbox, cache, cancelled)
            .map_err(|source| RequestError::Root { path: root.to_path_buf(), source })
    }

    fn file_size(&mut self, source: &[u8]) -> Option<u64> {
        let file = self.context.root.join(OsStr::from_bytes(source)).metadata().ok()?;
        file.is_file().then_some(file.len())
    }

    fn sources(
        &mut self,
        queries: &[&SourceQuery<'_>],
    ) -> Result<Vec<io::Result<SourceState>>, RequestError> {
        self.check_cancelled()?;
        let Context { root, layers, .. } = self.context;
        let keeps_frames = layers.is_some_and(|layers| layers.index.is_some());
        let pieces = queries.par_chunks(WORTH_SHARING);
        Ok(pieces.flat_map_iter(|piece| sources::states(root, piece, keeps_frames)).collect())
    }

    fn hash_sources(
        &mut self,
        sources: &[&[u8]],
    ) -> Result<Vec<io::Result<[u8; 32]>>, RequestError> {
        let Context { root, cancelled, .. } = self.context;
        let hashes = sources.par_iter().map(|source| sources::hash(root, source, cancelled));
        let hashes = hashes.collect();
        self.check_cancelled()?;
        Ok(hashes)
    }

    fn write_layer(
        &mut self,
        output: &OutputHandle,
        entries: &dyn Entries,
        codec: Codec,
    ) -> Result<WrittenLayer, LayerError> {
        let (context, wants_table) = (self.context, self.wants_table);
        let file = self.file_of(output);
        let before = match (wants_table, context.layers) {
            (true, Some(LayerState { index: Some(index), .. })) => {
                index.history(file.given().as_os_str().as_bytes())
            }
            _ => None,
        };
        let table = Table { is_wanted: wants_table, before: before.as_deref() };
        let layer = assemble_to(file.file_mut(), context, entries, codec, table)?;
        let written =
            WrittenLayer { descriptor: Some(layer.descriptor.clone()), counts: Some(layer.counts) };
        self.written = Some(layer);
        Ok(written)
    }

    fn create(
        &mut self,
        kind: OutputKind,
        path: &Path,
        inputs: &[PathBuf],
    ) -> Result<OutputHandle, RequestError> {
        let file = AtomicFile::create(kind.flag(), self.context.root, path, inputs)?;
        self.outputs.push((kind, file));
        Ok(OutputHandle::new(kind))
    }

    fn write(&mut self, output: &OutputHandle, content: Content<'_>) -> Result<(), RequestError> {
        self.write_output(output, &content)
    }

    fn check_cancelled(&mut self) -> Result<(), RequestError> {
        if (self.context.cancelled)() { Err(RequestError::Cancelled) } else { Ok(()) }
    }

    fn step_done(&mut self, step: &'static str) {
        debug!(step, "done");
    }

    fn commit(&mut self, output: OutputHandle) -> Result<(), RequestError> {
        let at = self.outputs.iter().position(|(kind, _)| *kind == output.kind());
        let (kind, file) = self.outputs.remove(at.expect(CREATED));
        let path = file.given().to_owned();
        let committed = match kind {
            OutputKind::Spec | OutputKind::Layer => file.commit()?,
            OutputKind::Descriptor | OutputKind::UnusedInputs | OutputKind::Report => {
                file.commit_or_remove()?
            }
        };
        if let (OutputKind::Layer, Some(layers)) = (kind, self.context.layers)
            && let Some(index) = &layers.index
            && let Some(AssembledLayer { frames, history, .. }) = self.written.take()
        {
            index.hold(path.as_os_str().as_bytes(), committed, frames, history);
        }
        Ok(())
    }
}

/// How the table of a layer's frames is made.
#[derive(Clone, Copy, Default)]
pub struct Table<'t> {
    /// Whether it is made at all.
    pub is_wanted: bool,
    /// The entries of the last layer of the same output, if they are known.
    pub before: Option<&'t EntryHistory>,
}

/// Writes a layer to `out`.
pub fn assemble_to(
    out: &mut dyn Write,
    context: Context<'_>,
    entries: &dyn Entries,
    codec: Codec,
    table: Table<'_>,
) -> Result<AssembledLayer, LayerError> {
    let own;
    let layers = match context.layers {
        Some(layers) => layers,
        None => {
            own = LayerState::once(available_parallelism().unwrap_or(NonZeroUsize::MIN));
            &own
        }
    };
    assemble(
        &Job {
            entries,
            codec,
            permits: &layers.permits,
            buffers: &layers.buffers,
            source: &DiskContents::new(context.root.to_owned()),
            index: layers.index.as_ref(),
            digest_function: &layers.digest_function,
            is_cancelled: context.cancelled,
            wants_table: table.is_wanted,
            before: table.before,
            progress: context.progress,
        },
        out,
    )
}

//! A host that is the disk.
//!
//! Knows system calls for files by path; must not know what a request does with them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::atomic_file::AtomicFile;
use super::error::RequestError;
use super::host::{Content, Host, OutputHandle, OutputKind, Purpose};
use crate::fs::{Cache, View};

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
}

impl<'c> Context<'c> {
    /// A request that is never cancelled, and not in a sandbox.
    pub fn new(root: &'c Path, cache: &'c Cache) -> Self {
        Self { root, is_sandbox: false, cache, cancelled: &|| false }
    }
}

/// The disk, for one request.
pub struct Disk<'c> {
    context: Context<'c>,
    outputs: Vec<(OutputKind, AtomicFile)>,
}

/// The longest file that is read, in bytes: longer than the longest spec.
const LONGEST: u64 = 1 << 31;

/// Reads a file, up to [`LONGEST`] bytes: a device may never end.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::from(io::ErrorKind::FileTooLarge);
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > LONGEST {
        return Err(too_large());
    }
    let mut text = Vec::with_capacity(length as usize + 1);
    file.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST { Err(too_large()) } else { Ok(text) }
}

impl<'c> Disk<'c> {
    /// The disk, for a request in `context`.
    pub fn new(context: Context<'c>) -> Self {
        Self { context, outputs: Vec::new() }
    }

    /// Writes to an output that was created. Unlike [`Host::write`], this only borrows the content.
    pub fn write_output(
        &mut self,
        kind: OutputKind,
        content: &Content<'_>,
    ) -> Result<(), RequestError> {
        if let Some((_, file)) = self.outputs.iter_mut().find(|(created, _)| *created == kind) {
            file.write(|out| content.write_to(out))?;
        }
        Ok(())
    }
}

impl<'c> Host for Disk<'c> {
    type Tree<'t>
        = View<'c>
    where
        Self: 't;

    fn read(&mut self, path: &Path, purpose: Purpose) -> Result<Bytes, RequestError> {
        match read_bounded(&self.context.root.join(path)) {
            Ok(text) => Ok(text.into()),
            Err(source) => Err(RequestError::Read { path: path.to_owned(), purpose, source }),
        }
    }

    fn is_sandbox(&self) -> bool {
        self.context.is_sandbox
    }

    fn tree(&mut self) -> Result<View<'c>, RequestError> {
        let Context { root, is_sandbox, cache, cancelled } = self.context;
        View::new(root, is_sandbox, cache, cancelled)
            .map_err(|source| RequestError::Root { path: root.to_path_buf(), source })
    }

    fn file_size(&mut self, source: &[u8]) -> Option<u64> {
        let file = self.context.root.join(OsStr::from_bytes(source)).metadata().ok()?;
        file.is_file().then_some(file.len())
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
        self.write_output(output.kind(), &content)
    }

    fn check_cancelled(&mut self) -> Result<(), RequestError> {
        if (self.context.cancelled)() { Err(RequestError::Cancelled) } else { Ok(()) }
    }

    fn commit(&mut self, output: OutputHandle) -> Result<(), RequestError> {
        if let Some(at) = self.outputs.iter().position(|(kind, _)| *kind == output.kind()) {
            self.outputs.remove(at).1.commit()?;
        }
        Ok(())
    }
}

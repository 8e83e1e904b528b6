//! What a request has of the world: the files that it reads and writes, and the tree of its sources.
//!
//! [`crate::command`] runs on a site and cannot tell one from another: the disk, the disk with
//! somebody who takes notes, or the notes alone (`crate::capture`).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::command::Context;
use crate::error::Error;
use crate::output::Output;
use crate::report::Report;
use crate::resolve::{Directory, Tree};
use crate::spec::{Patch, Spec};
use crate::tree::{Noticed, Stamp, View};

/// The output that a request is made for.
pub const OUT: &str = "--out";
/// The numbers of a run.
pub const REPORT: &str = "--report";

/// A tree that keeps count of what it was asked.
pub trait Watched: Tree {
    /// What came up that no single answer tells.
    fn noticed(&self) -> Noticed;

    /// Which directories were met, by number, and when they were changed.
    fn stamps(&self) -> Vec<Stamp>;

    /// The path of `name` in `directory`, relative to the root or absolute; of the directory itself if the
    /// name is empty.
    fn path(&self, directory: Directory, name: &[u8]) -> Vec<u8>;
}

impl Watched for View<'_> {
    fn noticed(&self) -> Noticed {
        View::noticed(self)
    }

    fn stamps(&self) -> Vec<Stamp> {
        View::stamps(self).collect()
    }

    fn path(&self, directory: Directory, name: &[u8]) -> Vec<u8> {
        View::path(self, directory, name)
    }
}

/// What a file is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It holds arguments.
    Arguments,
    /// It is a spec.
    Spec,
}

/// What an output is to hold.
pub enum Content<'a> {
    /// A spec, but for what differs.
    Patched(&'a Spec, Patch),
    /// The numbers of a run, as JSON.
    Report(&'a Report),
}

impl Content<'_> {
    /// Writes it.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Patched(spec, patch) => patch.write_to(spec.text(), out),
            Self::Report(report) => {
                serde_json::to_writer_pretty(&mut *out, report)?;
                out.write_all(b"\n")
            }
        }
    }
}

/// The world, as far as one request has to do with it. Paths are relative to the request's root.
pub trait Site {
    /// The tree of the request's sources.
    type Tree<'t>: Watched
    where
        Self: 't;

    /// The text of a file.
    fn read(&mut self, path: &Path, purpose: Purpose) -> Result<Bytes, Error>;

    /// The tree.
    fn tree(&mut self) -> Result<Self::Tree<'_>, Error>;

    /// What the file at a source weighs, in bytes; 0 for what is no file.
    fn weigh(&mut self, source: &[u8]) -> u64;

    /// Begins the output that `flag` names. It must be none of `inputs`.
    fn begin(&mut self, flag: &'static str, path: &Path, inputs: &[PathBuf]) -> Result<(), Error>;

    /// Writes an output that was begun.
    fn write(&mut self, flag: &'static str, content: Content<'_>) -> Result<(), Error>;

    /// Whether the request is still wanted: an error if it was cancelled.
    fn go_on(&mut self) -> Result<(), Error>;

    /// Puts an output in its place, if it was begun. One that never is leaves nothing behind.
    fn commit(&mut self, flag: &'static str) -> Result<(), Error>;

    /// A step of the request is done.
    fn done(&mut self, _step: &'static str) {}
}

/// The disk.
pub struct Disk<'c> {
    context: &'c Context<'c>,
    outputs: Vec<(&'static str, Output)>,
}

/// The longest file that is read, in bytes: longer than any spec may be.
const LONGEST: u64 = 1 << 31;

/// Reads a file that a request names: it may be a device that never ends.
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
    /// The disk, as a request in `context` sees it.
    pub fn new(context: &'c Context<'c>) -> Self {
        Self { context, outputs: Vec::new() }
    }

    /// Writes an output that was begun, and leaves its content to the caller.
    pub fn put(&mut self, flag: &str, content: &Content<'_>) -> Result<(), Error> {
        match self.outputs.iter_mut().find(|(begun, _)| *begun == flag) {
            Some((_, output)) => output.write(|file| content.write_to(file)),
            None => Ok(()),
        }
    }
}

impl<'c> Site for Disk<'c> {
    type Tree<'t>
        = View<'c>
    where
        Self: 't;

    fn read(&mut self, path: &Path, purpose: Purpose) -> Result<Bytes, Error> {
        match read_bounded(&self.context.root.join(path)) {
            Ok(text) => Ok(text.into()),
            Err(source) => {
                let path = path.to_owned();
                Err(match purpose {
                    Purpose::Arguments => Error::Arguments { path, source },
                    Purpose::Spec => Error::Read { path, source },
                })
            }
        }
    }

    fn tree(&mut self) -> Result<View<'c>, Error> {
        let Context { root, is_sandbox, cache, cancelled, .. } = *self.context;
        View::new(root, is_sandbox, cache, cancelled)
            .map_err(|source| Error::Root { path: root.to_path_buf(), source })
    }

    fn weigh(&mut self, source: &[u8]) -> u64 {
        match self.context.root.join(OsStr::from_bytes(source)).metadata() {
            Ok(file) if file.is_file() => file.len(),
            _ => 0,
        }
    }

    fn begin(&mut self, flag: &'static str, path: &Path, inputs: &[PathBuf]) -> Result<(), Error> {
        self.outputs.push((flag, Output::create(flag, self.context.root, path, inputs)?));
        Ok(())
    }

    fn write(&mut self, flag: &'static str, content: Content<'_>) -> Result<(), Error> {
        self.put(flag, &content)
    }

    fn go_on(&mut self) -> Result<(), Error> {
        if (self.context.cancelled)() { Err(Error::Cancelled) } else { Ok(()) }
    }

    fn commit(&mut self, flag: &'static str) -> Result<(), Error> {
        match self.outputs.iter().position(|(begun, _)| *begun == flag) {
            Some(at) => self.outputs.remove(at).1.commit(),
            None => Ok(()),
        }
    }
}

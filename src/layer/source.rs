//! Where the bytes of contents come from.
//!
//! Knows how a content is opened and read; must not know what it is for.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::identity::FileStamp;

/// Opens contents, from any thread.
pub trait ReadSource: Sync {
    /// Opens the content of the path `source`, as the entry spells it.
    fn open(&self, source: &[u8]) -> io::Result<Box<dyn Opened>>;
}

/// A content that is open.
pub trait Opened {
    /// The stamp that its file has now.
    fn stamp(&self) -> io::Result<FileStamp>;

    /// Reads from `offset` into `buffer`, and returns how many bytes it read. As in [`std::io::Read`], these may be fewer than
    /// `buffer` holds; 0 is the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// Files below a directory of this machine.
pub struct DiskContents {
    root: PathBuf,
}

impl DiskContents {
    /// Sources are relative to `root`, unless they are absolute.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

impl ReadSource for DiskContents {
    fn open(&self, source: &[u8]) -> io::Result<Box<dyn Opened>> {
        Ok(Box::new(open(&self.root.join(OsStr::from_bytes(source)))?))
    }
}

/// Opens a file to read it. A named pipe that has taken its place is opened at once, without a writer.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

impl Opened for File {
    fn stamp(&self) -> io::Result<FileStamp> {
        Ok(FileStamp::new(&self.metadata()?))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

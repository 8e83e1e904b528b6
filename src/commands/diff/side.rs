//! One of the two files: what it is, and its entries.
//!
//! Knows the kinds of files by what they begin with; must not know how entries are compared.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::DiffError;
use super::entry::ComparedEntry;
use super::spec;
use crate::archive::{self, ArchiveEnd, CompressedFrame, Compression};
use crate::capture::{self, Capture};
use crate::commands::error::CommandError;
use crate::commands::loading;

/// How much of a file is read before its kind is known, in bytes: at least a block of a tar.
const HEAD: usize = 1 << 16;
/// The most bytes of a spec or a capture. Neither is longer.
const LONGEST: u64 = 1 << 31;

/// One of the two files.
pub(super) struct DiffSide {
    /// In the order of the file.
    pub entries: Vec<ComparedEntry>,
    pub of: SideKind,
}

/// What a file is.
pub(super) enum SideKind {
    Layer(LayerParts),
    Spec,
    Capture(Box<Capture>),
}

/// What a layer has besides its entries.
pub(super) struct LayerParts {
    pub end: ArchiveEnd,
    pub compression: Compression,
    pub frames: Vec<CompressedFrame>,
    pub raw_len: u64,
}

impl DiffSide {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, CommandError> {
        let failed = |source| CommandError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mut head = Vec::new();
        (&file).take(HEAD as u64).read_to_end(&mut head).map_err(failed)?;
        let rest = BufReader::with_capacity(HEAD, file);
        if capture::is_capture(&head) {
            return Self::of_capture(&whole(head, rest).map_err(failed)?, path);
        }
        let compression = Compression::of(&head);
        if compression != Compression::None || archive::is_header(&head) {
            let beginning = std::io::Cursor::new(head);
            return Self::of_layer(beginning.chain(rest), compression, path);
        }
        if let Some(with) = foreign(&head) {
            return Err(DiffError::Foreign { path: path.to_owned(), with }.into());
        }
        if memchr::memchr(0, &head).is_some() {
            return Err(DiffError::Unknown { path: path.to_owned() }.into());
        }
        let entries = spec::entries(whole(head, rest).map_err(failed)?, path)?;
        Ok(Self { entries, of: SideKind::Spec })
    }

    fn of_layer(
        input: impl BufRead,
        compression: Compression,
        path: &Path,
    ) -> Result<Self, CommandError> {
        let read = archive::read(input, compression)
            .map_err(|source| DiffError::Archive { path: path.to_owned(), source })?;
        let archive::ReadArchive { members, end, compression, frames, raw_len } = read;
        let entries = members.into_iter().map(ComparedEntry::Member);
        let parts = LayerParts { end, compression, frames, raw_len };
        Ok(Self { entries: entries.collect(), of: SideKind::Layer(parts) })
    }

    /// The entries that the request in a capture wrote.
    fn of_capture(file: &[u8], path: &Path) -> Result<Self, CommandError> {
        let capture = loading::decode(file, path)?;
        let output = loading::host(&capture, path)?.output;
        let output = output.ok_or_else(|| DiffError::NoOutput { path: path.to_owned() })?;
        let entries = spec::entries(output, path)?;
        Ok(Self { entries, of: SideKind::Capture(Box::new(capture)) })
    }

    /// `None` for a spec or a capture.
    pub(super) fn layer(&self) -> Option<&LayerParts> {
        match &self.of {
            SideKind::Layer(parts) => Some(parts),
            _ => None,
        }
    }
}

/// The whole of a file of which `head` was read.
fn whole(mut head: Vec<u8>, rest: impl Read) -> std::io::Result<Vec<u8>> {
    rest.take(LONGEST).read_to_end(&mut head)?;
    Ok(head)
}

/// The name of a compression that is not read.
fn foreign(head: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], _); 5] = [
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"\x1f\x9d", "compress"),
        (b"\x5d\0\0", "lzma"),
    ];
    known.into_iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| name)
}

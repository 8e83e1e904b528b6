//! Why an archive cannot be read.

use std::io;

use super::compressed::MOST_FRAMES;
use super::extensions::{LONGEST_NAME, LONGEST_RECORDS};
use super::reader::LARGEST;
use crate::display::Escaped;

/// An archive that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read, or cannot be decompressed.
    #[error("cannot be read")]
    Read(#[source] io::Error),
    /// Compressed data is damaged.
    #[error("cannot be decompressed; it is cut off or damaged (copy it again)")]
    Compression(#[source] io::Error),
    /// Bytes after the last gzip member or zstd frame that do not begin another one.
    #[error(
        "byte {0}: neither a gzip member nor a zstd frame begins here, nor padding; it is damaged (copy it again)"
    )]
    Garbage(u64),
    /// The archive ends within a member.
    #[error("the archive ends within {}; it is cut off (copy it again)", member(.0))]
    CutOff(Vec<u8>),
    /// A block is not a header.
    #[error(
        "byte {0} of the tar: not a header, since its checksum is wrong; the archive is damaged (copy it again)"
    )]
    Checksum(u64),
    /// A number in a header cannot be read.
    #[error(
        "byte {at} of the tar: the header has an invalid {field}; the archive is damaged (copy it again)"
    )]
    Number {
        /// The offset of the header.
        at: u64,
        /// What cannot be read.
        field: &'static str,
    },
    /// An extended header is not made of records.
    #[error(
        "byte {0} of the tar: a record of the pax header is invalid; the archive is damaged (copy it again)"
    )]
    Record(u64),
    /// A name that is longer than any system allows.
    #[error("byte {0} of the tar: a name is longer than {LONGEST_NAME} bytes")]
    LongName(u64),
    /// An extended header that is longer than any member needs.
    #[error("byte {0} of the tar: a pax header is longer than {LONGEST_RECORDS} bytes")]
    LongRecords(u64),
    /// More members than fit the limit.
    #[error("names and headers of the archive take more than {LARGEST} bytes of memory")]
    TooLarge,
    /// More frames than fit the limit.
    #[error("the layer has more than {MOST_FRAMES} gzip members or zstd frames")]
    ManyFrames,
}

fn member(path: &[u8]) -> String {
    match path {
        b"" => "a header".to_owned(),
        path => Escaped(path).to_string(),
    }
}

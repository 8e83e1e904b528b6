//! Errors of writing a layer.
//!
//! Knows entries by number and name; must not know specs: the caller adds the line.

use std::io;

use super::codec::CodecError;
use crate::display::Escaped;

/// Why a layer was not written.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The caller cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// The content of one entry cannot be read, or changed.
    #[error("{}", Escaped(path))]
    Content {
        /// Its number among the entries.
        entry: usize,
        /// Its archive path.
        path: Box<[u8]>,
        /// What is wrong.
        #[source]
        problem: ContentError,
    },
    /// The output cannot be written.
    #[error("the layer cannot be written")]
    Write(#[source] io::Error),
    /// An error that was recorded, in a replay. Its text is the recorded one.
    #[error("{0}")]
    Recorded(String),
    /// The layer of a capture is too large to be compared in a replay.
    #[error("the layer of the capture has more than {limit} bytes, and is not compared")]
    TooLargeToCompare {
        /// The size of the largest layer that is compared, in bytes.
        limit: u64,
    },
    /// A [`LayerError::Content`] that was recorded, in a replay.
    #[error("{text}")]
    RecordedContent {
        /// Its number among the entries.
        entry: usize,
        /// What was wrong.
        text: String,
    },
    /// A frame could not be compressed.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The system starts no more threads.
    #[error(
        "a thread cannot be started; raise the limit of processes (ulimit -u), or pass a smaller --jobs"
    )]
    Thread(#[source] io::Error),
}

/// What is wrong with a content.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The source cannot be read.
    #[error("the source {} cannot be read", Escaped(source_path))]
    Read {
        /// As the spec spells it.
        source_path: Box<[u8]>,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// Its size differs from the one that its entry has.
    #[error(
        "the source {} has {found} bytes, where it had {expected}: build again once nothing changes it",
        Escaped(source_path)
    )]
    Resized {
        /// As the spec spells it.
        source_path: Box<[u8]>,
        /// In bytes.
        expected: u64,
        /// In bytes.
        found: u64,
    },
    /// It does not match the identity that its entry has.
    #[error(
        "the source {} changed while the build ran: build again once nothing changes it",
        Escaped(source_path)
    )]
    Changed {
        /// As the spec spells it.
        source_path: Box<[u8]>,
    },
}

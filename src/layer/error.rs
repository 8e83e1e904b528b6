//! Errors of writing a layer.
//!
//! Knows entries by number and name; must not know where a spec says them. The caller does.

use std::io;

use super::codec::CodecError;
use crate::display::Escaped;

/// Why a layer was not written.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The caller said so.
    #[error("cancelled")]
    Cancelled,
    /// The content of one entry could not be had.
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
    /// The layer could not be written where it was to be.
    #[error("the layer cannot be written")]
    Write(#[source] io::Error),
    /// An error that was recorded, where a layer is not written but compared. Its text is the recorded one.
    #[error("{0}")]
    Recorded(String),
    /// As [`LayerError::Content`], but recorded.
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
    /// The system gave no thread.
    #[error(
        "a thread cannot be started; raise the limit of processes (ulimit -u), or pass a smaller --jobs"
    )]
    Thread(#[source] io::Error),
}

/// What is wrong with a content.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The system gave an error.
    #[error("the source {} cannot be read", Escaped(source_path))]
    Read {
        /// As the spec spells it.
        source_path: Box<[u8]>,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// It has another size than before.
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
    /// It does not have the identity that it had before.
    #[error(
        "the source {} changed while the build ran: build again once nothing changes it",
        Escaped(source_path)
    )]
    Changed {
        /// As the spec spells it.
        source_path: Box<[u8]>,
    },
}

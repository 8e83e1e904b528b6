//! The commands, each in a file or directory. Requests themselves run in [`crate::request`].
//!
//! Must not know clap, nor decide how rows are resolved.

pub(crate) mod diff;
mod error;
pub(crate) mod explain;
mod frames;
pub(crate) mod generate;
mod globs;
pub(crate) mod inspect;
mod loading;
mod nouns;
pub(crate) mod oci_layout;
pub(crate) mod once;
mod paint;
mod progress;
pub(crate) mod replay;
pub(crate) mod report;

pub use diff::DiffError;
pub use error::CommandError;
pub use loading::RecordedRequest;
pub(crate) use progress::LayerProgress;

//! The commands, each in a file or directory. Requests themselves run in [`crate::request`].
//!
//! Must not know clap, nor decide how rows are resolved.

pub(crate) mod diff;
mod error;
pub(crate) mod explain;
pub(crate) mod generate;
mod globs;
pub(crate) mod inspect;
mod loading;
pub(crate) mod oci_layout;
pub(crate) mod once;
mod progress;
pub(crate) mod replay;
pub(crate) mod report;

pub use diff::DiffError;
pub use error::CommandError;
pub use loading::RecordedRequest;
pub(crate) use progress::LayerProgress;

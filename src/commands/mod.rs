//! The commands, a file or directory each. Requests themselves run in [`crate::request`].
//!
//! Must not know clap, nor decide how rows are resolved.

mod error;
pub mod explain;
pub mod inspect;
mod loading;
pub mod replay;
pub mod report;
pub mod resolve;

pub use error::CommandError;

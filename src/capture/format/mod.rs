//! The file that a capture is kept in, and what is in it.
//!
//! Nothing in a file is trusted. Must not know how a capture is recorded or replayed.

mod facts;
mod file;
mod limits;
mod output;
mod proto;

pub(super) use facts::{Fact, FactLog, Facts, each};
pub(crate) use file::write;
pub use file::{CaptureError, is_capture, read};
pub(super) use limits::MOST_FACTS;
pub(super) use output::{Written, unkeep};
pub use proto::{Capture, Form, RecordedResponse};
pub(crate) use proto::{FactKind, RecordedFile, Refusal, TimedStep};

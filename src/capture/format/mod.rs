//! The file that a capture is kept in, and what is in it.
//!
//! Nothing in a file is trusted. Must not know how a capture is recorded or replayed.

mod facts;
mod file;
mod limits;
mod output;
mod proto;

pub use facts::{Fact, FactLog, Facts, each};
pub use file::{CaptureError, is_capture, read, write};
pub use limits::MOST_FACTS;
pub use output::{Written, unkeep};
pub use proto::{Capture, FactKind, Form, RecordedFile, RecordedResponse, Refusal, TimedStep};

//! Captures: requests as they were met, kept in files (docs/design.md, "Capture and replay").
//!
//! Knows what a request asked and was told, the file that it is kept in, and how to answer the same
//! questions again. Must not know how rows are resolved, nor what a user is shown.

mod format;
mod record;
mod replay;

pub use format::{Capture, CaptureError, Form, RecordedResponse, is_capture, read};
pub use record::{CaptureStore, Received, RecordingHost, RequestRecorder};
pub use replay::{FactChange, FactChanges, LiveHost, ReplayHost, ReplayTree, changes};

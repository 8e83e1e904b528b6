//! Captures: files that each record one request (docs/design.md, "Capture and replay").
//!
//! Knows the file format, how a request is recorded, and how a recorded request runs again. Must not
//! know how rows are resolved, nor what a user is shown.

mod format;
mod record;
mod replay;

pub use format::{
    Capture, CaptureError, Damage, Form, RecordedResponse, VERSION as FORMAT_VERSION, is_capture,
    read,
};
pub use record::{CaptureStore, Received, RecordingHost, RequestRecorder};
pub use replay::{CutLayer, FactChange, FactChanges, LiveHost, ReplayHost, ReplayTree, changes};

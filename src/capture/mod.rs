//! Captures: requests as they were met, kept in files (DESIGN, "Capture and replay").
//!
//! Knows what a request asked and was told, the file that it is kept in, and how to answer the same
//! questions again. Must not know how rows are resolved, nor what a user is shown.

mod bounds;
mod changes;
mod facts;
mod file;
mod live;
mod notes;
mod output;
mod proto;
mod recorded;
mod recorder;
mod recording;
mod replaying;
mod shelf;

pub use changes::{Change, Changes, changes};
pub use file::{CaptureError, is_capture, read};
pub use live::Live;
pub use notes::{Notes, Received};
pub use proto::{Answer, Capture, Form};
pub use recorded::Recorded;
pub use recording::Recording;
pub use replaying::Replaying;
pub use shelf::Shelf;

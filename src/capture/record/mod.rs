//! Recording: what a request asked and was told, while it runs.
//!
//! Changes nothing of what a request is told.

mod host;
mod recorder;
mod store;
mod tree;

pub use host::RecordingHost;
pub(crate) use host::Refused;
pub use recorder::{Received, RequestRecorder};
pub use store::CaptureStore;
pub(super) use tree::RecordingTree;

//! Recording: a request runs on the disk, and everything that the disk returns is recorded.
//!
//! Must not change what a request reads, writes or decides.

mod host;
mod recorder;
mod store;
mod tree;

pub use host::RecordingHost;
pub(crate) use host::{LAYER_CONTENT_ERROR, LAYER_WRITE_ERROR, Operation};
pub use recorder::{Received, RequestRecorder};
pub use store::CaptureStore;
pub(super) use tree::RecordingTree;

//! Replaying: the same questions, answered by a capture, or by the disk as it is now.

mod changes;
mod host;
mod live;
mod tree;

pub use changes::{FactChange, FactChanges, changes};
pub use host::ReplayHost;
pub use live::LiveHost;
pub use tree::ReplayTree;

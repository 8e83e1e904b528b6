//! Replaying: a recorded request runs again, from its capture alone or on the disk as it is now.
//!
//! Must not write to the disk, nor know what a replay is compared with.

mod changes;
mod host;
mod kept_output;
mod live;
mod tree;

pub use changes::{FactChange, FactChanges, changes};
pub use host::{CutLayer, ReplayHost};
pub use live::LiveHost;
pub use tree::ReplayTree;

//! Trees on a file system: directories, their symlinks, and the cache of both.
//!
//! Knows system calls, and the rule for when a cached directory may be used. Must not know specs.

mod cache;
mod calls;
mod listing;
mod paths;
mod place;
mod probe;
mod view;

pub use cache::{Cache, Identity, Stamp};
pub(crate) use calls::{open, stat};
pub use place::SEARCH_ONLY;
pub use view::{Counts, Observations, Unreadable, View};

#[cfg(test)]
mod tests;

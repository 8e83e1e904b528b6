//! Trees on a file system: directories, their links, and what is remembered of them.
//!
//! Knows system calls and the rule for when a remembered directory may be used. Knows nothing of specs.

mod cache;
mod listing;
mod paths;
mod probe;
mod view;

pub use cache::{Cache, Identity, Stamp};
pub use view::{Counts, Observations, Unreadable, View};

#[cfg(test)]
mod tests;

//! Trees on a file system: directories, their links, and what is remembered of them.
//!
//! Knows system calls and the rule for when a remembered directory may be used. Knows nothing of specs.

mod asker;
mod cache;
mod listing;
mod paths;
mod view;

pub use cache::{Cache, Identity, Stamp};
pub use view::{Counts, Noticed, Unreadable, View};

#[cfg(test)]
mod tests;

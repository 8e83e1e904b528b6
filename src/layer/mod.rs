//! What tar makes of rows.
//!
//! Knows entries of an archive; must not know flags, decisions or Bazel.

pub(crate) mod sizes;

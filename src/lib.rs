//! mtree-worker: symlinks in the image layers that Bazel builds.

pub mod server;

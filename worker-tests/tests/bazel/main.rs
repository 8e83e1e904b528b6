//! The rules under a real Bazel: Debian's bazel-bootstrap, 4.2.3. Each test has a server of its own, which
//! is shut down at its end, and a copy of the example's workspace.
//!
//! They take minutes and a Bazel, so they run only where they are asked for, one after another:
//! `cargo test -p worker-tests --test bazel -- --ignored --test-threads=1`, or `worker-tests/bazel`.

mod attributes;
mod caching;
mod captures;
mod edit;
mod errors;
mod escapes;
mod freshness;
mod layer;
mod long_lived;
mod node_modules;
mod remote;
mod rows;
mod runfiles;
mod server;
mod strategies;
mod style;
mod toolchains;
mod tree_artifacts;
mod workspace;

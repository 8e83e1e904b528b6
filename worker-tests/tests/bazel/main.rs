//! Tests of the rules with a real Bazel: 4.2.3, from Debian's bazel-bootstrap. Each test has its own workspace, often
//! a copy of the example, and its own server, which it shuts down at the end.
//!
//! The tests need minutes and a Bazel, so they run only on request, two at a time:
//! `cargo test -p worker-tests --test bazel -- --ignored --test-threads=2`, or `worker-tests/bazel`.

mod attributes;
mod caching;
mod captures;
mod edit;
mod errors;
mod escapes;
mod extension;
mod freshness;
mod image;
mod layer;
mod layer_errors;
mod layers;
mod long_lived;
mod migration;
mod node_modules;
mod programs;
mod releases;
mod remote;
mod rows;
mod runfiles;
mod server;
mod starlark;
mod strategies;
mod style;
mod toolchains;
mod tree_artifacts;
mod workspace;

//! mtree-worker: symlinks in the image layers that Bazel builds.
//!
//! What knows what:
//!
//! - [`spec`]: mtree(5), read into rows and written back. Knows no files.
//! - [`resolve`]: rows and a tree in, decisions out. Knows no file system and no Bazel.
//! - [`tree`]: directories on a file system, and the cache of them. Knows no rows.
//! - [`command`]: one request, from arguments to a written spec: puts the three together.
//! - [`site`]: what a request has of the world: the disk, or a capture.
//! - [`capture`]: requests as they were met, kept in files, and played again.
//! - [`server`]: frames, requests and cancellation of Bazel's worker protocol. Knows no mtree.
//! - `worker`: runs requests of the server as commands.
//! - `replay`, `explain`, `page` and `inspect`: the other commands. They ask [`command`] and [`resolve`],
//!   and decide nothing of their own.
//! - [`cli`]: what can be said on the command line.

#[cfg(not(unix))]
compile_error!(
    "mtree-worker runs on Linux and macOS. Windows is not supported: its symlinks are of two kinds, \
     and Bazel copies instead of linking there."
);

pub mod again;
pub mod capture;
pub mod cli;
pub mod command;
pub mod error;
mod explain;
pub mod flagfile;
mod inspect;
mod log;
mod output;
mod page;
pub mod path;
mod replay;
pub mod report;
pub mod resolve;
pub mod server;
mod show;
pub mod site;
pub mod spec;
pub mod tree;
mod worker;

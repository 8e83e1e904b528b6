//! mtree-worker: symlinks in the image layers that Bazel builds.
//!
//! Each module depends only on those below it in this list; `tests/edges.rs` holds the crate to that.
//!
//! - [`cli`]: dispatch and exit codes.
//! - [`commands`]: what each command does, except running a request.
//! - [`worker`]: requests of Bazel's protocol, each run as the command that it names.
//! - [`args`]: arguments, converted to plain values.
//! - [`capture`]: recorded requests in files, and their replay.
//! - [`request`]: one request, from a spec that is read to an output in place.
//! - [`layer`]: entries in, a tar out; and the sizes of rows in a tar. Knows no flags.
//! - [`oci`]: OCI image layouts of layers that are already written.
//! - [`archive`]: layers of any tool, read as a stream. Knows no rows.
//! - [`fs`]: directories on the disk, and the cache of them. Knows no rows.
//! - [`resolve`]: rows and a tree in, decisions out. Knows no file system and no Bazel.
//! - [`mtree`]: mtree(5), read into rows and written back. Knows no files.
//! - [`server`]: frames, requests and cancellation of Bazel's worker protocol. Knows no mtree.
//! - [`path`], [`display`], `log`, `malloc`, `signals`, `threads`, `vectored`, [`error`]: paths as text, bytes in
//!   messages, the log, memory that is given back, the end of a process, threads that share work, slices written together,
//!   errors as sentences.

#[cfg(not(unix))]
compile_error!(
    "mtree-worker runs on Linux and macOS. Windows is not supported: its symlinks are of two kinds, \
     and Bazel copies instead of making them."
);

pub mod archive;
pub mod args;
pub mod capture;
pub mod cli;
pub mod commands;
pub mod display;
pub mod error;
pub mod fs;
pub mod layer;
mod log;
mod malloc;
pub mod mtree;
pub mod oci;
pub mod path;
pub mod request;
pub mod resolve;
pub mod server;
mod signals;
mod threads;
mod vectored;
pub mod worker;

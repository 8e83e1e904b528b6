//! The worker: requests of Bazel's protocol, each run as the command that it asks for.
//!
//! Joins [`crate::server`], which knows no mtree, and [`crate::command`], which knows no protocol.

mod latin1;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tracing::{debug, info, info_span};

use crate::command::{self, Context, Outcome};
use crate::resolve::Inputs;
use crate::server::{Answer, Cancel, Handler, Request};
use crate::tree::Cache;

/// Runs requests, all with one cache.
pub struct Worker {
    cache: Cache,
}

impl Worker {
    /// A worker that remembers folders up to `cache_limit` bytes.
    pub fn new(cache_limit: usize) -> Self {
        Self { cache: Cache::new(cache_limit) }
    }

    fn run(&self, request: &Request, cancel: &Cancel) -> Result<Outcome, crate::error::Error> {
        let root = root(&request.sandbox_dir);
        let arguments = latin1::arguments(&root, request);
        let inputs = match request.inputs.is_empty() {
            true => None,
            false => Some(listed(request)),
        };
        debug!(arguments = arguments.len(), inputs = request.inputs.len(), root = ?root, "begins");
        let cancelled = || cancel.is_cancelled();
        let context = Context {
            root: &root,
            cache: &self.cache,
            inputs: inputs.as_ref(),
            cancelled: &cancelled,
        };
        command::run(&arguments, &context)
    }
}

impl Handler for Worker {
    fn handle(&self, request: &Request, cancel: &Cancel) -> Answer {
        let verbose = request.verbosity > 0;
        let _span = info_span!("request", id = request.request_id, verbose).entered();
        let started = Instant::now();
        let outcome = self.run(request, cancel);
        let milliseconds = started.elapsed().as_millis() as u64;
        match outcome {
            Ok(Outcome { warnings, report }) => {
                info!(
                    rows = report.rows,
                    links = report.links,
                    folder_links = report.folder_links,
                    folders_listed = report.folders_listed,
                    folders_reused = report.folders_reused,
                    milliseconds,
                    "resolved"
                );
                let lines =
                    warnings.iter().map(|warning| format!("mtree-worker: warning: {warning}\n"));
                Answer { exit_code: 0, output: lines.collect() }
            }
            Err(error) => {
                info!(milliseconds, "failed: {error}");
                Answer { exit_code: 1, output: format!("mtree-worker: {error}\n") }
            }
        }
    }
}

/// The folder that a request's paths are relative to.
fn root(sandbox_dir: &[u8]) -> PathBuf {
    if sandbox_dir.is_empty() {
        return PathBuf::from(".");
    }
    let sent = PathBuf::from(OsString::from_vec(sandbox_dir.to_vec()));
    match latin1::reading(sandbox_dir) {
        Some(read) if !sent.exists() && Path::new(&read).exists() => PathBuf::from(read),
        _ => sent,
    }
}

/// The inputs of a request, in both readings.
fn listed(request: &Request) -> Inputs {
    let mut inputs = Inputs::with_capacity(request.inputs.len());
    for path in request.inputs.iter() {
        inputs.insert(path);
        if let Some(read) = latin1::reading(path) {
            inputs.insert(read.as_encoded_bytes());
        }
    }
    inputs
}

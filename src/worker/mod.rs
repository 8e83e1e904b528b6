//! The worker: requests of Bazel's protocol, each run as the command that it asks for.
//!
//! Joins [`crate::server`], which knows no mtree, and [`crate::command`], which knows no protocol.

mod latin1;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, info, info_span};

use crate::capture::{Form, Notes, Received, Recording, Shelf};
use crate::command::{self, Context, Outcome};
use crate::error::Error;
use crate::resolve::Inputs;
use crate::server::{Answer, Cancel, Handler, Protocol, Request};
use crate::site::Disk;
use crate::tree::Cache;

/// Runs requests, all with one cache.
pub struct Worker {
    cache: Cache,
    /// Where requests are recorded, if they are.
    shelf: Option<Arc<Shelf>>,
}

impl Worker {
    /// A worker that remembers directories up to `cache_limit` bytes, and records requests on `shelf`.
    pub fn new(cache_limit: usize, shelf: Option<Arc<Shelf>>) -> Self {
        Self { cache: Cache::new(cache_limit), shelf }
    }

    fn run(
        &self,
        request: &Request,
        cancel: &Cancel,
        notes: Option<&mut Notes>,
    ) -> Result<Outcome, Error> {
        let Understood { root, arguments, inputs } = Understood::new(Path::new(""), request);
        debug!(arguments = arguments.len(), inputs = request.inputs.len(), root = ?root, "begins");
        let cancelled = || cancel.is_cancelled();
        let context = Context {
            root: &root,
            is_sandbox: !request.sandbox_dir.is_empty(),
            cache: &self.cache,
            inputs: inputs.as_ref(),
            cancelled: &cancelled,
        };
        match notes {
            None => command::run(&arguments, &context),
            Some(notes) => {
                notes.begin(&root, &arguments);
                let mut site = Recording::new(Disk::new(&context), notes);
                command::run_on(&mut site, &arguments, context.inputs)
            }
        }
    }
}

impl Handler for Worker {
    fn handle(&self, request: &Request, cancel: &Cancel) -> Answer {
        let verbose = request.verbosity > 0;
        let _span = info_span!("request", id = request.request_id, verbose).entered();
        let started = Instant::now();
        let mut notes = self.shelf.as_ref().map(|shelf| Notes::new(shelf, received(request)));
        let outcome = self.run(request, cancel, notes.as_mut());
        let milliseconds = started.elapsed().as_millis() as u64;
        match &outcome {
            Ok(Outcome { report, .. }) => info!(
                rows = report.rows,
                links = report.links,
                directory_links = report.directory_links,
                directories_listed = report.directories_listed,
                directories_reused = report.directories_reused,
                milliseconds,
                "resolved"
            ),
            Err(error) => info!(milliseconds, "failed: {error}"),
        }
        let (exit_code, output) = command::answer(&outcome);
        if let Some(notes) = notes {
            notes.answer(exit_code, &output);
        }
        Answer { exit_code, output }
    }
}

/// The request as it is recorded.
fn received(request: &Request) -> Received {
    let (protocol, message) = &request.received;
    let form = match protocol {
        Protocol::Proto => Form::Proto,
        Protocol::Json => Form::Json,
    };
    Received { form, request: message.clone(), request_id: request.request_id }
}

/// A request, with what its texts stand for.
pub struct Understood {
    /// The directory that its paths are relative to.
    pub root: PathBuf,
    /// Its arguments, before files of arguments are read.
    pub arguments: Vec<OsString>,
    /// What it may look at, if it says so.
    pub inputs: Option<Inputs>,
}

impl Understood {
    /// Reads a request of a process whose working directory is `directory`: empty for this one.
    pub fn new(directory: &Path, request: &Request) -> Self {
        let root = root(directory, &request.sandbox_dir);
        let arguments = latin1::arguments(&root, request);
        Self { root, arguments, inputs: listed(request) }
    }
}

/// The directory that a request's paths are relative to.
fn root(directory: &Path, sandbox_dir: &[u8]) -> PathBuf {
    let sent = directory.join(OsStr::from_bytes(sandbox_dir));
    if sent.as_os_str().is_empty() {
        return PathBuf::from(".");
    }
    match latin1::reading(sandbox_dir).map(|read| directory.join(read)) {
        Some(read) if !sent.exists() && read.exists() => read,
        _ => sent,
    }
}

/// The inputs that a request lists, in both readings, if it lists any.
pub fn listed(request: &Request) -> Option<Inputs> {
    if request.inputs.is_empty() {
        return None;
    }
    Some(Inputs::new(request.inputs.iter(), latin1::reading))
}

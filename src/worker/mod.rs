//! The worker: runs the requests of Bazel's worker protocol, all with one cache.
//!
//! Connects [`crate::server`], which must not know mtree, and [`crate::request`], which must not know
//! the protocol.

mod latin1;
mod response;
mod sandbox;

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::iter;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tracing::{Span, debug, info, info_span};

use crate::args::{self, ArgsError};
use crate::capture::{CaptureStore, Form, Received, RecordingHost, RequestRecorder};
use crate::error::Sentence;
use crate::fs::Cache;
use crate::request::{self, Context, Disk, Host, LayerState, Listing, Outcome, RequestError};
use crate::resolve::Inputs;
use crate::server::{Cancel, Handler, ListedInput, Protocol, Request, Response};
use crate::threads;

pub use response::respond;
pub use sandbox::is_sandbox;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// Its arguments cannot be used.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// The request itself failed.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Parses `arguments` and runs the request on `host`. Its inputs are those that `sent` lists, if any.
pub fn run(
    arguments: &[OsString],
    sent: Option<&Request>,
    host: &mut impl Host,
) -> Result<Outcome, WorkError> {
    let request = args::read_request(arguments.iter().cloned(), host)?;
    let listing = sent.and_then(|sent| listing(sent, request.layer.is_some()));
    Ok(request::run(&request, listing.as_ref(), host)?)
}

/// Runs requests, all with one cache.
pub struct Worker {
    cache: Cache,
    layers: LayerState,
    /// Where captures are stored, if anywhere.
    store: Option<Arc<CaptureStore>>,
}

impl Worker {
    /// A worker with a cache of up to `cache_limit` bytes. If there is a store, each request is recorded.
    pub fn new(cache_limit: usize, layers: LayerState, store: Option<Arc<CaptureStore>>) -> Self {
        // tracing registers a span where it is created first. Two requests at once would race for that, and one
        // of them would lose its lines at debug.
        drop(request_span(0, false));
        Self { cache: Cache::new(cache_limit), layers, store }
    }

    fn run(
        &self,
        request: &Request,
        cancel: &Cancel,
        recorder: Option<&mut RequestRecorder>,
    ) -> Result<Outcome, WorkError> {
        let Decoded { root, is_sandbox, arguments } = Decoded::new(Path::new(""), request);
        debug!(arguments = arguments.len(), inputs = request.inputs.len(), root = ?root, "begin");
        let cancelled = || cancel.is_cancelled();
        let disk = Disk::new(Context {
            root: &root,
            is_sandbox,
            cache: &self.cache,
            cancelled: &cancelled,
            layers: Some(&self.layers),
            runs_more: true,
            progress: &|_, _| {},
        });
        match recorder {
            None => run(&arguments, Some(request), &mut { disk }),
            Some(recorder) => {
                recorder.begin(&root, is_sandbox, &arguments);
                run(&arguments, Some(request), &mut RecordingHost::new(disk, recorder))
            }
        }
    }
}

impl Handler for Worker {
    fn handle(&self, request: &Request, cancel: &Cancel) -> Response {
        let verbose = request.verbosity > 0;
        let _span = request_span(request.request_id, verbose).entered();
        let started = Instant::now();
        // That there are none is in the log since the worker began.
        let _ = threads::share();
        let mut recorder =
            self.store.as_ref().map(|store| RequestRecorder::new(store, received(request)));
        let result = self.run(request, cancel, recorder.as_mut());
        let milliseconds = started.elapsed().as_millis() as u64;
        match &result {
            Ok(Outcome { report, .. }) => {
                info!(
                    rows = report.rows,
                    links = report.links,
                    directory_links = report.directory_links,
                    directories_listed = report.directories_listed,
                    directories_reused = report.directories_reused,
                    milliseconds,
                    "resolved"
                );
                if let Some(layer) = &report.layer {
                    info!(
                        frames_made = layer.frames_made,
                        frames_reused = layer.frames_reused,
                        bytes = layer.bytes_compressed,
                        "written"
                    );
                }
            }
            Err(error) => {
                let sentence = Sentence(error).to_string();
                info!(milliseconds, "failed: {}", sentence.lines().next().unwrap_or_default());
            }
        }
        let response = respond(&result);
        if let Some(recorder) = recorder {
            recorder.finish(response.exit_code, &response.output);
        }
        response
    }

    fn release(&self) {
        self.cache.clear();
        self.layers.buffers.free();
    }
}

/// The span of a request in the log. The filter of `crate::log` reads `verbose`.
fn request_span(id: i32, verbose: bool) -> Span {
    info_span!("request", id, verbose)
}

/// The request as it arrived, for its capture.
fn received(request: &Request) -> Received {
    let (protocol, message) = &request.received;
    let form = match protocol {
        Protocol::Proto => Form::Proto,
        Protocol::Json => Form::Json,
    };
    Received { form, request: message.clone(), request_id: request.request_id }
}

/// A request with its names decoded (`latin1`).
pub struct Decoded {
    /// The directory that its paths are relative to.
    pub root: PathBuf,
    /// Whether that directory is a sandbox.
    pub is_sandbox: bool,
    /// Its arguments, before flag files are read.
    pub arguments: Vec<OsString>,
}

impl Decoded {
    /// Decodes a request of a worker whose working directory is `directory`; empty for this process's.
    pub fn new(directory: &Path, request: &Request) -> Self {
        let root = root(directory, &request.sandbox_dir);
        let arguments = latin1::arguments(&root, request);
        let is_sandbox = !request.sandbox_dir.is_empty();
        Self { root, is_sandbox, arguments }
    }
}

/// The inputs that a request lists, if any, with their digests if these are wanted.
fn listing(request: &Request, wants_digests: bool) -> Option<Listing<'_>> {
    let listing = Listing::new(listed_inputs(request)?);
    if !wants_digests {
        return Some(listing);
    }
    let digests = request.inputs.iter().flat_map(|ListedInput { path, digest }| {
        let decoded = latin1::decode(path).map(|path| Cow::Owned(path.into_vec()));
        iter::once(Cow::Borrowed(path)).chain(decoded).map(move |path| (path, digest))
    });
    Some(listing.with_digests(digests))
}

/// The directory that a request's paths are relative to.
fn root(directory: &Path, sandbox_dir: &[u8]) -> PathBuf {
    let sent = directory.join(OsStr::from_bytes(sandbox_dir));
    if sent.as_os_str().is_empty() {
        return PathBuf::from(".");
    }
    match latin1::decode(sandbox_dir).map(|decoded| directory.join(decoded)) {
        Some(decoded) if !sent.exists() && decoded.exists() => decoded,
        _ => sent,
    }
}

/// The inputs that a request lists, each as sent and decoded. `None` if it lists none.
pub fn listed_inputs(request: &Request) -> Option<Inputs> {
    if request.inputs.is_empty() {
        return None;
    }
    Some(Inputs::new(request.inputs.paths(), latin1::decode))
}

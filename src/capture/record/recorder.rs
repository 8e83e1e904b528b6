//! The recording of one request, from its arrival to its response.
//!
//! Knows the order of events in a request; must not know how captures are stored.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::store::CaptureStore;
use crate::capture::format::{
    Capture, FactLog, Form, LayerFacts, RecordedResponse, TimedStep, WrittenSpec,
};

/// A request as it was received.
pub struct Received {
    /// How it was received.
    pub form: Form,
    /// The message, without its length prefix. Empty for a command line.
    pub request: Bytes,
    /// Its id; 0 for a command line.
    pub request_id: i32,
}

/// Records one request.
///
/// Dropping it stores the capture, complete or not: a request that panics is recorded up to the panic.
pub struct RequestRecorder {
    store: Arc<CaptureStore>,
    pub(super) record: Record,
    /// When the last step ended.
    last: Instant,
}

/// What is recorded of one request.
#[derive(Default)]
pub(super) struct Record {
    pub capture: Capture,
    pub log: FactLog,
    pub written: Option<WrittenSpec>,
    pub layer: Option<LayerFacts>,
    /// The number of the request in its process.
    pub number: u64,
}

impl Record {
    /// Assembles the capture.
    pub(super) fn into_capture(self) -> Capture {
        let Self { mut capture, log, written, layer, .. } = self;
        capture.layer = layer;
        capture.facts = Some(log.facts);
        capture.output = written.map(|written| written.encode(&capture.files));
        capture
    }
}

impl RequestRecorder {
    /// Begins to record a request that has just been received.
    pub fn new(store: &Arc<CaptureStore>, received: Received) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let capture = Capture {
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            began: since.as_micros() as u64,
            form: received.form.into(),
            request: received.request,
            request_id: received.request_id,
            startup_arguments: store.startup_arguments.clone(),
            working_directory: store.working_directory.as_os_str().as_bytes().to_vec(),
            ..Capture::default()
        };
        let record = Record { capture, ..Record::default() };
        Self { store: Arc::clone(store), record, last: Instant::now() }
    }

    /// Records the arguments of the request, the directory that its paths are relative to, and whether that
    /// is a sandbox.
    pub fn begin(&mut self, root: &Path, is_sandbox: bool, arguments: &[OsString]) {
        self.record.capture.root = root.as_os_str().as_bytes().to_vec();
        self.record.capture.is_sandbox = is_sandbox;
        self.record.capture.arguments =
            arguments.iter().map(|argument| argument.clone().into_vec()).collect();
    }

    /// Records that a step of the request has ended.
    pub fn step_done(&mut self, step: &str) {
        let now = Instant::now();
        let nanoseconds = now.duration_since(self.last).as_nanos() as u64;
        self.record.capture.steps.push(TimedStep { name: step.to_owned(), nanoseconds });
        self.last = now;
    }

    /// Records the response, and stores the capture.
    pub fn finish(mut self, exit_code: i32, output: &str) {
        self.record.capture.response =
            Some(RecordedResponse { exit_code, output: output.to_owned() });
    }
}

impl Drop for RequestRecorder {
    fn drop(&mut self) {
        self.store.submit(std::mem::take(&mut self.record));
    }
}

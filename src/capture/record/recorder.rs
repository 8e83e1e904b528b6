//! What is taken down of one request, from its beginning to its answer.
//!
//! Knows the order of a request's life; must not know how recorder are kept.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::store::CaptureStore;
use crate::capture::format::{Capture, FactLog, Form, RecordedResponse, TimedStep, Written};

/// A request as it was received.
pub struct Received {
    /// How it was received.
    pub form: Form,
    /// Without its length. Empty for a command line.
    pub request: Bytes,
    /// Its id; 0 for a command line.
    pub request_id: i32,
}

/// RequestRecorder of one request. When they go, they are kept, with whatever they hold by then: a request
/// that panics is the one that somebody will want to see.
pub struct RequestRecorder {
    store: Arc<CaptureStore>,
    pub(super) record: Record,
    last: Instant,
}

/// What was taken down.
#[derive(Default)]
pub(super) struct Record {
    pub capture: Capture,
    pub log: FactLog,
    pub written: Option<Written>,
    /// Which of the process's requests it was.
    pub number: u64,
}

impl Record {
    /// The capture, complete.
    pub(super) fn into_capture(self) -> Capture {
        let Self { mut capture, log, written, .. } = self;
        capture.facts = Some(log.facts);
        capture.output = written.map(|written| written.keep(&capture.files));
        capture
    }
}

impl RequestRecorder {
    /// Begins to take recorder of a request that has just been received.
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

    /// The request was read: its paths are relative to `root`, its arguments are `arguments`.
    pub fn begin(&mut self, root: &Path, arguments: &[OsString]) {
        self.record.capture.root = root.as_os_str().as_bytes().to_vec();
        self.record.capture.arguments =
            arguments.iter().map(|argument| argument.clone().into_vec()).collect();
    }

    /// A step of the request is done.
    pub fn step_done(&mut self, step: &str) {
        let now = Instant::now();
        let nanoseconds = now.duration_since(self.last).as_nanos() as u64;
        self.record.capture.steps.push(TimedStep { name: step.to_owned(), nanoseconds });
        self.last = now;
    }

    /// The request is answered.
    pub fn finish(mut self, exit_code: i32, output: &str) {
        self.record.capture.response =
            Some(RecordedResponse { exit_code, output: output.to_owned() });
    }
}

impl Drop for RequestRecorder {
    fn drop(&mut self) {
        self.store.keep(std::mem::take(&mut self.record));
    }
}

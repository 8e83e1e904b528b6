//! What is taken down of one request, from its beginning to its answer.
//!
//! Knows the order of a request's life; must not know how notes are kept.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::facts::Log;
use super::output::Written;
use super::proto::{Answer, Capture, Form, Step};
use super::shelf::Shelf;

/// A request as it was received.
pub struct Received {
    pub form: Form,
    /// Without its length. Empty for a command line.
    pub request: Bytes,
    pub request_id: i32,
}

/// Notes of one request. When they go, they are kept, with whatever they hold by then: a request
/// that panics is the one that somebody will want to see.
pub struct Notes {
    shelf: Arc<Shelf>,
    pub(super) taken: Taken,
    last: Instant,
}

/// What was taken down.
#[derive(Default)]
pub struct Taken {
    pub capture: Capture,
    pub log: Log,
    pub written: Option<Written>,
    /// Which of the process's requests it was.
    pub number: u64,
}

impl Taken {
    /// The capture, complete.
    pub fn into_capture(self) -> Capture {
        let Self { mut capture, log, written, .. } = self;
        capture.facts = Some(log.facts);
        capture.output = written.map(|written| written.keep(&capture.files));
        capture
    }
}

impl Notes {
    /// Begins to take notes of a request that has just been received.
    pub fn new(shelf: &Arc<Shelf>, received: Received) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let capture = Capture {
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            began: since.as_micros() as u64,
            form: received.form.into(),
            request: received.request,
            request_id: received.request_id,
            startup_arguments: shelf.startup_arguments.clone(),
            working_directory: shelf.working_directory.as_os_str().as_bytes().to_vec(),
            ..Capture::default()
        };
        let taken = Taken { capture, ..Taken::default() };
        Self { shelf: Arc::clone(shelf), taken, last: Instant::now() }
    }

    /// The request was read: its paths are relative to `root`, its arguments are `arguments`.
    pub fn begin(&mut self, root: &Path, arguments: &[OsString]) {
        self.taken.capture.root = root.as_os_str().as_bytes().to_vec();
        self.taken.capture.arguments =
            arguments.iter().map(|argument| argument.clone().into_vec()).collect();
    }

    /// A step of the request is done.
    pub fn done(&mut self, step: &str) {
        let now = Instant::now();
        let nanoseconds = now.duration_since(self.last).as_nanos() as u64;
        self.taken.capture.steps.push(Step { name: step.to_owned(), nanoseconds });
        self.last = now;
    }

    /// The request is answered.
    pub fn answer(mut self, exit_code: i32, output: &str) {
        self.taken.capture.answer = Some(Answer { exit_code, output: output.to_owned() });
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        self.shelf.keep(std::mem::take(&mut self.taken));
    }
}

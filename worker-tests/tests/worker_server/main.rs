//! The server: a process with pipes. Each test's name is a sentence of docs/design.md, "The worker", or
//! follows from one. The process is `echo_worker`, which knows no mtree.

mod cancel;
mod end;
mod frames;
mod json;
mod memory;
mod requests;
mod stdin;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use worker_tests::client::{End, Protocol, WorkRequest, WorkResponse, Worker, request};

/// How long a test waits to see that nothing happens.
const A_WHILE: Duration = Duration::from_millis(100);

fn command(protocol: Protocol, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo_worker"));
    if protocol == Protocol::Json {
        command.arg("--protocol=json");
    }
    command.args(flags);
    command
}

fn start(protocol: Protocol, flags: &[&str]) -> Worker {
    Worker::start(command(protocol, flags), protocol)
}

fn echo_worker(flags: &[&str]) -> Worker {
    start(Protocol::Proto, flags)
}

/// Requests that begin, and then wait until the gate is opened.
struct Gate(TempDir);

impl Gate {
    fn new() -> Gate {
        Gate(TempDir::new().expect("a directory can be made"))
    }

    fn request(&self, id: i32) -> WorkRequest {
        let (begun, open) = (self.begun(id), self.0.path().join("open"));
        let path = |path: &PathBuf| path.to_str().expect("a UTF-8 path").to_owned();
        request(id, &["begin", &path(&begun), "until", &path(&open)])
    }

    fn has_begun(&self, id: i32) -> bool {
        self.begun(id).exists()
    }

    fn wait_for_begin(&self, id: i32) {
        let started = Instant::now();
        while !self.has_begun(id) {
            assert!(started.elapsed() < Duration::from_secs(60), "{id} does not begin");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn open(&self) {
        std::fs::write(self.0.path().join("open"), "").expect("the file can be made");
    }

    fn begun(&self, id: i32) -> PathBuf {
        self.0.path().join(format!("begun-{id}"))
    }
}

fn ids(answers: &[WorkResponse]) -> Vec<i32> {
    answers.iter().map(|response| response.request_id).collect()
}

/// Asserts that this is the response to `echo WORD`.
fn assert_echo(response: &WorkResponse, id: i32, word: &str) {
    assert_eq!(
        (response.request_id, response.exit_code, &response.output[..], response.was_cancelled),
        (id, 0, word, false)
    );
}

/// Asserts that a request was cancelled.
fn assert_cancelled(response: &WorkResponse, id: i32) {
    assert_eq!(
        (response.request_id, response.exit_code, &response.output[..], response.was_cancelled),
        (id, 0, "", true)
    );
}

/// Asserts that the worker ended with status 0 and an empty log.
fn assert_clean(end: &End) {
    assert_eq!((end.code(), &end.log[..]), (0, ""));
}

/// Asserts that the worker ended because its input cannot be read: status 1, and one line that says what
/// and where.
fn assert_refused(end: &End, what: &str, at: usize) {
    assert_eq!(end.code(), 1, "{}", end.log);
    assert_eq!(end.log.lines().count(), 1, "{}", end.log);
    let place = format!("stdin, byte {at}: ");
    assert!(
        end.log.starts_with(&place) && end.log.contains(what),
        "{} is not of {what:?} at {at}",
        end.log
    );
}

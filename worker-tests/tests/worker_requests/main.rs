//! The worker: the real program, its requests, and what they write. Each test's name is a sentence of
//! docs/design.md, "The worker", or follows from one. `worker_server` tests the server apart from mtree.

mod arguments;
mod bad;
mod cancel;
mod idle;
mod inputs;
mod latin1;
mod log;
mod outputs;
mod sandbox;
mod together;
mod warnings;

use worker_tests::client::WorkResponse;
use worker_tests::exec_root::{ExecRoot, file_row, link_row, spec};

/// A toolchain with a chain of symlinks.
const PYTHON: &str = "\
file external/py/bin/python3.13 ELF
link external/py/bin/python3 -> python3.13
link external/py/bin/python -> python3
file external/py/lib/os.py
";

const SOURCES: [&str; 4] = [
    "external/py/bin/python",
    "external/py/bin/python3",
    "external/py/bin/python3.13",
    "external/py/lib/os.py",
];

/// An exec root with that toolchain and its spec, `spec.mtree`.
fn python() -> ExecRoot {
    let exec_root = ExecRoot::new(PYTHON);
    exec_root.write("spec.mtree", spec(&SOURCES));
    exec_root
}

/// That spec, resolved.
fn resolved() -> String {
    [
        link_row(SOURCES[0], "python3"),
        link_row(SOURCES[1], "python3.13"),
        file_row(SOURCES[2], SOURCES[2]),
        file_row(SOURCES[3], SOURCES[3]),
    ]
    .concat()
}

/// Asserts that a request succeeded without warnings.
fn assert_done(response: &WorkResponse, id: i32) {
    assert_eq!(
        (response.request_id, response.exit_code, &response.output[..], response.was_cancelled),
        (id, 0, "", false)
    );
}

/// Asserts that a request was cancelled.
fn assert_cancelled(response: &WorkResponse, id: i32) {
    assert_eq!(
        (response.request_id, response.exit_code, &response.output[..], response.was_cancelled),
        (id, 0, "", true)
    );
}

/// Asserts that a request failed with one sentence that has these words.
fn assert_failed(response: &WorkResponse, id: i32, words: &[&str]) {
    assert_eq!(response.output.lines().count(), 1, "{response}");
    assert_refused(response, id, words);
}

/// Asserts that a request failed with these words. A usage error has several lines.
fn assert_refused(response: &WorkResponse, id: i32, words: &[&str]) {
    assert_eq!((response.request_id, response.exit_code, response.was_cancelled), (id, 1, false));
    let output = &response.output;
    assert!(output.starts_with("mtree-worker: ") && output.ends_with('\n'), "{output}");
    for word in words {
        assert!(output.contains(word), "{output} does not name {word:?}");
    }
}

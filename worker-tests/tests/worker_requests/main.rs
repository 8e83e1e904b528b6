//! The worker, as Bazel meets it: the real program, its requests and what they write. Each test's
//! name is a sentence of "The worker" in DESIGN, or one that follows from it. What the server does
//! whatever is asked for is shown in `worker_server`.

mod arguments;
mod bad;
mod cancel;
mod inputs;
mod latin1;
mod log;
mod outputs;
mod sandbox;
mod together;

use worker_tests::client::WorkResponse;
use worker_tests::exec_root::{ExecRoot, file_row, link_row, spec};

/// A toolchain with a chain of links.
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

/// What becomes of that spec.
fn resolved() -> String {
    [
        link_row(SOURCES[0], "python3"),
        link_row(SOURCES[1], "python3.13"),
        file_row(SOURCES[2], SOURCES[2]),
        file_row(SOURCES[3], SOURCES[3]),
    ]
    .concat()
}

/// The answer to a request that is done, with nothing to say.
fn assert_done(answer: &WorkResponse, id: i32) {
    assert_eq!(
        (answer.request_id, answer.exit_code, &answer.output[..], answer.was_cancelled),
        (id, 0, "", false)
    );
}

/// The answer to a request that was cancelled.
fn assert_cancelled(answer: &WorkResponse, id: i32) {
    assert_eq!(
        (answer.request_id, answer.exit_code, &answer.output[..], answer.was_cancelled),
        (id, 0, "", true)
    );
}

/// The answer to a bad request: one sentence with these words.
fn assert_failed(answer: &WorkResponse, id: i32, words: &[&str]) {
    assert_eq!((answer.request_id, answer.exit_code, answer.was_cancelled), (id, 1, false));
    let output = &answer.output;
    assert!(output.starts_with("mtree-worker: ") && output.ends_with('\n'), "{output}");
    assert_eq!(output.lines().count(), 1, "{output}");
    for word in words {
        assert!(output.contains(word), "{output} does not name {word:?}");
    }
}

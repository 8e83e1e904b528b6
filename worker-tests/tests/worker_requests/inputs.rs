//! The inputs that a request lists.

use worker_tests::client::{Input, Protocol, WorkRequest, Worker};
use worker_tests::exec_root::{ExecRoot, file_row, link_row, resolve, spec};

use crate::{PYTHON, SOURCES, assert_done, python, resolved};

/// The same request with these inputs.
fn listing(asked: WorkRequest, inputs: &[&str]) -> WorkRequest {
    let input = |path: &&str| Input {
        path: (*path).to_owned(),
        digest: b"\xff\x00digest".to_vec(),
        ..Input::default()
    };
    WorkRequest { inputs: inputs.iter().map(input).collect(), ..asked }
}

#[test]
fn the_row_of_a_source_that_is_not_listed_is_left_alone_with_a_warning() {
    let exec_root = python();
    for protocol in [Protocol::Proto, Protocol::Json] {
        let flags = [if protocol == Protocol::Json { "--protocol=json" } else { "--jobs=2" }];
        let mut worker = Worker::start(exec_root.command(&flags), protocol);
        let asked = resolve(1, "spec.mtree", "out.mtree");
        let response = worker.ask(&listing(asked, &[SOURCES[1], "spec.mtree", SOURCES[2]]));
        assert_eq!((response.exit_code, response.was_cancelled), (0, false));
        assert_eq!(
            response.output,
            "mtree-worker: warning: 2 rows were left alone, since their sources do not exist, the \
             first: app/external/py/bin/python (external/py/bin/python); add them to srcs\n"
        );
        let mut want = resolved();
        let link = link_row(SOURCES[0], "python3");
        want.replace_range(..link.len(), &file_row(SOURCES[0], SOURCES[0]));
        assert_eq!(exec_root.read("out.mtree"), want);
    }
}

#[test]
fn a_listed_directory_covers_what_is_below_it() {
    let exec_root = python();
    let mut worker = exec_root.worker(&[]);
    for inputs in [
        &["external/py"][..],
        &["external"],
        &["external/py/bin", "external/py/lib"],
        // A slash at the end says that it is one.
        &["external/py/"],
        &["external/py/bin/", "external/py/lib/"],
    ] {
        let asked = resolve(1, "spec.mtree", "out.mtree");
        assert_done(&worker.ask(&listing(asked, inputs)), 1);
        assert_eq!(exec_root.read("out.mtree"), resolved(), "{inputs:?}");
    }
    // But not a name that has it as a prefix.
    let asked = resolve(2, "spec.mtree", "out.mtree");
    let response = worker.ask(&listing(asked, &["external/p", "external/py/bin/python3.1"]));
    assert_eq!(response.exit_code, 0);
    assert!(response.output.contains("4 rows were left alone"), "{response}");
    assert_eq!(exec_root.read("out.mtree"), spec(&SOURCES));
}

#[test]
fn a_request_that_lists_no_inputs_may_read_everything() {
    let exec_root = python();
    let mut worker = exec_root.worker(&[]);
    assert_done(&worker.ask(&resolve(1, "spec.mtree", "out.mtree")), 1);
    assert_eq!(exec_root.read("out.mtree"), resolved());
}

#[test]
fn inputs_match_sources_of_any_spelling() {
    let exec_root = ExecRoot::new(PYTHON);
    let spelled = ["./external/py/bin//python3", "external/./py/bin/python3.13"];
    exec_root.write("spec.mtree", spec(&spelled));
    let mut worker = exec_root.worker(&[]);
    let asked = resolve(1, "spec.mtree", "out.mtree");
    assert_done(&worker.ask(&listing(asked, &[SOURCES[1], SOURCES[2]])), 1);
    let out = exec_root.read("out.mtree");
    assert!(out.contains("type=link link="), "{out}");
}

#[test]
fn a_cached_source_is_left_alone_in_a_request_that_does_not_list_it() {
    let exec_root = python();
    let mut worker = exec_root.worker(&[]);
    assert_done(&worker.ask(&resolve(1, "spec.mtree", "out.mtree")), 1);
    let response = worker.ask(&listing(resolve(2, "spec.mtree", "out.mtree"), &["spec.mtree"]));
    assert!(response.output.contains("4 rows were left alone"), "{response}");
    assert_eq!(exec_root.read("out.mtree"), spec(&SOURCES));
}

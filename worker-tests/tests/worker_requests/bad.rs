//! Bad requests, and the messages of responses.

use worker_tests::client::{Worker, request};
use worker_tests::exec_root::{ExecRoot, file_row, resolve, spec};

use crate::{SOURCES, assert_done, assert_refused, python, resolved};

/// Asserts that a request fails with these words, leaves no file, and does not affect a later request.
fn assert_goes_on(exec_root: &ExecRoot, worker: &mut Worker, arguments: &[&str], words: &[&str]) {
    for id in [0, 1] {
        let response = worker.ask(&request(id, arguments));
        assert_refused(&response, id, words);
        assert!(!exec_root.has("bad.mtree"), "{arguments:?} left an output");
    }
    assert_done(&worker.ask(&resolve(2, "spec.mtree", "out.mtree")), 2);
    assert_eq!(exec_root.read("out.mtree"), resolved());
    assert_eq!(exec_root.temporary_files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_bad_request_gets_exit_code_1_with_the_message_and_the_worker_goes_on() {
    let exec_root = python();
    exec_root.write("bad-line.mtree", "./a type=file content=a\n./b type=\n");
    exec_root.write("not-a-directory", "");
    exec_root.write("me", "@me\n");
    let mut worker = exec_root.worker(&[]);
    let spec = ["--mtree=spec.mtree", "--out=bad.mtree"];
    let with = |flag: &'static str| [&["resolve"], &spec[..], &[flag]].concat();
    let cases: [(&[&str], &[&str]); 17] = [
        (&[], &["resolve"]),
        (&["turn"], &["turn"]),
        (&["inspect", "."], &["inspect"]),
        (&["--persistent_worker"], &["--persistent_worker"]),
        (&["resolve"], &["--mtree"]),
        (&["resolve", "--mtree=spec.mtree"], &["--out"]),
        (&with("--no-such-flag"), &["--no-such-flag"]),
        (&with("--missing-target=perhaps"), &["perhaps"]),
        (&with("--mtree=spec.mtree"), &["--mtree"]),
        (&with("--also=gone.mtree"), &["gone.mtree", "No such file"]),
        (&with("--also=bad-line.mtree"), &["bad-line.mtree:2: "]),
        (&with("@gone"), &["gone", "No such file"]),
        (&with("@me"), &["me", "include itself"]),
        (&["resolve", "--mtree=gone", "--out=bad.mtree"], &["gone", "No such file"]),
        (&["resolve", "--mtree=bad-line.mtree", "--out=bad.mtree"], &["bad-line.mtree:2: "]),
        (&["resolve", "--mtree=spec.mtree", "--out=gone/bad.mtree"], &["--out", "gone/bad.mtree"]),
        (&["resolve", "--mtree=spec.mtree", "--out=spec.mtree"], &["--out", "replace an input"]),
    ];
    for (arguments, words) in cases {
        assert_goes_on(&exec_root, &mut worker, arguments, words);
    }
    assert_goes_on(&exec_root, &mut worker, &with("--report=not-a-directory/x"), &["--report"]);
    assert_eq!(worker.end().code(), 0);
}

#[test]
fn a_symlink_loop_is_that_requests_error_and_names_the_trail() {
    let exec_root = python();
    worker_tests::plant::plant(
        exec_root.path(),
        b"link external/py/bin/a -> b\nlink external/py/bin/b -> a\n",
    )
    .unwrap();
    exec_root.write("loop.mtree", spec(&["external/py/bin/a"]));
    let mut worker = exec_root.worker(&[]);
    let arguments = ["resolve", "--mtree=loop.mtree", "--out=bad.mtree"];
    let trail = "app/external/py/bin/a: too many levels of symbolic links";
    assert_goes_on(&exec_root, &mut worker, &arguments, &[trail, "external/py/bin/a -> b -> a"]);
}

#[test]
fn a_missing_target_is_an_error_with_missing_target_fail() {
    let exec_root = python();
    exec_root.write("link.mtree", spec(&SOURCES[..1]));
    let mut worker = exec_root.worker(&[]);
    let arguments = ["resolve", "--mtree=link.mtree", "--out=bad.mtree", "--missing-target=fail"];
    assert_goes_on(&exec_root, &mut worker, &arguments, &["python3 -> python3.13"]);
}

#[test]
fn help_and_version_are_responses_and_not_printed() {
    let exec_root = python();
    let mut worker = exec_root.worker(&[]);
    for arguments in [&["--help"][..], &["--version"], &["resolve", "--help"], &["help"]] {
        let response = worker.ask(&request(1, arguments));
        assert_eq!((response.request_id, response.exit_code), (1, 1), "{response}");
    }
    assert_done(&worker.ask(&resolve(2, "spec.mtree", "out.mtree")), 2);
    // The client decodes every byte on stdout as a response.
    let end = worker.end();
    assert_eq!((end.code(), end.answers.len()), (0, 0));
}

#[test]
fn on_success_the_output_has_only_warnings() {
    let exec_root = python();
    exec_root.write("gone.mtree", spec(&SOURCES) + &file_row("gone", "external/py/gone"));
    let mut worker = exec_root.worker(&[]);
    assert_done(&worker.ask(&resolve(1, "spec.mtree", "out.mtree")), 1);
    let response = worker.ask(&resolve(2, "gone.mtree", "out.mtree"));
    let warning =
        "1 row was left alone, since its source does not exist: app/gone (external/py/gone)";
    assert_eq!(response.exit_code, 0);
    assert_eq!(response.output, format!("mtree-worker: warning: {warning}; add it to srcs\n"));
    assert_eq!(exec_root.read("out.mtree"), resolved() + &file_row("gone", "external/py/gone"));
}

#[test]
fn a_response_has_the_output_of_a_process_that_runs_once() {
    let exec_root = python();
    exec_root.write("gone.mtree", file_row("gone", "external/py/gone"));
    let mut worker = exec_root.worker(&[]);
    for arguments in [
        &["resolve", "--mtree=gone.mtree", "--out=out.mtree"][..],
        &["resolve", "--mtree=no-spec", "--out=out.mtree"],
        &["resolve", "--mtree=gone.mtree", "--out=out.mtree", "--flag"],
    ] {
        let once = exec_root.once(arguments);
        let response = worker.ask(&request(1, arguments));
        assert_eq!(response.output, String::from_utf8(once.stderr).unwrap());
        // A usage error has exit code 1 in a response, and 2 on a command line.
        assert_eq!(response.exit_code == 0, once.status.success());
        assert!((0..=1).contains(&response.exit_code));
    }
}

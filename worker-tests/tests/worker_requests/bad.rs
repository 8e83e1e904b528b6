//! Bad requests, and what is said of requests that are not bad.

use worker_tests::client::{Worker, request};
use worker_tests::exec_root::{ExecRoot, file_row, resolve, spec};

use crate::{SOURCES, assert_done, assert_failed, python, resolved};

/// Asks for what fails with these words, then for what does not, and looks whether anything is left
/// of the first.
fn assert_goes_on(exec_root: &ExecRoot, worker: &mut Worker, arguments: &[&str], words: &[&str]) {
    for id in [0, 1] {
        let answer = worker.ask(&request(id, arguments));
        assert_failed(&answer, id, words);
        assert!(!exec_root.has("bad.mtree"), "{arguments:?} left an output");
    }
    assert_done(&worker.ask(&resolve(2, "spec.mtree", "out.mtree")), 2);
    assert_eq!(exec_root.read("out.mtree"), resolved());
    assert_eq!(exec_root.temporary_files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_bad_request_answers_exit_code_1_with_the_message_and_the_worker_goes_on() {
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
        (&with("@me"), &["me", "itself"]),
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
fn a_circle_of_links_is_that_requests_error_and_names_the_trail() {
    let exec_root = python();
    worker_tests::plant::plant(
        exec_root.path(),
        b"link external/py/bin/a -> b\nlink external/py/bin/b -> a\n",
    )
    .unwrap();
    exec_root.write("circle.mtree", spec(&["external/py/bin/a"]));
    let mut worker = exec_root.worker(&[]);
    let arguments = ["resolve", "--mtree=circle.mtree", "--out=bad.mtree"];
    let trail = "app/external/py/bin/a: links go round";
    assert_goes_on(&exec_root, &mut worker, &arguments, &[trail, "external/py/bin/a -> b -> a"]);
}

#[test]
fn a_missing_target_is_an_error_where_that_is_asked_for() {
    let exec_root = python();
    exec_root.write("link.mtree", spec(&SOURCES[..1]));
    let mut worker = exec_root.worker(&[]);
    let arguments = ["resolve", "--mtree=link.mtree", "--out=bad.mtree", "--missing-target=fail"];
    assert_goes_on(&exec_root, &mut worker, &arguments, &["python3 -> python3.13"]);
}

#[test]
fn a_request_for_help_or_the_version_is_answered_and_not_printed() {
    let exec_root = python();
    let mut worker = exec_root.worker(&[]);
    for arguments in [&["--help"][..], &["--version"], &["resolve", "--help"], &["help"]] {
        let answer = worker.ask(&request(1, arguments));
        assert_eq!((answer.request_id, answer.exit_code), (1, 1), "{answer}");
    }
    assert_done(&worker.ask(&resolve(2, "spec.mtree", "out.mtree")), 2);
    // The client takes every byte on stdout for an answer.
    let end = worker.end();
    assert_eq!((end.code(), end.answers.len()), (0, 0));
}

#[test]
fn on_success_output_holds_warnings_alone() {
    let exec_root = python();
    exec_root.write("gone.mtree", spec(&SOURCES) + &file_row("gone", "external/py/gone"));
    let mut worker = exec_root.worker(&[]);
    assert_done(&worker.ask(&resolve(1, "spec.mtree", "out.mtree")), 1);
    let answer = worker.ask(&resolve(2, "gone.mtree", "out.mtree"));
    let warning =
        "1 row was left alone, since its source is not there: app/gone (external/py/gone)";
    assert_eq!(answer.exit_code, 0);
    assert_eq!(answer.output, format!("mtree-worker: warning: {warning}; add it to srcs\n"));
    assert_eq!(exec_root.read("out.mtree"), resolved() + &file_row("gone", "external/py/gone"));
}

#[test]
fn what_a_request_says_is_what_a_process_says_that_runs_once() {
    let exec_root = python();
    exec_root.write("gone.mtree", file_row("gone", "external/py/gone"));
    let mut worker = exec_root.worker(&[]);
    for arguments in [
        &["resolve", "--mtree=gone.mtree", "--out=out.mtree"][..],
        &["resolve", "--mtree=no-spec", "--out=out.mtree"],
        &["resolve", "--mtree=gone.mtree", "--out=out.mtree", "--flag"],
    ] {
        let once = exec_root.once(arguments);
        let answer = worker.ask(&request(1, arguments));
        assert_eq!(answer.output, String::from_utf8(once.stderr).unwrap());
        assert_eq!(Some(answer.exit_code), once.status.code());
    }
}

//! Outputs are atomic.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use worker_tests::client::{Worker, request};
use worker_tests::exec_root::{ExecRoot, resolve, spec};
use worker_tests::forest;
use worker_tests::interrupted::Interrupted;

use crate::assert_done;

#[test]
fn a_reader_of_an_output_sees_all_of_it_or_none() {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), 40, 50).unwrap();
    let sources: Vec<_> = forest.sources().collect();
    // Outputs of different lengths, all longer than one write(2).
    let cuts = [sources.len(), sources.len() / 2, sources.len() - 1];
    let mut wants = Vec::new();
    for (number, cut) in cuts.into_iter().enumerate() {
        let name = format!("{number}.mtree");
        exec_root.write(&name, spec(&sources[..cut]));
        wants.push(exec_root.once_resolved(&["--mtree", &name]).unwrap());
    }
    let mut worker = exec_root.worker(&["--jobs=3"]);
    let done = AtomicBool::new(false);
    let out = exec_root.at("out.mtree");
    let seen = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                if let Ok(text) = fs::read_to_string(&out) {
                    assert!(wants.contains(&text), "{} bytes are none of the outputs", text.len());
                    seen += 1;
                }
            }
            seen
        });
        for id in 1..=300 {
            worker.send(&resolve(id, &format!("{}.mtree", id % 3), "out.mtree"));
        }
        for (response, id) in worker.answers(300).iter().zip(1..) {
            assert_done(response, id);
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(seen > 0);
    assert_eq!(exec_root.temporary_files(), Vec::<PathBuf>::new());
}

#[test]
fn an_old_output_is_unchanged_when_a_request_fails() {
    let exec_root = ExecRoot::new("link a -> b\nlink b -> a\n");
    exec_root.write("spec.mtree", spec(&["a"]));
    exec_root.write("out.mtree", "as it was");
    exec_root.write("report.json", "as it was");
    let mut worker = exec_root.worker(&[]);
    let arguments = ["resolve", "--mtree=spec.mtree", "--out=out.mtree", "--report=report.json"];
    assert_eq!(worker.ask(&request(1, &arguments)).exit_code, 1);
    assert_eq!(exec_root.read("out.mtree"), "as it was");
    assert_eq!(exec_root.read("report.json"), "as it was");
}

#[test]
fn sigterm_in_the_middle_leaves_no_half_written_output_and_no_temporary_file() {
    Interrupted::by(Worker::terminate, |interrupted, end| {
        assert_eq!(end.code(), 143, "{}", end.log);
        assert_eq!(interrupted.exec_root.temporary_files(), Vec::<PathBuf>::new());
    });
}

#[test]
fn sigint_in_the_middle_leaves_no_half_written_output_and_no_temporary_file() {
    Interrupted::by(Worker::interrupt, |interrupted, end| {
        assert_eq!(end.code(), 130, "{}", end.log);
        assert_eq!(interrupted.exec_root.temporary_files(), Vec::<PathBuf>::new());
    });
}

#[test]
fn at_the_end_of_stdin_every_output_is_finished() {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), 200, 3).unwrap();
    exec_root.write("spec.mtree", forest.spec());
    let want = exec_root.once_resolved(&["--mtree", "spec.mtree"]).unwrap();
    let mut worker = exec_root.worker(&["--jobs=2"]);
    for id in 1..=10 {
        worker.send(&resolve(id, "spec.mtree", &format!("{id}.mtree")));
    }
    let end = worker.end();
    assert_eq!((end.code(), end.answers.len()), (0, 10));
    for response in &end.answers {
        assert_done(response, response.request_id);
        assert_eq!(exec_root.read(format!("{}.mtree", response.request_id)), want);
    }
}

#[test]
fn an_output_may_be_in_a_directory_of_the_tree() {
    let exec_root = ExecRoot::new("file a/file\nlink a/link -> file\n");
    exec_root.write("a/spec.mtree", spec(&["a/link", "a/file"]));
    let mut worker = exec_root.worker(&[]);
    for id in 1..=3 {
        assert_done(&worker.ask(&resolve(id, "a/spec.mtree", "a/out.mtree")), id);
        let out = exec_root.read("a/out.mtree");
        assert!(out.contains("type=link link=file\n"), "{out}");
    }
}

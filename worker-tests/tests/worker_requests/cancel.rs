//! Cancels.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, mkfifoat};
use worker_tests::client::{cancel, request};
use worker_tests::exec_root::{ExecRoot, resolve};
use worker_tests::forest;

use crate::{SOURCES, assert_cancelled, assert_done, python, resolved};

#[test]
fn a_cancelled_request_stops_at_its_next_directory_and_responds_was_cancelled_once() {
    for id in [0, 1] {
        let exec_root = python();
        // The request waits until the test writes to this pipe.
        mkfifoat(CWD, exec_root.at("slow.mtree"), Mode::RWXU).unwrap();
        let mut worker = exec_root.worker(&["--jobs=1"]);
        worker.send(&resolve(id, "slow.mtree", "out.mtree"));
        let text = exec_root.read("spec.mtree");
        // Opening waits for the request to open the pipe. The request reads the end of the file only
        // after the cancel.
        let mut slow = std::fs::File::create(exec_root.at("slow.mtree")).unwrap();
        std::io::Write::write_all(&mut slow, text.as_bytes()).unwrap();
        worker.send(&cancel(id));
        // Once this cancel, of an unknown request, is read, so is the one before.
        worker.send(&cancel(99));
        worker.wait_until_read();
        thread::sleep(Duration::from_millis(100));
        drop(slow);
        assert_cancelled(&worker.answer(), id);
        assert!(!exec_root.has("out.mtree"));
        assert_eq!(exec_root.temporary_files(), Vec::<PathBuf>::new());
        assert_done(&worker.ask(&resolve(2, "spec.mtree", "out.mtree")), 2);
        assert_eq!(exec_root.read("out.mtree"), resolved());
        let end = worker.end();
        assert_eq!((end.code(), end.answers.len()), (0, 0));
        let cancelled = format!("id={id} ");
        let line = end.log.lines().find(|line| line.contains(&cancelled)).expect("it is logged");
        assert!(line.contains("failed: cancelled"), "{line}");
    }
}

#[test]
fn a_request_cancelled_in_the_middle_of_a_big_tree_leaves_no_output_and_no_temporary_file() {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), 2_000, 2).unwrap();
    exec_root.write("spec.mtree", forest.spec());
    let want = exec_root.once_resolved(&["--mtree", "spec.mtree"]).unwrap();
    // Without a cache every request reads the whole tree.
    let mut worker = exec_root.worker(&["--jobs=2", "--cache-limit=0"]);
    let started = Instant::now();
    worker.ask(&resolve(1, "spec.mtree", "out.mtree"));
    let whole = started.elapsed();
    let arguments =
        ["resolve", "--mtree=spec.mtree", "--out=out/out.mtree", "--report=out/report.json"];
    let mut stopped = 0;
    for id in 2..=60 {
        std::fs::create_dir(exec_root.at("out")).unwrap();
        worker.send(&request(id, &arguments));
        // At a different time in each request.
        thread::sleep(whole * (id as u32 % 20) / 20);
        worker.send(&cancel(id));
        let response = worker.answer();
        match response.was_cancelled {
            true => assert_cancelled(&response, id),
            false => assert_done(&response, id),
        }
        match exec_root.has("out/out.mtree") {
            // The cancel came too late.
            true => assert_eq!(exec_root.read("out/out.mtree"), want),
            false => {
                assert!(response.was_cancelled);
                stopped += 1;
            }
        }
        assert_eq!(exec_root.temporary_files(), Vec::<PathBuf>::new());
        std::fs::remove_dir_all(exec_root.at("out")).unwrap();
    }
    assert!(stopped >= 5, "{stopped} of 59 requests were stopped");
    let end = worker.end();
    assert_eq!((end.code(), end.answers.len()), (0, 0));
}

#[test]
fn there_is_exactly_one_response_whenever_the_cancel_arrives() {
    let exec_root = python();
    let mut worker = exec_root.worker(&["--jobs=4"]);
    let started = Instant::now();
    for id in 0..20 {
        worker.ask(&resolve(id, "spec.mtree", "out.mtree"));
    }
    let whole = started.elapsed() / 20;
    let (mut cancelled, mut completed) = (0, 0);
    for id in 0..1_000 {
        let out = format!("out-{}", id % 7);
        worker.send(&resolve(id, "spec.mtree", &out));
        // The cancel arrives at any time from right after the request to long after its end.
        let until = Instant::now() + whole * (id as u32 % 40) / 20;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        worker.send(&cancel(id));
        let response = worker.answer();
        if response.was_cancelled {
            cancelled += 1;
            assert_cancelled(&response, id);
        } else {
            completed += 1;
            assert_done(&response, id);
            assert_eq!(exec_root.read(&out), resolved());
        }
    }
    assert!(cancelled >= 10 && completed >= 10, "{cancelled} cancelled, {completed} completed");
    let end = worker.end();
    assert_eq!((end.code(), end.answers.len()), (0, 0), "more than one response for a request");
    assert_eq!(exec_root.temporary_files(), Vec::<PathBuf>::new());
}

#[test]
fn cancelled_requests_do_not_damage_the_cache() {
    let exec_root = python();
    exec_root.write("link.mtree", worker_tests::exec_root::spec(&SOURCES));
    let mut worker = exec_root.worker(&["--jobs=4"]);
    for id in 1..=400 {
        worker.send(&resolve(id, "link.mtree", &format!("out-{}", id % 5)));
        if id % 2 == 0 {
            worker.send(&cancel(id));
        }
    }
    assert_eq!(worker.answers(400).len(), 400);
    assert_done(&worker.ask(&resolve(500, "spec.mtree", "out.mtree")), 500);
    assert_eq!(exec_root.read("out.mtree"), resolved());
}

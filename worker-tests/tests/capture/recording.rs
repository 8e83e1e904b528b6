//! Recording: one capture for each request, within the limit of its directory.

use std::{fs, path::Path, process::Command};

use worker_tests::{
    capture,
    client::{self, Protocol, Worker},
    program,
};

use crate::{Small, captures_in, only_capture, os, printed, run, worker};

#[test]
fn a_worker_writes_one_capture_per_request_and_names_it_by_the_request_id() {
    let small = Small::new();
    fs::remove_file(&small.capture).expect("it is there");
    for flags in [&[][..], &["--protocol=json"]] {
        let mut worker = worker(small.directory.path(), flags);
        for id in [7, 8, 9] {
            let out = format!("out{id}.mtree");
            let mtree = if id == 8 { "none.mtree" } else { "spec.mtree" };
            let asked = ["resolve", "--mtree", mtree, "--out", &out];
            worker.ask(&client::request(id, &asked));
        }
        assert_eq!(worker.end().code(), 0);
        let captures = captures_in(&small.path("captures"));
        assert_eq!(captures.len(), 3, "{captures:?}");
        for (capture, id) in captures.iter().zip([7, 8, 9]) {
            let name = capture.file_name().expect("a name").to_string_lossy().into_owned();
            assert_eq!(name.split('-').nth(1), Some(id.to_string().as_str()), "{name}");
            let done = run(Path::new("/"), &[os("replay"), capture.as_os_str()]);
            assert!(done.status.success(), "{}", printed(&done));
            fs::remove_file(capture).expect("it is there");
        }
    }
}

#[test]
fn the_oldest_captures_are_deleted_when_all_take_more_than_the_limit() {
    let small = Small::new();
    let size = fs::metadata(&small.capture).expect("it is there").len();
    let limit = format!("--record-limit={}", size * 5 / 2);
    let mut worker = worker(small.directory.path(), &[&limit]);
    for id in 1..=4 {
        worker.ask(&client::request(id, &["resolve", "--mtree", "none", "--out", "o"]));
        let asked = ["resolve", "--mtree", "spec.mtree", "--out", "o"];
        worker.ask(&client::request(id + 10, &asked));
    }
    assert_eq!(worker.end().code(), 0);
    let captures = captures_in(&small.path("captures"));
    let total: u64 =
        captures.iter().map(|file| fs::metadata(file).expect("it is there").len()).sum();
    assert!(total <= size * 5 / 2, "{total}");
    let newest = captures.last().expect("the newest stays").to_string_lossy().into_owned();
    assert!(newest.contains("-14-"), "{newest}");
}

#[test]
fn a_capture_that_cannot_be_written_is_a_warning_in_the_log_and_the_request_succeeds() {
    let small = Small::new();
    // The directory cannot be created: /dev/full is not a directory.
    let mut command = Command::new(program::binary());
    command
        .args(["--record", "/dev/full/captures", "--persistent_worker"])
        .current_dir(small.directory.path());
    let mut worker = Worker::start(command, Protocol::Proto);
    let asked = ["resolve", "--mtree", "spec.mtree", "--out", "again.mtree"];
    let response = worker.ask(&client::request(1, &asked));
    assert_eq!(response.exit_code, 0, "{response}");
    let end = worker.end();
    assert_eq!(end.code(), 0);
    assert!(
        end.log.contains("WARN") && end.log.contains("a capture was not written"),
        "{}",
        end.log
    );
}

#[test]
fn the_environment_variable_records_without_the_flag() {
    let small = Small::new();
    let captures = small.path("by-environment");
    let done = Command::new(program::binary())
        .args(["resolve", "--mtree", "spec.mtree", "--out", "again.mtree"])
        .current_dir(small.directory.path())
        .env("MTREE_WORKER_RECORD", &captures)
        .output()
        .expect("the program starts");
    assert!(done.status.success());
    let capture = capture::read(&only_capture(&captures));
    assert_eq!(capture.working_directory, small.directory.path().as_os_str().as_encoded_bytes());
    assert_eq!(capture.startup_arguments[0], b"resolve");
    assert_eq!(capture.program_version, env!("CARGO_PKG_VERSION"));
    assert!(!capture.steps.is_empty());
}

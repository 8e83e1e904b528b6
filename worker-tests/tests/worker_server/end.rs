//! How a worker ends.

use std::io::{BufRead, BufReader, Write};
use std::time::{Duration, Instant};

use worker_tests::client::{Protocol, Worker, request};

use crate::{A_WHILE, Gate, assert_clean, assert_echo, command, echo_worker};

#[test]
fn at_the_end_of_stdin_the_worker_finishes_what_runs_and_exits_0() {
    let mut worker = echo_worker(&["--jobs=2"]);
    let gate = Gate::new();
    for id in 1..=5 {
        worker.send(&gate.request(id));
    }
    gate.wait_for_begin(2);
    worker.close_input();
    assert_eq!(worker.answer_within(A_WHILE), None);
    gate.open();
    let end = worker.wait();
    assert_clean(&end);
    assert_eq!(end.answers.len(), 5);
}

#[test]
fn an_empty_stdin_is_a_clean_end() {
    assert_clean(&echo_worker(&[]).end());
}

#[test]
fn sigterm_ends_an_idle_worker() {
    let mut worker = echo_worker(&[]);
    assert_echo(&worker.ask(&request(1, &["echo", "here"])), 1, "here");
    worker.terminate();
    assert_eq!(worker.wait().code(), 143);
}

#[test]
fn sigterm_ends_the_worker_without_waiting_for_what_runs() {
    let mut worker = echo_worker(&["--jobs=2"]);
    let never = Gate::new();
    for id in 1..=5 {
        worker.send(&never.request(id));
    }
    never.wait_for_begin(2);
    worker.terminate();
    let end = worker.wait();
    assert_eq!((end.code(), &end.log[..], &end.answers[..]), (143, "", &[][..]));
}

#[test]
fn sigint_ends_the_worker_without_waiting_for_what_runs() {
    let mut worker = echo_worker(&["--jobs=2"]);
    let never = Gate::new();
    worker.send(&never.request(1));
    never.wait_for_begin(1);
    worker.interrupt();
    let end = worker.wait();
    assert_eq!((end.code(), &end.log[..], &end.answers[..]), (130, "", &[][..]));
}

#[test]
fn a_worker_ends_after_its_parent_though_stdin_is_open_and_a_request_runs() {
    // A shell starts the worker, with its own stdin, which this test holds open.
    let (worker_stdin, mut stdin) = std::io::pipe().expect("there is a pipe");
    let mut shell = std::process::Command::new("sh")
        .args([
            "-c",
            "exec 3<&0; \"$0\" <&3 >/dev/null & echo $!; wait",
            env!("CARGO_BIN_EXE_echo_worker"),
        ])
        .stdin(worker_stdin)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sh starts");
    let mut id = String::new();
    let output = shell.stdout.take().expect("stdout is a pipe");
    BufReader::new(output).read_line(&mut id).expect("the shell says the id");
    let id = id.trim().to_owned();
    let never = Gate::new();
    stdin.write_all(&never.request(1).sent(Protocol::Proto)).expect("the worker reads");
    never.wait_for_begin(1);
    // It checks its parent every second, and does not end before the parent changes.
    std::thread::sleep(Duration::from_millis(1500));
    assert!(runs(&id), "it ended before its parent");
    shell.kill().expect("the shell runs");
    shell.wait().expect("the shell has ended");
    let started = Instant::now();
    while runs(&id) {
        assert!(started.elapsed() < Duration::from_secs(60), "the worker runs on");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(stdin);
}

/// Whether a process runs. One that ended is a zombie until another process has waited for it.
fn runs(id: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    status.contains("State:") && !status.contains("State:\tZ")
}

#[test]
fn a_worker_outlives_the_thread_that_started_it() {
    let mut worker = std::thread::spawn(|| echo_worker(&[])).join().expect("it starts");
    std::thread::sleep(Duration::from_millis(1500));
    assert_echo(&worker.ask(&request(1, &["echo", "here"])), 1, "here");
    assert_clean(&worker.end());
}

#[test]
fn sigterm_ends_a_worker_after_the_end_of_stdin() {
    let mut worker = echo_worker(&[]);
    let never = Gate::new();
    worker.send(&never.request(1));
    never.wait_for_begin(1);
    worker.close_input();
    worker.terminate();
    assert_eq!(worker.wait().code(), 143);
}

#[test]
fn sigterm_ends_a_worker_whose_stdout_is_not_read() {
    let mut worker = Worker::start_deaf(command(Protocol::Proto, &[]), Protocol::Proto);
    // Longer than what a pipe holds.
    worker.send(&request(1, &["echo", &"x".repeat(1 << 20)]));
    worker.wait_until_read();
    std::thread::sleep(A_WHILE);
    worker.terminate();
    assert_eq!(worker.wait().code(), 143);
}

#[test]
fn a_closed_stdout_ends_the_worker_with_a_sentence_and_status_1() {
    let mut worker =
        Worker::start_unheard(command(Protocol::Proto, &["--jobs=2"]), Protocol::Proto);
    let never = Gate::new();
    // This request is cancelled when the other response cannot be written.
    worker.send(&never.request(1));
    never.wait_for_begin(1);
    worker.send(&request(2, &["echo", "into the void"]));
    let end = worker.wait();
    assert_eq!(end.code(), 1);
    assert!(end.log.starts_with("cannot write a response to stdout"), "{}", end.log);
    assert_eq!(end.log.lines().count(), 1, "{}", end.log);
}

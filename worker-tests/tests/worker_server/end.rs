//! How a worker ends.

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

//! Cancel requests, at any time.

use std::thread;
use std::time::Duration;

use worker_tests::client::{cancel, request};

use crate::{A_WHILE, Gate, assert_cancelled, assert_clean, assert_echo, echo_worker, ids};

#[test]
fn a_cancelled_request_that_runs_stops_and_responds_was_cancelled() {
    for id in [0, 1] {
        let mut worker = echo_worker(&[]);
        let gate = Gate::new();
        worker.send(&gate.request(id));
        gate.wait_for_begin(id);
        worker.send(&cancel(id));
        assert_cancelled(&worker.answer(), id);
        let end = worker.end();
        assert_clean(&end);
        assert_eq!(end.answers, []);
    }
}

#[test]
fn a_cancelled_request_that_waits_never_begins_and_responds_was_cancelled() {
    let mut worker = echo_worker(&["--jobs=1"]);
    let gate = Gate::new();
    worker.send(&gate.request(1));
    gate.wait_for_begin(1);
    worker.send(&gate.request(2));
    worker.send(&cancel(2));
    assert_cancelled(&worker.answer(), 2);
    gate.open();
    assert_echo(&worker.answer(), 1, "1");
    let end = worker.end();
    assert_clean(&end);
    assert_eq!(end.answers, []);
    assert!(!gate.has_begun(2));
}

#[test]
fn a_cancel_leaves_other_requests_alone() {
    let mut worker = echo_worker(&["--jobs=3"]);
    let gate = Gate::new();
    for id in 1..=3 {
        worker.send(&gate.request(id));
        gate.wait_for_begin(id);
    }
    worker.send(&cancel(2));
    assert_cancelled(&worker.answer(), 2);
    assert_eq!(worker.answer_within(A_WHILE), None);
    gate.open();
    let answers = worker.answers(2);
    assert_eq!(ids(&answers), [1, 3]);
    assert!(answers.iter().all(|response| !response.was_cancelled));
}

#[test]
fn a_cancel_of_an_answered_or_unknown_request_is_ignored() {
    let mut worker = echo_worker(&[]);
    assert_echo(&worker.ask(&request(1, &["echo", "done"])), 1, "done");
    for id in [1, 2, 0, -1] {
        worker.send(&cancel(id));
    }
    assert_eq!(worker.answer_within(A_WHILE), None);
    assert_echo(&worker.ask(&request(2, &["echo", "still here"])), 2, "still here");
    let end = worker.end();
    assert_clean(&end);
    assert_eq!(end.answers, []);
}

#[test]
fn a_second_cancel_of_one_request_is_ignored() {
    let mut worker = echo_worker(&["--jobs=1"]);
    let gate = Gate::new();
    worker.send(&gate.request(1));
    worker.send(&request(2, &["echo", "waits"]));
    gate.wait_for_begin(1);
    for id in [2, 2, 1, 1] {
        worker.send(&cancel(id));
    }
    let answers = worker.answers(2);
    assert_cancelled(&answers[0], 1);
    assert_cancelled(&answers[1], 2);
    let end = worker.end();
    assert_clean(&end);
    assert_eq!(end.answers, []);
}

#[test]
fn there_is_exactly_one_response_whenever_the_cancel_arrives() {
    let mut worker = echo_worker(&["--jobs=4"]);
    let (mut cancelled, mut completed) = (0, 0);
    for round in 0..1_000 {
        // The cancel arrives at any time from long before the end to long after it.
        let (work, pause) = match round % 10 {
            0 => (20_000, 0),
            1 => (0, 2_000),
            step => (step * 40, 180),
        };
        worker.send(&request(round, &["work", &work.to_string()]));
        thread::sleep(Duration::from_micros(pause));
        worker.send(&cancel(round));
        let response = worker.answer();
        assert_eq!((response.request_id, response.exit_code), (round, 0));
        match response.was_cancelled {
            true => cancelled += 1,
            false => completed += 1,
        }
    }
    assert!(cancelled >= 10 && completed >= 10, "{cancelled} cancelled, {completed} completed");
    let end = worker.end();
    assert_clean(&end);
    assert_eq!(end.answers, [], "more than one response for a request");
}

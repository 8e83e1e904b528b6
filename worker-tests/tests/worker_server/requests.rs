//! Requests: which run at once, and their responses.

use std::fmt::Write;

use worker_tests::client::{Input, WorkRequest, cancel, delimited, request};

use crate::{A_WHILE, Gate, assert_clean, assert_echo, echo_worker, ids};

#[test]
fn request_id_0_runs_alone() {
    let mut worker = echo_worker(&["--jobs=8"]);
    let (first, alone) = (Gate::new(), Gate::new());
    worker.send(&first.request(1));
    worker.send(&alone.request(0));
    worker.send(&request(2, &["echo", "behind"]));
    first.wait_for_begin(1);
    assert_eq!(worker.answer_within(A_WHILE), None);
    assert!(!alone.has_begun(0), "begun before the one ahead was answered");

    first.open();
    assert_eq!(worker.answer().request_id, 1);
    alone.wait_for_begin(0);
    assert_eq!(worker.answer_within(A_WHILE), None);
    alone.open();
    assert_echo(&worker.answer(), 0, "1");
    assert_echo(&worker.answer(), 2, "behind");
}

#[test]
fn requests_with_id_0_are_answered_one_after_the_other() {
    let mut worker = echo_worker(&["--jobs=8"]);
    let gate = Gate::new();
    worker.send(&gate.request(0));
    for word in ["second", "third"] {
        worker.send(&request(0, &["echo", word]));
    }
    gate.wait_for_begin(0);
    gate.open();
    for word in ["1", "second", "third"] {
        assert_echo(&worker.answer(), 0, word);
    }
    assert_clean(&worker.end());
}

#[test]
fn any_other_id_runs_at_once_with_others_and_is_answered_in_any_order() {
    let mut worker = echo_worker(&["--jobs=8"]);
    let (slow, slower) = (Gate::new(), Gate::new());
    worker.send(&slower.request(1));
    worker.send(&slow.request(-2));
    slower.wait_for_begin(1);
    slow.wait_for_begin(-2);
    assert_echo(&worker.ask(&request(i32::MAX, &["echo", "quick"])), i32::MAX, "quick");
    slow.open();
    assert_eq!(worker.answer().request_id, -2);
    slower.open();
    assert_eq!(worker.answer().request_id, 1);
}

#[test]
fn slow_requests_never_delay_later_ones_while_jobs_are_free() {
    let mut worker = echo_worker(&["--jobs=3"]);
    let gate = Gate::new();
    for id in [1, 2] {
        worker.send(&gate.request(id));
        gate.wait_for_begin(id);
    }
    for id in 3..103 {
        worker.send(&request(id, &["echo", "quick"]));
    }
    assert_eq!(ids(&worker.answers(100)), Vec::from_iter(3..103));
    gate.open();
    assert_eq!(ids(&worker.answers(2)), [1, 2]);
}

#[test]
fn requests_longer_than_the_queue_limit_run_at_once_while_jobs_are_free() {
    let long = "x".repeat(1_000);
    let mut worker = echo_worker(&["--jobs=8", "--max-request=1200"]);
    let gate = Gate::new();
    for id in 1..=7 {
        let mut asked = gate.request(id);
        asked.sandbox_dir.clone_from(&long);
        worker.send(&asked);
    }
    for id in 1..=7 {
        gate.wait_for_begin(id);
    }
    assert_echo(&worker.ask(&request(8, &["echo", &long])), 8, &long);
    gate.open();
    assert_eq!(ids(&worker.answers(7)), Vec::from_iter(1..=7));
}

#[test]
fn jobs_bounds_how_many_run() {
    let mut worker = echo_worker(&["--jobs=3"]);
    let gate = Gate::new();
    for id in 1..=10 {
        worker.send(&gate.request(id));
    }
    for id in 1..=3 {
        gate.wait_for_begin(id);
    }
    assert_eq!(worker.answer_within(A_WHILE), None);
    assert!((4..=10).all(|id| !gate.has_begun(id)));
    gate.open();
    let answers = worker.answers(10);
    assert_eq!(ids(&answers), Vec::from_iter(1..=10));
    let most = answers.iter().map(|response| response.output.parse().expect("a number"));
    assert_eq!(most.max(), Some(3));
}

#[test]
fn two_hundred_requests_run_at_once() {
    let mut worker = echo_worker(&["--jobs=200"]);
    let gate = Gate::new();
    for id in 1..=200 {
        worker.send(&gate.request(id));
    }
    for id in 1..=200 {
        gate.wait_for_begin(id);
    }
    gate.open();
    assert_eq!(ids(&worker.answers(200)), Vec::from_iter(1..=200));
    assert_clean(&worker.end());
}

#[test]
fn responses_are_never_interleaved() {
    let mut worker = echo_worker(&["--jobs=16"]);
    // Longer than a pipe holds, so that a response is written in parts.
    let word = |id: i32| format!("{id} ").repeat(20_000);
    for id in 1..=50 {
        worker.send(&request(id, &["echo", &word(id)]));
    }
    for (response, id) in worker.answers(50).iter().zip(1..) {
        assert_echo(response, id, &word(id));
    }
    assert_clean(&worker.end());
}

#[test]
fn requests_with_one_id_run_one_after_the_other_and_are_answered_in_the_order_sent() {
    let mut worker = echo_worker(&["--jobs=8"]);
    let gate = Gate::new();
    worker.send(&gate.request(7));
    for word in ["second", "third"] {
        worker.send(&request(7, &["echo", word]));
    }
    assert_echo(&worker.ask(&request(8, &["echo", "another"])), 8, "another");
    assert_eq!(worker.answer_within(A_WHILE), None);
    gate.open();
    for word in ["1", "second", "third"] {
        assert_echo(&worker.answer(), 7, word);
    }
    assert_clean(&worker.end());
}

#[test]
fn a_request_sent_again_while_it_is_being_cancelled_is_answered_after_the_cancelled_one() {
    let mut worker = echo_worker(&["--jobs=8"]);
    let gate = Gate::new();
    worker.send(&gate.request(1));
    gate.wait_for_begin(1);
    worker.send(&cancel(1));
    worker.send(&request(1, &["echo", "again"]));
    assert!(worker.answer().was_cancelled);
    assert_echo(&worker.answer(), 1, "again");
    assert_clean(&worker.end());
}

#[test]
fn every_field_of_a_request_reaches_the_handler() {
    let mut worker = echo_worker(&[]);
    let input =
        |path: &str| Input { path: path.to_owned(), digest: vec![0xff, 0x00], ..Input::default() };
    let response = worker.ask(&WorkRequest {
        inputs: vec![input("a/b c"), input("b"), input("a/b c")],
        verbosity: 10,
        sandbox_dir: "sandbox/1".to_owned(),
        ..request(5, &["show"])
    });
    let fields = "request_id 5\nverbosity 10\nsandbox_dir sandbox/1\nargument show\n\
                  input a/b c\ninput b\ninput a/b c";
    assert_echo(&response, 5, fields);
}

#[test]
fn a_name_that_is_not_utf_8_reaches_the_handler_verbatim() {
    let mut worker = echo_worker(&[]);
    let field = |number: u8, value: &[u8]| [&[number << 3 | 2], &delimited(value)[..]].concat();
    worker.send_bytes(&delimited(&[field(1, b"echo"), field(1, b"\x80\xfe")].concat()));
    assert_echo(&worker.answer(), 0, "\\x80\\xfe");

    let input = [field(1, b"in\xff"), field(2, b"digest")].concat();
    worker.send_bytes(&delimited(
        &[field(1, b"show"), field(2, &input), field(6, b"box\xff")].concat(),
    ));
    let fields = "request_id 0\nverbosity 0\nsandbox_dir box\\xff\nargument show\ninput in\\xff";
    assert_echo(&worker.answer(), 0, fields);
}

#[test]
fn a_request_may_list_forty_thousand_inputs() {
    let mut worker = echo_worker(&[]);
    let mut path = String::new();
    let mut length = 0;
    let mut asked = request(1, &["inputs"]);
    for number in 0..40_000 {
        path.clear();
        write!(path, "external/python/lib/python3.13/directory/module_{number}.py")
            .expect("a String");
        length += path.len();
        asked.inputs.push(Input { path: path.clone(), digest: vec![b'd'; 64], ..Input::default() });
    }
    assert_echo(&worker.ask(&asked), 1, &format!("40000 {length}"));
}

#[test]
fn a_bad_request_gets_exit_code_1_and_the_worker_goes_on() {
    let mut worker = echo_worker(&[]);
    let response = worker.ask(&request(1, &["fail", "no such file"]));
    assert_eq!((response.exit_code, &response.output[..]), (1, "no such file"));
    assert_eq!(worker.ask(&request(0, &[])).exit_code, 1);
    assert_echo(&worker.ask(&request(2, &["echo", "on"])), 2, "on");
}

#[test]
fn a_panic_in_one_request_is_that_requests_error() {
    let mut worker = echo_worker(&["--jobs=2"]);
    let gate = Gate::new();
    worker.send(&gate.request(1));
    gate.wait_for_begin(1);
    for id in 2..=10 {
        let response = worker.ask(&request(id, &["panic", "an unexpected panic"]));
        assert_eq!(response.exit_code, 1);
        assert!(response.output.contains("an unexpected panic"), "{response}");
    }
    gate.open();
    assert_eq!(worker.answer().exit_code, 0);
    let end = worker.end();
    assert_eq!(end.code(), 0);
    assert_eq!(end.log.matches("an unexpected panic").count(), 9, "{}", end.log);
}

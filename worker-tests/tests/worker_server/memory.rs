//! Memory: allocated for bytes that have arrived, not for bytes that a length prefix announces.

use std::io::Write;
use std::thread;

use worker_tests::client::{Protocol, request};

use crate::{A_WHILE, Gate, assert_refused, echo_worker, ids, start};

const MEBIBYTE: u64 = 1 << 20;

/// `value` as a varint of 64 bits.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[test]
fn a_length_prefix_alone_allocates_no_memory() {
    let mut worker = echo_worker(&[]);
    worker.ask(&request(1, &["echo", "ready"]));
    let lines = ["VmHWM", "VmData"];
    let before = lines.map(|line| worker.memory(line));
    // The longest request that is allowed.
    worker.send_bytes(&varint(1 << 30));
    worker.send_bytes(&[0; 1000]);
    worker.wait_until_read();
    thread::sleep(A_WHILE);
    for (line, before) in lines.iter().zip(before) {
        let after = worker.memory(line);
        assert!(after < before + 16 * MEBIBYTE, "{line}: {before} bytes became {after}");
    }
    let length = 1000 + varint(1 << 30).len();
    let sent = request(1, &["echo", "ready"]).sent(Protocol::Proto).len();
    assert_refused(&worker.end(), &format!("the input ends {length} bytes into"), sent);
}

#[test]
fn a_length_prefix_that_claims_more_than_is_allowed_is_refused() {
    for claim in [(1 << 30) + 1, 1 << 40, 1 << 63, u64::MAX] {
        let mut worker = echo_worker(&[]);
        worker.send_bytes(&varint(claim));
        assert_refused(&worker.wait(), &format!("a request of {claim} bytes"), 0);
    }
}

#[test]
fn a_length_prefix_may_be_any_64_bit_number_if_max_request_allows_it() {
    let mut worker = echo_worker(&["--max-request=18446744073709551615"]);
    worker.send_bytes(&varint(u64::MAX));
    worker.send_bytes(&[0; 100]);
    assert_refused(&worker.end(), "the input ends 110 bytes into", 0);
}

#[test]
fn requests_that_arrive_faster_than_they_are_answered_wait_in_the_pipe() {
    // 1 kB each.
    const COUNT: i32 = 20_000;
    for protocol in [Protocol::Proto, Protocol::Json] {
        let bound = 2 * MEBIBYTE;
        let mut worker = start(protocol, &["--jobs=1", &format!("--max-request={bound}")]);
        let gate = Gate::new();
        worker.send(&gate.request(1));
        gate.wait_for_begin(1);
        let before = worker.memory("VmHWM");
        let mut input = worker.take_input();
        let writer = thread::spawn(move || {
            for id in 2..=COUNT {
                let bytes = request(id, &["echo", &"x".repeat(1000)]).sent(protocol);
                input.write_all(&bytes).expect("the worker reads");
            }
        });
        thread::sleep(10 * A_WHILE);
        assert!(!writer.is_finished(), "all of it was read");
        let most = worker.memory("VmHWM");
        gate.open();
        let answers = worker.answers(COUNT as usize);
        assert_eq!(ids(&answers), Vec::from_iter(1..=COUNT));
        assert!(most < before + 4 * bound, "{before} bytes became {most}");
        assert_eq!(worker.wait().code(), 0);
    }
}

#[test]
fn the_memory_of_a_long_request_is_freed() {
    for protocol in [Protocol::Proto, Protocol::Json] {
        let mut worker = start(protocol, &[]);
        worker.ask(&request(1, &["echo", "ready"]));
        let before = worker.memory("VmRSS");
        for id in 2..=4 {
            let response = worker.ask(&request(id, &["show", &"x".repeat(64 << 20)]));
            assert_eq!(response.exit_code, 1);
        }
        let after = worker.memory("VmRSS");
        assert!(after < before + 32 * MEBIBYTE, "{protocol:?}: {before} bytes became {after}");
    }
}

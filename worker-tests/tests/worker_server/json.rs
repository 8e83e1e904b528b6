//! JSON instead of protobuf.

use worker_tests::client::{Protocol, cancel, request};

use crate::{Gate, assert_cancelled, assert_clean, assert_echo, start};

#[test]
fn objects_are_read_with_and_without_white_space_between_them() {
    let between: [&[u8]; 6] = [b"", b"\n", b"\r\n", b" \t\n\n ", b"\n\n", b" "];
    for space in between {
        let mut worker = start(Protocol::Json, &[]);
        for id in 1..=5 {
            worker.send(&request(id, &["echo", "}{\"\\\" \u{e9}"]));
            worker.send_bytes(space);
        }
        for (response, id) in worker.answers(5).iter().zip(1..) {
            assert_echo(response, id, "}{\\\"\\\\\\\" \\xc3\\xa9");
        }
        assert_clean(&worker.end());
    }
}

#[test]
fn each_of_many_objects_in_one_read_is_answered() {
    let mut worker = start(Protocol::Json, &["--jobs=4"]);
    let requests = (1..=200).map(|id| request(id, &["echo", "x"]).sent(Protocol::Json));
    worker.send_bytes(&requests.collect::<Vec<_>>().concat());
    for (response, id) in worker.answers(200).iter().zip(1..) {
        assert_echo(response, id, "x");
    }
}

#[test]
fn an_object_may_have_many_lines() {
    let mut worker = start(Protocol::Json, &[]);
    worker.send_bytes(
        b"{\n  \"arguments\" : [\n    \"show\"\n  ],\n  \"inputs\" : [\n    { \"path\" : \"a b\", \
          \"digest\" : \"eHl6\" },\n    { \"digest\" : \"\", \"path\" : \"\\u00fc\" }\n  ],\n  \
          \"requestId\" : 12,\n  \"verbosity\" : 10,\n  \"sandboxDir\" : \"box\",\n  \
          \"cancel\" : false,\n  \"unknown\" : { \"deep\" : [ 1, null ] }\n}\n",
    );
    let fields = "request_id 12\nverbosity 10\nsandbox_dir box\nargument show\n\
                  input a b\ninput \\xc3\\xbc";
    assert_echo(&worker.answer(), 12, fields);
}

#[test]
fn fields_may_have_their_proto_names_and_numbers_may_be_strings() {
    let mut worker = start(Protocol::Json, &[]);
    worker.send_bytes(
        b"{\"arguments\":[\"show\"],\"request_id\":\"12\",\"sandbox_dir\":\"box\",\"verbosity\":null}",
    );
    let fields = "request_id 12\nverbosity 0\nsandbox_dir box\nargument show";
    assert_echo(&worker.answer(), 12, fields);
}

#[test]
fn a_name_that_is_not_utf_8_reaches_the_handler_verbatim() {
    let mut worker = start(Protocol::Json, &[]);
    worker.send_bytes(b"{\"arguments\":[\"show\"],\"inputs\":[{\"path\":\"a\xff\"}]}");
    let fields = "request_id 0\nverbosity 0\nsandbox_dir \nargument show\ninput a\\xff";
    assert_echo(&worker.answer(), 0, fields);
}

#[test]
fn a_cancel_stops_a_request() {
    let mut worker = start(Protocol::Json, &[]);
    let gate = Gate::new();
    worker.send(&gate.request(3));
    gate.wait_for_begin(3);
    worker.send(&cancel(3));
    assert_cancelled(&worker.answer(), 3);
    assert_clean(&worker.end());
}

#[test]
fn a_response_is_one_line_whatever_its_output() {
    let mut worker = start(Protocol::Json, &[]);
    let response = worker.ask(&request(1, &["show"]));
    assert_eq!(response.output.lines().count(), 4);
    let response = worker.ask(&request(2, &["fail", "quote \" and backslash \\"]));
    assert_eq!((response.exit_code, &response.output[..]), (1, "quote \\\" and backslash \\\\"));
}

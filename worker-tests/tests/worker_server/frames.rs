//! Frames: split anywhere, cut off anywhere, or invalid.

use worker_tests::client::{Protocol, WorkRequest, Worker, cancel, delimited, request};

use crate::{Gate, assert_clean, assert_echo, assert_refused, command, echo_worker, start};

const PROTOCOLS: [Protocol; 2] = [Protocol::Proto, Protocol::Json];

/// Encoded requests of several kinds, each with its own id.
fn stream(protocol: Protocol) -> Vec<Vec<u8>> {
    let long = "word ".repeat(60);
    let requests = [
        request(1, &["echo", "first"]),
        request(2, &["show", "\"{\\", "}\u{1f40d}"]),
        cancel(9),
        WorkRequest { sandbox_dir: "sandbox".to_owned(), ..request(3, &["echo", &long]) },
        request(4, &[]),
    ];
    requests.iter().map(|request| request.sent(protocol)).collect()
}

/// By number of frames of [`stream`]: how many requests are in them.
const ANSWERED: [usize; 6] = [0, 1, 2, 2, 3, 4];

#[test]
fn frames_split_at_every_byte_boundary_are_read() {
    for protocol in PROTOCOLS {
        let bytes = stream(protocol).concat();
        let mut worker = start(protocol, &[]);
        for cut in 1..bytes.len() {
            worker.send_bytes(&bytes[..cut]);
            worker.wait_until_read();
            worker.send_bytes(&bytes[cut..]);
            let answers = worker.answers(4);
            assert_echo(&answers[0], 1, "first");
        }
        for byte in &bytes {
            worker.send_bytes(&[*byte]);
            worker.wait_until_read();
        }
        assert_eq!(worker.answers(4).len(), 4);
        let end = worker.end();
        assert_clean(&end);
        assert_eq!(end.answers, []);
    }
}

#[test]
fn every_prefix_of_a_valid_stream_is_answered_as_far_as_it_goes() {
    for protocol in PROTOCOLS {
        let frames = stream(protocol);
        let bytes = frames.concat();
        for length in 0..=bytes.len() {
            let mut worker = start(protocol, &["--jobs=1"]);
            worker.send_bytes(&bytes[..length]);
            let end = worker.end();
            let (whole, at) = whole_frames(&frames, length);
            assert_eq!(end.answers.len(), ANSWERED[whole], "{length} bytes: {}", end.log);
            if at == length {
                assert_clean(&end);
            } else {
                assert_refused(&end, &format!("the input ends {} bytes into", length - at), at);
            }
        }
    }
}

/// How many of the frames are within the first `length` bytes, and where the next begins.
fn whole_frames(frames: &[Vec<u8>], length: usize) -> (usize, usize) {
    let ends = frames.iter().scan(0, |end, frame| {
        *end += frame.len();
        Some(*end)
    });
    let within: Vec<usize> = ends.take_while(|&end| end <= length).collect();
    (within.len(), within.last().copied().unwrap_or_default())
}

#[test]
fn a_frame_that_cannot_be_read_ends_the_worker_after_the_requests_under_way_have_answered() {
    let wrong_type = delimited(&[3 << 3 | 2, 1, b'7']);
    let cut_short = delimited(&[1 << 3 | 2, 100, b'e']);
    let broken: [(Protocol, &[u8], &str); 9] = [
        (Protocol::Proto, &[0xff; 10], "is not a varint"),
        (Protocol::Proto, &[0x80; 11], "is not a varint"),
        (Protocol::Proto, &wrong_type, "request_id: invalid wire type"),
        (Protocol::Proto, &cut_short, "not a WorkRequest"),
        (Protocol::Proto, &delimited(&[7]), "invalid wire type value: 7"),
        (Protocol::Json, b"[]", "'[' where a JSON object should begin"),
        (Protocol::Json, b"\x08\x01", "'\\x08' where a JSON object should begin"),
        (Protocol::Json, b"{\"arguments\":7}", "invalid type: integer `7`, expected a sequence"),
        (Protocol::Json, b"{\"requestId\":]}", "not a WorkRequest"),
    ];
    for (protocol, bytes, what) in broken {
        let mut worker = start(protocol, &["--jobs=2"]);
        let gate = Gate::new();
        let under_way = [1, 2, 3].map(|id| gate.request(id).sent(protocol)).concat();
        worker.send_bytes(&under_way);
        gate.wait_for_begin(2);
        worker.send_bytes(bytes);
        // Nothing after an invalid frame is read: where the next frame begins is unknown.
        let behind = request(4, &["echo", "behind"]).sent(protocol);
        let _ = worker.try_send_bytes(&behind);
        gate.open();
        let end = worker.wait();
        assert_refused(&end, what, under_way.len());
        let mut ids: Vec<_> = end.answers.iter().map(|response| response.request_id).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3], "{what}");
    }
}

#[test]
fn max_request_limits_the_length_of_a_request() {
    for protocol in PROTOCOLS {
        let fits = request(1, &["echo", &"x".repeat(2_000)]);
        let sent = fits.sent(protocol);
        // The length prefix, two bytes here, does not count.
        let length = sent.len() - if protocol == Protocol::Proto { 2 } else { 0 };
        let mut worker = start(protocol, &[&format!("--max-request={length}")]);
        assert_eq!(worker.ask(&fits).output.len(), 2_000);
        worker.send(&request(2, &["echo", &"x".repeat(2_001)]));
        assert_refused(&worker.wait(), &format!("where {length} are allowed"), sent.len());
    }
}

#[test]
fn an_object_that_never_ends_is_refused_at_max_request() {
    let mut worker = start(Protocol::Json, &["--max-request=100000"]);
    let mut endless = b"{\"arguments\":[\"".to_vec();
    endless.resize(200_000, b'x');
    let _ = worker.try_send_bytes(&endless);
    assert_refused(&worker.wait(), "where 100000 are allowed", 0);
}

#[test]
fn an_empty_frame_is_a_request_without_arguments() {
    let mut worker = echo_worker(&[]);
    worker.send_bytes(&[0]);
    let response = worker.answer();
    assert_eq!((response.request_id, response.exit_code), (0, 1));
    assert_clean(&worker.end());
}

#[test]
fn random_bytes_end_the_worker_with_status_0_or_1() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for protocol in PROTOCOLS {
        for _ in 0..150 {
            let length = random.below(300);
            assert_survives(protocol, &Vec::from_iter((0..length).map(|_| random.byte())));
        }
    }
}

#[test]
fn a_valid_stream_with_random_faults_ends_the_worker_with_status_0_or_1() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for protocol in PROTOCOLS {
        let valid = stream(protocol).concat();
        for _ in 0..250 {
            let mut bytes = valid.clone();
            for _ in 0..=random.below(4) {
                let place = random.below(bytes.len());
                match random.below(3) {
                    0 => bytes[place] = random.byte(),
                    1 => drop(bytes.remove(place)),
                    _ => bytes.insert(place, random.byte()),
                }
            }
            assert_survives(protocol, &bytes);
        }
    }
}

fn assert_survives(protocol: Protocol, bytes: &[u8]) {
    let mut worker = Worker::start(command(protocol, &["--jobs=2"]), protocol);
    // It may end before it has read everything.
    let _ = worker.try_send_bytes(bytes);
    let end = worker.end();
    let seen = bytes.escape_ascii();
    assert!(!end.log.contains("panicked"), "{seen}: {}", end.log);
    match end.code() {
        0 => assert_eq!(end.log, "", "{seen}"),
        1 => assert!(end.log.starts_with("stdin, byte "), "{seen}: {}", end.log),
        code => panic!("{seen}: status {code}, {}", end.log),
    }
}

/// The same numbers in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }
}

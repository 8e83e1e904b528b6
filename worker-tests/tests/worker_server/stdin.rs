//! What stdin may be.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Output, Stdio};
use std::thread;

use rustix::fs::{OFlags, fcntl_getfl};
use worker_tests::client::{Protocol, request};

use crate::command;

/// Some requests, one of which is longer than a pipe holds. They are answered in their order.
fn requests(protocol: Protocol) -> Vec<u8> {
    let long = "long ".repeat(500_000);
    ["one", &long, "three"]
        .iter()
        .flat_map(|word| request(0, &["echo", word]).sent(protocol))
        .collect()
}

fn run(
    protocol: Protocol,
    stdin: impl Into<Stdio>,
    write: impl FnOnce() + Send + 'static,
) -> Output {
    let mut command = command(protocol, &[]);
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let worker = command.spawn().expect("the worker starts");
    // It would keep the other end of stdin open.
    drop(command);
    let writer = thread::spawn(write);
    let done = worker.wait_with_output().expect("it ends");
    writer.join().expect("all was written");
    done
}

#[test]
fn requests_from_a_pipe_a_socket_and_a_file_have_the_same_responses() {
    for protocol in [Protocol::Proto, Protocol::Json] {
        let sent = requests(protocol);
        let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
        file.write_all(&sent).expect("it is written");
        let (socket, mut to_socket) = UnixStream::pair().expect("there is a socket");
        let (pipe, mut to_pipe) = std::io::pipe().expect("there is a pipe");
        let bytes = sent.clone();
        let ends = [
            run(protocol, File::open(file.path()).expect("it is there"), || {}),
            run(protocol, OwnedFd::from(socket), move || {
                to_socket.write_all(&bytes).expect("it is read")
            }),
            run(protocol, pipe, move || to_pipe.write_all(&sent).expect("it is read")),
        ];
        for end in &ends {
            assert_eq!(end.status.code(), Some(0), "{}", String::from_utf8_lossy(&end.stderr));
            assert!(end.stdout.len() > 2_500_000, "{} bytes", end.stdout.len());
            assert!(end.stdout == ends[0].stdout);
        }
    }
}

#[test]
fn a_pipe_that_a_worker_has_read_from_waits_for_other_readers_as_before() {
    let (pipe, mut to_pipe) = std::io::pipe().expect("there is a pipe");
    let ours = pipe.try_clone().expect("it can be duplicated");
    let done = run(Protocol::Proto, pipe, move || {
        to_pipe.write_all(&requests(Protocol::Proto)).expect("it is read");
    });
    assert_eq!(done.status.code(), Some(0));
    let flags = fcntl_getfl(&ours).expect("it is open");
    assert!(!flags.contains(OFlags::NONBLOCK), "{flags:?}");
}

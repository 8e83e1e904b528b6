//! A worker that does what the tests of the server need, and knows nothing of mtree.
//!
//! Started with `--protocol=json`, `--jobs=N`, `--max-request=BYTES`. The first argument of a
//! request says what to do:
//!
//! | arguments | response or action |
//! | --- | --- |
//! | `echo WORD` | WORD |
//! | `show` | every field of the request, bytes escaped, one per line |
//! | `inputs` | the number of inputs, and of the bytes of their paths |
//! | `fail WORD` | WORD, with exit code 1 |
//! | `panic WORD` | panics with WORD |
//! | `work MICROSECONDS` | is busy for that long, and checks whether it is cancelled |
//! | `begin FILE until FILE` | makes the first file, waits for the second or a cancel; how many requests ran meanwhile |

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mtree_worker::server::{Cancel, Handler, Protocol, Request, Response, ServerOptions, serve};

fn main() -> ExitCode {
    match serve(&options(), Echo::default()) {
        Ok(ended) => ExitCode::from(ended.status()),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> ServerOptions {
    let mut options = ServerOptions::default();
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some(("--protocol", "json")) => options.protocol = Protocol::Json,
            Some(("--jobs", jobs)) => options.jobs = number(jobs),
            Some(("--max-request", bytes)) => options.max_request = number(bytes),
            Some(("--idle-release", seconds)) => {
                options.idle_release = Duration::from_secs(number(seconds));
            }
            _ => panic!("unknown flag {argument}"),
        }
    }
    options
}

fn number<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

#[derive(Default)]
struct Echo {
    running: AtomicUsize,
}

impl Handler for Echo {
    fn handle(&self, request: &Request, cancel: &Cancel) -> Response {
        self.running.fetch_add(1, Ordering::SeqCst);
        let response = self.response(request, cancel);
        self.running.fetch_sub(1, Ordering::SeqCst);
        response
    }
}

impl Echo {
    fn response(&self, request: &Request, cancel: &Cancel) -> Response {
        let arguments: Vec<&[u8]> = request.arguments.iter().map(Vec::as_slice).collect();
        let output = match arguments[..] {
            [b"echo", word] => text(word),
            [b"show"] => show(request),
            [b"inputs"] => {
                let length: usize = request.inputs.paths().map(<[u8]>::len).sum();
                format!("{} {length}", request.inputs.len())
            }
            [b"fail", word] => {
                return Response { exit_code: 1, output: text(word) };
            }
            [b"panic", word] => {
                // A handler that panicked does not run any more.
                self.running.fetch_sub(1, Ordering::SeqCst);
                panic!("{}", text(word));
            }
            [b"work", microseconds] => {
                let length = Duration::from_micros(number(&text(microseconds)));
                let started = Instant::now();
                while started.elapsed() < length && !cancel.is_cancelled() {}
                String::new()
            }
            [b"begin", begun, b"until", open] => self.wait(begun, open, cancel),
            _ => {
                return Response { exit_code: 1, output: "no such request".to_owned() };
            }
        };
        Response { exit_code: 0, output }
    }

    fn wait(&self, begun: &[u8], open: &[u8], cancel: &Cancel) -> String {
        let (begun, open) = (OsStr::from_bytes(begun), OsStr::from_bytes(open));
        fs::write(begun, "").expect("the file can be made");
        let mut most = self.running.load(Ordering::SeqCst);
        while !fs::exists(open).expect("the directory is there") && !cancel.is_cancelled() {
            most = most.max(self.running.load(Ordering::SeqCst));
            thread::sleep(Duration::from_micros(200));
        }
        most.to_string()
    }
}

fn show(request: &Request) -> String {
    let mut lines = vec![
        format!("request_id {}", request.request_id),
        format!("verbosity {}", request.verbosity),
        format!("sandbox_dir {}", text(&request.sandbox_dir)),
    ];
    let named = |name: &str, value: &[u8]| format!("{name} {}", text(value));
    lines.extend(request.arguments.iter().map(|argument| named("argument", argument)));
    lines.extend(request.inputs.paths().map(|path| named("input", path)));
    lines.join("\n")
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

//! Bazel's side of the worker protocol: starts a worker, writes requests, collects responses.
//!
//! Knows any worker only by its command, its pipes and its exit status. Whatever the worker does
//! wrong (silence, a torn frame, bytes that are not a response) is a panic that says so, never a hang.

pub(crate) mod messages;

use std::io::{PipeReader, Read, Write, pipe};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub use messages::{Input, Protocol, WorkRequest, WorkResponse, cancel, delimited, request};

/// How long a worker may be silent. Each request here takes less than a hundredth of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A response, or what is wrong with stdout.
type Heard = Result<WorkResponse, String>;

/// A running worker and both ends of its pipes.
pub struct Worker {
    protocol: Protocol,
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<Heard>,
    /// Keeps open a pipe that is not read.
    unread: Option<PipeReader>,
    log: Option<JoinHandle<String>>,
}

/// How a worker ended.
#[derive(Debug)]
pub struct End {
    pub status: ExitStatus,
    /// What it wrote to stderr.
    pub log: String,
    /// The responses that were not received yet.
    pub answers: Vec<WorkResponse>,
}

impl End {
    /// The exit code; a panic if a signal ended the worker.
    pub fn code(&self) -> i32 {
        match self.status.code() {
            Some(code) => code,
            None => panic!("ended by signal {:?}: {}", self.status.signal(), self.log),
        }
    }
}

impl Worker {
    /// Starts a worker that speaks `protocol`.
    pub fn start(mut command: Command, protocol: Protocol) -> Worker {
        let (stdout, stdout_of_worker) = pipe().expect("there is a pipe");
        command.stdout(stdout_of_worker);
        let (sender, answers) = channel();
        thread::spawn(move || hear(protocol, stdout, &sender));
        Worker::spawn(command, protocol, answers)
    }

    /// Starts a worker whose responses are not received: the other end of its stdout is closed.
    pub fn start_unheard(mut command: Command, protocol: Protocol) -> Worker {
        let (stdout, stdout_of_worker) = pipe().expect("there is a pipe");
        drop(stdout);
        command.stdout(stdout_of_worker);
        let (_, answers) = channel();
        Worker::spawn(command, protocol, answers)
    }

    /// Starts a worker whose responses are not read: its stdout is a pipe that fills up.
    pub fn start_deaf(mut command: Command, protocol: Protocol) -> Worker {
        let (stdout, stdout_of_worker) = pipe().expect("there is a pipe");
        command.stdout(stdout_of_worker);
        let (_, answers) = channel();
        let mut worker = Worker::spawn(command, protocol, answers);
        worker.unread = Some(stdout);
        worker
    }

    fn spawn(mut command: Command, protocol: Protocol, answers: Receiver<Heard>) -> Worker {
        let mut child = command
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut stderr = child.stderr.take().expect("stderr is a pipe");
        let log = thread::spawn(move || {
            let mut log = Vec::new();
            stderr.read_to_end(&mut log).expect("stderr can be read");
            String::from_utf8_lossy(&log).into_owned()
        });
        Worker { protocol, stdin: child.stdin.take(), child, answers, unread: None, log: Some(log) }
    }

    /// Sends a request or a cancel.
    pub fn send(&mut self, request: &WorkRequest) {
        self.send_bytes(&request.sent(self.protocol));
    }

    /// Writes bytes to the worker's stdin. A caller that writes more than a pipe holds must know that
    /// the worker reads.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.try_send_bytes(bytes)
            .unwrap_or_else(|error| panic!("the worker does not read: {error}"));
    }

    /// As [`send_bytes`](Self::send_bytes), to a worker that may end while it is written to.
    pub fn try_send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stdin.as_mut().expect("stdin is open").write_all(bytes)
    }

    /// Waits until the worker has read all that it was sent.
    pub fn wait_until_read(&self) {
        let stdin = self.stdin.as_ref().expect("stdin is open");
        self.wait_until("the worker to read", || {
            rustix::io::ioctl_fionread(stdin).expect("stdin is a pipe") == 0
        });
    }

    /// The other end of the worker's stdin, for a thread of its own. Dropping it ends the input.
    pub fn take_input(&mut self) -> ChildStdin {
        self.stdin.take().expect("stdin is open")
    }

    /// Returns what was taken.
    pub fn give_input(&mut self, input: ChildStdin) {
        self.stdin = Some(input);
    }

    /// Ends the worker's input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// The next response.
    pub fn answer(&mut self) -> WorkResponse {
        match self.answers.recv_timeout(PATIENCE) {
            Ok(Ok(answer)) => answer,
            Ok(Err(fault)) => panic!("{fault}"),
            Err(RecvTimeoutError::Timeout) => panic!("no answer in {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => {
                let end = self.wait();
                panic!("the worker ended instead of answering: {end:?}")
            }
        }
    }

    /// The next `count` responses, by request id.
    pub fn answers(&mut self, count: usize) -> Vec<WorkResponse> {
        let mut answers: Vec<_> = (0..count).map(|_| self.answer()).collect();
        answers.sort_by_key(|answer| answer.request_id);
        answers
    }

    /// Sends a request and waits for a response, which must be to that request.
    pub fn ask(&mut self, request: &WorkRequest) -> WorkResponse {
        self.send(request);
        let answer = self.answer();
        assert_eq!(answer.request_id, request.request_id, "{answer}");
        answer
    }

    /// The next response, if it comes soon. For tests that no response comes.
    pub fn answer_within(&mut self, time: Duration) -> Option<WorkResponse> {
        match self.answers.recv_timeout(time) {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(fault)) => panic!("{fault}"),
            Err(_) => None,
        }
    }

    /// Sends the worker SIGTERM.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the worker runs");
    }

    /// Sends the worker SIGINT, as a terminal does.
    pub fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("the worker runs");
    }

    /// Whether the worker has not ended yet.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The worker's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A line of the worker's /proc/PID/status that counts memory, in bytes.
    pub fn memory(&self, line: &str) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let status = std::fs::read_to_string(&path).expect(&path);
        status
            .lines()
            .find_map(|text| text.strip_prefix(line)?.strip_prefix(':'))
            .and_then(|value| value.trim().strip_suffix("kB"))
            .and_then(|value| value.trim().parse::<u64>().ok())
            .unwrap_or_else(|| panic!("no {line} in {path}"))
            * 1024
    }

    /// Ends the worker's input and waits for its end.
    pub fn end(mut self) -> End {
        self.close_input();
        self.wait()
    }

    /// Waits for the worker's end.
    pub fn wait(&mut self) -> End {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the worker is a child") {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "no end in {PATIENCE:?}");
            thread::sleep(Duration::from_millis(1));
        };
        let answers = self.answers.iter().collect::<Result<_, _>>();
        let log = self.log.take().expect("a worker ends once").join();
        End {
            status,
            log: log.expect("the log is read"),
            answers: answers.unwrap_or_else(|fault| panic!("{fault}")),
        }
    }

    fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let started = Instant::now();
        while !is_so() {
            assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
            thread::sleep(Duration::from_micros(50));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already, and a test that fails must not leave it behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on what the worker writes to stdout, until its end.
fn hear(protocol: Protocol, mut stdout: PipeReader, sender: &Sender<Heard>) {
    let mut received = Vec::new();
    let mut chunk = [0; 1 << 16];
    loop {
        let length = stdout.read(&mut chunk).expect("stdout can be read");
        received.extend_from_slice(&chunk[..length]);
        let answers = messages::take_answers(protocol, &mut received);
        let torn = length == 0 && !received.is_empty();
        let fault = torn.then(|| Err(format!("stdout ends with a torn answer: {received:?}")));
        for heard in answers.into_iter().chain(fault) {
            if sender.send(heard).is_err() {
                // The test needs no further responses.
                return;
            }
        }
        if length == 0 {
            return;
        }
    }
}

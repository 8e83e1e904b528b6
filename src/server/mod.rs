//! Bazel's persistent-worker protocol: requests on stdin, responses on stdout.
//!
//! Knows how requests arrive, wait, run and are cancelled, and how responses are sent
//! (`worker_protocol.proto`). Must not know what a request means: the [`Handler`] does.
//!
//! ```no_run
//! use mtree_worker::server::{Response, Cancel, Handler, ServerOptions, Request, serve};
//!
//! struct Greeter;
//!
//! impl Handler for Greeter {
//!     fn handle(&self, request: &Request, _cancel: &Cancel) -> Response {
//!         Response {
//!             exit_code: 0,
//!             output: format!("hello, request {}\n", request.request_id),
//!         }
//!     }
//! }
//!
//! match serve(&ServerOptions::default(), Greeter) {
//!     Ok(ended) => std::process::exit(ended.status().into()),
//!     Err(error) => {
//!         eprintln!("{error}");
//!         std::process::exit(1);
//!     }
//! }
//! ```

mod error;
mod frames;
mod inputs;
mod json;
mod parent;
mod protocol;
mod queue;
mod request;
mod responses;
mod session;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::AsyncRead;
use tokio::net::unix::pipe;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

pub use error::{MessageError, ServerError};
pub use frames::{Frame, Frames};
pub use inputs::{ListedInput, ListedInputs};
pub use request::{Incoming, Request};

/// How messages are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Protobuf messages, each after its length as a varint.
    #[default]
    Proto,
    /// JSON objects, with or without white space between them. Each response is one line.
    Json,
}

/// The options of the server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// How requests and responses are encoded.
    pub protocol: Protocol,
    /// How many requests may run at once. 0 is taken as 1.
    pub jobs: usize,
    /// The longest request, in bytes. Reading also pauses while waiting requests and unwritten responses take
    /// more bytes than this.
    pub max_request: u64,
    /// After how long without a request [`Handler::release`] is called.
    pub idle_release: Duration,
}

impl ServerOptions {
    /// The default of `max_request`: 1 GiB.
    pub const MAX_REQUEST: u64 = 1 << 30;
    /// The default of `idle_release`: one hour.
    pub const IDLE_RELEASE: Duration = Duration::from_secs(60 * 60);
}

impl Default for ServerOptions {
    /// Protobuf, one job per core, 1 GiB, and one hour.
    fn default() -> Self {
        ServerOptions {
            protocol: Protocol::default(),
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            max_request: Self::MAX_REQUEST,
            idle_release: Self::IDLE_RELEASE,
        }
    }
}

/// The response to a request (worker_protocol.proto, `WorkResponse`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// 0 if the outputs are complete.
    pub exit_code: i32,
    /// What Bazel shows its user.
    pub output: String,
}

/// Whether a request has been cancelled. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// True once the request has been cancelled. The call costs one atomic load.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Cancels the request, for all clones.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Handles requests.
pub trait Handler: Send + Sync + 'static {
    /// Handles one request. May block. Many threads call it at once.
    ///
    /// It should check `cancel` often. Once the request is cancelled, it should return any response, which the
    /// server replaces by `was_cancelled`. After it has returned, it must not access the request's files. If it
    /// panics, the response has exit code 1 and the panic's message.
    fn handle(&self, request: &Request, cancel: &Cancel) -> Response;

    /// Frees memory that only makes later requests faster. Called while no request runs, once after each time
    /// without requests that is longer than [`ServerOptions::idle_release`].
    fn release(&self) {}
}

/// Why the server ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The input ended, and the responses to all requests are written.
    Input,
    /// The process received a signal that ends it, with this number: SIGTERM or SIGINT. Handlers may still run on
    /// their own threads. The caller of [`serve`] removes their temporary files and exits.
    Signal(u8),
    /// The parent process has ended, though stdin is open. As after a signal, handlers may still run.
    Parent,
}

impl Ended {
    /// The exit status: 0 at the end of input, and by convention 128 plus the number of a signal.
    pub fn status(self) -> u8 {
        match self {
            Self::Input => 0,
            Self::Signal(number) => 128 + number,
            Self::Parent => 1,
        }
    }
}

/// Handles the requests on stdin with `handler`, until the input ends.
///
/// A request with id 0 runs alone. Others run concurrently, up to [`ServerOptions::jobs`], and their responses
/// are written as they finish. Each request has exactly one response. A cancel stops a request that waits or
/// runs; a cancel for any other id is ignored.
///
/// # Errors
///
/// [`ServerError`] if a frame cannot be read, after the responses to all requests before it are written; or if a
/// response cannot be written, after all running requests are cancelled and have ended.
pub fn serve(options: &ServerOptions, handler: impl Handler) -> Result<Ended, ServerError> {
    check_threads().map_err(ServerError::Start)?;
    let runtime = runtime(options).map_err(ServerError::Start)?;
    enlarge_stdin_pipe();
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Start)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Start)?;
        let stopped = async {
            tokio::select! {
                _ = terminate.recv() => Ended::Signal(15),
                _ = interrupt.recv() => Ended::Signal(2),
                () = parent::ended() => Ended::Parent,
            }
        };
        let mut session =
            session::Session::new(options, Arc::new(handler), input(), tokio::io::stdout());
        session.run(stopped).await
    });
    // Does not wait for a handler that still runs after a signal, nor for a read of stdin.
    runtime.shutdown_background();
    ended
}

/// Enlarges the pipe at stdin. A request that lists its inputs has megabytes, and arrives in half the time with
/// fewer switches between the two processes. If stdin is not a pipe or the size is not permitted, nothing
/// changes.
#[cfg(target_os = "linux")]
fn enlarge_stdin_pipe() {
    const PIPE_BYTES: usize = 1 << 20;
    let _ = rustix::pipe::fcntl_setpipe_size(io::stdin(), PIPE_BYTES);
}

#[cfg(not(target_os = "linux"))]
fn enlarge_stdin_pipe() {}

/// The bytes of stdin. Those of a pipe are read to where they are wanted; others are read by a thread, and copied.
fn input() -> Box<dyn AsyncRead + Unpin> {
    match pipe_at_stdin() {
        Some(pipe) => Box::new(pipe),
        None => Box::new(tokio::io::stdin()),
    }
}

/// The pipe at stdin, opened once more: that reading does not wait is set for what was opened, which other processes may
/// share. `None` if stdin is something else, or where it cannot be opened.
fn pipe_at_stdin() -> Option<pipe::Receiver> {
    let mode = rustix::fs::fstat(io::stdin()).ok()?.st_mode;
    let is_pipe = rustix::fs::FileType::from_raw_mode(mode).is_fifo();
    is_pipe.then(|| pipe::OpenOptions::new().open_receiver("/dev/stdin").ok())?
}

/// The least threads beside that of the session: one writes stdout, one handles a request, and where stdin is no pipe, one
/// reads it.
const LEAST_THREADS: usize = 3;
/// Threads stay for so long without work. One that ended could not be started again where the system refuses it
/// meanwhile, and a response would wait for the next request.
const THREADS_STAY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Fails unless [`LEAST_THREADS`] can be started: tokio panics where it has none, and with fewer a response would never
/// be written.
fn check_threads() -> io::Result<()> {
    let before = count_threads();
    let mut started = Vec::with_capacity(LEAST_THREADS);
    for _ in 0..LEAST_THREADS {
        let (end, ended) = mpsc::channel::<()>();
        let wait = move || ended.recv().is_err();
        started.push((end, thread::Builder::new().spawn(wait)?));
    }
    for (end, thread) in started {
        drop(end);
        // It does nothing that panics.
        let _ = thread.join();
    }
    // The kernel counts a thread until a moment after it was joined.
    let start = Instant::now();
    while count_threads() > before && start.elapsed() < Duration::from_secs(1) {
        thread::yield_now();
    }
    Ok(())
}

/// The threads of this process; 0 where the system does not list them.
fn count_threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// A runtime with one thread for the session. Handlers, stdin and stdout block, and have threads of their own.
fn runtime(options: &ServerOptions) -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(options.jobs.max(1).saturating_add(2))
        .thread_keep_alive(THREADS_STAY)
        .thread_name("request")
        .build()
}

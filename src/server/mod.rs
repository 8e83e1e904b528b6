//! Bazel's persistent-worker protocol: requests on stdin, responses on stdout.
//!
//! Knows how requests arrive, wait, run and are cancelled, and how responses are sent
//! (`worker_protocol.proto`). Must not know what a request means: the [`Handler`] does.
//!
//! ```no_run
//! use mtree_worker::server::{Response, Cancel, Ended, Handler, ServerOptions, Request, ServerError, serve};
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
//!     Ok(Ended::Input) => {}
//!     Ok(Ended::Terminated) => std::process::exit(143),
//!     Err(error) => {
//!         eprintln!("{error}");
//!         std::process::exit(1);
//!     }
//! }
//! # Ok::<(), ServerError>(())
//! ```

mod error;
mod frames;
mod inputs;
mod json;
mod protocol;
mod queue;
mod request;
mod responses;
mod session;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
}

impl Default for ServerOptions {
    /// Protobuf, one job per core, and 1 GiB.
    fn default() -> Self {
        ServerOptions {
            protocol: Protocol::default(),
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            max_request: 1 << 30,
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
}

/// Why the server ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The input ended, and the responses to all requests are written.
    Input,
    /// The process received SIGTERM. Handlers may still run on their own threads. The caller of [`serve`] removes
    /// their temporary files and exits, by convention with status 143.
    Terminated,
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
    let runtime = runtime(options).map_err(ServerError::Start)?;
    enlarge_stdin_pipe();
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Start)?;
        let terminated = async {
            terminate.recv().await;
        };
        let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
        let mut session = session::Session::new(options, Arc::new(handler), input, output);
        session.run(terminated).await
    });
    // Does not wait for a handler that still runs after SIGTERM, nor for a read of stdin.
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

/// A runtime with one thread for the session. Handlers, stdin and stdout block, and have threads of their own.
fn runtime(options: &ServerOptions) -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .max_blocking_threads(options.jobs.max(1).saturating_add(2))
        .thread_name("request")
        .build()
}

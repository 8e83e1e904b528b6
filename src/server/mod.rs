//! Bazel's persistent-worker protocol: requests on stdin, responses on stdout.
//!
//! Knows how requests come in, wait, run, are cancelled and are answered (`worker_protocol.proto`).
//! Must not know what a request asks for: that is the [`Handler`]'s business.
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

pub use error::ServerError;
pub use frames::{Frame, Frames};
pub use inputs::ListedInputs;
pub use request::{Incoming, Request};

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Protobuf messages, each behind its length as a varint.
    #[default]
    Proto,
    /// JSON objects one after the other, with white space between them or without. Responses are
    /// one a line.
    Json,
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// How messages are written, both ways.
    pub protocol: Protocol,
    /// How many requests may run at once. 0 is taken as 1.
    pub jobs: usize,
    /// The most that one request may be long, in bytes. Nor is more read while the requests that
    /// wait for a job and the responses that wait to be written take more than that.
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

/// What a request is answered (worker_protocol.proto, `WorkResponse`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// 0 if the outputs are made.
    pub exit_code: i32,
    /// What Bazel shows its user.
    pub output: String,
}

/// Whether a request has been cancelled. Clones ask of the same request; the default is never
/// cancelled unless a clone of it is.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// True once the request need not be finished. Asking costs one load of an atomic.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Lets all clones say that the request is cancelled.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whoever does what requests ask for.
pub trait Handler: Send + Sync + 'static {
    /// Does what the request asks for. May block, and is called by many threads at once.
    ///
    /// It should ask `cancel` often and, once that says so, stop with any response: that response is
    /// replaced by `was_cancelled`. After it has returned, it must not touch the request's files.
    /// A panic is answered with exit code 1 and the panic's message.
    fn handle(&self, request: &Request, cancel: &Cancel) -> Response;
}

/// How the server came to an end that is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The input ended, and every request is answered.
    Input,
    /// SIGTERM came. Handlers may be in the middle of their work, on threads of their own: whoever
    /// called [`serve`] removes what they leave behind and ends the process, by custom with 143.
    Terminated,
}

/// Responses the requests on stdin with `handler`, until they end.
///
/// A request with id 0 runs alone; others run at once, as many as [`ServerOptions::jobs`] allows, and are
/// answered as they finish. Each is answered once. A cancel stops a request that waits or runs; one
/// for any other is ignored.
///
/// # Errors
///
/// [`ServerError`] if a frame cannot be read, after all requests before it are answered; or if an
/// response cannot be written, after all that run have been told to stop and have done so.
pub fn serve(options: &ServerOptions, handler: impl Handler) -> Result<Ended, ServerError> {
    let runtime = runtime(options).map_err(ServerError::Start)?;
    widen_stdin();
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Start)?;
        let terminated = async {
            terminate.recv().await;
        };
        let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
        let mut session = session::Session::new(options, Arc::new(handler), input, output);
        session.run(terminated).await
    });
    // A handler that runs on after SIGTERM, or a read of stdin, is not waited for.
    runtime.shutdown_background();
    ended
}

/// Lets the pipe at stdin hold more: a request that lists its inputs is megabytes long, and comes in
/// half the time if the two processes take turns less often. Where that is not allowed, or stdin is
/// no pipe, it comes as it did.
#[cfg(target_os = "linux")]
fn widen_stdin() {
    const MOST: usize = 1 << 20;
    let _ = rustix::pipe::fcntl_setpipe_size(io::stdin(), MOST);
}

#[cfg(not(target_os = "linux"))]
fn widen_stdin() {}

/// One thread for the conversation; handlers, stdin and stdout, which block, have threads beside it.
fn runtime(options: &ServerOptions) -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .max_blocking_threads(options.jobs.max(1).saturating_add(2))
        .thread_name("request")
        .build()
}

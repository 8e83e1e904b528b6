//! One session, from the first request to the last response.
//!
//! Knows the order of events: frames arrive, requests begin and end, responses are written. All of them happen
//! in one task, so each request has exactly one response, in whatever order its cancel and its end occur. Must
//! not know what a request means.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, debug_span};

use super::error::ServerError;
use super::frames::{Frame, Frames};
use super::queue::{Cancelled, Queue};
use super::request::{Incoming, Request};
use super::responses::Responses;
use super::{Cancel, Ended, Handler, Response, ServerOptions};

/// The id of a request and the response of its handler.
type Done = (i32, Response);

pub(super) struct Session<R, W> {
    options: ServerOptions,
    handler: Arc<dyn Handler>,
    frames: Frames<R>,
    responses: Responses<W>,
    queue: Queue,
    sender: UnboundedSender<Done>,
    done: UnboundedReceiver<Done>,
    input: InputState,
    /// Since when no request waits or runs. `None` while one does, and once the handler has released its memory.
    idle_since: Option<Instant>,
}

/// The state of the input.
enum InputState {
    Open,
    Ended,
    Broken(ServerError),
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Session<R, W> {
    pub(super) fn new(
        options: &ServerOptions,
        handler: Arc<dyn Handler>,
        input: R,
        output: W,
    ) -> Self {
        let (sender, done) = unbounded_channel();
        Session {
            options: options.clone(),
            handler,
            frames: Frames::new(input, options),
            responses: Responses::new(output, options.protocol),
            queue: Queue::new(options.jobs),
            sender,
            done,
            input: InputState::Open,
            idle_since: None,
        }
    }

    /// Runs until the input has ended and the responses to all requests are written, or until `stopped` is
    /// ready. In the second case requests may still run.
    pub(super) async fn run(
        &mut self,
        stopped: impl Future<Output = Ended>,
    ) -> Result<Ended, ServerError> {
        tokio::select! {
            biased;
            ended = stopped => Ok(ended),
            served = self.serve() => served.map(|()| Ended::Input),
        }
    }

    async fn serve(&mut self) -> Result<(), ServerError> {
        if let Err(error) = self.respond_to_all().await {
            self.stop().await;
            return Err(ServerError::Write(error));
        }
        match std::mem::replace(&mut self.input, InputState::Ended) {
            InputState::Broken(error) => Err(error),
            InputState::Open | InputState::Ended => Ok(()),
        }
    }

    /// Fails only if a response cannot be written.
    async fn respond_to_all(&mut self) -> io::Result<()> {
        loop {
            self.begin();
            let is_open = matches!(self.input, InputState::Open);
            if !is_open && self.queue.is_empty() && self.responses.all_written() {
                return Ok(());
            }
            // Requests that arrive faster than they are handled wait in the pipe, not in memory. While jobs
            // are free the queue is empty, so this never delays a request that could begin.
            let may_read =
                is_open && self.queue.held() + self.responses.held() <= self.options.max_request;
            let release = self.idle_since.and_then(|at| at.checked_add(self.options.idle_release));
            tokio::select! {
                biased;
                Some((id, response)) = self.done.recv() => self.end(id, response)?,
                written = self.responses.write(), if !self.responses.all_written() => written?,
                () = at(release), if release.is_some() => self.release(),
                next = self.frames.next(), if may_read => self.receive(next)?,
            }
        }
    }

    fn receive(&mut self, next: Result<Option<Frame>, ServerError>) -> io::Result<()> {
        match next {
            Ok(Some(frame)) => self.take(frame)?,
            Ok(None) => self.input = InputState::Ended,
            Err(error) => self.input = InputState::Broken(error),
        }
        Ok(())
    }

    fn take(&mut self, Frame { at, message }: Frame) -> io::Result<()> {
        let length = message.len();
        match Incoming::read(self.options.protocol, message) {
            Ok(Incoming::Request(request)) => {
                let inputs = request.inputs.len();
                debug!(request_id = request.request_id, at, length, inputs, "request");
                self.idle_since = None;
                self.queue.add(request, length);
            }
            Ok(Incoming::Cancel { request_id }) => {
                let cancelled = self.queue.cancel(request_id);
                debug!(request_id, at, ?cancelled, "cancel");
                if cancelled == Cancelled::Waiting {
                    self.responses.add(request_id, None)?;
                }
            }
            Err(problem) => {
                self.input = InputState::Broken(ServerError::Undecodable { at, problem })
            }
        }
        Ok(())
    }

    /// Begins every request that may begin.
    fn begin(&mut self) {
        while let Some((request, cancel)) = self.queue.begin(self.responses.all_written()) {
            let handler = Arc::clone(&self.handler);
            let sender = self.sender.clone();
            spawn_blocking(move || {
                let id = request.request_id;
                let response = handle(&*handler, &request, &cancel);
                drop(request);
                // The receiver is gone once the server has terminated.
                let _ = sender.send((id, response));
            });
        }
    }

    fn end(&mut self, id: i32, response: Response) -> io::Result<()> {
        let was_cancelled = self.queue.end(id);
        self.idle_since = self.queue.is_empty().then(Instant::now);
        debug!(request_id = id, response.exit_code, was_cancelled, "response");
        self.responses.add(id, (!was_cancelled).then_some(response))
    }

    /// Has the handler free its memory. Nothing runs, and a request that arrives meanwhile waits.
    fn release(&mut self) {
        self.idle_since = None;
        self.handler.release();
        debug!("idle: memory is released");
    }

    /// Cancels all requests and waits until the running ones have ended. Their responses are dropped.
    async fn stop(&mut self) {
        self.queue.cancel_all();
        while !self.queue.is_empty() {
            if let Some((id, _)) = self.done.recv().await {
                self.queue.end(id);
            }
        }
    }
}

/// Waits until `time`; for ever if there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Handles a request. A panic becomes an error response.
fn handle(handler: &dyn Handler, request: &Request, cancel: &Cancel) -> Response {
    let _span = debug_span!("request", id = request.request_id).entered();
    catch_unwind(AssertUnwindSafe(|| handler.handle(request, cancel))).unwrap_or_else(|panic| {
        Response {
            exit_code: 1,
            output: format!(
                "the worker panicked: {}; this is a bug in mtree-worker, and the worker's log says where\n",
                message(&*panic)
            ),
        }
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    if let Some(message) = panic.downcast_ref::<&str>() {
        message
    } else if let Some(message) = panic.downcast_ref::<String>() {
        message
    } else {
        "without a message"
    }
}

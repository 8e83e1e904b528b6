//! One conversation, from the first request to the last response.
//!
//! Knows the order of events: frames come in, requests begin and end, responses go out. All of that
//! happens in one task, so that a request is answered once however its cancel and its end meet.
//! Must not know what a request asks for.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_blocking;
use tracing::{debug, debug_span};

use super::error::ServerError;
use super::frames::{Frame, Frames};
use super::queue::{Cancelled, Queue};
use super::request::{Incoming, Request};
use super::responses::Responses;
use super::{Cancel, Ended, Handler, Response, ServerOptions};

/// A request's id and what its handler said.
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
}

/// What is known of the input.
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
        }
    }

    /// Talks until the input has ended and every request is answered, or until `terminated` is
    /// ready, which leaves requests running.
    pub(super) async fn run(
        &mut self,
        terminated: impl Future<Output = ()>,
    ) -> Result<Ended, ServerError> {
        tokio::select! {
            biased;
            () = terminated => Ok(Ended::Terminated),
            talked = self.talk() => talked.map(|()| Ended::Input),
        }
    }

    async fn talk(&mut self) -> Result<(), ServerError> {
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
            // Requests that come faster than they are answered wait in the pipe, not in memory.
            // While jobs are free none waits, so that this never holds up one that could begin.
            let may_read =
                is_open && self.queue.held() + self.responses.held() <= self.options.max_request;
            tokio::select! {
                biased;
                Some((id, response)) = self.done.recv() => self.end(id, response)?,
                written = self.responses.write(), if !self.responses.all_written() => written?,
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
                // Nobody listens any more once the server has been told to terminate.
                let _ = sender.send((id, response));
            });
        }
    }

    fn end(&mut self, id: i32, response: Response) -> io::Result<()> {
        let was_cancelled = self.queue.end(id);
        debug!(request_id = id, response.exit_code, was_cancelled, "response");
        self.responses.add(id, (!was_cancelled).then_some(response))
    }

    /// Ends what runs, when nobody will hear of it.
    async fn stop(&mut self) {
        self.queue.give_up();
        while !self.queue.is_empty() {
            if let Some((id, _)) = self.done.recv().await {
                self.queue.end(id);
            }
        }
    }
}

/// Handles a request; a panic is its response.
fn handle(handler: &dyn Handler, request: &Request, cancel: &Cancel) -> Response {
    let _span = debug_span!("request", id = request.request_id).entered();
    catch_unwind(AssertUnwindSafe(|| handler.handle(request, cancel))).unwrap_or_else(|panic| {
        Response {
            exit_code: 1,
            output: format!(
                "the worker panicked: {}; this is a defect of the worker, whose log says where\n",
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

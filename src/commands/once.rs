//! `mtree-worker resolve` and `mtree-worker layer`: one request, from the command line.

use std::ffi::OsString;
use std::sync::Arc;

use bytes::Bytes;

use crate::capture::{CaptureStore, Form, Received, RecordingHost, RequestRecorder};
use crate::request::{self, Context, Disk, ResolveRequest};
use crate::server::Response;
use crate::worker::respond;

/// Runs a request that was parsed from `arguments`. If there is a store, the request is recorded.
pub(crate) fn run(
    request: &ResolveRequest,
    arguments: &[OsString],
    context: Context<'_>,
    store: Option<Arc<CaptureStore>>,
) -> Response {
    let disk = Disk::new(context);
    let Some(store) = store else {
        return respond(&request::run(request, None, &mut { disk }));
    };
    let received = Received { form: Form::CommandLine, request: Bytes::new(), request_id: 0 };
    let mut recorder = RequestRecorder::new(&store, received);
    recorder.begin(context.root, context.is_sandbox, arguments);
    let result = request::run(request, None, &mut RecordingHost::new(disk, &mut recorder));
    let response = respond(&result);
    recorder.finish(response.exit_code, &response.output);
    store.close();
    response
}

//! What Bazel, or the user of a one-shot run, is told of a request.

use std::error::Error;

use crate::error::Sentence;
use crate::request::Outcome;
use crate::server::Response;

/// The response to a request: its warnings, or its error.
pub fn respond<E: Error + 'static>(result: &Result<Outcome, E>) -> Response {
    match result {
        Ok(outcome) => {
            let warnings = outcome.warnings.iter();
            let output = warnings.map(|warning| format!("mtree-worker: warning: {warning}\n"));
            Response { exit_code: 0, output: output.collect() }
        }
        Err(error) => {
            Response { exit_code: 1, output: format!("mtree-worker: {}\n", Sentence(error)) }
        }
    }
}

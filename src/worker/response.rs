//! The response to a request, from a worker or from a process that runs once.
//!
//! Knows exit codes and the format of messages; must not know what a request does.

use std::error::Error;

use crate::error::Sentence;
use crate::request::Outcome;
use crate::server::Response;

/// The response to a request: exit code 0 and its warnings, or exit code 1 and its error.
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

//! The log, on stderr. Bazel stores it as the worker's log.
//!
//! Knows the log's filter and format; must not know what is logged.

use std::io;

use tracing_subscriber::EnvFilter;

/// The environment variable with the filter of the log, in the syntax of `RUST_LOG`.
const VARIABLE: &str = "MTREE_WORKER_LOG";

/// Begins to log with the filter of the environment, else with `default`. Verbose requests log at debug.
pub(crate) fn begin(default: &str) {
    let filter = std::env::var(VARIABLE).unwrap_or_default();
    let filter = EnvFilter::builder().parse(if filter.is_empty() { default } else { &filter });
    let filter = match filter.and_then(|filter| Ok(filter.add_directive(VERBOSE.parse()?))) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!(
                "mtree-worker: warning: {VARIABLE} is ignored: it is not a valid filter: {error}"
            );
            EnvFilter::new(default)
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
}

/// Begins to log if the environment has a filter.
pub(crate) fn begin_if_asked() {
    if std::env::var_os(VARIABLE).is_some() {
        begin("warn");
    }
}

/// A request with `verbosity` above 0 logs at debug (worker_protocol.proto, `WorkRequest`).
const VERBOSE: &str = "[request{verbose=true}]=debug";

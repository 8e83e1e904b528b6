//! The log, on stderr: Bazel keeps it as the worker's log.
//!
//! Knows what is shown, and how; must not know what is worth saying.

use std::io;

use tracing_subscriber::EnvFilter;

/// The environment variable that says what is logged, as `RUST_LOG` does elsewhere.
const VARIABLE: &str = "MTREE_WORKER_LOG";

/// Begins to log: what the environment asks for, else what `default` says, and requests that want
/// more at debug.
pub(crate) fn begin(default: &str) {
    let asked = std::env::var(VARIABLE).unwrap_or_default();
    let filter = EnvFilter::builder().parse(if asked.is_empty() { default } else { &asked });
    let filter = match filter.and_then(|filter| Ok(filter.add_directive(VERBOSE.parse()?))) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("mtree-worker: warning: {VARIABLE} is not understood, and left out: {error}");
            EnvFilter::new(default)
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
}

/// Begins to log if the environment asks for it.
pub(crate) fn begin_if_asked() {
    if std::env::var_os(VARIABLE).is_some() {
        begin("warn");
    }
}

/// A request with `verbosity` above 0 logs at debug (worker_protocol.proto, `WorkRequest`).
const VERBOSE: &str = "[request{verbose=true}]=debug";

//! The signals that end a process which runs one command.
//!
//! Knows signals; must not know what is to be done before the process ends. A worker waits for signals in its own
//! event loop ([`crate::server`]).

use tokio::signal::unix::{SignalKind, signal};

/// Calls `end` with the conventional exit status, on a thread of its own, once SIGINT or SIGTERM arrives. If
/// the system has no thread or no event loop to spare, the signals end the process as they do by default.
pub(crate) fn on_end(end: impl FnOnce(u8) + Send + 'static) {
    let wait = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        let status = runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).ok()?;
            let mut terminate = signal(SignalKind::terminate()).ok()?;
            // By convention: 128 plus the number of the signal.
            Some(tokio::select! {
                _ = interrupt.recv() => 128 + 2,
                _ = terminate.recv() => 128 + 15,
            })
        });
        if let Some(status) = status {
            end(status);
        }
    };
    // Without the thread nothing waits, which is the default.
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
}

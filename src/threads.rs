//! The threads that share the work of one request.
//!
//! Knows how they are started; must not know what they do. The threads that compress a layer are started by
//! [`crate::layer`].

use std::sync::OnceLock;

use rayon::ThreadPoolBuilder;

/// Lets this thread share work with one thread for each core, which all requests share. If the system starts no such
/// thread, this thread does its work alone: without this call rayon panics where it is first used.
///
/// Call it on each thread that runs a request. Returns why no threads were started.
pub(crate) fn share() -> Option<&'static str> {
    static REFUSED: OnceLock<Option<String>> = OnceLock::new();
    let start = || ThreadPoolBuilder::new().build_global().err().map(|error| error.to_string());
    let refused = REFUSED.get_or_init(start).as_deref();
    if refused.is_some() {
        // It fails if this thread has done so before.
        let _ = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
    }
    refused
}

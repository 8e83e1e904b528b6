//! The messages of worker_protocol.proto, as build.rs generates them.

include!(concat!(env!("OUT_DIR"), "/blaze.worker.rs"));

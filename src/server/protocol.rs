//! The messages of worker_protocol.proto, as build.rs generates them.

#![allow(unreachable_pub, reason = "generated code")]

include!(concat!(env!("OUT_DIR"), "/blaze.worker.rs"));

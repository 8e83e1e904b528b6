//! The messages of capture.proto, as build.rs generates them.

include!(concat!(env!("OUT_DIR"), "/mtree_worker.capture.rs"));

//! A worker that is asked for long, on trees that change: it takes no more memory, descriptors and disk at the
//! end than it does once it is warm.

mod layers;
mod resolving;

use std::fs;

use worker_tests::client::Worker;

const MEBIBYTE: u64 = 1 << 20;
/// How far a resident size goes up and down from one request to the next.
const FLAT: u64 = 4 * MEBIBYTE;

/// How many file descriptors a worker has open.
fn descriptors(worker: &Worker) -> usize {
    fs::read_dir(format!("/proc/{}/fd", worker.id())).expect("the worker runs").count()
}

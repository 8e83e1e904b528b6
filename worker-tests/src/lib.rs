//! What the tests share: the other side of the worker protocol.

pub mod client;

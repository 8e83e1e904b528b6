//! What the black-box tests of mtree-worker share: the case format, trees on the disk, the oracle
//! of the rules, random trees and specs, the program under test, captures, and the other side of the worker
//! protocol.

pub mod capture;
pub mod case;
pub mod client;
pub mod oracle;
pub mod plant;
pub mod program;

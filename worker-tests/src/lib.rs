//! What the black-box tests of mtree-worker share: the case format, trees on the disk, the oracle
//! of the rules, random trees and specs, large trees to measure on, exec roots, captures, the program
//! under test, and a client of the worker protocol, which can end workers in the middle.

pub mod capture;
pub mod case;
pub mod chance;
pub mod client;
pub mod difference;
pub mod exec_root;
pub mod forest;
pub mod interrupted;
pub mod oracle;
pub mod packed_tree;
pub mod plant;
pub mod program;
pub mod random;
pub mod real_tree;
pub mod release;
pub mod unpack;

//! What the black-box tests of mtree-worker share: the case format, trees on the disk, the oracle
//! of the rules, random trees and specs, and the program under test.

pub mod case;
pub mod oracle;
pub mod plant;
pub mod program;

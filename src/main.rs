//! The program. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    mtree_worker::cli::main(std::env::args_os().skip(1))
}

//! What a command takes: wall clock, processor time, the most memory of one of its processes.
//!
//! The bench runs itself as the only parent of each command, so that what getrusage(2) says of its children is of that
//! command alone, and so that the memory of the bench is not counted: a process begins with its parent's.

use std::process::Command;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// In seconds.
    pub wall: f64,
    /// In seconds, of all processes and threads.
    pub processor: f64,
    /// In bytes, of the process with the most.
    pub memory: u64,
}

impl Usage {
    /// The less in each of two runs.
    pub fn least(self, other: Usage) -> Usage {
        Usage {
            wall: self.wall.min(other.wall),
            processor: self.processor.min(other.processor),
            memory: self.memory.min(other.memory),
        }
    }
}

/// The first argument of the bench where it is to run a command.
pub const MEASURE: &str = "--measure";

/// Runs a command, and prints what it took.
pub fn run_measured(mut arguments: impl Iterator<Item = std::ffi::OsString>) {
    let program = arguments.next().expect("a command");
    let start = Instant::now();
    let status = Command::new(&program).args(arguments).status().expect("it starts");
    let wall = start.elapsed().as_secs_f64();
    assert!(status.success(), "{program:?}: {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("Linux has it");
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let processor = seconds(usage.user_time()) + seconds(usage.system_time());
    println!("{wall} {processor} {}", usage.max_rss() * 1024);
}

/// Runs `command`, which writes nothing to stdout, and says what it took.
pub fn measured(command: &Command) -> Usage {
    let mut parent = Command::new(std::env::current_exe().expect("this has a program"));
    parent.arg(MEASURE).arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        parent.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        parent.env(name, value.unwrap_or_default());
    }
    let done = parent.stderr(std::process::Stdio::inherit()).output().expect("it starts");
    assert!(done.status.success(), "{command:?}");
    let said = String::from_utf8(done.stdout).expect("numbers");
    let numbers: Vec<f64> =
        said.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    Usage { wall: numbers[0], processor: numbers[1], memory: numbers[2] as u64 }
}

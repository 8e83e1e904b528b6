//! The Budget of DESIGN: what a run takes, as a ratio to what a program takes that does only what
//! cannot be avoided (`floor`), both measured in turn on one tree.
//!
//!     cargo bench --bench budget
//!
//! Other work on the machine makes both slower, and not always alike: the minima are what to go by,
//! the medians tell how much was disturbed.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use worker_tests::client::{Input, Protocol, WorkRequest, Worker};
use worker_tests::exec_root::{ExecRoot, resolve};
use worker_tests::forest::{self, Forest, TOP};
use worker_tests::program;

type Outcome = Result<(), Box<dyn Error>>;

const FOLDERS: usize = 8_000;
const FILES: usize = 5;
/// How often each is measured.
const ROUNDS: usize = 15;
/// Each round of the sandbox row takes a sandbox of its own.
const SANDBOXES: usize = 7;
/// How many rows the usual way is timed on.
const SAMPLE: usize = 500;
/// Where a sandbox stands while it is measured.
const BOX: &str = "box";

fn main() -> Outcome {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((what, command)) if what == "peak" => peak(command),
        _ => budget(),
    }
}

fn budget() -> Outcome {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), FOLDERS, FILES)?;
    exec_root.write("spec.mtree", forest.spec());
    let lines = |paths: &mut dyn Iterator<Item = String>| paths.map(|path| path + "\n").collect();
    let (folders, rows): (String, String) =
        (lines(&mut forest.folder_paths()), lines(&mut forest.sources()));
    exec_root.write("folders", folders);
    exec_root.write("rows", rows);
    // Until then nothing is remembered.
    thread::sleep(Duration::from_millis(2_100));

    println!("{} rows in {} folders", forest.rows(), forest.folders());
    cold(&exec_root)?;
    warm(&exec_root, &forest);
    sandbox(&exec_root, &forest)?;
    memory(&exec_root)?;
    usual_way(&exec_root, &forest)
}

fn cold(exec_root: &ExecRoot) -> Outcome {
    let time = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(exec_root.path());
        let started = Instant::now();
        let status = command.status().expect("it starts");
        assert!(status.success(), "{command:?}");
        started.elapsed()
    };
    let mut turns = Turns::default();
    for _ in 0..ROUNDS {
        turns.take(
            || time(program::binary(), &["resolve", "--mtree=spec.mtree", "--out=out.mtree"]),
            || time(floor(), &["cold", TOP, "spec.mtree", "floor.mtree"]),
        );
    }
    turns.print("a cold process", 1.0);
    Ok(())
}

fn warm(exec_root: &ExecRoot, forest: &Forest) {
    let asked = listing(resolve(1, "spec.mtree", "out.mtree"), forest).sent(Protocol::Proto);
    let mut worker = exec_root.worker(&[]);
    let mut floor = floor_worker(exec_root, &["warm", "folders", "spec.mtree", "floor.mtree"]);
    for _ in 0..2 {
        time(&mut worker, &asked);
        time(&mut floor, &asked);
    }
    let mut turns = Turns::default();
    for _ in 0..2 * ROUNDS {
        turns.take(|| time(&mut worker, &asked), || time(&mut floor, &asked));
    }
    turns.print("a warm request, inputs listed", 1.5);
}

fn sandbox(exec_root: &ExecRoot, forest: &Forest) -> Outcome {
    let staged = |number: usize| exec_root.at(format!("staged_{number}"));
    for number in 0..SANDBOXES {
        forest.stage(exec_root.path(), &staged(number))?;
        fs::copy(exec_root.at("spec.mtree"), staged(number).join("spec.mtree"))?;
    }
    let asked = listing(resolve(1, "spec.mtree", "out.mtree"), forest);
    let outside = asked.sent(Protocol::Proto);
    let inside = WorkRequest { sandbox_dir: BOX.to_owned(), ..asked }.sent(Protocol::Proto);
    let mut worker = exec_root.worker(&[]);
    let arguments = ["sandbox", "folders", "rows", BOX, "spec.mtree", "floor.mtree"];
    let mut floor = floor_worker(exec_root, &arguments);
    // The real tree is known; the sandbox is not.
    time(&mut worker, &outside);
    let mut turns = Turns::default();
    for number in 0..SANDBOXES {
        fs::rename(staged(number), exec_root.at(BOX))?;
        turns.take(|| time(&mut worker, &inside), || time(&mut floor, &inside));
        fs::rename(exec_root.at(BOX), staged(number))?;
    }
    turns.print("a request in a fresh sandbox", 1.2);
    Ok(())
}

fn memory(exec_root: &ExecRoot) -> Outcome {
    let spec = exec_root.at("spec.mtree").metadata()?.len();
    let told = Command::new(std::env::current_exe()?)
        .arg("peak")
        .arg(program::binary())
        .args(["resolve", "--mtree=spec.mtree", "--out=out.mtree"])
        .current_dir(exec_root.path())
        .stderr(Stdio::inherit())
        .output()?;
    let peak: u64 = String::from_utf8(told.stdout)?.trim().parse()?;
    println!(
        "{:32} {:.2} × the size of the spec, at most {:.1} ({} kB, the spec {} kB)",
        "memory of a cold process",
        peak as f64 / spec as f64,
        4.0,
        peak >> 10,
        spec >> 10
    );
    Ok(())
}

/// Runs a command, and prints the most memory that was resident at once, in bytes.
fn peak(command: &[OsString]) -> Outcome {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let status = Command::new(program).args(arguments).status()?;
    if !status.success() {
        return Err(format!("{program:?}: {status}").into());
    }
    println!("{}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() * 1024);
    Ok(())
}

/// One forked `readlink` a row, from the shell.
fn usual_way(exec_root: &ExecRoot, forest: &Forest) -> Outcome {
    let every = forest.rows() / SAMPLE;
    let sample: Vec<_> = forest.sources().step_by(every).take(SAMPLE).collect();
    exec_root.write("sample", sample.join("\n") + "\n");
    let script = "while read -r row; do link=$(readlink \"$row\"); done < sample";
    let started = Instant::now();
    let status = Command::new("sh").args(["-c", script]).current_dir(exec_root.path()).status()?;
    let taken = started.elapsed();
    black_box(status);
    println!(
        "{:32} {:.1} s: one forked readlink a row, {SAMPLE} rows in {:.0} ms scaled to {}",
        "the usual way",
        taken.as_secs_f64() * forest.rows() as f64 / sample.len() as f64,
        taken.as_secs_f64() * 1e3,
        forest.rows()
    );
    Ok(())
}

/// The request with every source listed as an input, as Bazel lists them.
fn listing(asked: WorkRequest, forest: &Forest) -> WorkRequest {
    let digest = [b'0'; 64];
    let input = |path| Input { path, digest: digest.to_vec(), ..Input::default() };
    WorkRequest { inputs: forest.sources().map(input).collect(), ..asked }
}

fn time(worker: &mut Worker, asked: &[u8]) -> Duration {
    let started = Instant::now();
    worker.send_bytes(asked);
    let answer = worker.answer();
    let taken = started.elapsed();
    assert_eq!((answer.exit_code, &answer.output[..]), (0, ""));
    taken
}

fn floor() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_floor"))
}

fn floor_worker(exec_root: &ExecRoot, arguments: &[&str]) -> Worker {
    let mut command = Command::new(floor());
    command.args(arguments).current_dir(exec_root.path());
    Worker::start(command, Protocol::Proto)
}

/// Times of the program and of the floor, taken in turn.
#[derive(Default)]
struct Turns {
    program: Vec<Duration>,
    floor: Vec<Duration>,
}

impl Turns {
    /// Takes one time of each. Which goes first changes.
    fn take(&mut self, program: impl FnOnce() -> Duration, floor: impl FnOnce() -> Duration) {
        if self.program.len().is_multiple_of(2) {
            self.program.push(program());
            self.floor.push(floor());
        } else {
            self.floor.push(floor());
            self.program.push(program());
        }
    }

    fn print(mut self, what: &str, at_most: f64) {
        self.program.sort();
        self.floor.sort();
        let ratio =
            |program: Duration, floor: Duration| program.as_secs_f64() / floor.as_secs_f64();
        let middle = self.program.len() / 2;
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{what:32} {:.2} × the floor by minima, {:.2} by medians, at most {at_most:.1} \
             (minima {:.1} ms and {:.1} ms, medians {:.1} ms and {:.1} ms, {} runs each)",
            ratio(self.program[0], self.floor[0]),
            ratio(self.program[middle], self.floor[middle]),
            milliseconds(self.program[0]),
            milliseconds(self.floor[0]),
            milliseconds(self.program[middle]),
            milliseconds(self.floor[middle]),
            self.program.len()
        );
    }
}

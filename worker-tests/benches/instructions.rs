//! The instructions of a cold process and of a warm request, counted by valgrind (Debian's package
//! `valgrind`): unlike times they hardly change from run to run, whatever else the machine does.
//!
//!     cargo bench --bench instructions
//!     cargo bench --bench instructions -- OTHER...   and of other builds of mtree-worker, on the same tree

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use worker_tests::client::{Input, Protocol, WorkRequest, Worker};
use worker_tests::exec_root::{ExecRoot, resolve};
use worker_tests::forest::{self, Forest, LONG_TOP, TOP};
use worker_tests::program;

const DIRECTORIES: usize = 8_000;
const FILES: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let is_flag = |argument: &PathBuf| argument.as_os_str().as_encoded_bytes().starts_with(b"-");
    let others = std::env::args_os().skip(1).map(PathBuf::from).filter(|path| !is_flag(path));
    let others: Vec<PathBuf> = others.collect();
    for (what, top) in [("", TOP), (", paths of 150 bytes", LONG_TOP)] {
        let exec_root = ExecRoot::new("");
        let forest = forest::plant_below(exec_root.path(), top, DIRECTORIES, FILES)?;
        exec_root.write("spec.mtree", forest.spec());
        // Until then nothing is remembered.
        thread::sleep(Duration::from_millis(2_100));

        println!("{} rows in {} directories{what}", forest.rows(), forest.directories());
        for program in [program::binary()].into_iter().chain(others.iter().map(PathBuf::as_path)) {
            print_counts(program, &exec_root, &forest)?;
        }
    }
    Ok(())
}

/// Prints what is counted of one program.
fn print_counts(
    program: &Path,
    exec_root: &ExecRoot,
    forest: &Forest,
) -> Result<(), Box<dyn Error>> {
    let program = program.canonicalize()?;
    println!("{}", program.display());
    let cold = once(&program, exec_root)?;
    let [two, three] = [2, 3].map(|requests| worker(&program, exec_root, forest, requests));
    let warm = three? - two?;
    for (what, counted) in [("a cold process", cold), ("a warm request, inputs listed", warm)] {
        let of_a_row = counted as f64 / forest.rows() as f64;
        println!("{what:32} {:7.1} M instructions, {of_a_row:.0} a row", counted as f64 / 1e6);
    }
    Ok(())
}

/// A program under valgrind, which says in the file `counted` what it counted.
fn counted_program(program: &Path, exec_root: &ExecRoot) -> Command {
    let mut command = Command::new("valgrind");
    command.arg(format!("--log-file={}", exec_root.at("counted").display()));
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    // The settings that a worker starts itself again for (`src/malloc.rs`): valgrind would count the first start alone.
    command.envs([
        ("MALLOC_MMAP_THRESHOLD_", "33554432"),
        ("MALLOC_TRIM_THRESHOLD_", "67108864"),
        ("MALLOC_ARENA_MAX", "1"),
    ]);
    command.current_dir(exec_root.path());
    command
}

/// What was counted.
fn counted(exec_root: &ExecRoot) -> Result<u64, Box<dyn Error>> {
    let log = fs::read_to_string(exec_root.at("counted"))?;
    let line = log.lines().find_map(|line| line.split_once("Collected :"));
    let (_, number) = line.ok_or_else(|| format!("valgrind counted nothing: {log}"))?;
    Ok(number.trim().parse()?)
}

fn once(program: &Path, exec_root: &ExecRoot) -> Result<u64, Box<dyn Error>> {
    let arguments = ["resolve", "--mtree=spec.mtree", "--out=out.mtree"];
    let status = counted_program(program, exec_root).args(arguments).status()?;
    assert!(status.success(), "{status}");
    counted(exec_root)
}

/// A worker that answers so many requests.
fn worker(
    program: &Path,
    exec_root: &ExecRoot,
    forest: &Forest,
    requests: i32,
) -> Result<u64, Box<dyn Error>> {
    let mut command = counted_program(program, exec_root);
    command.arg("--persistent_worker");
    let mut worker = Worker::start(command, Protocol::Proto);
    for id in 1..=requests {
        let input = |path| Input { path, digest: vec![b'0'; 64], ..Input::default() };
        let inputs = forest.sources().map(input).collect();
        let asked = resolve(id, "spec.mtree", "out.mtree");
        let answer = worker.ask(&WorkRequest { inputs, ..asked });
        assert_eq!((answer.exit_code, &answer.output[..]), (0, ""));
    }
    assert_eq!(worker.end().code(), 0);
    counted(exec_root)
}

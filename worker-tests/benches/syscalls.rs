//! The system calls of a worker, counted by strace: of its first request, and of one that finds every
//! folder known.
//!
//!     cargo bench --bench syscalls
//!
//! A warm request makes one `stat` a folder and no call a row (DESIGN, "The cache"): that is asserted.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use worker_tests::client::{Protocol, Worker};
use worker_tests::exec_root::{ExecRoot, resolve};
use worker_tests::forest;
use worker_tests::program;

const FOLDERS: usize = 8_000;
const FILES: usize = 5;

/// What a handful is: calls that neither rows nor folders make more of. Folders on the way to the tree,
/// the spec, the output, the pipes, threads.
const HANDFUL: i64 = 400;

/// How often each system call was made.
type Counts = BTreeMap<String, i64>;

fn main() -> Result<(), Box<dyn Error>> {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), FOLDERS, FILES)?;
    exec_root.write("spec.mtree", forest.spec());
    // Until then nothing is remembered.
    thread::sleep(Duration::from_millis(2_100));

    let [nothing, one, two] = [0, 1, 2].map(|requests| count(&exec_root, requests));
    let (nothing, one, two) = (nothing?, one?, two?);
    let (cold, warm) = (less(&one, &nothing), less(&two, &one));
    let (folders, rows) = (forest.folders() as f64, forest.rows() as f64);
    println!("{rows} rows in {folders} folders");
    println!("{:<16} {:>8} {:>8}", "calls", "cold", "warm");
    let names: std::collections::BTreeSet<_> = cold.keys().chain(warm.keys()).collect();
    for name in names {
        let of = |counts: &Counts| counts.get(name).copied().unwrap_or_default();
        if of(&cold).max(of(&warm)) > 20 {
            println!("{name:<16} {:>8} {:>8}", of(&cold), of(&warm));
        }
    }
    for (what, counts) in [("cold", &cold), ("warm", &warm)] {
        let all: i64 = counts.values().sum();
        println!(
            "{what}: {all} calls, {:.3} a folder, {:.3} a row",
            all as f64 / folders,
            all as f64 / rows
        );
    }
    let stats = warm.get("newfstatat").or(warm.get("statx")).copied().unwrap_or_default();
    let others = warm.values().sum::<i64>() - stats;
    assert!(stats <= forest.folders() as i64 + HANDFUL, "{stats} stats are more than one a folder");
    assert!(others <= HANDFUL, "{others} other calls are more than a handful");
    Ok(())
}

/// The calls of a worker that answers so many requests.
fn count(exec_root: &ExecRoot, requests: i32) -> Result<Counts, Box<dyn Error>> {
    let summary = exec_root.at("strace");
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-U", "name,calls", "-o"]).arg(&summary);
    command.arg(program::binary()).arg("--persistent_worker").current_dir(exec_root.path());
    let mut worker = Worker::start(command, Protocol::Proto);
    for id in 1..=requests {
        let answer = worker.ask(&resolve(id, "spec.mtree", "out.mtree"));
        assert_eq!((answer.exit_code, &answer.output[..]), (0, ""));
    }
    assert_eq!(worker.end().code(), 0);
    let summary = fs::read_to_string(summary)?;
    let counts = summary.lines().filter_map(|line| {
        let (name, calls) = line.trim().split_once(char::is_whitespace)?;
        Some((name.to_owned(), calls.trim().parse().ok()?))
    });
    Ok(counts.filter(|(name, _)| name != "total").collect())
}

fn less(more: &Counts, counts: &Counts) -> Counts {
    let less = |name: &String| counts.get(name).copied().unwrap_or_default();
    more.iter().map(|(name, calls)| (name.clone(), calls - less(name))).collect()
}

//! The system calls of a worker, counted by strace: of its first request, of one that finds every
//! directory known, and of one that finds them behind the links of a new sandbox.
//!
//!     cargo bench --bench syscalls
//!
//! Calls by which threads wait for each other are left out: the machine's load makes them.
//!
//! A warm request makes one `stat` a directory and no call a row (docs/design.md, "The cache"): that is asserted.
//! A sandbox adds a `stat` a directory and a `readlink` a row.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use worker_tests::client::{Protocol, WorkRequest, Worker};
use worker_tests::exec_root::{ExecRoot, resolve};
use worker_tests::forest;
use worker_tests::program;

const DIRECTORIES: usize = 8_000;
const FILES: usize = 5;

/// What a handful is: calls that neither rows nor directories make more of. Directories on the way to the tree,
/// the spec, the output, the pipes, threads.
const HANDFUL: i64 = 200;

/// The names of `stat` and of `readlink`.
const STATS: [&str; 2] = ["newfstatat", "statx"];
const READ_LINKS: [&str; 2] = ["readlink", "readlinkat"];

/// Where the sandbox stands.
const BOX: &str = "box";

/// Calls by which threads wait for each other: as many as the machine's load makes.
const WAITING: [&str; 4] = ["futex", "sched_yield", "epoll_wait", "restart_syscall"];

/// Calls that get memory: as many as the allocator makes of what the threads want at once.
const MEMORY: [&str; 5] = ["brk", "madvise", "mmap", "mprotect", "munmap"];

/// How often each system call was made.
type Counts = BTreeMap<String, i64>;

fn main() -> Result<(), Box<dyn Error>> {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), DIRECTORIES, FILES)?;
    exec_root.write("spec.mtree", forest.spec());
    // Until then nothing is remembered.
    thread::sleep(Duration::from_millis(2_100));

    forest.stage(exec_root.path(), &exec_root.at(BOX))?;
    fs::copy(exec_root.at("spec.mtree"), exec_root.at(BOX).join("spec.mtree"))?;

    let plain = |id| resolve(id, "spec.mtree", "out.mtree");
    let boxed = WorkRequest { sandbox_dir: BOX.to_owned(), ..plain(3) };
    let requests = [plain(1), plain(2), boxed];
    let counted: Vec<_> =
        (0..=3).map(|first| count(&exec_root, &requests[..first])).collect::<Result<_, _>>()?;
    let [cold, warm, sandboxed] =
        [0, 1, 2].map(|before| less(&counted[before + 1], &counted[before]));
    let (directories, rows) = (forest.directories() as f64, forest.rows() as f64);
    println!("{rows} rows in {directories} directories");
    println!("{:<16} {:>8} {:>8} {:>9}", "calls", "cold", "warm", "sandboxed");
    let names: BTreeSet<_> =
        [&cold, &warm, &sandboxed].into_iter().flat_map(Counts::keys).collect();
    for name in names {
        let of = |counts: &Counts| counts.get(name).copied().unwrap_or_default();
        let [cold, warm, sandboxed] = [&cold, &warm, &sandboxed].map(of);
        if cold.max(warm).max(sandboxed) > 20 {
            println!("{name:<16} {cold:>8} {warm:>8} {sandboxed:>9}");
        }
    }
    for (what, counts) in [("cold", &cold), ("warm", &warm), ("sandboxed", &sandboxed)] {
        let all: i64 = counts.values().sum();
        println!(
            "{what}: {all} calls, {:.3} a directory, {:.3} a row",
            all as f64 / directories,
            all as f64 / rows
        );
    }
    assert_needed("warm", &warm, &[(&STATS, forest.directories())]);
    let needed = [(&STATS[..], 2 * forest.directories()), (&READ_LINKS, forest.rows())];
    assert_needed("sandboxed", &sandboxed, &needed);
    Ok(())
}

/// Asserts that no more calls were made than are needed of each kind, and a handful of others, but
/// for those that get memory.
fn assert_needed(what: &str, counts: &Counts, needed: &[(&[&str], usize)]) {
    let others = counts.iter().filter(|(name, _)| !MEMORY.contains(&&name[..]));
    let mut others: i64 = others.map(|(_, calls)| calls).sum();
    for (kind, needed) in needed {
        let calls: i64 = kind.iter().filter_map(|name| counts.get(*name)).sum();
        assert!(calls <= *needed as i64 + HANDFUL, "{what}: {calls} of {kind:?}, not {needed}");
        others -= calls;
    }
    assert!(others <= HANDFUL, "{what}: {others} other calls are more than a handful");
}

/// The calls of a worker that answers `requests`.
fn count(exec_root: &ExecRoot, requests: &[WorkRequest]) -> Result<Counts, Box<dyn Error>> {
    let summary = exec_root.at("strace");
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-U", "name,calls", "-o"]).arg(&summary);
    command.arg(program::binary()).arg("--persistent_worker").current_dir(exec_root.path());
    let mut worker = Worker::start(command, Protocol::Proto);
    for request in requests {
        let answer = worker.ask(request);
        assert_eq!((answer.exit_code, &answer.output[..]), (0, ""));
    }
    assert_eq!(worker.end().code(), 0);
    let summary = fs::read_to_string(summary)?;
    let counts = summary.lines().filter_map(|line| {
        let (name, calls) = line.trim().split_once(char::is_whitespace)?;
        Some((name.to_owned(), calls.trim().parse().ok()?))
    });
    Ok(counts.filter(|(name, _)| name != "total" && !WAITING.contains(&&name[..])).collect())
}

fn less(more: &Counts, counts: &Counts) -> Counts {
    let less = |name: &String| counts.get(name).copied().unwrap_or_default();
    more.iter().map(|(name, calls)| (name.clone(), calls - less(name))).collect()
}

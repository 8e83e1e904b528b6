//! Freshness: whatever changes between two requests, and however, the output of the second is that of
//! a process that did not run the first (docs/design.md, "The cache").

mod changes;
mod packages;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Duration;

use worker_tests::chance::Chance;
use worker_tests::client::{WorkRequest, Worker};
use worker_tests::exec_root::{ExecRoot, file_row, link_row, resolve};

use packages::Packages;

/// A little longer than a directory must be unchanged to be cached.
const SETTLED: Duration = Duration::from_millis(2_100);

/// How many directories requests have read, and how many they took from the cache.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    listed: u64,
    reused: u64,
}

/// The numbers of directories in the log line of a request.
fn used(line: &str) -> Option<Used> {
    let number = |name: &str| -> Option<u64> {
        let at = line.find(name)? + name.len();
        line[at..].split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
    };
    Some(Used { listed: number(" directories_listed=")?, reused: number(" directories_reused=")? })
}

/// Runs a request on a worker and in a cold process, and compares messages and outputs. If both report a symlink
/// loop, the loop is removed: with it, later rounds would test nothing.
fn assert_as_cold(packages: &Packages, worker: &mut Worker, id: i32, done: &str) {
    let exec_root = packages.exec_root();
    for name in ["out.mtree", "cold.mtree"] {
        // The output of the last round, which may have failed.
        let _ = fs::remove_file(exec_root.at(name));
    }
    let answer = worker.ask(&resolve(id, "spec.mtree", "out.mtree"));
    let cold = exec_root.once(&["resolve", "--mtree", "spec.mtree", "--out", "cold.mtree"]);
    assert_eq!(Some(answer.exit_code), cold.status.code(), "{done}: {answer}");
    assert_eq!(answer.output, String::from_utf8_lossy(&cold.stderr), "{done}");
    let read = |name: &str| exec_root.has(name).then(|| exec_root.read(name));
    if read("out.mtree") != read("cold.mtree") {
        let lines = |name| read(name).unwrap_or_default().lines().map(str::to_owned).collect();
        let (out, cold): (Vec<_>, Vec<_>) = (lines("out.mtree"), lines("cold.mtree"));
        let wrong: Vec<_> = out.iter().zip(&cold).filter(|(out, cold)| out != cold).collect();
        panic!("{done}: (the worker's, the cold process's) {wrong:#?}");
    }
    if let Some((_, named)) = answer.output.split_once("/package_").filter(|_| answer.exit_code > 0)
    {
        let number = named.split('/').next().and_then(|number| number.parse().ok());
        packages.replant(number.unwrap_or_else(|| panic!("no package's number in {answer}")));
    }
}

#[test]
fn after_any_change_the_response_is_that_of_a_cold_process() {
    // 2,520 rounds. At the beginning of each turn everything is settled, and at its end, when every
    // package has been changed, hardly anything; in between a request finds some of both.
    let mut packages = Packages::plant(60);
    let mut chance = Chance::new(1);
    let mut worker = packages.exec_root().worker(&[]);
    let mut id = 0;
    for _turn in 0..6 {
        thread::sleep(SETTLED);
        assert_as_cold(&packages, &mut worker, id, "nothing");
        for number in 0..packages.count() {
            for _round in 0..7 {
                id += 1;
                let mut done = packages.change(number, &mut chance);
                if chance.below(3) == 0 {
                    done = format!("{done}, {}", packages.change(number, &mut chance));
                }
                let done = format!("round {id}: package {number}: {done}");
                assert_as_cold(&packages, &mut worker, id, &done);
            }
        }
    }
    let end = worker.end();
    let rounds: Vec<_> = end.log.lines().filter_map(used).collect();
    let both = rounds.iter().filter(|used| used.listed > 0 && used.reused > 0).count();
    let all = rounds.iter().fold(Used::default(), |sum, used| Used {
        listed: sum.listed + used.listed,
        reused: sum.reused + used.reused,
    });
    println!("{} rounds resolved, {both} with old and new directories; {all:?}", rounds.len());
    assert!(rounds.len() >= 2_000, "too many rounds fail to tell anything: {}", rounds.len());
    assert!(both * 10 >= rounds.len() * 9, "{both} of {} rounds used the cache", rounds.len());
    assert!(all.reused * 10 >= all.listed * 3, "the cache is hardly used: {all:?}");
}

#[test]
fn after_changes_while_requests_run_the_response_is_that_of_a_cold_process() {
    let mut packages = Packages::plant(12);
    let mut chance = Chance::new(2);
    let mut worker = packages.exec_root().worker(&["--jobs=4"]);
    for round in 0..600 {
        if round % 100 == 0 {
            thread::sleep(SETTLED);
        }
        let ids = round * 10 + 1..round * 10 + 5;
        for id in ids.clone() {
            let out = format!("meanwhile-{}.mtree", id % 10);
            worker.send(&resolve(id, "spec.mtree", &out));
        }
        let mut done = format!("round {round}");
        for _ in 0..4 {
            let number = chance.below(packages.count());
            done = format!("{done}; package {number}: {}", packages.change(number, &mut chance));
        }
        // Their responses depend on what they read.
        worker.answers(ids.len());
        assert_as_cold(&packages, &mut worker, round * 10 + 5, &done);
    }
}

/// A directory on a disk, where the number of a removed file is used again. Other tests run in memory, if there is room.
fn on_disk() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

#[test]
fn many_changes_in_one_tick_of_the_clock_are_seen_each() {
    let tree = "file bin/real\nfile bin/other\nfile bin/name\n";
    let exec_root = ExecRoot::below(on_disk(), tree);
    let rows = |name: String| {
        name + &file_row("bin/real", "bin/real") + &file_row("bin/other", "bin/other")
    };
    let spec = rows(file_row("bin/name", "bin/name"));
    exec_root.write("spec.mtree", &spec);
    let name = exec_root.at("bin/name");
    let mut worker = exec_root.worker(&[]);
    let mut chance = Chance::new(3);
    for round in 0..3_000 {
        let aside = exec_root.at("aside");
        let target = *chance.pick(&["real", "other", ""]);
        let want = match target {
            "" => {
                fs::write(&aside, "").unwrap();
                spec.clone()
            }
            target => {
                symlink(target, &aside).unwrap();
                rows(link_row("bin/name", target))
            }
        };
        fs::rename(&aside, &name).unwrap();
        let asked = resolve(round, "spec.mtree", "out.mtree");
        let answer = worker.ask(&WorkRequest { request_id: round % 2 * 7, ..asked });
        assert_eq!((answer.exit_code, &answer.output[..]), (0, ""), "round {round}");
        assert_eq!(exec_root.read("out.mtree"), want, "round {round}: {target:?}");
    }
}

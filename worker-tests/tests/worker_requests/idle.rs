//! A worker that is idle for long.

use std::time::{Duration, Instant};

use worker_tests::exec_root::{ExecRoot, resolve};
use worker_tests::forest;

use crate::assert_done;

/// How many directories the last request listed.
fn listed(exec_root: &ExecRoot) -> u64 {
    let report = exec_root.read("report.json");
    let value = report.split("\"folders_listed\": ").nth(1).unwrap();
    value.split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn an_idle_worker_frees_its_cache_once_and_writes_the_same_output_before_and_after() {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), 400, 5).unwrap();
    exec_root.write("spec.mtree", forest.spec());
    exec_root.write("args", "--report=report.json\n");
    // The cache takes no directory that has just changed.
    std::thread::sleep(Duration::from_millis(2_100));
    for (flags, frees) in [(&["--idle-release=1"][..], true), (&["--idle-release=3600"], false)] {
        let mut worker = exec_root.worker(flags);
        let mut ask = |id| {
            let mut asked = resolve(id, "spec.mtree", "out.mtree");
            asked.arguments.push("--report=report.json".to_owned());
            assert_done(&worker.ask(&asked), id);
            (exec_root.read("out.mtree"), listed(&exec_root))
        };
        let (first, all) = ask(1);
        assert!(all > 400, "{all} directories listed");
        let (second, few) = ask(2);
        assert!(few < 10, "{few} directories listed");
        let idle = Instant::now();
        std::thread::sleep(Duration::from_millis(2_500));
        let (third, again) = ask(3);
        assert_eq!(again > 400, frees, "{again} directories listed after {:?}", idle.elapsed());
        assert!(first == second && second == third, "the outputs differ");
    }
}

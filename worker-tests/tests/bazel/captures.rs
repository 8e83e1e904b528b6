//! Actions that are recorded by a flag of Bazel's, and replayed when nothing of the build is left.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use worker_tests::program;

use crate::workspace::{Workspace, read};

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn actions_of_the_example_are_recorded_by_a_flag_and_replay_when_their_tree_is_gone() {
    let elsewhere = TempDir::new().expect("a folder can be made");
    let mut recorded = Vec::new();
    {
        let workspace = Workspace::example();
        let bazel = workspace.bazel("root");
        for strategy in ["local", "worker"] {
            let captures = elsewhere.path().join(strategy);
            let record = format!("--action_env=MTREE_WORKER_RECORD={}", captures.display());
            let strategy = format!("--strategy=MtreeMutate={strategy}");
            bazel.build(&["//app:links", &strategy, &record]).succeeded();
            let output = bazel.output("app/links.mtree");
            recorded.push((read(&output), capture_in(captures)));
            fs::remove_file(&output).expect("an output can be removed");
        }
    }
    for (output, capture) in recorded {
        let kept = elsewhere.path().join("again.mtree");
        let done = Command::new(program::binary())
            .args(["replay".as_ref(), capture.as_os_str(), "--out".as_ref(), kept.as_os_str()])
            .current_dir("/")
            .output()
            .expect("the program starts");
        let printed = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{printed}{}", program::said(&done));
        assert_eq!(read(&kept), output, "{}", capture.display());
        print!("{printed}");
    }
}

/// The one capture of a folder. A worker writes it when it has answered, and Bazel goes on meanwhile.
fn capture_in(folder: PathBuf) -> PathBuf {
    // Far longer than it takes, and not for ever.
    for _ in 0..2400 {
        let entries = fs::read_dir(&folder).into_iter().flatten();
        let found = entries.map(|entry| entry.expect("it can be listed").path());
        let mut found: Vec<_> =
            found.filter(|path| path.extension().is_some_and(|end| end == "capture")).collect();
        if let Some(capture) = found.pop() {
            assert!(found.is_empty(), "one action makes one capture: {found:?}");
            return capture;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{}: nothing was recorded", folder.display());
}

//! Captures of a build, replayed as on another machine.

use std::fs::{self, Permissions};
use std::os::unix::{fs::PermissionsExt, process::CommandExt};
use std::path::PathBuf;
use std::process::Command;

use worker_tests::program;

use crate::workspace::{Workspace, must};

/// A user that owns no file.
const NOBODY: u32 = 65534;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn what_a_build_records_replays_without_the_tree_as_another_user() {
    let workspace = Workspace::example();
    let captures = workspace.beside("captures");
    let bazel = workspace.bazel("root");
    let record = format!("--action_env=MTREE_WORKER_RECORD={}", captures.display());
    let writable = format!("--sandbox_writable_path={}", captures.display());
    fs::create_dir(&captures).expect("a directory can be made");
    // This build records nothing. The variable is part of the action key, so the next build runs the action again.
    bazel.build(&["//app:links"]).succeeded();
    let mut recorded: Vec<(&str, PathBuf)> = Vec::new();
    let mut spec = None;
    for (strategy, sign) in [("worker", "1 worker"), ("sandboxed", "1 linux-sandbox")] {
        let flag = format!("--strategy=MtreeMutate={strategy}");
        bazel.build(&["//app:links", &flag, &record, &writable]).succeeded().saying(sign);
        let output = bazel.output("app/links.mtree");
        let written = fs::read(&output).expect("there is an output");
        fs::remove_file(&output).expect("an output can be removed");
        assert!(*spec.get_or_insert_with(|| written.clone()) == written, "{strategy}");
        let new = fs::read_dir(&captures).expect("the directory is there");
        let new = new.map(|entry| entry.expect("a directory can be read").path());
        let new: Vec<_> = new.filter(|path| recorded.iter().all(|(_, old)| old != path)).collect();
        assert_eq!(new.len(), 1, "{strategy}: {new:?}");
        recorded.push((strategy, new[0].clone()));
    }
    // MTREE_WORKER_LOG reaches the worker too.
    let flags = ["//app:links", "--strategy=MtreeMutate=worker"];
    bazel.build(&[&flags[..], &["--action_env=MTREE_WORKER_LOG=debug"]].concat()).succeeded();
    assert!(bazel.worker_logs().iter().any(|log| log.contains("DEBUG")), "no log has debug lines");
    drop(bazel);
    must(Command::new("chmod").args(["-R", "u+w"]).arg(workspace.beside("root")));
    fs::remove_dir_all(workspace.beside("root")).expect("the output root can be deleted");
    fs::remove_dir_all(workspace.path("")).expect("the workspace can be deleted");

    // The program and an empty directory, which every user may use.
    let binary = workspace.beside("mtree-worker");
    program::copy(&binary);
    let empty = workspace.beside("empty");
    fs::create_dir(&empty).expect("a directory can be made");
    for (directory, mode) in [(&workspace.beside(""), 0o755), (&captures, 0o755), (&empty, 0o777)] {
        fs::set_permissions(directory, Permissions::from_mode(mode)).expect("it is ours");
    }
    for (strategy, capture) in recorded {
        let again = empty.join(strategy);
        let replayed = must(
            Command::new(&binary)
                .arg("replay")
                .arg(capture)
                .arg("--out")
                .arg(&again)
                .current_dir(&empty)
                .env_clear()
                .uid(NOBODY)
                .gid(NOBODY),
        );
        println!("{strategy}: {}", String::from_utf8_lossy(&replayed.stdout).trim());
        assert!(fs::read(&again).ok() == spec, "{strategy}: another spec");
    }
}

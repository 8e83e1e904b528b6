//! Workers that live long, while the directories and the program below them change.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use worker_tests::program;

use crate::server::Bazel;
use crate::strategies::directories;
use crate::workspace::{Workspace, quoted, read};

/// Builds with a worker.
const WORKER: &str = "--strategy=MtreeMutate=worker";

/// A tree of sources in which `b` is a symlink.
const BUILD: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "mtree_spec", "resolve_symlinks")

mtree_spec(name = "spec", srcs = glob(["tree/**"]))
resolve_symlinks(name = "links", srcs = glob(["tree/**"]), mtree = ":spec")
"#;

fn workspace() -> Workspace {
    fill(Workspace::with_worker(""))
}

fn fill(workspace: Workspace) -> Workspace {
    workspace.write("BUILD.bazel", BUILD);
    for file in ["tree/a1", "tree/a2", "tree/a3"] {
        workspace.write(file, file);
    }
    point(&workspace, "a1");
    workspace
}

/// Makes `tree/b` a link to `target`.
fn point(workspace: &Workspace, target: &str) {
    let link = workspace.path("tree/b");
    let _ = fs::remove_file(&link);
    symlink(target, link).expect("a link can be made");
}

/// The target of `tree/b` in the spec.
fn target(bazel: &Bazel) -> String {
    let spec = read(&bazel.output("links.mtree"));
    let row = spec.lines().find(|row| row.starts_with("tree/b "));
    let row = row.unwrap_or_else(|| panic!("no row tree/b in:\n{spec}"));
    row.rsplit_once("link=").unwrap_or_else(|| panic!("not a link: {row}")).1.to_owned()
}

/// The only worker of the server.
#[track_caller]
fn worker(bazel: &Bazel) -> u32 {
    match bazel.workers()[..] {
        [id] => id,
        ref ids => panic!("one worker, not {ids:?}"),
    }
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn clean_under_a_live_worker_leaves_nothing_stale() {
    let workspace = workspace();
    let bazel = workspace.bazel("root");
    bazel.build(&["//:links", WORKER]).succeeded();
    assert_eq!(target(&bazel), "a1");
    for (command, next) in [(&["clean"][..], "a2"), (&["clean", "--expunge"], "a3")] {
        let before = worker(&bazel);
        bazel.command_line(command).succeeded();
        point(&workspace, next);
        bazel.build(&["//:links", WORKER]).succeeded();
        assert_eq!(target(&bazel), next, "after {command:?}");
        bazel.wait_until("the worker before has ended", || !bazel.is_worker(before));
        println!("{command:?}: worker {before}, then {}", worker(&bazel));
    }
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_program_that_is_replaced_under_a_multiplex_worker_runs_from_the_next_build_on() {
    let workspace = Workspace::small("");
    let tool = workspace.path("tools/mtree-worker");
    let text = workspace.read("WORKSPACE");
    workspace.write(
        "WORKSPACE",
        &format!(
            "{text}load(\"@mtree_worker//bazel:repositories.bzl\", \"mtree_worker_local\")\n\
             mtree_worker_local(name = \"bin\", path = {})\n\
             register_toolchains(\"@bin//:toolchain\")\n",
            quoted(&tool)
        ),
    );
    let workspace = fill(workspace);
    fs::create_dir(workspace.path("tools")).expect("a directory can be made");
    install(&tool, b"");
    let bazel = workspace.bazel("root");
    bazel.build(&["//:links", WORKER]).succeeded().saying("MtreeMutate multiplex-worker");
    let old = worker(&bazel);

    // Another program: the same one, with bytes behind its end that the loader ignores.
    install(&tool, b"another version");
    point(&workspace, "a2");
    bazel.build(&["//:links", WORKER]).succeeded();
    assert_eq!(target(&bazel), "a2");
    let program = |id: u32| fs::read(format!("/proc/{id}/exe")).expect("a process has a program");
    bazel.wait_until("the worker of the old program has ended", || !bazel.is_worker(old));
    let new = worker(&bazel);
    assert!(program(new).ends_with(b"another version"), "the old program has answered");
}

/// Puts the program under test at `path`, with `more` behind its end, as a package manager does: by rename.
fn install(path: &Path, more: &[u8]) {
    let new = path.with_extension("new");
    program::copy(&new);
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("a mode can be set");
    fs::OpenOptions::new()
        .append(true)
        .open(&new)
        .and_then(|mut file| file.write_all(more))
        .and_then(|()| fs::rename(&new, path))
        .expect("a program can be replaced");
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn an_exec_root_that_is_moved_under_a_live_worker_leaves_nothing_stale() {
    let workspace = workspace();
    let bazel = workspace.bazel("root");
    bazel.build(&["//:links", WORKER]).succeeded();
    let old = worker(&bazel);

    // Server and worker live on in a directory of another name, and Bazel makes a new exec root at the old path.
    let base = bazel.output_base();
    let moved = workspace.beside("moved");
    fs::rename(&base, &moved).expect("the output base can be renamed");
    point(&workspace, "a2");
    bazel.build(&["//:links", WORKER]).succeeded();
    assert_eq!(target(&bazel), "a2");

    // The moved output base, under a name of its own.
    point(&workspace, "a3");
    let elsewhere = workspace.bazel_in(&moved);
    elsewhere.build(&["//:links", WORKER]).succeeded();
    assert_eq!(target(&elsewhere), "a3");
    assert_eq!(target(&bazel), "a2", "the other output base is as it was");
    bazel.wait_until("the worker of the moved exec root has ended", || !is_alive(old));
}

/// Whether a process exists.
fn is_alive(id: u32) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn an_interrupted_build_leaves_nothing_half_written_and_the_next_one_is_right() {
    const ACTIONS: usize = 100;
    const ROWS: usize = 40_000;
    let workspace = workspace();
    let mut spec = String::new();
    for i in 0..ROWS {
        spec += &format!("./x{i}/b uid=0 gid=0 time=1 mode=0755 type=file content=tree/b\n");
    }
    workspace.write("large.spec", &(spec + "./a1 type=file content=tree/a1\n"));
    workspace.write(
        "BUILD.bazel",
        &format!(
            "{BUILD}[resolve_symlinks(\n\
             \x20   name = \"large%d\" % i,\n\
             \x20   srcs = glob([\"tree/**\"]),\n\
             \x20   mtree = \"large.spec\",\n\
             ) for i in range({ACTIONS})]\n"
        ),
    );
    let bazel = workspace.bazel("root");
    bazel.build(&["//:links", WORKER]).succeeded();
    let answered = || -> usize {
        let logs = bazel.worker_logs();
        logs.iter().map(|log| log.lines().filter_map(directories).count()).sum()
    };
    let before = answered();

    let build = bazel.start_build(&["//:all", WORKER]);
    bazel.wait_until("the first of many actions has ended", || answered() > before);
    let said = build.interrupt().failed();
    let ended = answered() - before;
    println!("interrupted after {ended} of {ACTIONS} actions");
    assert!(ended < ACTIONS, "the build ended before the signal:\n{}", said.text);
    // Bazel does not wait for the worker that it ends.
    bazel.wait_until("no temporary file is left", || {
        let mut find = Command::new("find");
        let found = find.arg(bazel.output("")).args(["-name", "*.tmp"]).output();
        let found = found.expect("find starts");
        // It fails if a file vanishes meanwhile.
        found.status.success() && found.stdout.is_empty()
    });

    point(&workspace, "a1");
    bazel.build(&["//:all", WORKER]).succeeded();
    for i in 0..ACTIONS {
        let spec = read(&bazel.output(&format!("large{i}.mtree")));
        assert_eq!(spec.lines().count(), ROWS + 1, "large{i}");
        assert_eq!(spec.matches(" link=../a1\n").count(), ROWS, "large{i}");
    }
    assert_eq!(target(&bazel), "a1");
}

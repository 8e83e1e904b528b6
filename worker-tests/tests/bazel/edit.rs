//! The time that the action takes after an edit of one source file, with a large toolchain in the same spec.

use std::process::Command;

use crate::server::Bazel;
use crate::workspace::{Workspace, must, read};

/// The number of edits for each strategy. The fastest counts: the others include delays of a busy machine.
const EDITS: usize = 3;

/// The number of packages, of five files each, that are added to the toolchain.
const PADDING: usize = 8000;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn an_edit_beside_a_toolchain_of_40_000_rows() {
    let workspace = Workspace::example();
    let text = workspace.read("WORKSPACE");
    let padded = text
        .replace("name = \"python\",", &format!("name = \"python\",\n    padding = {PADDING},"));
    assert_ne!(text, padded);
    workspace.write("WORKSPACE", &padded);
    let bazel = workspace.bazel("root");
    bazel.build(&["//app:links", "--strategy=MtreeMutate=worker"]).succeeded();
    let rows = read(&bazel.output("app/spec.spec")).lines().count();
    let links = read(&bazel.output("app/links.mtree")).matches(" link=").count();
    println!("{rows} rows, {links} links");
    assert!(rows > 40_000 && links >= PADDING);

    let mut best = Vec::new();
    for (strategy, flags) in [
        ("worker", &["--strategy=MtreeMutate=worker"][..]),
        ("one-shot in the sandbox", &["--strategy=MtreeMutate=sandboxed"]),
    ] {
        // Not measured: what a change of the strategy costs, such as the start of a worker.
        edit(&workspace, &bazel, strategy, 0, flags);
        let times: Vec<f64> =
            (1..=EDITS).map(|i| edit(&workspace, &bazel, strategy, i, flags)).collect();
        println!("{strategy}: {times:.3?} s");
        best.push(times.into_iter().fold(f64::INFINITY, f64::min));
    }
    for log in bazel.worker_logs() {
        println!("the worker's log:\n{log}");
    }
    println!("one-shot in the sandbox / worker = {:.1}", best[1] / best[0]);
    assert!(best[0] < best[1], "{best:?}");
}

/// Edits the program, builds, and returns the seconds that Bazel's profile gives the action.
fn edit(workspace: &Workspace, bazel: &Bazel, strategy: &str, i: usize, flags: &[&str]) -> f64 {
    // The edit changes an input of the action, but not the spec, which does not contain the bytes of files.
    let main = workspace.read("app/main.py");
    workspace.write("app/main.py", &format!("{main}\n# {strategy} {i}\n"));
    let profile = workspace.beside("profile.json");
    let flag = format!("--profile={}", profile.display());
    bazel.build(&[&["//app:links", &flag], flags].concat()).succeeded();
    let profile = must(Command::new("gzip").arg("-dcf").arg(&profile));
    let profile: serde_json::Value =
        serde_json::from_slice(&profile.stdout).expect("a profile is JSON");
    let events = profile["traceEvents"].as_array().expect("a profile has events");
    let action = events.iter().find(|event| {
        event["cat"] == "action processing"
            && event["name"].as_str().is_some_and(|name| name.starts_with("Looking for symlinks"))
    });
    let action = action.expect("the action ran");
    action["dur"].as_f64().expect("an action has a duration") / 1e6
}

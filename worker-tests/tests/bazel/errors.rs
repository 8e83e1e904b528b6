//! Errors and warnings appear in the output of Bazel, and the next build works.

use std::fs;

use crate::workspace::Workspace;

const BUILD: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "resolve_symlinks")

resolve_symlinks(name = "links", mtree = "layer.spec", srcs = ["a.txt"])
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_spec_that_cannot_be_read_fails_the_action_and_not_the_worker() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", BUILD);
    workspace.write("a.txt", "a");
    let bazel = workspace.bazel("root");
    let good = "a.txt type=file content=a.txt\n";
    workspace.write("layer.spec", good);
    bazel.build(&["//:links"]).succeeded();
    for strategy in ["worker", "sandboxed"] {
        workspace.write("layer.spec", &format!("{good}b.txt type=fil\\9e\n"));
        let said = bazel
            .build(&["//:links", &format!("--strategy=MtreeMutate={strategy}")])
            .failed()
            .saying("layer.spec:2:");
        let sentence = said.text.lines().find(|line| line.contains("layer.spec:2:"));
        println!("{strategy}: {}", sentence.unwrap_or_default());
        workspace.write("layer.spec", &format!("# {strategy}\n{good}"));
        bazel.build(&["//:links", &format!("--strategy=MtreeMutate={strategy}")]).succeeded();
    }
    assert_eq!(bazel.worker_logs().len(), 1, "the worker did not survive the errors");
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn rows_whose_files_are_not_in_srcs_are_a_warning() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", BUILD);
    workspace.write("a.txt", "a");
    workspace.write("b.txt", "b");
    workspace.write(
        "layer.spec",
        "a.txt type=file content=a.txt\nb.txt type=file content=b.txt\nc.txt type=file content=c.txt\n",
    );
    let bazel = workspace.bazel("root");
    for strategy in ["worker", "sandboxed"] {
        let said = bazel
            .build(&["//:links", &format!("--strategy=MtreeMutate={strategy}")])
            .succeeded()
            .saying("2 rows were left alone, since their sources do not exist, the first: b.txt (b.txt); add them to srcs");
        println!("{strategy}: {}", said.processes());
        fs::remove_file(bazel.output("links.mtree")).expect("there is an output");
    }
}

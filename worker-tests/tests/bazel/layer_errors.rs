//! Errors and warnings of layers and images in the output of Bazel, and a build that fails while a layer is written.

use std::fs;
use std::process::Command;

use crate::layers::rows;
use crate::workspace::{Workspace, must};

const FAULTY: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "layers", "oci_layout", "tar")

SRCS = ["a.txt"]

layers(name = "nothing", srcs = SRCS, groups = {"none": ["no/such/**"]})
layers(name = "unreadable", srcs = SRCS, groups = {"bad": ["[z"]})
oci_layout(name = "based", base = "nobase", layers = [":nothing"])
tar(name = "missing", srcs = SRCS, mtree = ["./b uid=0 gid=0 mode=0644 type=file content=no/file"])
tar(name = "slow", srcs = ["big"], compress = "zstd", level = 19)
genrule(name = "failing", srcs = ["failing.sh"], outs = ["x"], cmd = "sh $(location failing.sh)", local = True)
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn errors_and_warnings_of_layers_are_sentences_and_the_worker_goes_on() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", FAULTY);
    workspace.write("a.txt", "a");
    workspace.write("nobase", "not a layout");
    let bazel = workspace.bazel("root");
    bazel.build(&["//:nothing"]).succeeded().saying(
        "nothing.groups.json: no row is in the group \"none\", whose layer is empty; change its patterns, or remove it",
    );
    assert_eq!(rows(&bazel.output("nothing_none.tar.gz")), []);
    for strategy in ["worker", "sandboxed"] {
        let strategy = format!("--strategy=MtreeLayer={strategy}");
        bazel.build(&["//:unreadable", &strategy]).failed().saying(
            "unreadable.groups.json: the pattern \"[z\" of the group \"bad\" cannot be read",
        );
        bazel.build(&["//:missing", &strategy]).failed().saying("missing_mtree.txt:3: b: ");
    }
    bazel.build(&["//:based"]).failed().saying(
        "nobase: not an OCI image layout, since it has no file oci-layout; make one with skopeo copy",
    );
    assert_eq!(
        bazel.worker_logs_of("MtreeLayer").len(),
        1,
        "the worker did not survive the errors"
    );
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_layer_that_a_failing_build_cancels_leaves_nothing_and_the_next_build_is_right() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", FAULTY);
    workspace.write("a.txt", "a");
    workspace.write("nobase", "");
    let bazel = workspace.bazel("root");
    workspace.write("big", "small");
    bazel.build(&["//:slow"]).succeeded();
    let before = fs::read(bazel.output("slow.tar.zst")).expect("a layer");
    let base = bazel.output_base();
    let unfinished = || {
        let mut find = Command::new("find");
        let found =
            find.arg(&base).args(["-name", ".mtree-worker-*.tmp"]).output().expect("find starts");
        String::from_utf8_lossy(&found.stdout).into_owned()
    };
    // Fails when the layer is being written.
    workspace.write(
        "failing.sh",
        &format!(
            "until find {} -name '.mtree-worker-*.tmp' | grep -q .; do sleep 0.1; done; exit 1\n",
            base.display()
        ),
    );
    must(
        Command::new("sh")
            .args(["-c", "head -c 200000000 /dev/urandom > big"])
            .current_dir(workspace.path("")),
    );
    let said = bazel
        .build(&[
            "//:slow",
            "//:failing",
            "--strategy=MtreeLayer=worker",
            "--worker_sandboxing",
            "--experimental_worker_cancellation",
        ])
        .failed()
        .saying("//:failing");
    println!("{}", said.processes());
    bazel.wait_until("no file is left unfinished", || unfinished().is_empty());
    let after = fs::read(bazel.output("slow.tar.zst")).unwrap_or_default();
    assert!(after.is_empty() || after == before, "half a layer is left");
    workspace.write("big", "small");
    bazel.build(&["//:slow"]).succeeded();
    assert!(fs::read(bazel.output("slow.tar.zst")).expect("a layer") == before);
}

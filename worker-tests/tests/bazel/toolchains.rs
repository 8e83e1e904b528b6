//! The ways to provide the program, and the error if there is none.

use std::fs;
use std::process::Command;

use worker_tests::program;

use crate::workspace::{Workspace, must, read};

const BUILD: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "resolve_symlinks")

resolve_symlinks(name = "links", mtree = "layer.spec", srcs = glob(["*.txt"]))
"#;

fn workspace(more: &str) -> Workspace {
    let workspace = Workspace::small(more);
    workspace.write("BUILD.bazel", BUILD);
    workspace.write("a.txt", "a");
    std::os::unix::fs::symlink("a.txt", workspace.path("b.txt")).expect("a link can be made");
    workspace
        .write("layer.spec", "./a.txt type=file content=a.txt\n./b.txt type=file content=b.txt\n");
    workspace
}

const EXPECTED: &str = "./a.txt type=file content=a.txt\n./b.txt type=link link=a.txt\n";

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn without_a_toolchain_the_error_names_the_repository_rules_that_provide_one() {
    let workspace = workspace("");
    let said = workspace.bazel("root").build(&["//:links"]).failed();
    let error = said.text.lines().find(|line| line.starts_with("ERROR")).unwrap_or_default();
    println!("{error}");
    for way in ["mtree_worker_release", "mtree_worker_cargo", "mtree_worker_local"] {
        assert!(error.contains(way), "{way} is not in {error}");
    }
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_release_is_downloaded_and_checked() {
    let archive = tempfile::TempDir::new().expect("a directory can be made");
    let path = archive.path().join("mtree-worker.tar.gz");
    must(
        Command::new("tar")
            .arg("-czf")
            .arg(&path)
            .arg("-C")
            .arg(program::binary().parent().expect("a program is in a directory"))
            .args(["--transform=s,^,mtree-worker-1/,", "mtree-worker"]),
    );
    let sum = must(Command::new("sha256sum").arg(&path));
    let sum = String::from_utf8_lossy(&sum.stdout)[..64].to_owned();
    let text = |sum: &str| {
        format!(
            "load(\"@mtree_worker//bazel:repositories.bzl\", \"mtree_worker_release\")\n\
             mtree_worker_release(name = \"bin\", sha256 = {sum:?}, \
             strip_prefix = \"mtree-worker-1\", urls = [\"file://{}\"])\n\
             register_toolchains(\"@bin//:toolchain\")\n",
            path.display()
        )
    };
    let good = workspace(&text(&sum));
    let bazel = good.bazel("root");
    bazel.build(&["//:links"]).succeeded();
    assert_eq!(read(&bazel.output("links.mtree")), EXPECTED);
    let bad = workspace(&text(&"0".repeat(64)));
    bad.bazel("root").build(&["//:links"]).failed().saying("Checksum was");
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn cargo_builds_the_worker_from_these_sources() {
    let workspace = workspace(
        "load(\"@mtree_worker//bazel:repositories.bzl\", \"mtree_worker_cargo\")\n\
         mtree_worker_cargo(name = \"bin\")\n\
         register_toolchains(\"@bin//:toolchain\")\n",
    );
    // The test does not need an optimized program.
    let bazel = workspace
        .bazel("root")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    bazel.build(&["//:links"]).succeeded();
    assert_eq!(read(&bazel.output("links.mtree")), EXPECTED);
    let left =
        fs::read_dir(bazel.output_base().join("external/bin")).expect("the repository is there");
    let mut left: Vec<_> =
        left.map(|entry| entry.expect("a directory can be read").file_name()).collect();
    left.sort();
    assert_eq!(left, ["BUILD.bazel", "WORKSPACE", "mtree-worker"]);
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_missing_local_program_is_an_error_that_names_its_path() {
    let workspace = workspace(
        "load(\"@mtree_worker//bazel:repositories.bzl\", \"mtree_worker_local\")\n\
         mtree_worker_local(name = \"bin\", path = \"tools/mtree-worker\")\n\
         register_toolchains(\"@bin//:toolchain\")\n",
    );
    let bazel = workspace.bazel("root");
    bazel
        .build(&["//:links"])
        .failed()
        .saying("example/tools/mtree-worker; build it with `cargo build --release`");
    fs::create_dir(workspace.path("tools"))
        .and_then(|()| fs::copy(program::binary(), workspace.path("tools/mtree-worker")))
        .expect("a program can be copied");
    bazel.build(&["//:links"]).succeeded();
    assert_eq!(read(&bazel.output("links.mtree")), EXPECTED);
}

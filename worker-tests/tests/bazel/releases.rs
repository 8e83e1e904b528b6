//! A release under Bazel: the archive of `release/build` from a `file://` URL, in a workspace that has no Rust.

use std::process::Command;

use worker_tests::release;

use crate::toolchains::platform;
use crate::workspace::{Workspace, must, quoted, read, repository, unpack};

/// Directories without cargo.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The `urls` and `sha256` of the archive, as arguments of mtree_worker_release.
fn table() -> String {
    let archive = release::archive();
    let sum = must(Command::new("sha256sum").arg(archive));
    let sum = String::from_utf8_lossy(&sum.stdout)[..64].to_owned();
    let (platform, url) = (platform(), format!("file://{}", archive.display()));
    format!("sha256 = {{{platform:?}: {sum:?}}}, urls = {{{platform:?}: [{url:?}]}}")
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn the_example_builds_with_the_archive_of_a_release_and_without_rust() {
    let workspace = Workspace::example();
    let text = workspace.read("WORKSPACE");
    let (before, after) =
        text.split_once("mtree_worker_local(").expect("the example has a program");
    let (_, after) = after.split_once(")\n").expect("the call ends");
    let text =
        format!("{before}mtree_worker_release(name = \"mtree_worker_bin\", {})\n{after}", table());
    workspace
        .write("WORKSPACE", &text.replace("\"mtree_worker_local\"", "\"mtree_worker_release\""));
    let bazel = workspace.bazel("root").env("PATH", PATH);
    assert!(Command::new("cargo").env("PATH", PATH).status().is_err(), "cargo is on {PATH}");
    bazel.build(&["//app:layer"]).succeeded();
    let layer = workspace.beside("layer");
    unpack(&bazel.output("app/layer.tar"), &layer);
    let python = layer.join("srv/app/server.runfiles/python/bin/python3");
    let link =
        std::fs::read_link(&python).unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    println!("python3 -> {}", link.display());
    assert!(link.to_string_lossy().starts_with("python3."));
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn the_smoke_test_builds_from_the_source_archive_with_its_list_of_releases() {
    let workspace = Workspace::small("");
    // What a registry has: the source archive, whose list names the archive of the program.
    let archive = must(
        Command::new("release/source").arg(workspace.beside("sources")).current_dir(repository()),
    );
    let archive = String::from_utf8_lossy(&archive.stdout).trim_end().to_owned();
    unpack(archive.as_ref(), &workspace.beside("unpacked"));
    let sources = workspace.beside(&format!("unpacked/mtree_worker-{}", env!("CARGO_PKG_VERSION")));
    let program = release::archive();
    let directory = program.parent().expect("an archive is in a directory");
    must(
        Command::new(sources.join("release/list"))
            .arg(format!("file://{}", directory.display()))
            .arg(program),
    );
    let text =
        workspace.read("WORKSPACE").replace(&quoted(&repository().join("")), &quoted(&sources));
    workspace.write(
        "WORKSPACE",
        &(text
            + "load(\"@mtree_worker//bazel:repositories.bzl\", \"mtree_worker_release\")\n\
               mtree_worker_release(name = \"mtree_worker_bin\")\n\
               register_toolchains(\"@mtree_worker_bin//:toolchain\")\n"),
    );
    must(Command::new("cp").arg("-a").arg(sources.join("e2e/smoke/.")).arg(workspace.path("")));
    let bazel = workspace.bazel("root").env("PATH", PATH);
    bazel.build(&["//..."]).succeeded();
    assert_eq!(read(&bazel.output("same.txt")), workspace.read("expected.spec"));
    // The program is the one of the list.
    assert!(
        bazel
            .output_base()
            .join("external")
            .join(format!("mtree_worker_bin_{}", platform()))
            .is_dir()
    );
    // The host's program also runs where the execution platform is another one.
    bazel
        .build(&["//...", "--extra_execution_platforms=//:other", "--toolchain_resolution_debug"])
        .succeeded()
        .saying("Selected execution platform //:other");
    // The build is a test: it fails if the link is missing.
    workspace.write("expected.spec", &workspace.read("layer.spec"));
    bazel.build(&["//..."]).failed();
}

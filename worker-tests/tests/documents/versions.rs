//! The version of the project, and of Rust, in every file that names it.

use super::{assert_none, read, root};

/// What is between the first `before` of a file and the next `after`.
fn between(file: &str, before: &str, after: char) -> String {
    let text = read(&root().join(file));
    let rest = text.split_once(before).unwrap_or_else(|| panic!("{file}: no {before}")).1;
    rest.split(after).next().unwrap_or_default().to_owned()
}

#[test]
fn the_version_is_the_same_for_cargo_and_for_bazel() {
    let version = env!("CARGO_PKG_VERSION");
    let mut wrong = Vec::new();
    for (file, before) in [
        ("MODULE.bazel", "    version = \""),
        ("bazel/private/releases.bzl", "VERSION = \""),
        ("README.md", "bazel_dep(name = \"mtree_worker\", version = \""),
        ("bazel/README.md", "bazel_dep(name = \"mtree_worker\", version = \""),
        ("e2e/smoke/MODULE.bazel", "bazel_dep(name = \"mtree_worker\", version = \""),
    ] {
        let found = between(file, before, '"');
        if found != version {
            wrong.push(format!("{file} has version {found}, and Cargo.toml {version}"));
        }
    }
    if !read(&root().join("CHANGELOG.md")).contains(&format!("## [{version}]")) {
        wrong.push(format!("CHANGELOG.md has no heading for {version}"));
    }
    assert_none(&wrong);
}

#[test]
fn the_version_of_rust_is_the_same_for_cargo_and_in_every_document_and_workflow() {
    let rust = between("Cargo.toml", "rust-version = \"", '"');
    let mut wrong = Vec::new();
    if between("README.md", "Rust ", ' ') != rust {
        wrong.push(format!("README.md does not say Rust {rust}"));
    }
    for workflow in ["ci", "release"] {
        let file = format!(".github/workflows/{workflow}.yaml");
        let text = read(&root().join(&file));
        let installs = text.matches("rustup toolchain install").count();
        let right = text.matches(&format!("rustup toolchain install {rust} ")).count();
        let default = text.matches(&format!("rustup default {rust}\n")).count();
        if installs == 0 || installs != right || installs != default {
            wrong.push(format!("{file} installs another Rust than {rust}"));
        }
    }
    assert_none(&wrong);
}

//! The style of the rules.

use std::path::Path;
use std::process::Command;

use crate::workspace::{must, repository};

#[test]
#[ignore = "needs npm: worker-tests/bazel"]
fn buildifier_finds_nothing() {
    let npm = Path::new(env!("CARGO_TARGET_TMPDIR")).join("buildifier");
    std::fs::create_dir_all(&npm).expect("a directory can be made");
    must(
        Command::new("npm")
            .args([
                "install",
                "--no-fund",
                "--no-audit",
                "--prefer-offline",
                "--silent",
                "@bazel/buildifier@8.2.1",
                "--prefix",
            ])
            .arg(&npm),
    );
    let files = must(
        Command::new("git")
            .args(["ls-files", "*.bzl", "*BUILD.bazel", "*WORKSPACE", "*MODULE.bazel"])
            .current_dir(repository()),
    );
    let files = String::from_utf8_lossy(&files.stdout).into_owned();
    assert!(files.contains("bazel/defs.bzl"), "{files}");
    let found = Command::new(npm.join("node_modules/.bin/buildifier"))
        .args(["-mode=check", "-lint=warn", "-warnings=all"])
        .args(files.lines())
        .current_dir(repository())
        .output()
        .expect("buildifier starts");
    let said = String::from_utf8_lossy(&[found.stdout, found.stderr].concat()).into_owned();
    assert!(found.status.success() && said.is_empty(), "{said}");
    println!("buildifier: no finding in {} files", files.lines().count());
}

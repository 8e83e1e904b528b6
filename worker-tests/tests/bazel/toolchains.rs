//! The ways to provide the program, and the error if there is none.

use std::fs;
use std::process::Command;

use worker_tests::program;

use crate::server::Bazel;
use crate::workspace::{Workspace, must, quoted, read};

const BUILD: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "resolve_symlinks")

resolve_symlinks(name = "links", mtree = "layer.spec", srcs = glob(["*.txt"]))
"#;

pub fn workspace(more: &str) -> Workspace {
    let workspace = Workspace::small(more);
    workspace.write("BUILD.bazel", BUILD);
    workspace.write("a.txt", "a");
    std::os::unix::fs::symlink("a.txt", workspace.path("b.txt")).expect("a link can be made");
    workspace
        .write("layer.spec", "./a.txt type=file content=a.txt\n./b.txt type=file content=b.txt\n");
    workspace
}

pub const EXPECTED: &str = "./a.txt type=file content=a.txt\n./b.txt type=link link=a.txt\n";

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

/// The lines of a WORKSPACE file that make the hub `bin` with `rule`, called with `arguments`, and register it.
fn hub(rule: &str, arguments: &str) -> String {
    format!(
        "load(\"@mtree_worker//bazel:repositories.bzl\", {rule:?})\n\
         {rule}(name = \"bin\", {arguments})\n\
         register_toolchains(\"@bin//:toolchain\")\n"
    )
}

/// The names in the directory of an external repository.
fn files_of(bazel: &Bazel, repository: &str) -> Vec<String> {
    let directory = bazel.output_base().join("external").join(repository);
    let entries =
        fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a directory can be read").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    files.sort();
    files
}

/// The platform of this machine, as the rules name it.
pub fn platform() -> String {
    format!("{}_{}", std::env::consts::OS, std::env::consts::ARCH)
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_release_is_downloaded_for_the_host_alone_and_checked() {
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
    let release = |sum: &str| {
        let (host, url) = (platform(), format!("file://{}", path.display()));
        let other = "0".repeat(64);
        hub(
            "mtree_worker_release",
            &format!(
                "urls = {{{host:?}: [{url:?}], \"macos_aarch64\": [\"file:///missing\"]}}, \
                 sha256 = {{{host:?}: {sum:?}, \"macos_aarch64\": {other:?}}}"
            ),
        )
    };
    let good = workspace(&release(&sum));
    let bazel = good.bazel("root");
    bazel.build(&["//:links"]).succeeded();
    assert_eq!(read(&bazel.output("links.mtree")), EXPECTED);
    assert_eq!(
        files_of(&bazel, &format!("bin_{}", platform())),
        ["BUILD.bazel", "WORKSPACE", "mtree-worker-1"]
    );
    assert!(!bazel.output_base().join("external/bin_macos_aarch64").exists());
    let bad = workspace(&release(&"0".repeat(64)));
    bad.bazel("root").build(&["//:links"]).failed().saying("Checksum was");
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_release_without_the_host_fails_the_targets_that_need_the_program() {
    let sum = "0".repeat(64);
    let workspace = workspace(&hub(
        "mtree_worker_release",
        &format!(
            "urls = {{\"macos_aarch64\": [\"file:///missing\"]}}, sha256 = {{\"macos_aarch64\": {sum:?}}}"
        ),
    ));
    let said = workspace.bazel("root").build(&["//:links"]).failed().saying(
        "there is no program for this host in urls: it has macos_aarch64; \
         use mtree_worker_cargo or mtree_worker_local",
    );
    println!("{}", said.text.lines().find(|line| line.starts_with("ERROR")).unwrap_or_default());
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn an_invalid_table_of_releases_is_an_error() {
    let sum = "0".repeat(64);
    let workspace = workspace("");
    let text = workspace.read("WORKSPACE");
    let bazel = workspace.bazel("root");
    for (arguments, sentence) in [
        (r#"urls = {"linux": ["u"]}"#.to_owned(), "unknown platform \"linux\" in urls"),
        (
            r#"urls = {"linux_x86_64": ["u"]}, sha256 = {"linux_x86_64": "12"}"#.to_owned(),
            "64 hexadecimal digits for linux_x86_64",
        ),
        (
            format!(r#"urls = {{"linux_x86_64": []}}, sha256 = {{"linux_x86_64": "{sum}"}}"#),
            "add a URL",
        ),
        (
            format!(
                r#"urls = {{"linux_x86_64": ["u"]}}, sha256 = {{"linux_x86_64": "{sum}", "macos_x86_64": "{sum}"}}"#
            ),
            "the platform macos_x86_64, which urls has not",
        ),
    ] {
        workspace.write("WORKSPACE", &(text.clone() + &hub("mtree_worker_release", &arguments)));
        bazel.build(&["//:links"]).failed().saying(sentence);
    }
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn cargo_builds_the_worker_from_these_sources() {
    let workspace = workspace(&hub("mtree_worker_cargo", ""));
    // The test does not need an optimized program.
    let bazel = workspace
        .bazel("root")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    bazel.build(&["//:links"]).succeeded();
    assert_eq!(read(&bazel.output("links.mtree")), EXPECTED);
    assert_eq!(files_of(&bazel, "bin_cargo"), ["BUILD.bazel", "WORKSPACE", "mtree-worker"]);
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_missing_local_program_is_an_error_that_names_its_path() {
    let workspace = workspace(&hub("mtree_worker_local", r#"path = "tools/mtree-worker""#));
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

/// A rule that needs a toolchain of another type.
const OTHER_RULE: &str = r#"
def _provider_impl(_ctx):
    return [platform_common.ToolchainInfo(word = "other")]

provider_of_word = rule(implementation = _provider_impl)

def _word_impl(ctx):
    out = ctx.actions.declare_file(ctx.attr.name + ".txt")
    ctx.actions.write(out, ctx.toolchains["//other:type"].word)
    return [DefaultInfo(files = depset([out]))]

word = rule(implementation = _word_impl, toolchains = ["//other:type"])
"#;

const OTHER_BUILD: &str = r#"
load(":rule.bzl", "provider_of_word", "word")

toolchain_type(name = "type")

provider_of_word(name = "provider")

toolchain(name = "toolchain", toolchain = ":provider", toolchain_type = ":type")

word(name = "word")
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_workspace_that_builds_something_else_fetches_no_program() {
    let sum = "0".repeat(64);
    let release = format!(
        "urls = {{{0:?}: [\"https://example.invalid/mtree-worker.tar.gz\"]}}, sha256 = {{{0:?}: {sum:?}}}",
        platform(),
    );
    let hubs = [
        ("mtree_worker_release", "hub_release", &release[..]),
        ("mtree_worker_cargo", "hub_cargo", ""),
        ("mtree_worker_local", "hub_local", "path = \"/missing/mtree-worker\""),
        // The list of releases, whether this version has one or not.
        ("mtree_worker_release", "hub_listed", ""),
    ];
    let text = hubs.map(|(rule, name, arguments)| {
        format!(
            "load(\"@mtree_worker//bazel:repositories.bzl\", {rule:?})\n\
             {rule}(name = {name:?}, {arguments})\n\
             register_toolchains(\"@{name}//:toolchain\")\n"
        )
    });
    let workspace = workspace(&(text.concat() + "register_toolchains(\"//other:toolchain\")\n"));
    workspace.write("other/rule.bzl", OTHER_RULE);
    workspace.write("other/BUILD.bazel", OTHER_BUILD);
    // Without a network, and without cargo on PATH.
    let path = "/usr/bin:/bin";
    assert!(Command::new("cargo").env("PATH", path).status().is_err(), "cargo is on {path}");
    let bazel = workspace.bazel("root").without_network().env("PATH", path);
    bazel.build(&["//other:word"]).succeeded();
    assert_eq!(read(&bazel.output("other/word.txt")), "other");
    for (_, hub, _) in hubs {
        assert_eq!(files_of(&bazel, hub), ["BUILD.bazel", "WORKSPACE"], "{hub}");
    }
    let external = bazel.output_base().join("external");
    let fetched = fs::read_dir(external).expect("a directory can be read");
    let fetched = fetched.map(|entry| entry.expect("an entry").file_name());
    let programs: Vec<_> = fetched
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| hubs.iter().any(|(_, hub, _)| name.starts_with(&format!("{hub}_"))))
        .collect();
    assert!(programs.is_empty(), "{programs:?}");
    // The test can fail: a target that needs the program does need the network.
    bazel.build(&["//:links"]).failed().saying("example.invalid");
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn the_program_is_the_one_for_the_host_where_the_execution_platform_is_another() {
    let workspace =
        workspace(&hub("mtree_worker_local", &format!("path = {}", quoted(program::binary()))));
    workspace.write(
        "other/BUILD.bazel",
        "platform(name = \"other\", constraint_values = [\"@platforms//os:macos\", \"@platforms//cpu:arm64\"])\n",
    );
    let bazel = workspace.bazel("root");
    bazel
        .build(&["//:links", "--extra_execution_platforms=//other", "--toolchain_resolution_debug"])
        .succeeded()
        .saying("Selected execution platform //other:other");
    assert_eq!(read(&bazel.output("links.mtree")), EXPECTED);
}

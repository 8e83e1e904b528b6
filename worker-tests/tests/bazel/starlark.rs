//! The rules' files, evaluated by an implementation of Starlark that is not Bazel's (`worker-tests/starlark`): what
//! they do on versions of Bazel that the tests cannot run, and what docs/rules-reference.md says of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::workspace::{must, read, repository};

/// The newest that was tried.
const IMPLEMENTATION: &str = "starlark-pyo3==2026.1.3";

/// Runs `worker-tests/starlark/evaluate.py`.
fn evaluate(arguments: &[&str]) -> Output {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let python = PYTHON.get_or_init(|| {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("starlark");
        must(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        must(Command::new(venv.join("bin/pip")).args(["install", "--quiet", IMPLEMENTATION]));
        venv.join("bin/python")
    });
    Command::new(python)
        .arg(repository().join("worker-tests/starlark/evaluate.py"))
        .args(arguments)
        .output()
        .expect("Python starts")
}

/// What a function of bazels.star returns, and the calls that it makes, for a version of Bazel: 71 is 7.1.
#[track_caller]
fn call(function: &str, bazel: u32, more: &[&str]) -> (Value, Vec<(String, Value)>) {
    let version = bazel.to_string();
    let done = evaluate(&[&["call", function, &version], more].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let result: Value = serde_json::from_slice(&done.stdout).expect("the result is JSON");
    let recorded = result["recorded"].as_array().expect("a list").iter();
    let recorded =
        recorded.map(|call| (call[0].as_str().expect("a name").to_owned(), call[1].clone()));
    (result["returned"].clone(), recorded.collect())
}

/// The names of the repositories that were created.
fn repositories(calls: &[(String, Value)]) -> Vec<&str> {
    calls
        .iter()
        .filter_map(|(call, with)| if call == "repository" { with["name"].as_str() } else { None })
        .collect()
}

#[test]
#[ignore = "needs PyPI: worker-tests/bazel"]
fn the_extension_makes_the_hubs_that_the_modules_request() {
    for bazel in [70, 71, 80, 90] {
        // The tag of the root module takes the place of this module's.
        let (returned, calls) = call("extension", bazel, &["\"cargo\""]);
        assert_eq!(repositories(&calls), ["mtree_worker_bin_cargo", "mtree_worker_bin"], "{bazel}");
        // The version is an attribute, so an upgrade builds the program again where Bazel watches no file.
        assert_eq!(calls[0].1["version"], env!("CARGO_PKG_VERSION"));
        // `reproducible` is a parameter since Bazel 7.1.
        let expected = if bazel >= 71 { json!({"reproducible": true}) } else { Value::Null };
        assert_eq!(returned, expected, "{bazel}");

        // Another name is beside this module's.
        let (_, calls) = call("extension", bazel, &["\"local\""]);
        let names = repositories(&calls);
        assert_eq!(names[..2], ["other_local", "other"]);
        assert!(names.contains(&"mtree_worker_bin"), "{names:?}");

        let (_, calls) = call("extension", bazel, &["\"release\""]);
        assert_eq!(
            repositories(&calls),
            ["mtree_worker_bin_linux_x86_64", "mtree_worker_bin_missing", "mtree_worker_bin"]
        );

        // Without a tag in the root module, there is still the hub that this module registers.
        let (_, calls) = call("extension", bazel, &["\"nothing\""]);
        assert!(repositories(&calls).contains(&"mtree_worker_bin"));
    }
    let twice = evaluate(&["call", "extension", "90", "\"twice\""]);
    let said = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert!(!twice.status.success());
    assert!(
        said.contains("the module \"root\" defines mtree_worker_bin twice; remove one tag"),
        "{said}"
    );
}

#[test]
#[ignore = "needs PyPI: worker-tests/bazel"]
fn the_hub_points_to_the_program_for_the_host_and_names_this_module_canonically() {
    let (returned, calls) = call("hub", 90, &[]);
    // The host is no attribute, so the repository is not reproducible.
    assert_eq!(returned, Value::Null);
    let [(_, file)] = &calls[..] else { panic!("{calls:?}") };
    let text = file[1].as_str().expect("a text");
    assert!(text.contains("toolchain = \"@bin_linux_x86_64//:worker\""), "{text}");
    assert!(text.contains("toolchain_type = \"@@mtree_worker+//bazel/toolchain:type\""), "{text}");
    assert!(!text.contains("exec_compatible_with"), "{text}");
}

#[test]
#[ignore = "needs PyPI: worker-tests/bazel"]
fn a_missing_toolchain_is_explained_where_bazel_has_the_attribute() {
    for (bazel, explains) in [(70, false), (80, false), (81, true), (90, true)] {
        let (_, calls) = call("toolchain_type", bazel, &[]);
        let [(_, probe), (_, made)] = &calls[..] else { panic!("{calls:?}") };
        assert_eq!(probe["name"], "attributes_of_type");
        assert_eq!(made["name"], "type");
        let message = made["no_match_error"].as_str();
        assert_eq!(message.is_some(), explains, "{bazel}: {made}");
        for way in
            ["bazel_dep(name = \"mtree_worker\")", "mtree_worker_release", "mtree_worker_cargo"]
        {
            assert!(message.is_none_or(|message| message.contains(way)), "{way}: {message:?}");
        }
    }
}

#[test]
#[ignore = "needs PyPI: worker-tests/bazel"]
fn the_sources_of_a_program_that_cargo_builds_are_watched_where_bazel_can_watch_them() {
    let watched = |bazel| {
        let (_, calls) = call("cargo", bazel, &[]);
        let calls = calls.into_iter().filter(|(call, _)| call.starts_with("watch"));
        calls
            .map(|(call, with)| format!("{call} {}", with.as_str().expect("a path")))
            .collect::<Vec<_>>()
    };
    assert!(watched(70).is_empty());
    for bazel in [71, 80, 90] {
        assert_eq!(
            watched(bazel),
            [
                "watch @@mtree_worker+//:Cargo.lock",
                "watch @@mtree_worker+//:Cargo.toml",
                "watch @@mtree_worker+//:src/main.rs",
                "watch_tree proto",
                "watch_tree src",
            ]
        );
        let (_, calls) = call("local", bazel, &[]);
        assert_eq!(calls[0], ("watch".to_owned(), json!("/workspace/tools/mtree-worker")));
    }
}

#[test]
#[ignore = "needs PyPI: worker-tests/bazel"]
fn a_downloaded_program_is_reproducible_where_bazel_has_the_parameter() {
    for (bazel, expected) in
        [(70, Value::Null), (80, Value::Null), (83, json!({"reproducible": true}))]
    {
        let (returned, calls) = call("release", bazel, &[]);
        assert_eq!(returned, expected, "{bazel}");
        let text = calls[1].1[1].as_str().expect("a BUILD file");
        assert!(text.contains("binary = \"mtree-worker-1/mtree-worker\""), "{text}");
        assert!(text.contains("load(\"@@mtree_worker+//bazel/toolchain:toolchain.bzl\""), "{text}");
    }
}

#[test]
#[ignore = "needs PyPI: worker-tests/bazel"]
fn the_rules_reference_agrees_with_the_bzl_files() {
    let made = evaluate(&["reference"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made = String::from_utf8(made.stdout).expect("the reference is UTF-8");
    let path = repository().join("docs/rules-reference.md");
    if std::env::var_os("WRITE_RULES_REFERENCE").is_some() {
        fs::write(&path, &made).expect("a file can be written");
    }
    for name in [
        "### mtree_spec",
        "### resolve_symlinks",
        "### mtree_worker_release",
        "#### mtree_worker.cargo",
    ] {
        assert!(made.contains(name), "{name} is missing");
    }
    let written = read(&path);
    let differs = made.lines().zip(written.lines()).find(|(made, written)| made != written);
    assert!(
        made == written,
        "docs/rules-reference.md is not what the .bzl files say; run \
         `WRITE_RULES_REFERENCE=1 worker-tests/bazel rules_reference`; the first line that differs: {differs:?}"
    );
}

//! What Bazel's registry gets: the templates in `.bcr`, and the modules that the rules depend on.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{assert_none, files, read, root};

fn json(file: &str) -> Value {
    serde_json::from_str(&read(&root().join(file)))
        .unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The modules that a MODULE.bazel file depends on.
fn dependencies(module: &str) -> BTreeSet<String> {
    let text = read(&root().join(module));
    let lines = text.lines().filter_map(|line| line.strip_prefix("bazel_dep(name = \""));
    lines.filter_map(|line| Some(line.split('"').next()?.to_owned())).collect()
}

/// The repositories that the .bzl and BUILD files below a directory name in labels.
fn repositories(directory: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in files(directory, ".bzl").iter().chain(&files(directory, "BUILD.bazel")) {
        for label in read(path).split("\"@").skip(1) {
            let label = label.split('"').next().unwrap_or_default();
            // `@//` is the main repository.
            if let Some((name, _)) = label.split_once("//").filter(|(name, _)| !name.is_empty()) {
                names.insert(name.trim_start_matches('@').to_owned());
            }
        }
    }
    names
}

#[test]
fn each_module_depends_on_the_repositories_that_its_files_name() {
    // This module, the hub in examples and in messages, and what is filled in.
    let own = ["mtree_worker", "mtree_worker_bin", "NAME", "{program}"];
    for (module, directory) in [("MODULE.bazel", "bazel"), ("e2e/smoke/MODULE.bazel", "e2e/smoke")]
    {
        let mut named = repositories(directory);
        let mut declared = dependencies(module);
        assert!(!declared.is_empty(), "{module}");
        for name in own {
            named.remove(name);
            declared.remove(name);
        }
        assert_eq!(named, declared, "{module}");
    }
}

#[test]
fn the_registry_gets_the_source_archive_and_a_test_on_each_bazel_that_is_supported() {
    let mut wrong = Vec::new();
    let mut must_have = |file: &str, words: &[&str]| {
        let text = read(&root().join(file));
        let missing = words.iter().filter(|words| !text.contains(**words));
        wrong.extend(missing.map(|words| format!("{file} does not have: {words}")));
    };
    let versions = "bazel: [7.x, 8.x, 9.x]";
    must_have("MODULE.bazel", &["bazel_compatibility = [\">=7.0.0\"]"]);
    must_have(".github/workflows/ci.yaml", &[versions, "--extra_execution_platforms=//:other"]);
    must_have(
        ".bcr/presubmit.yml",
        &[versions, "module_path: e2e/smoke\n", "--extra_execution_platforms=//:other"],
    );
    must_have("release/source", &["name=mtree_worker-$version\n", "\"$out/$name.tar.gz\""]);
    assert_none(&wrong);

    let source = json(".bcr/source.template.json");
    assert_eq!(source["strip_prefix"], "mtree_worker-{VERSION}");
    let url = source["url"].as_str().expect("a URL");
    assert!(url.ends_with("/{TAG}/mtree_worker-{VERSION}.tar.gz"), "{url}");
    let metadata = json(".bcr/metadata.template.json");
    for key in ["homepage", "maintainers", "repository", "versions", "yanked_versions"] {
        assert!(metadata.get(key).is_some(), "{key} is missing");
    }

    // Without cargo: what the tasks of the presubmit build is e2e/smoke, whose program is the one of the release.
    let presubmit = read(&root().join(".bcr/presubmit.yml"));
    let tasks = presubmit.lines().filter(|line| !line.starts_with('#'));
    assert!(tasks.clone().any(|line| line.contains("build_targets")));
    assert!(!tasks.clone().any(|line| line.contains("cargo") || line.contains("shell_commands")));
}

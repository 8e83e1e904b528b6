//! The attributes of the rules: each affects the output.

use crate::workspace::{Workspace, read};

/// The attributes of tar.bzl's `mtree_mutate`, as tar.bzl spells them, and those that are new here.
const BUILD: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "mtree_mutate", "resolve_symlinks")

SRCS = glob(["tree/**"])

mtree_mutate(
    name = "changed",
    srcs = SRCS,
    also = ["other.spec"],
    directory_links = "expand",
    group = "6",
    groupname = "staff",
    missing_target = "keep",
    mtime = 7,
    mtree = "layer.spec",
    owner = "5",
    ownername = "me",
    package_dir = "/opt",
    preserve_symlinks = True,
    report = "changed.json",
    strip_prefix = "tree",
    tags = ["no-cache"],
    testonly = True,
    visibility = ["//visibility:private"],
)

mtree_mutate(
    name = "untouched",
    mtree = "layer.spec",
)

resolve_symlinks(
    name = "resolved",
    srcs = SRCS,
    out = "resolved.txt",
    also = ["other.spec"],
    directory_links = "expand",
    missing_target = "keep",
    mtree = "layer.spec",
    report = "resolved.json",
)

resolve_symlinks(
    name = "failing",
    srcs = SRCS,
    missing_target = "fail",
    mtree = "layer.spec",
)
"#;

const SPEC: &str = "\
./tree/ type=dir
./tree/a uid=0 gid=0 uname=root gname=root time=1 type=file content=tree/a
./tree/b uid=0 gid=0 uname=root gname=root time=1 type=file content=tree/b
./tree/missing uid=0 gid=0 uname=root gname=root time=1 type=file content=tree/missing
./tree/other uid=0 gid=0 uname=root gname=root time=1 type=file content=tree/other
";

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn each_attribute_affects_the_output() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", BUILD);
    workspace.write("layer.spec", SPEC);
    workspace.write("other.spec", "./elsewhere/c type=file content=tree/c\n");
    for file in ["tree/a", "tree/c", "tree/d"] {
        workspace.write(file, file);
    }
    for (link, text) in [("b", "a"), ("other", "c"), ("missing", "./d")] {
        let link = workspace.path("tree").join(link);
        std::os::unix::fs::symlink(text, link).expect("a link can be made");
    }
    let bazel = workspace.bazel("root");
    bazel.build(&["//:changed", "//:untouched", "//:resolved"]).succeeded();

    let changed = "uid=5 gid=6 uname=me gname=staff time=7";
    assert_eq!(
        read(&bazel.output("changed.mtree")),
        format!(
            "opt/ type=dir mode=0755 time=7 uid=5 gid=6 uname=me gname=staff\n\
             ./opt/a {changed} type=file content=tree/a\n\
             ./opt/b {changed} type=link link=a\n\
             ./opt/missing {changed} type=link link=./d\n\
             ./opt/other {changed} type=link link=../elsewhere/c\n"
        )
    );
    assert_eq!(read(&bazel.output("untouched.mtree")), SPEC);
    let resolved = read(&bazel.output("resolved.txt"));
    let links: Vec<_> = resolved.lines().filter_map(|row| row.split(" link=").nth(1)).collect();
    assert_eq!(links, ["a", "./d", "../elsewhere/c"]);
    for report in ["changed.json", "resolved.json"] {
        let report: serde_json::Value =
            serde_json::from_str(&read(&bazel.output(report))).expect("a report is JSON");
        assert_eq!(report["links"], 3, "{report}");
    }
    bazel.build(&["//:failing"]).failed().saying("tree/missing");
}

const LINK_IS_SOURCE: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "mtree_mutate", "resolve_symlinks")

SRCS = glob(["tree/**"])

mtree_mutate(
    name = "mutated",
    srcs = SRCS,
    link_is_source = True,
    mtree = "layer.spec",
    preserve_symlinks = True,
)

resolve_symlinks(
    name = "resolved",
    srcs = SRCS,
    link_is_source = True,
    mtree = "layer.spec",
)

resolve_symlinks(
    name = "literal",
    srcs = SRCS,
    mtree = "layer.spec",
)
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn with_link_is_source_the_link_of_a_row_is_resolved_as_a_source() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", LINK_IS_SOURCE);
    workspace.write("layer.spec", "./x/a type=file content=tree/a\n./x/b type=link link=tree/b\n");
    workspace.write("tree/a", "a");
    std::os::unix::fs::symlink("a", workspace.path("tree/b")).expect("a link can be made");
    let bazel = workspace.bazel("root");
    bazel.build(&["//:mutated", "//:resolved", "//:literal"]).succeeded();
    for (spec, link) in [("mutated", "a"), ("resolved", "a"), ("literal", "tree/b")] {
        assert_eq!(
            read(&bazel.output(&format!("{spec}.mtree"))),
            format!("./x/a type=file content=tree/a\n./x/b type=link link={link}\n"),
            "{spec}"
        );
    }
}

const SCOPE: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "mtree_mutate")

mtree_mutate(
    name = "links",
    srcs = ["a.txt", "b.txt"],
    also = ["also.spec"],
    mtree = "layer.spec",
    preserve_symlinks = True,
    report = "links.json",
)
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_spec_whose_path_begins_with_an_at_sign_is_not_read_for_arguments() {
    let workspace = Workspace::with_worker("");
    workspace.write("@scope/package/BUILD.bazel", SCOPE);
    workspace.write("@scope/package/a.txt", "a");
    std::os::unix::fs::symlink("a.txt", workspace.path("@scope/package/b.txt"))
        .expect("a link can be made");
    workspace.write("@scope/package/layer.spec", "./b type=file content=@scope/package/b.txt\n");
    workspace.write("@scope/package/also.spec", "./a type=file content=@scope/package/a.txt\n");
    let bazel = workspace.bazel("root");
    for strategy in ["worker", "sandboxed", "local"] {
        let strategy = format!("--strategy=MtreeMutate={strategy}");
        bazel.build(&["//@scope/package:links", &strategy]).succeeded();
        let output = bazel.output("@scope/package/links.mtree");
        assert_eq!(read(&output), "./b type=link link=a\n", "{strategy}");
        std::fs::remove_file(output).expect("there is an output");
    }
}

const CHANGES: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "mtree_mutate")

mtree_mutate(
    name = "lists",
    exclude = ["**/*.pyc", "bin/old"],
    exclude_source = ["tree/z/**"],
    include = ["bin/**", "lib/**"],
    include_source = ["tree/**"],
    mode = ["0644", "bin/**=0755"],
    mtree = "layer.spec",
    sort = True,
)

mtree_mutate(
    name = "strings",
    exclude = "**/*.pyc",
    mode = "0600",
    mtree = "layer.spec",
)
"#;

const CHANGES_SPEC: &str = "\
lib/b.py mode=0777 type=file content=tree/b
lib/a.py mode=0777 type=file content=tree/a
lib/a.pyc mode=0777 type=file content=tree/a
lib/z mode=0777 type=file content=tree/z/z
lib/other mode=0777 type=file content=other/a
bin/old mode=0777 type=file content=tree/a
bin/new mode=0777 type=file content=tree/a
etc/conf mode=0777 type=file content=tree/a
";

fn changes() -> Workspace {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", CHANGES);
    workspace.write("layer.spec", CHANGES_SPEC);
    workspace
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn modes_patterns_and_sort_are_flags_of_the_request() {
    let workspace = changes();
    let bazel = workspace.bazel("root");
    for (target, expected) in [
        (
            "lists",
            &[
                "--exclude-source=tree/z/**",
                "--exclude=**/*.pyc",
                "--exclude=bin/old",
                "--include-source=tree/**",
                "--include=bin/**",
                "--include=lib/**",
                "--mode=0644",
                "--mode=bin/**=0755",
                "--sort",
            ][..],
        ),
        ("strings", &["--exclude=**/*.pyc", "--mode=0600"]),
    ] {
        let query = format!("mnemonic(MtreeMutate, //:{target})");
        let said = bazel
            .command_line(&["aquery", "--include_param_files", "--output=text", &query])
            .succeeded();
        let flags = ["--exclude", "--include", "--mode", "--sort"];
        let mut found: Vec<_> = said
            .text
            .lines()
            // Each argument is a line of a shell command.
            .map(|line| line.trim().trim_end_matches(['\\', ' ', ')']).trim_matches('\''))
            .filter(|line| flags.iter().any(|flag| line.starts_with(flag)))
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{}", said.text);
    }
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn rows_are_chosen_by_path_and_source_and_get_modes_and_an_order() {
    let workspace = changes();
    let bazel = workspace.bazel("root");
    bazel.build(&["//:lists", "//:strings"]).succeeded();
    assert_eq!(
        read(&bazel.output("lists.mtree")),
        "bin/new mode=0755 type=file content=tree/a\n\
         etc/conf mode=0644 type=file content=tree/a\n\
         lib/a.py mode=0644 type=file content=tree/a\n\
         lib/b.py mode=0644 type=file content=tree/b\n\
         lib/other mode=0644 type=file content=other/a\n"
    );
    let strings = read(&bazel.output("strings.mtree"));
    assert_eq!(strings.lines().count(), 7, "{strings}");
    assert!(strings.lines().all(|row| row.contains(" mode=0600 ")), "{strings}");
}

//! From tar.bzl: BUILD files of its documentation with only their `load` lines changed, and each attribute.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::workspace::{Workspace, must, read};

/// Targets of tar.bzl's documentation and of the examples in its tests, word for word, but for rules of other
/// repositories that make their files.
const DOCUMENTED: &str = r#"
load("@tar.bzl", "mtree_mutate", "mtree_spec", "mutate", "tar")

# Build this target to produce archive.tar:
tar(
    name = "archive",
    srcs = ["my-file.txt"],
)

tar(
    name = "new",
    srcs = ["my-file.txt"],
    # See arguments documented at
    # https://github.com/bazel-contrib/tar.bzl/blob/main/docs/mtree.md#mtree_mutate
    mutate = mutate(strip_prefix = package_name()),
)

# Build this target to produce archive.tar.gz:
tar(
    name = "my_archive",
    compress = "gzip",
    srcs = ["my-file.txt"],
)

tar(
    name = "literal",
    srcs = ["a"],
    mtree =[
        "usr/bin uid=0 gid=0 mode=0755 type=dir",
        "usr/bin/ls uid=0 gid=0 mode=0755 time=0 type=file content={}/a".format(package_name()),
    ],
)

tar(
    name = "new2",
    srcs = ["README.md"],
    mutate = mutate(
        mtime = 946699200,
        package_dir = "/usr/share/nginx/html",
        strip_prefix = package_name(),
    ),
)

_TAR_SRCS = ["a", ":files"]

mtree_spec(
    name = "mtree",
    srcs = _TAR_SRCS,
)

mtree_mutate(
    name = "change_owner",
    mtree = ":mtree",
    owner = "1000",
)

tar(
    name = "tar",
    srcs = _TAR_SRCS,
    mtree = "change_owner",
)

tar(
    name = "tar_compress",
    srcs = ["a"],
    out = "3.tgz",
    compress = "gzip",
)

tar(
    name = "dirs",
    testonly = True,
    srcs = glob(["srcdir/**"]),
    out = "7.tar",
)

genrule(
    name = "files",
    outs = ["generated.txt"],
    cmd = "echo hello a >$@",
)
"#;

/// Each archive, its spec, and what bsdtar adds to the command line.
const ARCHIVES: [(&str, &str); 8] = [
    ("archive.tar", "archive_mtree.txt"),
    ("new.tar", "new__mutated.mtree"),
    ("my_archive.tar.gz", "my_archive_mtree.txt"),
    ("literal.tar", "literal_mtree.txt"),
    ("new2.tar", "new2__mutated.mtree"),
    ("tar.tar", "change_owner.mtree"),
    ("3.tgz", "tar_compress_mtree.txt"),
    ("7.tar", "dirs_mtree.txt"),
];

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_build_file_of_the_documentation_of_tar_bzl_works_with_its_load_line_changed() {
    let workspace = Workspace::with_worker("");
    let changed = DOCUMENTED.replace("\"@tar.bzl\"", "\"@mtree_worker//bazel:defs.bzl\"");
    workspace.write("docs/BUILD.bazel", &changed);
    for file in
        ["my-file.txt", "a", "README.md", "srcdir/info", "srcdir/pkg", "srcdir/space in name.txt"]
    {
        workspace.write(&format!("docs/{file}"), file);
    }
    let bazel = workspace.bazel("root");
    bazel.build(&["//docs:all"]).succeeded();
    let own = workspace.beside("bsdtar.tar");
    for (archive, spec) in ARCHIVES {
        let archive = bazel.output(&format!("docs/{archive}"));
        let raw = uncompressed(&archive);
        // What tar.bzl runs, in the directory where Bazel runs it.
        must(
            Command::new("bsdtar")
                .env("LC_ALL", "C.UTF-8")
                .args(["--create", "--file"])
                .arg(&own)
                .arg(format!("@{}", bazel.output(&format!("docs/{spec}")).display()))
                .current_dir(bazel.execroot()),
        );
        let bsdtar = fs::read(&own).expect("bsdtar writes an archive");
        assert!(raw == bsdtar, "{} is not what bsdtar writes", archive.display());
        println!("{}: {} bytes, as from bsdtar", archive.display(), raw.len());
    }

    // tar.bzl compresses in optimized builds.
    bazel.build(&["//docs:archive", "--compilation_mode=opt"]).succeeded();
    let optimized = bazel.execroot().join("bazel-out/k8-opt/bin/docs/archive.tar.gz");
    assert!(uncompressed(&optimized) == fs::read(bazel.output("docs/archive.tar")).unwrap());
}

/// The bytes of an archive, uncompressed.
fn uncompressed(archive: &Path) -> Vec<u8> {
    match archive.extension().is_some_and(|extension| extension == "tar") {
        true => fs::read(archive).expect("there is an archive"),
        false => must(Command::new("gzip").arg("-dcf").arg(archive)).stdout,
    }
}

const ATTRIBUTES: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "layers", "mutate", "tar")

SRCS = glob(["tree/**"]) + ["rest"]

tar(
    name = "every",
    srcs = SRCS,
    out = "all.bin",
    also = ["other.spec"],
    compress = "gzip",
    compute_unused_inputs = 1,
    directory_links = "expand",
    duplicates = "symlinks",
    include_runfiles = False,
    level = 9,
    link_is_source = True,
    missing_target = "keep",
    mode = "create",
    mutate = mutate(exclude = "rest", package_dir = "/srv"),
    order = "stable-first",
    report = "all.json",
    single_member = True,
)

tar(name = "kept", srcs = SRCS)
tar(name = "hard", srcs = SRCS, compress = "zstd", duplicates = "hardlinks", level = 19)

layers(
    name = "layers",
    srcs = SRCS,
    compress = "",
    duplicates = "keep",
    groups = {"z": ["tree/b"], "a": ["tree/*"]},
    report = True,
)
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn each_attribute_of_tar_reaches_the_program() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", ATTRIBUTES);
    workspace.write("other.spec", "x type=file uid=0 gid=0 mode=0644 time=1 content=tree/a\n");
    for file in ["tree/a", "tree/b", "rest"] {
        workspace.write(file, "the same bytes");
    }
    std::os::unix::fs::symlink("a", workspace.path("tree/c")).expect("a link can be made");
    let bazel = workspace.bazel("root");
    let flags = |target: &str| {
        let query = format!("mnemonic(MtreeLayer, //:{target})");
        let said = bazel
            .command_line(&["aquery", "--include_param_files", "--output=text", &query])
            .succeeded();
        let text = said.text;
        // Each argument is a line of a shell command.
        let found = text
            .lines()
            .map(|line| line.trim().trim_end_matches(['\\', ' ', ')']).trim_matches('\''));
        let found = found.filter(|line| line.starts_with("--"));
        let found: Vec<_> =
            found.map(|line| line.replace("bazel-out/k8-fastbuild/bin/", "")).collect();
        (found, text)
    };
    let (all, text) = flags("every");
    assert_eq!(
        all,
        [
            "--mtree=every__mutated.mtree",
            "--out=all.bin",
            "--descriptor=every.descriptor.json",
            "--compress=gzip",
            "--order=stable-first",
            "--level=9",
            "--single-member",
            "--also=other.spec",
            "--missing-target",
            "--directory-links",
            "--link-is-source",
            "--report=all.json",
            "--unused-inputs=every.unused_inputs",
            "--inputs=every.inputs",
        ],
        "{text}"
    );
    for requirement in
        ["no-remote-exec: 1", "supports-workers: 1", "requires-worker-protocol: proto"]
    {
        assert!(text.contains(requirement), "{requirement} is not in:\n{text}");
    }
    let (kept, text) = flags("kept");
    assert_eq!(kept[3..], ["--compress=none", "--order=spec", "--no-resolve"], "{text}");
    assert!(!text.contains("no-remote-exec"), "{text}");
    let (hard, text) = flags("hard");
    assert_eq!(
        hard[3..],
        ["--compress=zstd", "--order=spec", "--level=19", "--no-resolve", "--hardlinks=content"],
        "{text}"
    );
    assert!(!text.contains("no-remote-exec"), "{text}");

    bazel.build(&["//:every", "//:kept", "//:hard", "//:layers"]).succeeded();
    // In the order of the dictionary, not of the names.
    assert_eq!(
        read(&bazel.output("layers.groups.json")),
        r#"[{"name":"z","patterns":["tree/b"]},{"name":"a","patterns":["tree/*"]}]"#
    );
    assert_eq!(listing(&bazel.output("layers_z.tar")), ["tree/", "tree/b"]);
    assert_eq!(listing(&bazel.output("layers_a.tar")), ["tree/", "tree/a", "tree/c"]);
    assert_eq!(listing(&bazel.output("layers_app.tar")), ["rest"]);
    assert_eq!(read(&bazel.output("every.unused_inputs")), "rest\n");
    for (group, files) in [
        (
            "descriptor",
            ["layers_z.descriptor.json", "layers_a.descriptor.json", "layers_app.descriptor.json"],
        ),
        ("report", ["layers_z.report.json", "layers_a.report.json", "layers_app.report.json"]),
    ] {
        let group = format!("--output_groups={group}");
        let said = bazel.build(&["//:layers", &group, "--show_result=1"]).succeeded();
        let shown = said.text.lines().map(str::trim).filter_map(|line| line.rsplit('/').next());
        let shown: Vec<_> = shown.filter(|line| line.ends_with(".json")).collect();
        assert_eq!(shown, files, "{}", said.text);
        for file in files {
            let json = read(&bazel.output(file));
            assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
        }
    }

    // An input that the archive does not hold does not run the action again; one that it holds does.
    workspace.write("rest", "other bytes");
    assert_eq!(bazel.executed(&["//:every"]), [""; 0]);
    workspace.write("tree/a", "other bytes");
    assert_eq!(bazel.executed(&["//:every"]), ["all.bin"]);
}

/// The names in an archive.
fn listing(archive: &Path) -> Vec<String> {
    let listed = must(Command::new("bsdtar").arg("-tf").arg(archive));
    String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect()
}

/// What is not supported, and what the error says.
const REFUSED: [(&str, &str); 17] = [
    (
        "tar(name = \"x\", srcs = [\"a\"], compress = \"xz\")",
        "compress = \"xz\" is not supported; use \"gzip\"",
    ),
    (
        "tar(name = \"x\", srcs = [\"a\"], args = [\"--exclude-vcs\"])",
        "args is not supported; this rule does not run bsdtar",
    ),
    (
        "tar(name = \"x\", srcs = [\"a\"], compressor = \":a\")",
        "compressor is not supported; compress = \"gzip\"",
    ),
    (
        "tar(name = \"x\", srcs = [\"a\"], compressor_args = \"-n\")",
        "compressor_args is not supported; set level",
    ),
    (
        "tar(name = \"x\", srcs = [\"a\"], mode = \"append\")",
        "mode = \"append\" is not supported; use \"create\"",
    ),
    (
        "tar(name = \"x\", srcs = [\"a\"], stamp = 1)",
        "stamp is not supported; write the rows in a stamped genrule",
    ),
    (
        "tar(name = \"x\", srcs = [\"a\"], mtree = \":a\", mutate = mutate())",
        "mutate needs mtree = \"auto\"",
    ),
    (
        "tar(name = \"x\", srcs = [\"a\"], mtree = \":a\", include_runfiles = True)",
        "include_runfiles needs mtree",
    ),
    (
        "tar(name = \"x\", srcs = [\"a\"], mutate = \"strip\")",
        "mutate is not what mutate(…) returns",
    ),
    ("tar(name = \"x\", srcs = [\"a\"], compress = \"\", level = 3)", "level needs compress"),
    (
        "tar(name = \"x\", srcs = [\"a\"], compress = \"gzip\", level = 13)",
        "gzip has no level 13; give one from 1 to 12",
    ),
    (
        "tar(name = \"x\", srcs = [\"a\"], compress = \"zstd\", single_member = True)",
        "single_member needs compress = \"gzip\"",
    ),
    (
        "tar(name = \"x\", srcs = [\"a\"], missing_target = \"fail\")",
        "missing_target needs duplicates = \"symlinks\"",
    ),
    (
        "layers(name = \"x\", srcs = [\"a\"], groups = {\"app\": [\"**\"]})",
        "no group can be called \"app\"",
    ),
    (
        "layers(name = \"x\", srcs = [\"a\"], groups = {\"a/b\": [\"**\"]})",
        "a group cannot be called \"a/b\"",
    ),
    ("layers(name = \"x\", srcs = [\"a\"], groups = {\"a\": [], \"a\": []})", "duplicate"),
    ("oci_layout(name = \"x\", layers = [\":a\"])", "expected no files"),
];

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn what_is_not_supported_fails_at_analysis_with_what_to_do_instead() {
    let workspace = Workspace::with_worker("");
    for (number, (target, _)) in REFUSED.iter().enumerate() {
        let text = format!(
            "load(\"@mtree_worker//bazel:defs.bzl\", \"layers\", \"mutate\", \"oci_layout\", \"tar\")\n{target}\n"
        );
        workspace.write(&format!("p{number}/BUILD.bazel"), &text);
        workspace.write(&format!("p{number}/a"), "a");
    }
    let bazel = workspace.bazel("root");
    for (number, (target, words)) in REFUSED.iter().enumerate() {
        let said = bazel.build(&[&format!("//p{number}:x"), "--nobuild"]).failed();
        // Bazel 4 prints text as Latin-1.
        let ascii = |text: &str| text.replace(|letter: char| !letter.is_ascii(), "");
        assert!(
            ascii(&said.text).contains(&ascii(words)),
            "{target}: {words:?} is not in:\n{}",
            said.text
        );
        println!("{words}");
    }
}

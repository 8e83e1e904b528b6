//! The rows that `mtree_spec` writes and `mtree_mutate` changes.

use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::workspace::{Workspace, must, read, unpack};

const RULES: &str = r#"
def _awkward_impl(ctx):
    tree = ctx.actions.declare_directory("tree")
    ctx.actions.run_shell(outputs = [tree], command = """
cd "$1" && mkdir 'a b' && printf 1 > 'a b/#=\\' && printf 2 > "$(printf 'new\nline\tand tab')" && printf 3 > "$(printf '\\303\\251')"
""", arguments = [tree.path])
    inner = ctx.actions.declare_directory("inner")
    ctx.actions.run_shell(outputs = [inner], command = "mkdir $1/sub && echo 4 > $1/sub/four", arguments = [inner.path])
    out = ctx.actions.declare_file(ctx.attr.name + ".sh")
    ctx.actions.write(out, "", is_executable = True)
    runfiles = ctx.runfiles(
        [tree],
        symlinks = {"links/top": ctx.file.src, "links/inner": inner},
        root_symlinks = {"root/inner": inner, "root/top": ctx.file.src},
    )
    return [DefaultInfo(executable = out, runfiles = runfiles)]

awkward = rule(
    implementation = _awkward_impl,
    attrs = {"src": attr.label(allow_single_file = True)},
    executable = True,
)
"#;

const BUILD: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "mtree_mutate", "mtree_spec")
load(":rules.bzl", "awkward")
load("//:tar.bzl", "tar")

awkward(name = "awkward", src = "top $(touch PWNED).txt")

mtree_spec(name = "spec", srcs = [":awkward", "top $(touch PWNED).txt"])
mtree_spec(name = "without", srcs = [":awkward"], out = "without.txt", include_runfiles = False)

tar(name = "layer", srcs = [":awkward", "top $(touch PWNED).txt"], mtree = ":links")

mtree_mutate(
    name = "links",
    mtree = ":spec",
    preserve_symlinks = True,
    srcs = [":awkward", "top $(touch PWNED).txt"],
)

mtree_mutate(
    name = "changed",
    group = "7",
    mtime = 0,
    mtree = ":without",
    owner = "5",
    package_dir = "/app",
)

mtree_mutate(
    name = "one_label",
    mtree = ":spec",
    preserve_symlinks = True,
    srcs = ":awkward",
)
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn every_name_and_every_kind_of_runfile_reaches_the_layer() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", BUILD);
    workspace.write("rules.bzl", RULES);
    workspace.write("tar.bzl", &tar_rule());
    workspace.write("top $(touch PWNED).txt", "top");
    let bazel = workspace.bazel("root");
    bazel.build(&["//:layer", "//:changed", "//:one_label"]).succeeded();

    println!("{}", read(&bazel.output("spec.spec")));
    let changed = read(&bazel.output("changed.mtree"));
    let row = "app/awkward.sh uid=5 gid=7 time=0 mode=0755 type=file nlink=1 \
               content=bazel-out/k8-fastbuild/bin/awkward.sh\n";
    assert!(changed.ends_with(row), "{changed}");
    assert!(!changed.contains("runfiles"), "{changed}");
    // The srcs of this target do not list the file at the top, but it is a runfile of one of them.
    assert_eq!(read(&bazel.output("one_label.mtree")), read(&bazel.output("links.mtree")));

    let layer = workspace.beside("layer");
    unpack(&bazel.output("layer.tar"), &layer);
    let mut found: Vec<Vec<u8>> = Vec::new();
    let list =
        must(Command::new("find").args([".", "!", "-type", "d", "-print0"]).current_dir(&layer));
    found.extend(list.stdout.split(|&byte| byte == 0).map(<[u8]>::to_vec));
    found.retain(|path| !path.is_empty());
    found.sort();
    let root = "./awkward.sh.runfiles/";
    let mut expected: Vec<Vec<u8>> = [
        &b"example/awkward.sh"[..],
        b"example/links/inner/sub/four",
        b"example/links/top",
        b"example/tree/a b/#=\\",
        b"example/tree/new\nline\tand tab",
        b"example/tree/\xc3\xa9",
        b"root/inner/sub/four",
        b"root/top",
    ]
    .iter()
    .map(|path| [root.as_bytes(), path].concat())
    .collect();
    expected.push(b"./awkward.sh".to_vec());
    expected.push(b"./top $(touch PWNED).txt".to_vec());
    expected.sort();
    let show = |paths: &[Vec<u8>]| -> Vec<String> {
        paths.iter().map(|path| path.escape_ascii().to_string()).collect()
    };
    assert_eq!(show(&found), show(&expected));
    let three = std::ffi::OsStr::from_bytes(b"awkward.sh.runfiles/example/tree/\xc3\xa9");
    assert_eq!(read(&layer.join(three)), "3");
    let pwned = must(Command::new("find").arg(workspace.beside("")).args(["-name", "PWNED"]));
    assert!(pwned.stdout.is_empty(), "the shell ran the name of a file");
}

const PYTHON: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "mtree_spec")
load(":tar.bzl", "tar")

py_binary(name = "program", srcs = ["package/program.py"], main = "package/program.py")
mtree_spec(name = "spec", srcs = [":program"])
tar(name = "layer", srcs = [":program"], mtree = ":spec")
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn empty_files_and_files_of_other_repositories_are_runfiles_too() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", PYTHON);
    workspace.write("tar.bzl", &tar_rule());
    workspace.write("package/program.py", "print(1)\n");
    let bazel = workspace.bazel("root");
    bazel.build(&["//:layer"]).succeeded();
    let layer = workspace.beside("layer");
    unpack(&bazel.output("layer.tar"), &layer);
    let runfiles = layer.join("program.runfiles");
    // For each directory of a Python program, Bazel adds an empty __init__.py, which is no file on disk.
    assert_eq!(read(&runfiles.join("example/package/__init__.py")), "");
    assert_eq!(read(&runfiles.join("example/package/program.py")), "print(1)\n");
    let wrapper = runfiles.join("bazel_tools/tools/python/py3wrapper.sh");
    assert!(read(&wrapper).starts_with("#!"), "{}", wrapper.display());
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn attributes_of_tar_bzl_that_are_missing_here_are_errors_with_advice() {
    let workspace = Workspace::with_worker("");
    let bazel = workspace.bazel("root");
    for (attributes, words) in [
        (
            "awk_script = \"x.awk\"",
            "mtree_mutate m: awk_script is not supported; this rule does not run awk: change the spec in a genrule",
        ),
        (
            "script_args = {\"a\": \"b\"}",
            "mtree_mutate m: script_args is not supported; this rule does not run awk",
        ),
        (
            "includes = [\"x.awk\"]",
            "mtree_mutate m: includes is not supported; this rule does not run awk",
        ),
        ("excludes = [\"x\"]", "use exclude, or leave such files out of the srcs of mtree_spec"),
        ("preserve_symlinks = True", "mtree_mutate m: preserve_symlinks needs srcs"),
        ("link_is_source = True", "mtree_mutate m: link_is_source needs preserve_symlinks"),
    ] {
        workspace.write(
            "BUILD.bazel",
            &format!(
                "load(\"@mtree_worker//bazel:defs.bzl\", \"mtree_mutate\")\n\
                 mtree_mutate(name = \"m\", mtree = \"x.spec\", {attributes})\n"
            ),
        );
        bazel.build(&["//:m"]).failed().saying(words);
    }
}

/// The rule of the example that creates a layer.
pub fn tar_rule() -> String {
    read(&crate::workspace::repository().join("worker-tests/example/rules/tar.bzl"))
}

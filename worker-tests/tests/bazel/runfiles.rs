//! The runfiles that `mtree_spec` lists do not depend on the runfiles trees that Bazel creates.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::workspace::{Workspace, read};

const RULES: &str = r#"
def _executable_impl(ctx):
    out = ctx.actions.declare_file(ctx.attr.name + ".sh")
    ctx.actions.write(out, "", is_executable = True)
    return [DefaultInfo(executable = out, runfiles = ctx.runfiles(ctx.files.data))]

executable = rule(
    implementation = _executable_impl,
    attrs = {"data": attr.label_list(allow_files = True)},
    executable = True,
)

# Not declared as executable, but returns an executable.
undeclared = rule(
    implementation = _executable_impl,
    attrs = {"data": attr.label_list(allow_files = True)},
)

def _forwarded_impl(ctx):
    info = ctx.attr.to[DefaultInfo]
    return [DefaultInfo(files = info.files, runfiles = info.default_runfiles)]

forwarded = rule(implementation = _forwarded_impl, attrs = {"to": attr.label()})

def _single_impl(ctx):
    out = ctx.actions.declare_file(ctx.attr.name + ".out")
    ctx.actions.write(out, "")
    return [DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out]))]

single = rule(implementation = _single_impl)
"#;

const BUILD: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "mtree_spec")
load(":rules.bzl", "executable", "forwarded", "single", "undeclared")

executable(name = "one", data = ["a.txt"])
alias(name = "one_alias", actual = ":one")
executable(name = "aliased_only", data = ["a.txt"])
alias(name = "alias", actual = ":aliased_only")
undeclared(name = "two", data = ["a.txt"])
sh_binary(name = "three", srcs = ["b.sh"], data = ["a.txt"])
filegroup(name = "of_a_file", srcs = ["c.txt"], data = ["a.txt"])
filegroup(name = "of_an_executable", srcs = [":four"])
executable(name = "four", data = ["a.txt"])
forwarded(name = "forwarded", to = ":five")
executable(name = "five", data = ["a.txt"])
genrule(name = "generated", outs = ["d.sh"], cmd = "touch $@", executable = True)
single(name = "single")

mtree_spec(
    name = "spec",
    srcs = [
        "a.txt",
        "d.sh",
        ":alias",
        ":forwarded",
        ":generated",
        ":of_a_file",
        ":of_an_executable",
        ":one",
        ":one_alias",
        ":single",
        ":three",
        ":two",
    ],
)
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn runfiles_are_listed_whether_or_not_bazel_creates_manifests_and_runfiles_trees() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", BUILD);
    workspace.write("rules.bzl", RULES);
    for file in ["a.txt", "b.sh", "c.txt"] {
        workspace.write(file, file);
    }
    fs::set_permissions(workspace.path("b.sh"), fs::Permissions::from_mode(0o755))
        .expect("the mode of a file can be changed");
    let bazel = workspace.bazel("root");
    let spec = |flags: &[&str]| {
        bazel.build(&[&["//:spec"], flags].concat()).succeeded();
        read(&bazel.output("spec.spec"))
    };
    let expected = spec(&[]);
    println!("{expected}");
    for runfiles in ["one.sh", "two.sh", "three", "aliased_only.sh"] {
        let row = format!("\n{runfiles}.runfiles/example/a.txt uid=0");
        assert!(expected.contains(&row), "no row {row:?}");
        assert!(expected.contains(&format!("\n{runfiles}.runfiles/ uid=0")), "{runfiles}");
    }
    // As in tar.bzl: these targets have no runfiles tree of their own.
    for file in ["a.txt", "c.txt", "d.sh", "single.out", "four.sh", "five.sh"] {
        assert!(expected.contains(&format!("\n{file} uid=0")) || expected.starts_with(file));
        assert!(!expected.contains(&format!("{file}.runfiles")), "runfiles of {file}");
    }
    for flags in [
        &["--nobuild_runfile_manifests"][..],
        &["--noenable_runfiles"],
        &["--nobuild_runfile_links"],
        &["--nobuild_runfile_manifests", "--noenable_runfiles"],
    ] {
        assert_eq!(spec(flags), expected, "{flags:?}");
    }
}

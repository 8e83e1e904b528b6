//! Symlinks inside directories that a rule creates.

use crate::rows::tar_rule;
use crate::workspace::{Workspace, read, unpack};

const RULES: &str = r#"
def _installation_impl(ctx):
    tree = ctx.actions.declare_directory(ctx.attr.name)
    ctx.actions.run_shell(outputs = [tree], command = """
cd "$1" && mkdir -p lib/deep && printf ELF > lib/libz.so.1 && printf deep > lib/deep/file
ln -s libz.so.1 lib/libz.so && ln -s lib lib64 && ln -s lib/deep deep
""", arguments = [tree.path])
    return [DefaultInfo(files = depset([tree]))]

installation = rule(implementation = _installation_impl)
"#;

const BUILD: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "mtree_spec", "resolve_symlinks")
load(":rules.bzl", "installation")
load(":tar.bzl", "tar")

installation(name = "tree")
mtree_spec(name = "spec", srcs = [":tree"])
resolve_symlinks(name = "links", srcs = [":tree"], mtree = ":spec")
tar(name = "layer", srcs = [":tree"], mtree = ":links")
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_link_to_a_directory_inside_a_directory_that_a_rule_made_stays_a_link() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", BUILD);
    workspace.write("rules.bzl", RULES);
    workspace.write("tar.bzl", &tar_rule());
    let bazel = workspace.bazel("root");
    let mut specs = Vec::new();
    for strategy in ["worker", "sandboxed", "local"] {
        let strategy = format!("--strategy=MtreeMutate={strategy}");
        bazel.build(&["//:layer", &strategy]).succeeded();
        specs.push(read(&bazel.output("links.mtree")));
        std::fs::remove_file(bazel.output("links.mtree")).expect("there is an output");
    }
    println!("{}{}", read(&bazel.output("spec.spec")), specs[0]);
    assert!(specs.iter().all(|spec| *spec == specs[0]), "{specs:#?}");
    let layer = workspace.beside("layer");
    unpack(&bazel.output("layer.tar"), &layer);
    for (link, text) in [("lib64", "lib"), ("deep", "lib/deep"), ("lib/libz.so", "libz.so.1")] {
        let link = layer.join("tree").join(link);
        let found = link.read_link().unwrap_or_else(|error| panic!("{}: {error}", link.display()));
        assert_eq!(found.to_str(), Some(text), "{}", link.display());
    }
    assert_eq!(read(&layer.join("tree/deep/file")), "deep");
}

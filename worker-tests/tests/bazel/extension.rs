//! The module extension under a real Bazel. 4.2.3 has no modules: two stubs stand in for `module_extension` and
//! `tag_class`, and everything that the extension calls is Bazel's own. So the repositories that it makes are real.

use worker_tests::program;

use crate::toolchains::{EXPECTED, workspace};
use crate::workspace::{quoted, read, repository};

/// What Bazel 4.2.3 lacks, and a call of the extension's implementation in a WORKSPACE file.
const STUBS: &str = r#"
def module_extension(implementation, tag_classes, **_parameters):
    return struct(implementation = implementation, tag_classes = tag_classes)

def tag_class(attrs, **_parameters):
    return struct(attrs = attrs)

def module(name, cargo = [], local = [], release = []):
    return struct(name = name, tags = struct(cargo = cargo, local = local, release = release))

def _metadata(reproducible):
    return None

def run(extension, modules):
    extension.implementation(struct(
        extension_metadata = _metadata,
        modules = modules,
        watch = None,
    ))
"#;

const CALL: &str = r#"
load("//modules:extensions.bzl", "mtree_worker")
load("//modules:stubs.bzl", "module", "run")

def modules_of_a_build(path):
    run(mtree_worker, [
        module("root", local = [struct(name = "mtree_worker_bin", path = path)]),
        # This module's own tag, as in MODULE.bazel.
        module("mtree_worker", release = [struct(name = "mtree_worker_bin", sha256 = {}, urls = {})]),
    ])
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn the_extension_makes_repositories_that_a_real_bazel_builds_with() {
    let workspace = workspace(&format!(
        "load(\"//modules:call.bzl\", \"modules_of_a_build\")\n\
         modules_of_a_build({})\n\
         register_toolchains(\"@mtree_worker_bin//:toolchain\")\n",
        quoted(program::binary())
    ));
    let extension = read(&repository().join("bazel/extensions.bzl"));
    let extension = extension.replace("load(\"//bazel", "load(\"@mtree_worker//bazel");
    let extension =
        format!("load(\":stubs.bzl\", \"module_extension\", \"tag_class\")\n{extension}");
    workspace.write("modules/BUILD.bazel", "");
    workspace.write("modules/stubs.bzl", STUBS);
    workspace.write("modules/extensions.bzl", &extension);
    workspace.write("modules/call.bzl", CALL);
    let bazel = workspace.bazel("root");
    bazel.build(&["//:links"]).succeeded();
    assert_eq!(read(&bazel.output("links.mtree")), EXPECTED);
    let external = bazel.output_base().join("external");
    assert!(external.join("mtree_worker_bin_local").is_dir(), "the root module's tag is used");
    assert!(!external.join("mtree_worker_bin_missing").exists());
}

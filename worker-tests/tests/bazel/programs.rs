//! `py_layers` and `js_layers`: the parts of a program in the layouts of rules_python, rules_py and rules_js.

use std::os::unix::fs::symlink;

use crate::layers::rows;
use crate::workspace::{Workspace, read, repository};

const PROGRAMS: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "js_layers", "py_layers")
load(":program.bzl", "program")

program(
    name = "py",
    data = [
        "@pip_311_numpy_cp311_manylinux_x86_64_unknown_linux_gnu//:all",
        "@python_3_11_x86_64-unknown-linux-gnu//:all",
        "lib.py",
        "venv/lib/python3.11/site-packages/torch.py",
    ],
    main = "main.py",
    python = "@python_3_11_x86_64-unknown-linux-gnu//:bin/python3",
)

py_layers(name = "py_layers", binary = ":py", groups = {"torch": ["**/torch.py"]}, compress = "")

program(
    name = "js",
    data = glob(["node_modules/**"]) + ["@nodejs_linux_amd64//:all"],
    main = "main.js",
    python = "@nodejs_linux_amd64//:bin/nodejs/bin/node",
)

js_layers(name = "js_layers", binary = ":js", compress = "")
"#;

const FILES_OF_PROGRAMS: [(&str, &str); 6] = [
    ("py_layers_torch.tar", "py.runfiles/example/venv/lib/python3.11/site-packages/torch.py"),
    (
        "py_layers_interpreter.tar",
        "py.runfiles/python_3_11_x86_64-unknown-linux-gnu/bin/python3 \
         py.runfiles/python_3_11_x86_64-unknown-linux-gnu/lib/python3.11/site-packages/pip.py",
    ),
    (
        "py_layers_packages.tar",
        "py.runfiles/pip_311_numpy_cp311_manylinux_x86_64_unknown_linux_gnu/site-packages/numpy.py",
    ),
    (
        "py_layers_app.tar",
        "py py.runfiles/example/lib.py py.runfiles/example/main.py py.runfiles/example/py",
    ),
    ("js_layers_node.tar", "js.runfiles/nodejs_linux_amd64/bin/nodejs/bin/node"),
    ("js_layers_app.tar", "js js.runfiles/example/js js.runfiles/example/main.js"),
];

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn py_layers_and_js_layers_put_the_parts_of_a_program_into_layers_of_their_own() {
    let repositories = [
        ("pip_311_numpy_cp311_manylinux_x86_64_unknown_linux_gnu", "site-packages/numpy.py"),
        ("python_3_11_x86_64-unknown-linux-gnu", "bin/python3"),
        ("python_3_11_x86_64-unknown-linux-gnu", "lib/python3.11/site-packages/pip.py"),
        ("nodejs_linux_amd64", "bin/nodejs/bin/node"),
    ];
    let names: std::collections::BTreeSet<_> = repositories.iter().map(|(name, _)| name).collect();
    let declared = names
        .iter()
        .map(|name| format!("local_repository(name = {name:?}, path = \"repositories/{name}\")\n"));
    let workspace = Workspace::with_worker(&declared.collect::<String>());
    for (name, file) in repositories {
        let at = format!("repositories/{name}");
        workspace.write(&format!("{at}/WORKSPACE"), "");
        workspace.write(
            &format!("{at}/BUILD.bazel"),
            "exports_files(glob([\"bin/**\"]))\n\
             filegroup(name = \"all\", srcs = glob([\"**/*.py\", \"bin/**\"]), visibility = [\"//visibility:public\"])\n",
        );
        workspace.write(&format!("{at}/{file}"), file);
    }
    let rules = repository().join("worker-tests/example/rules/program.bzl");
    workspace.write("program.bzl", &read(&rules));
    workspace.write(".bazelignore", "repositories\n");
    workspace.write("BUILD.bazel", PROGRAMS);
    let store = "node_modules/.aspect_rules_js";
    let in_stores = [
        (
            "js_layers_package_store_3p.tar",
            format!("{store}/left@1.0.0/node_modules/left/index.js"),
        ),
        (
            "js_layers_package_store_3p.tar",
            format!("{store}/@a+b@0.0.12_peer@2.0.0/node_modules/@a/b/index.js"),
        ),
        ("js_layers_package_store_1p.tar", format!("{store}/own@0.0.0/node_modules/own/index.js")),
    ];
    for (_, file) in &in_stores {
        workspace.write(file, file);
    }
    for file in ["main.py", "lib.py", "main.js", "venv/lib/python3.11/site-packages/torch.py"] {
        workspace.write(file, file);
    }
    symlink(".aspect_rules_js/left@1.0.0/node_modules/left", workspace.path("node_modules/left"))
        .expect("a link can be made");
    let bazel = workspace.bazel("root");
    bazel.build(&["//:py_layers", "//:js_layers"]).succeeded();
    let names = |layer: &str| {
        let mut names: Vec<_> =
            rows(&bazel.output(layer)).into_iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names
    };
    for (layer, files) in FILES_OF_PROGRAMS {
        assert_eq!(names(layer), files.split(' ').collect::<Vec<_>>(), "{layer}");
    }
    for (layer, file) in in_stores {
        assert!(
            names(layer).contains(&format!("js.runfiles/example/{file}")),
            "{layer}: {:?}",
            names(layer)
        );
    }
    let links = rows(&bazel.output("js_layers_node_modules.tar"));
    let [(_, line)] = &links[..] else { panic!("one link, not {links:?}") };
    assert!(line.ends_with(" -> .aspect_rules_js/left@1.0.0/node_modules/left"), "{line}");
}

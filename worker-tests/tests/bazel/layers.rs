//! Several layers of one image: the same bytes however they are built, each row once, and only what changed is made
//! anew.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use worker_tests::chance::Chance;

use crate::server::Bazel;
use crate::workspace::{Workspace, must, read, unpack};

const SINGLEPLEX: &str = "--modify_execution_info=MtreeLayer=-supports-multiplex-workers";

/// Names of strategies, the flags that select them, and what Bazel prints when it uses them.
const WAYS: [(&str, &[&str], &str); 6] = [
    ("worker", &["--strategy=MtreeLayer=worker", SINGLEPLEX], " non-sandboxed MtreeLayer worker"),
    (
        "sandboxed worker",
        &["--strategy=MtreeLayer=worker", SINGLEPLEX, "--worker_sandboxing"],
        " sandboxed MtreeLayer worker",
    ),
    (
        "multiplex worker",
        &["--strategy=MtreeLayer=worker"],
        " non-sandboxed MtreeLayer multiplex-worker",
    ),
    (
        "sandboxed multiplex worker",
        &["--strategy=MtreeLayer=worker", "--worker_sandboxing"],
        " sandboxed MtreeLayer multiplex-worker",
    ),
    ("one-shot, sandboxed", &["--strategy=MtreeLayer=sandboxed"], " linux-sandbox"),
    ("one-shot", &["--strategy=MtreeLayer=local"], " local"),
];

const RULES: &str = r#"
def _installation_impl(ctx):
    tree = ctx.actions.declare_directory(ctx.attr.name)
    ctx.actions.run_shell(outputs = [tree], command = """
mkdir -p "$1/lib" && cd "$1" && printf ELF > lib/libz.so.1 && ln -s libz.so.1 lib/libz.so
""", arguments = [tree.path], mnemonic = "Installation")
    return [DefaultInfo(files = depset([tree]))]

installation = rule(implementation = _installation_impl)
"#;

const BUILD: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "layers", "tar")
load(":rules.bzl", "installation")

SRCS = glob(["app/**", "packages/**", "own/**"]) + ["@toolchain//:all", ":tree"]

installation(name = "tree")

layers(
    name = "layers",
    srcs = SRCS,
    groups = {
        "toolchain": ["source:external/toolchain/**", "source:../toolchain/**"],
        "packages": ["packages/**", "tree/**"],
    },
)

tar(name = "one", srcs = SRCS, duplicates = "symlinks")
tar(name = "kept", srcs = SRCS)
tar(name = "hard", srcs = SRCS, duplicates = "hardlinks")
"#;

const LAYERS: [&str; 3] =
    ["layers_toolchain.tar.gz", "layers_packages.tar.gz", "layers_app.tar.gz"];

/// A workspace with own files, packages, a toolchain in another repository, and a directory that an action makes.
/// The main repository has a directory that is a symlink, which bsdtar would look for on the disk.
fn workspace() -> Workspace {
    let toolchain = "local_repository(name = \"toolchain\", path = \"toolchain\")\n";
    let workspace = Workspace::with_worker(toolchain);
    workspace.write("BUILD.bazel", BUILD);
    workspace.write(".bazelignore", "toolchain\n");
    workspace.write("rules.bzl", RULES);
    workspace.write("toolchain/WORKSPACE", "");
    workspace.write(
        "toolchain/BUILD.bazel",
        "filegroup(name = \"all\", srcs = glob([\"bin/**\", \"lib/**\"]), visibility = [\"//visibility:public\"])\n",
    );
    for (file, text) in [
        ("toolchain/bin/python3.13", "the interpreter"),
        ("toolchain/lib/os.py", "import sys"),
        ("packages/numpy/__init__.py", "numpy"),
        ("packages/numpy/core.so", "ELF core"),
        ("app/main.py", "print()"),
        ("app/data/a", "the same bytes"),
        ("app/data/b", "the same bytes"),
        ("own/lib/libown.so.1", "ELF own"),
    ] {
        workspace.write(file, text);
    }
    for (link, text) in [
        ("toolchain/bin/python", "python3.13"),
        ("packages/numpy/core.so.1", "core.so"),
        ("app/python", "../toolchain/bin/python"),
        ("app/core", "../packages/numpy/core.so.1"),
        ("own/lib/libown.so", "libown.so.1"),
        ("own/lib64", "lib"),
    ] {
        symlink(text, workspace.path(link)).expect("a link can be made");
    }
    workspace
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn layers_have_the_same_bytes_with_every_strategy_and_output_root() {
    let workspace = workspace();
    let mut first: Option<Vec<Vec<u8>>> = None;
    for root in ["root", "external/root"] {
        let bazel = workspace.bazel(root);
        for (way, flags, sign) in WAYS {
            let targets = ["//:layers", "//:one", "//:kept", "//:hard"];
            let said = bazel.build(&[&targets[..], flags].concat()).succeeded().saying(sign);
            let files = [&LAYERS[..], &["one.tar", "kept.tar", "hard.tar"]].concat();
            let outputs = files.iter().map(|file| {
                let output = bazel.output(file);
                let bytes = fs::read(&output).expect("there is an output");
                // The strategy is not part of the key of an action. Without its output, the action runs again.
                fs::remove_file(&output).expect("an output can be removed");
                bytes
            });
            let outputs: Vec<_> = outputs.collect();
            println!("{root}, {way}: {}", said.processes());
            let first = first.get_or_insert_with(|| outputs.clone());
            for ((file, one), other) in files.iter().zip(first).zip(&outputs) {
                assert!(one == other, "{way} in {root} writes another {file}");
            }
        }
    }
}

/// The names in an archive but for directories, each with its line of the listing.
fn rows(archive: &Path) -> Vec<(String, String)> {
    let listed = must(Command::new("bsdtar").arg("-tvf").arg(archive));
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let lines = text.lines().filter(|line| !line.starts_with('d'));
    let name = |line: &str| {
        let path = line.split_whitespace().nth(8).unwrap_or_default();
        (path.to_owned(), line.to_owned())
    };
    lines.map(name).collect()
}

/// Adds what is in a directory: of each path, the mode and the bytes that a program sees.
fn see(directory: &Path, name: &str, found: &mut BTreeMap<String, (u32, Vec<u8>)>) {
    for entry in fs::read_dir(directory).expect("a directory can be read") {
        let path = entry.expect("a directory can be read").path();
        let name = format!("{name}/{}", path.file_name().expect("an entry has a name").display());
        // Follows links.
        let metadata = fs::metadata(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let bytes = match metadata.is_file() {
            true => fs::read(&path).expect("a file can be read"),
            false => Vec::new(),
        };
        if metadata.is_dir() {
            see(&path, &name, found);
        }
        found.insert(name, (metadata.permissions().mode(), bytes));
    }
}

fn seen(directory: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    see(directory, "", &mut found);
    found
}

/// Unpacks what bsdtar makes of a spec, with each link as a copy.
fn unpack_copies(bazel: &Bazel, spec: &Path, workspace: &Workspace, into: &Path) {
    let tar = workspace.beside("copies.tar");
    must(
        Command::new("bsdtar")
            .env("LC_ALL", "C.UTF-8")
            .arg("-cf")
            .arg(&tar)
            .arg(format!("@{}", spec.display()))
            .current_dir(bazel.execroot()),
    );
    unpack(&tar, into);
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn layers_hold_each_row_once_and_unpack_to_what_one_archive_of_the_unresolved_spec_does() {
    let workspace = workspace();
    // bsdtar looks for a row without a source on the disk, where `own/lib64` is a symlink: it fails there.
    let bazel = workspace.bazel("root");
    bazel.build(&["//:layers"]).succeeded();
    let together = workspace.beside("together");
    let mut all = BTreeMap::new();
    for layer in LAYERS {
        for (path, line) in rows(&bazel.output(layer)) {
            println!("{layer}: {line}");
            assert!(all.insert(path.clone(), line).is_none(), "{path} is in two layers");
        }
        unpack(&bazel.output(layer), &together);
    }
    let link = |path: &str, text: &str| {
        let line = all.get(path).unwrap_or_else(|| panic!("no row {path}"));
        assert!(line.ends_with(&format!(" -> {text}")), "{line}");
    };
    link("bin/python", "python3.13");
    link("packages/numpy/core.so.1", "core.so");
    // From one layer to another.
    link("app/core", "../packages/numpy/core.so.1");
    link("own/lib/libown.so", "libown.so.1");
    link("own/lib64", "lib");

    let copies = workspace.beside("copies");
    let spec = read(&bazel.output("layers_mtree.txt"));
    let moved = spec.lines().map(|row| format!("moved/{row}\n"));
    // Below another directory, bsdtar finds nothing on the disk by a row's name.
    let moved_spec = workspace.beside("moved.spec");
    fs::write(&moved_spec, moved.collect::<String>()).expect("a spec can be written");
    unpack_copies(&bazel, &moved_spec, &workspace, &copies);
    let (one, other) = (seen(&copies.join("moved")), seen(&together));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    assert!(one == other, "the same names have other bytes or modes");
    println!("{} paths in {} layers", other.len(), LAYERS.len());
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn an_edit_of_one_source_runs_the_action_of_its_layer_alone() {
    let workspace = workspace();
    let bazel = workspace.bazel("root");
    bazel.build(&["//:layers"]).succeeded();
    let ran = |file: &str, text: &str| {
        workspace.write(file, text);
        bazel.executed(&["//:layers"])
    };
    let descriptor = |group: &str| vec![format!("layers_{group}.descriptor.json")];
    assert_eq!(ran("app/main.py", "print(1)"), descriptor("app"));
    assert_eq!(ran("packages/numpy/__init__.py", "numpy 2"), descriptor("packages"));
    // The link in the app layer leads to it.
    let both = [descriptor("app"), descriptor("packages")].concat();
    assert_eq!(ran("packages/numpy/core.so", "ELF 2"), both);
    assert_eq!(ran("toolchain/lib/os.py", "import os"), descriptor("toolchain"));
    // Also in a server that has just started.
    bazel.command_line(&["shutdown"]).succeeded();
    assert_eq!(ran("app/data/a", "other bytes"), descriptor("app"));
    assert_eq!(ran("app/data/a", "other bytes"), [""; 0]);
}

/// How many random edits are made, and how many between two builds that are compared.
const EDITS: usize = 240;
const AT_ONCE: usize = 12;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn after_random_edits_with_the_worker_alive_layers_are_those_of_a_new_output_root() {
    let workspace = workspace();
    let bazel = workspace.bazel("root");
    let fresh = workspace.bazel("fresh");
    let mut chance = Chance::new(15);
    for round in 0..EDITS / AT_ONCE {
        for edit in 0..AT_ONCE {
            random_edit(&workspace, &mut chance, round * AT_ONCE + edit);
            // Some builds see several edits at once.
            if chance.below(3) == 0 {
                bazel.build(&["//:layers"]).succeeded();
            }
        }
        let built = bazel.build(&["//:layers", "//:one"]).succeeded();
        // No worker, no action cache, no output: what a fresh output root has, without a new server.
        fresh.command_line(&["clean"]).succeeded();
        fresh.build(&["//:layers", "//:one", "--strategy=MtreeLayer=local"]).succeeded();
        for file in LAYERS.iter().chain(&["one.tar"]) {
            let [one, other] =
                [&bazel, &fresh].map(|bazel| fs::read(bazel.output(file)).expect("a layer"));
            assert!(one == other, "round {round}: {file} is stale ({})", built.processes());
        }
    }
    let logs = bazel.worker_logs_of("MtreeLayer");
    assert_eq!(logs.len(), 1, "one worker wrote all layers");
    println!(
        "{EDITS} edits; {} requests of one worker",
        logs[0].matches("directories_listed=").count()
    );
}

/// Changes one file: its bytes, or what it is.
fn random_edit(workspace: &Workspace, chance: &mut Chance, number: usize) {
    const FILES: [&str; 6] = [
        "app/main.py",
        "app/data/a",
        "app/data/b",
        "packages/numpy/core.so",
        "own/lib/libown.so",
        "toolchain/bin/python",
    ];
    let file = FILES[chance.below(FILES.len())];
    let path = workspace.path(file);
    let _ = fs::remove_file(&path);
    match chance.below(4) {
        // A link to a new file beside it: its bytes differ from all before.
        0 => {
            let target = format!("target{number}");
            let beside = path.with_file_name(&target);
            fs::write(beside, format!("target {number}")).expect("a file can be written");
            symlink(target, &path).expect("a link can be made");
        }
        // A new file beside it, so that the spec changes.
        1 => {
            let beside = path.with_file_name(format!("new{number}"));
            fs::write(beside, format!("new {number}")).expect("a file can be written");
            fs::write(&path, format!("edit {number}")).expect("a file can be written");
        }
        _ => fs::write(&path, format!("edit {number}")).expect("a file can be written"),
    }
}

const FAULTY: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "layers", "oci_layout", "tar")

SRCS = ["a.txt"]

layers(name = "nothing", srcs = SRCS, groups = {"none": ["no/such/**"]})
layers(name = "unreadable", srcs = SRCS, groups = {"bad": ["[z"]})
oci_layout(name = "based", base = "nobase", layers = [":nothing"])
tar(name = "missing", srcs = SRCS, mtree = ["./b uid=0 gid=0 mode=0644 type=file content=no/file"])
tar(name = "slow", srcs = ["big"], compress = "zstd", level = 19)
genrule(name = "failing", srcs = ["failing.sh"], outs = ["x"], cmd = "sh $(location failing.sh)", local = True)
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn errors_and_warnings_of_layers_are_sentences_and_the_worker_goes_on() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", FAULTY);
    workspace.write("a.txt", "a");
    workspace.write("nobase", "not a layout");
    let bazel = workspace.bazel("root");
    bazel.build(&["//:nothing"]).succeeded().saying(
        "nothing.groups.json: no row is in the group \"none\", whose layer is empty; change its patterns, or remove it",
    );
    assert_eq!(rows(&bazel.output("nothing_none.tar.gz")), []);
    for strategy in ["worker", "sandboxed"] {
        let strategy = format!("--strategy=MtreeLayer={strategy}");
        bazel.build(&["//:unreadable", &strategy]).failed().saying(
            "unreadable.groups.json: the pattern \"[z\" of the group \"bad\" cannot be read",
        );
        bazel.build(&["//:missing", &strategy]).failed().saying("missing_mtree.txt:3: b: ");
    }
    bazel.build(&["//:based"]).failed().saying(
        "nobase: not an OCI image layout, since it has no file oci-layout; make one with skopeo copy",
    );
    assert_eq!(
        bazel.worker_logs_of("MtreeLayer").len(),
        1,
        "the worker did not survive the errors"
    );
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_layer_that_a_failing_build_cancels_leaves_nothing_and_the_next_build_is_right() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", FAULTY);
    workspace.write("a.txt", "a");
    workspace.write("nobase", "");
    let bazel = workspace.bazel("root");
    workspace.write("big", "small");
    bazel.build(&["//:slow"]).succeeded();
    let before = fs::read(bazel.output("slow.tar.zst")).expect("a layer");
    let base = bazel.output_base();
    let unfinished = || {
        let mut find = Command::new("find");
        let found =
            find.arg(&base).args(["-name", ".mtree-worker-*.tmp"]).output().expect("find starts");
        String::from_utf8_lossy(&found.stdout).into_owned()
    };
    // Fails when the layer is being written.
    workspace.write(
        "failing.sh",
        &format!(
            "until find {} -name '.mtree-worker-*.tmp' | grep -q .; do sleep 0.1; done; exit 1\n",
            base.display()
        ),
    );
    must(
        Command::new("sh")
            .args(["-c", "head -c 200000000 /dev/urandom > big"])
            .current_dir(workspace.path("")),
    );
    let said = bazel
        .build(&[
            "//:slow",
            "//:failing",
            "--strategy=MtreeLayer=worker",
            "--worker_sandboxing",
            "--experimental_worker_cancellation",
        ])
        .failed()
        .saying("//:failing");
    println!("{}", said.processes());
    bazel.wait_until("no file is left unfinished", || unfinished().is_empty());
    let after = fs::read(bazel.output("slow.tar.zst")).unwrap_or_default();
    assert!(after.is_empty() || after == before, "half a layer is left");
    workspace.write("big", "small");
    bazel.build(&["//:slow"]).succeeded();
    assert!(fs::read(bazel.output("slow.tar.zst")).expect("a layer") == before);
}

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
    ("py_layers_app.tar", "py py.runfiles/example/lib.py py.runfiles/example/main.py"),
    ("js_layers_node.tar", "js.runfiles/nodejs_linux_amd64/bin/nodejs/bin/node"),
    ("js_layers_app.tar", "js js.runfiles/example/main.js"),
];

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn py_layers_and_js_layers_tell_the_parts_of_a_program_apart() {
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
    let rules = crate::workspace::repository().join("worker-tests/example/rules/program.bzl");
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

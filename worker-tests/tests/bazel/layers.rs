//! Several layers of one image: the same bytes however they are built, each row once, and only what changed is made
//! again.

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
pub fn rows(archive: &Path) -> Vec<(String, String)> {
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
const AT_ONCE: usize = 24;

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
            if chance.below(4) == 0 {
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

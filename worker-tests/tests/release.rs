//! The release: from the archive alone, without Rust and without anything else; and two runs of `release/build` make
//! the same archive. The tests under Bazel use it, too (`tests/bazel/releases.rs`).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use tempfile::TempDir;
use worker_tests::release::{archive, build, must, repository, text, unpack};

/// The program chroot, which a process without variables would not find.
fn chroot() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|directory| directory.join("chroot"));
    found.find(|program| program.is_file()).expect("chroot is installed")
}

/// The target directory of this repository.
fn target_directory() -> PathBuf {
    repository().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The commit that the work tree is at.
fn commit() -> String {
    let head = must(Command::new("git").args(["rev-parse", "HEAD"]).current_dir(repository()));
    text(&head.stdout).trim_end().to_owned()
}

#[test]
#[ignore = "needs minutes: worker-tests/run --test release -- --ignored"]
fn a_second_run_of_release_build_in_another_place_makes_the_same_archive() {
    let room = TempDir::new().expect("a directory");
    // A clone at another path; it has the changes of the work tree, if there are any.
    let clone = room.path().join("a clone elsewhere").join("mtree-worker");
    must(Command::new("git").args(["clone", "--quiet"]).arg(repository()).arg(&clone));
    let changes =
        must(Command::new("git").args(["diff", "--binary", "HEAD"]).current_dir(repository()));
    if !changes.stdout.is_empty() {
        let patch = room.path().join("changes.patch");
        fs::write(&patch, &changes.stdout).expect("a file can be written");
        must(Command::new("git").arg("apply").arg(&patch).current_dir(&clone));
    }
    let target = room.path().join("another-target");
    // Both at once, since the last minutes of a build use one core: tests start in the order of their names, so no
    // other test has built the archive yet.
    let (first, second) = thread::scope(|scope| {
        let second = scope.spawn(|| build(&clone, Some(&target)));
        (archive(), second.join().expect("the second build"))
    });
    assert_eq!(first.file_name(), second.file_name());
    if fs::read(first).expect("the archive") != fs::read(&second).expect("the archive") {
        panic!("the archives differ:\n{}", differences(first, &second, room.path()));
    }
    // The checksum beside each is the one of the archive.
    for archive in [first, &second] {
        let name = archive.file_name().expect("a name").to_string_lossy();
        must(
            Command::new("sha256sum")
                .args(["--check", "--strict", &format!("{name}.sha256")])
                .current_dir(archive.parent().expect("a directory")),
        );
    }
}

/// Which files of two archives differ.
fn differences(first: &Path, second: &Path, room: &Path) -> String {
    let trees = ["first", "second"].map(|name| room.join(name));
    for (tree, archive) in trees.iter().zip([first, second]) {
        fs::create_dir(tree).expect("a directory can be made");
        unpack(archive, tree);
    }
    let compared = Command::new("diff").args(["-rq"]).args(&trees).output().expect("diff starts");
    text(&compared.stdout)
}

#[test]
#[ignore = "needs minutes: worker-tests/run --test release -- --ignored"]
fn from_the_archive_alone_in_an_empty_chroot_the_program_inspects_a_directory_and_writes_its_layer()
{
    let room = TempDir::new().expect("a directory");
    let tree = unpack(archive(), room.path());
    // The root of the new file system holds what the archive holds, and a directory to inspect.
    let data = tree.join("data");
    fs::create_dir(&data).expect("a directory can be made");
    fs::write(data.join("python3.13"), vec![0; 3_000_000]).expect("a file can be written");
    symlink("python3.13", data.join("python3")).expect("a link can be made");
    let done = must(
        Command::new(chroot())
            .arg(&tree)
            .args(["/mtree-worker", "inspect", "data"])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    );
    let said = text(&done.stdout);
    println!("{said}");
    for line in
        ["with copies          6.0 MB", "with links           3.0 MB", "python3 -> python3.13"]
    {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    // It writes the layer, too, which other programs read.
    let keywords = "uid=0 gid=0 mode=0755 time=0 type=file";
    let row = |name: &str| format!("./{name} {keywords} content=data/{name}\n");
    fs::write(tree.join("spec.mtree"), row("python3") + &row("python3.13"))
        .expect("a file can be written");
    must(
        Command::new(chroot())
            .arg(&tree)
            .args(["/mtree-worker", "layer", "--mtree=spec.mtree", "--out=layer.tar.gz"])
            .env_clear(),
    );
    let listed = must(Command::new("tar").arg("-tvzf").arg(tree.join("layer.tar.gz")));
    let listed = text(&listed.stdout);
    println!("{listed}");
    assert!(listed.contains("./python3 -> python3.13"), "{listed}");
    assert!(listed.contains("3000000"), "{listed}");
    let done =
        must(Command::new(chroot()).arg(&tree).args(["/mtree-worker", "--version"]).env_clear());
    let said = text(&done.stdout);
    println!("{said}");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], format!("mtree-worker {}", env!("CARGO_PKG_VERSION")));
    assert!(lines[1].starts_with(&format!("commit: {}", commit())), "{said}");
    assert_eq!(lines[2..4], ["capture format: 2", "layer format: 1"]);
}

#[test]
#[ignore = "needs minutes: worker-tests/run --test release -- --ignored"]
fn the_archive_holds_licences_man_pages_and_completions_and_no_path_of_this_machine() {
    let room = TempDir::new().expect("a directory");
    let tree = unpack(archive(), room.path());
    let read = |file: &str| {
        fs::read_to_string(tree.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    assert!(read("LICENSE").contains("Apache License"));
    assert!(read("README.md").contains("mtree_worker_release"));
    assert!(read("CHANGELOG.md").contains(env!("CARGO_PKG_VERSION")));
    // Each crate that `cargo tree` lists, and what is linked besides.
    let licences = read("THIRD-PARTY-LICENSES");
    let crates = must(
        Command::new("cargo")
            .args(["tree", "--locked", "--package", "mtree-worker", "--edges", "normal"])
            .args(["--prefix", "none", "--no-dedupe", "--format", "{p}"])
            .current_dir(repository()),
    );
    let crates = text(&crates.stdout);
    let mut count = 0;
    for line in crates.lines().filter(|line| !line.starts_with("mtree-worker ") && !line.is_empty())
    {
        let name = line.replacen(" v", " ", 1).replace(" (proc-macro)", "").replace(" (*)", "");
        assert!(licences.contains(&format!("\n{name} (")), "the licence of {name} is missing");
        count += 1;
    }
    assert!(count > 20, "{crates}");
    assert!(licences.contains("The standard library of Rust"));

    for file in ["man/man1/mtree-worker-resolve.1", "completions/_mtree-worker"] {
        assert!(read(file).contains("mtree-worker"), "{file}");
    }

    let program = fs::read(tree.join("mtree-worker")).expect("a program can be read");
    for path in [
        repository().display().to_string(),
        std::env::var("HOME").expect("HOME is set") + "/.cargo",
    ] {
        assert!(
            !program.windows(path.len()).any(|bytes| bytes == path.as_bytes()),
            "the program holds {path}"
        );
    }
}

#[test]
#[ignore = "needs minutes: worker-tests/run --test release -- --ignored"]
fn the_crate_is_packaged_without_a_warning_and_installs() {
    let room = TempDir::new().expect("a directory");
    let done = must(
        Command::new("cargo")
            .args([
                "package",
                "--locked",
                "--allow-dirty",
                "--no-verify",
                "--package",
                "mtree-worker",
            ])
            .current_dir(repository()),
    );
    let said = text(&done.stderr);
    assert!(!said.contains("warning"), "{said}");
    let name = format!("mtree-worker-{}", env!("CARGO_PKG_VERSION"));
    let package = target_directory().join("package").join(format!("{name}.crate"));
    must(Command::new("tar").arg("-xzf").arg(package).arg("-C").arg(room.path()));
    // What the crate holds is enough to install it. Its target directory is its own, so that no result of this package
    // is used. It begins with the dependencies of this test, as cargo's cache in CI would: cargo compiles those again
    // that have other features.
    let test = std::env::current_exe().expect("this test has a path");
    let built = test.ancestors().nth(2).expect("it is below the directory of its profile");
    let profile = match built.file_name().expect("a name").to_str().expect("ASCII") {
        "debug" => "dev",
        profile => profile,
    };
    let targets = TempDir::new_in(target_directory()).expect("a directory");
    let own = targets.path().join(built.file_name().expect("a name"));
    fs::create_dir_all(&own).expect("a directory can be made");
    for (directory, copy) in [(".fingerprint", "-a"), ("build", "-al"), ("deps", "-al")] {
        must(Command::new("cp").arg(copy).arg(built.join(directory)).arg(&own));
        for entry in fs::read_dir(own.join(directory)).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            if name.contains("mtree-worker") || name.contains("mtree_worker") {
                must(Command::new("rm").arg("-r").arg(&path));
            }
        }
    }
    let installed = room.path().join("installed");
    let done = must(
        Command::new("cargo")
            .args(["install", "--locked", "--profile", profile, "--config"])
            .arg(format!("profile.{profile}.package.mtree-worker.opt-level = 0"))
            .arg("--path")
            .arg(room.path().join(&name))
            .arg("--root")
            .arg(&installed)
            .env("CARGO_TARGET_DIR", targets.path()),
    );
    let said = text(&done.stderr);
    println!("{said}");
    assert!(said.contains(&format!("Compiling mtree-worker v{}", env!("CARGO_PKG_VERSION"))));
    let done = must(Command::new(installed.join("bin/mtree-worker")).arg("--version"));
    let said = text(&done.stdout);
    assert!(
        said.starts_with(&format!(
            "mtree-worker {}\ncommit: {}",
            env!("CARGO_PKG_VERSION"),
            commit()
        )),
        "{said}"
    );
}

/// The bounds of docs/performance.md, "Size and start-up", in bytes.
const ARCHIVE: u64 = 3_500_000;
const PROGRAM: u64 = 7_700_000;

/// How many system calls `--version` may make besides those that read how many cores there are: Rust's standard library
/// looks for a limit in `/proc/self/cgroup` and `/sys/fs/cgroup`, which have other levels on other machines.
const CALLS: usize = 110;

#[test]
#[ignore = "needs minutes: worker-tests/run --test release -- --ignored"]
fn the_archive_is_small_and_a_start_makes_few_system_calls() {
    let room = TempDir::new().expect("a directory");
    let program = unpack(archive(), room.path()).join("mtree-worker");
    for (file, bound) in [(archive(), ARCHIVE), (&program, PROGRAM)] {
        let size = fs::metadata(file).expect("a file").len();
        println!("{size} bytes: {}", file.display());
        assert!(size <= bound, "{} has {size} bytes, more than {bound}", file.display());
    }

    // With -y, a call with a descriptor has the path of its file.
    let trace = room.path().join("trace");
    must(
        Command::new("strace")
            .args(["-f", "-y", "-qq", "-o"])
            .arg(&trace)
            .arg(&program)
            .arg("--version"),
    );
    let trace = fs::read_to_string(trace).expect("a trace");
    let calls: Vec<_> = trace.lines().filter(|line| !line.contains("cgroup")).collect();
    println!("{} system calls, {} of them for cgroups", trace.lines().count(), {
        trace.lines().count() - calls.len()
    });
    assert!(calls.len() <= CALLS, "{} system calls, more than {CALLS}:\n{trace}", calls.len());
    // On Linux it is static, and reads no configuration: it opens nothing else, and starts no thread or process.
    for call in ["open", "clone", "fork", "connect", "socket"] {
        let found = calls.iter().find(|line| line.contains(&format!(" {call}")));
        assert_eq!(found, None, "{call}");
    }
}

#[test]
#[ignore = "needs minutes: worker-tests/run --test release -- --ignored"]
fn the_source_archive_holds_what_cargo_and_the_rules_need() {
    let room = TempDir::new().expect("a directory");
    let done = must(Command::new("release/source").arg(room.path()).current_dir(repository()));
    let path = text(&done.stdout).trim_end().to_owned();
    must(Command::new("tar").arg("-xzf").arg(&path).arg("-C").arg(room.path()));
    let tree = room.path().join(format!("mtree_worker-{}", env!("CARGO_PKG_VERSION")));
    // cargo reads the manifests of all members of the workspace, and finds all of their targets.
    must(
        Command::new("cargo")
            .args(["metadata", "--locked", "--offline", "--format-version=1"])
            .current_dir(&tree),
    );
    for file in
        ["MODULE.bazel", "bazel/defs.bzl", "build.rs", "proto/capture.proto", "e2e/smoke/link.txt"]
    {
        assert!(tree.join(file).symlink_metadata().is_ok(), "{file} is missing");
    }
    assert!(!tree.join("worker-tests/fuzz/corpus").exists());
    println!("{} bytes", fs::metadata(&path).expect("the archive").len());
}

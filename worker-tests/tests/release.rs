//! The release: from the archive alone, without Rust and without anything else. The tests under Bazel use the same
//! archive (`tests/bazel/releases.rs`).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use worker_tests::release::{archive, must, repository, text, unpack};

/// The program chroot, which a process without variables would not find.
fn chroot() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|directory| directory.join("chroot"));
    found.find(|program| program.is_file()).expect("chroot is installed")
}

/// The commit that the work tree is at.
fn commit() -> String {
    let head = must(Command::new("git").args(["rev-parse", "HEAD"]).current_dir(repository()));
    text(&head.stdout).trim_end().to_owned()
}

#[test]
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

    for page in ["mtree-worker.1", "mtree-worker-resolve.1", "mtree-worker-explain.1"] {
        let page = tree.join("man/man1").join(page);
        let warnings = must(
            Command::new("man").arg("--warnings").arg("-l").arg(&page).env("LC_ALL", "C.UTF-8"),
        );
        assert_eq!(text(&warnings.stderr), "", "{}", page.display());
        assert!(text(&warnings.stdout).contains("mtree-worker"));
    }
    for (shell, file) in
        [("bash", "mtree-worker.bash"), ("zsh", "_mtree-worker"), ("fish", "mtree-worker.fish")]
    {
        let completions = read(&format!("completions/{file}"));
        assert!(completions.contains("missing-target"), "{shell}: {completions}");
    }
    // Bash reads it, and completes a flag.
    let script = format!(
        "source {}; COMP_WORDS=(mtree-worker resolve --missing-t); COMP_CWORD=2; \
         _mtree__worker mtree-worker --missing-t resolve; echo \"${{COMPREPLY[@]}}\"",
        tree.join("completions/mtree-worker.bash").display()
    );
    let completed = must(Command::new("bash").args(["-c", &script]));
    assert_eq!(text(&completed.stdout).trim(), "--missing-target");

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
fn the_crate_is_packaged_without_a_warning_and_installs() {
    let room = TempDir::new().expect("a directory");
    let target =
        repository().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
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
    let package = target.join("package").join(format!("{name}.crate"));
    must(Command::new("tar").arg("-xzf").arg(package).arg("-C").arg(room.path()));
    // What the crate holds is enough to install it. Its target directory is its own: the files of a crate are old, so
    // cargo would consider the results of another build of this package newer.
    let installed = room.path().join("installed");
    must(
        Command::new("cargo")
            .args(["install", "--locked", "--quiet", "--debug", "--path"])
            .arg(room.path().join(&name))
            .arg("--root")
            .arg(&installed)
            .env("CARGO_TARGET_DIR", room.path().join("target")),
    );
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

#[test]
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

//! Workspaces that use the program under test: copies of the example, and small ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use worker_tests::program;

use crate::server::Bazel;

/// The root of this repository.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests are in the repository").to_owned()
}

/// A temporary directory for a workspace and its output roots.
pub struct Workspace {
    directory: TempDir,
}

impl Workspace {
    /// A copy of the example, with the paths of this repository and of the program under test.
    pub fn example() -> Workspace {
        let workspace = Workspace { directory: TempDir::new().expect("a directory can be made") };
        let example = repository().join("worker-tests/example");
        must(Command::new("cp").arg("-a").arg(example).arg(workspace.path("")));
        let text = workspace.read("WORKSPACE");
        let text = text
            .replace("\"../../target/release/mtree-worker\"", &quoted(program::binary()))
            .replace("\"../..\"", &quoted(&repository()))
            .replace(
                "\"../offline/",
                &format!("\"{}/worker-tests/offline/", repository().display()),
            );
        workspace.write("WORKSPACE", &text);
        workspace
    }

    /// A workspace with this repository only. `more` is appended to its WORKSPACE file.
    pub fn small(more: &str) -> Workspace {
        let workspace = Workspace { directory: TempDir::new().expect("a directory can be made") };
        let mut text = String::from("workspace(name = \"example\")\n");
        for (name, path) in [
            ("mtree_worker", ""),
            ("rules_cc", "worker-tests/offline/rules_cc"),
            ("rules_java", "worker-tests/offline/rules_java"),
        ] {
            let path = quoted(&repository().join(path));
            text += &format!("local_repository(name = {name:?}, path = {path})\n");
        }
        workspace.write("WORKSPACE", &(text + more));
        workspace
    }

    /// A small workspace with the program under test as its toolchain.
    pub fn with_worker(more: &str) -> Workspace {
        Workspace::small(&format!(
            "load(\"@mtree_worker//bazel:repositories.bzl\", \"mtree_worker_local\")\n\
             mtree_worker_local(name = \"bin\", path = {})\n\
             register_toolchains(\"@bin//:toolchain\")\n{more}",
            quoted(program::binary())
        ))
    }

    /// Bazel in this workspace, with the output root `root`.
    pub fn bazel(&self, root: &str) -> Bazel {
        Bazel::new(&self.path(""), &self.directory.path().join(root))
    }

    /// Bazel in this workspace, with the given output base.
    pub fn bazel_in(&self, output_base: &Path) -> Bazel {
        Bazel::in_output_base(&self.path(""), output_base)
    }

    /// The path of a file of the workspace.
    pub fn path(&self, file: &str) -> PathBuf {
        match file {
            "" => self.directory.path().join("example"),
            file => self.directory.path().join("example").join(file),
        }
    }

    /// The path of a file outside the workspace, in the same temporary directory.
    pub fn beside(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// Writes a file, and creates its parent directories.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().expect("a file is in a directory"))
            .and_then(|()| fs::write(&path, text))
            .expect("a file can be written");
    }

    /// Reads a file.
    pub fn read(&self, file: &str) -> String {
        read(&self.path(file))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // Bazel creates read-only directories.
        let _ = Command::new("chmod").args(["-R", "u+w"]).arg(self.directory.path()).output();
    }
}

/// A path as a Starlark string.
pub fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

/// Reads a text file.
#[track_caller]
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a command, and panics unless it succeeds.
#[track_caller]
pub fn must(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Unpacks an archive into a new directory.
pub fn unpack(tar: &Path, into: &Path) {
    fs::create_dir_all(into).expect("a directory can be made");
    must(Command::new("bsdtar").arg("-xpf").arg(tar).arg("-C").arg(into));
}

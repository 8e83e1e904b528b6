//! An exec root: a directory with trees and specs in which a worker runs, and beside it a process that
//! runs once and caches nothing.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::client::{Protocol, WorkRequest, Worker, request};
use crate::plant::{plant, temporary_directory};
use crate::program;

/// A directory to run in. Dropping it deletes everything in it.
pub struct ExecRoot {
    // Below it, so that there is room for the neighbours of an exec root.
    directory: TempDir,
    path: PathBuf,
}

impl ExecRoot {
    /// An exec root with the entries that `tree` describes (see [`plant`]).
    pub fn new(tree: &str) -> ExecRoot {
        Self::within(temporary_directory("exec-root-").expect("a directory"), tree)
    }

    /// Like [`new`](Self::new), in the file system of a directory.
    pub fn below(directory: &Path, tree: &str) -> ExecRoot {
        Self::within(TempDir::new_in(directory).expect("a directory"), tree)
    }

    fn within(directory: TempDir, tree: &str) -> ExecRoot {
        let path = directory.path().canonicalize().expect("it is there").join("main");
        fs::create_dir(&path).expect("a directory");
        plant(&path, tree.as_bytes()).expect("the tree can be planted");
        ExecRoot { directory, path }
    }

    /// Where it is, without links on the way.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that it is in, which has nothing else in it.
    pub fn beside(&self) -> PathBuf {
        self.directory.path().canonicalize().expect("it is there")
    }

    /// Where `path` is.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.path.join(path)
    }

    /// Writes a file, and makes the directories above it.
    pub fn write(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("a directory");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// What is in a file.
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.at(path);
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        String::from_utf8(text).expect("UTF-8")
    }

    /// Whether anything exists at `path`.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    /// Starts a worker here.
    pub fn worker(&self, flags: &[&str]) -> Worker {
        Worker::start(self.command(flags), Protocol::Proto)
    }

    /// The command that starts a worker here, to be changed by the caller.
    pub fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(program::binary());
        command.args(flags).arg("--persistent_worker").current_dir(&self.path);
        command.env_remove("MTREE_WORKER_LOG");
        command
    }

    /// Runs the program once here, with arguments as a request has them.
    pub fn once<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Output {
        program::run(&self.path, arguments)
    }

    /// What a process that runs once writes to `--out`, given the arguments besides; else what it
    /// says.
    pub fn once_resolved(&self, arguments: &[&str]) -> Result<String, String> {
        let out = "once/out.mtree";
        self.write(out, "");
        let done = self.once(&[&["resolve", "--out", out], arguments].concat());
        match done.status.success() {
            true => Ok(self.read(out)),
            false => Err(program::said(&done)),
        }
    }

    /// The temporary files that were left.
    pub fn temporary_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut directories = vec![self.beside()];
        while let Some(directory) = directories.pop() {
            for entry in
                fs::read_dir(&directory).expect("a directory").map(|entry| entry.expect("one"))
            {
                let name = entry.file_name();
                if entry.file_type().expect("a type").is_dir() {
                    directories.push(entry.path());
                } else if name.as_encoded_bytes().ends_with(b".tmp") {
                    found.push(entry.path());
                }
            }
        }
        found
    }
}

/// A request to resolve `spec` and write `out`.
pub fn resolve(id: i32, spec: &str, out: &str) -> WorkRequest {
    request(id, &["resolve", "--mtree", spec, "--out", out])
}

/// A spec with a row for each source, below `app`, as tar.bzl writes one.
pub fn spec<S: AsRef<str>>(sources: &[S]) -> String {
    sources.iter().map(|source| file_row(source.as_ref(), source.as_ref())).collect()
}

/// A spec's row at `app/` + `path`.
pub fn file_row(path: &str, source: &str) -> String {
    format!("./app/{path} uid=0 gid=0 time=1672560000 mode=0755 type=file content={source}\n")
}

/// The row at `app/` + `path` once it is a link.
pub fn link_row(path: &str, text: &str) -> String {
    format!("./app/{path} uid=0 gid=0 time=1672560000 mode=0755 type=link link={text}\n")
}

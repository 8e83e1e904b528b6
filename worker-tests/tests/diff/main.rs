//! `diff`: two layers, specs or captures compared (docs/design.md, "Capture and replay"), with the real program.

mod forms;
mod hostile;
mod kinds;
mod mixed;
mod tar;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use worker_tests::program::{binary, run, said};

/// A directory with files to compare.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(TempDir::new().expect("a directory can be made"))
    }

    /// With the tars `a.tar` and `b.tar`.
    fn of_tars(old: &[tar::Head], new: &[tar::Head]) -> Files {
        let files = Files::new();
        files.write("a.tar", tar::tar(old));
        files.write("b.tar", tar::tar(new));
        files
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("a directory");
        fs::write(path, content).expect("a file can be written");
    }

    /// Runs commands of a shell here, with the program among them. They must succeed.
    fn sh(&self, script: &str) -> String {
        let programs = binary().parent().expect("the program lies in a directory");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = [programs.to_owned()].into_iter().chain(std::env::split_paths(&path));
        let done = Command::new("bash")
            .args(["-ec", script])
            .current_dir(self.path())
            .env("PATH", std::env::join_paths(paths).expect("paths without a colon"))
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .output()
            .expect("bash starts");
        assert!(done.status.success(), "{script}: {}", said(&done));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    fn diff(&self, arguments: &[&str]) -> Output {
        run(self.path(), &[&["diff"], arguments].concat())
    }

    /// What `diff` prints of two files that differ.
    fn differing(&self, arguments: &[&str]) -> String {
        let done = self.diff(arguments);
        assert_eq!((done.status.code(), said(&done)), (Some(1), String::new()), "{}", out(&done));
        out(&done)
    }

    /// Asserts that two files are equal, and that nothing is said of them.
    fn equal(&self, arguments: &[&str]) {
        let done = self.diff(arguments);
        let printed = (done.status.code(), out(&done), said(&done));
        assert_eq!(printed, (Some(0), String::new(), String::new()));
    }

    /// Asserts that comparing fails with one sentence that has all of `words`.
    fn fails(&self, arguments: &[&str], words: &[&str]) {
        let done = self.diff(arguments);
        let said = said(&done);
        assert_eq!((done.status.code(), out(&done)), (Some(2), String::new()), "{said}");
        let is_sentence = said.starts_with("mtree-worker: ") && said.lines().count() == 1;
        assert!(is_sentence, "{said}");
        for word in words {
            assert!(said.contains(word), "{said} does not name {word}");
        }
    }
}

fn out(done: &Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// `printed` without the lines that name the files and the totals.
fn differences(printed: &str) -> String {
    let is_of_whole = |line: &&str| {
        let is_sizes = line.starts_with("content ") || line.starts_with("tar ");
        let is_name = line.starts_with("--- ") || line.starts_with("+++ ");
        is_sizes || is_name || line.ends_with(" unchanged\n")
    };
    printed.split_inclusive('\n').filter(|line| !is_of_whole(line)).collect()
}

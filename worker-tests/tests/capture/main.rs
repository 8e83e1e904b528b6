//! Requests that are recorded, replayed elsewhere, and explained (docs/design.md, "Capture and replay"),
//! with the real program.

mod explaining;
mod layers;
mod live;
mod recording;
mod replaying;

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;
use worker_tests::{
    case::Case,
    client::{Protocol, Worker},
    plant::plant,
    program,
};

/// A user without files or privileges.
const NOBODY: u32 = 65534;

/// A directory that any user may read.
fn directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("capture-").tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    directory
}

/// A case on the disk, recorded.
struct Recorded {
    name: String,
    cwd: PathBuf,
    root: PathBuf,
    arguments: Vec<String>,
    capture: PathBuf,
    done: Output,
    out: Option<Vec<u8>>,
    _tree: TempDir,
}

/// Plants each case, records it, and calls `check` with it.
fn each_case(captures: &Path, check: impl Fn(&Recorded) + Sync) {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<_> = fs::read_dir(cases)
        .expect("the cases are there")
        .map(|entry| entry.expect("they can be listed").path())
        .filter(|path| path.extension() == Some(OsStr::new("txtar")))
        .collect();
    files.sort();
    assert!(files.len() > 100, "cases are missing");
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let captures = captures.join(&name);
        check(&record_case(name, &file, &captures));
    }
}

fn record_case(name: String, file: &Path, captures: &Path) -> Recorded {
    let case = Case::read(file).expect("the case can be read");
    let tree = directory();
    let root = tree.path().canonicalize().expect("it is there");
    plant(&root, case.tree()).expect("the tree can be planted");
    let cwd = root.join(case.cwd().as_deref().unwrap_or("execroot/_main"));
    fs::create_dir_all(&cwd).expect("the directory can be made");
    for (name, text) in case.specs(&root) {
        fs::write(cwd.join(name), text).expect("the spec can be written");
    }
    let mut arguments = ["--record", captures.to_str().expect("UTF-8")].map(str::to_owned).to_vec();
    arguments.extend(["resolve", "--mtree", "spec.mtree", "--out", "out.mtree"].map(str::to_owned));
    arguments.extend(case.arguments());
    let done = program::run(&cwd, &arguments);
    let out = fs::read(cwd.join("out.mtree")).ok();
    let capture = only_capture(captures);
    let arguments = case.arguments();
    Recorded { name, cwd, root, arguments, capture, done, out, _tree: tree }
}

/// The captures in a directory, sorted by name.
fn captures_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    let mut found: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    found.sort();
    found
}

fn only_capture(directory: &Path) -> PathBuf {
    let mut found = captures_in(directory);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn run(directory: &Path, arguments: &[&OsStr]) -> Output {
    program::run(directory, arguments)
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn os(text: &str) -> &OsStr {
    OsStr::new(text)
}

/// A small tree with a spec, recorded.
struct Small {
    directory: TempDir,
    capture: PathBuf,
}

const SPEC: &str = "\
./app/bin/python type=file content=external/py/bin/python
./app/bin/python3 type=file content=external/py/bin/python3
./app/bin/python3.13 type=file content=external/py/bin/python3.13
./app/lib/a type=file content=external/py/lib/a
./app/lib64/a type=file content=external/py/lib64/a
./app/gone type=file content=external/py/gone
";

impl Small {
    fn new() -> Small {
        let directory = directory();
        let tree = b"file external/py/bin/python3.13
link external/py/bin/python3 -> python3.13
link external/py/bin/python -> python3
file external/py/lib/a
link external/py/lib64 -> lib";
        plant(directory.path(), tree).expect("the tree can be planted");
        fs::write(directory.path().join("spec.mtree"), SPEC).expect("the spec can be written");
        let captures = directory.path().join("captures");
        let done = run(
            directory.path(),
            &["--record", "captures", "resolve", "--mtree", "spec.mtree", "--out", "out.mtree"]
                .map(OsStr::new),
        );
        assert!(done.status.success(), "{}", program::said(&done));
        let capture = only_capture(&captures);
        Small { directory, capture }
    }

    fn replay(&self, flags: &[&str]) -> Output {
        let mut arguments = vec![os("replay"), self.capture.as_os_str()];
        arguments.extend(flags.iter().map(OsStr::new));
        run(self.directory.path(), &arguments)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }
}

/// A worker that records to `captures`.
fn worker(directory: &Path, flags: &[&str]) -> Worker {
    let mut command = Command::new(program::binary());
    command
        .args(["--record", "captures", "--persistent_worker"])
        .args(flags)
        .current_dir(directory);
    let protocol =
        if flags.contains(&"--protocol=json") { Protocol::Json } else { Protocol::Proto };
    Worker::start(command, protocol)
}

//! The program under test: building it, finding it, running it.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// The file that is the program under test, where it need not be built.
const BUILT: &str = "PROGRAM_UNDER_TEST";

/// The built `mtree-worker`, brought up to date once per test process, unless `PROGRAM_UNDER_TEST` names a file.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(build)
}

/// Runs `mtree-worker` in `directory`.
pub fn run<A: AsRef<OsStr>>(directory: &Path, arguments: &[A]) -> Output {
    Command::new(binary())
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("the program starts")
}

/// What the program said on stderr.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Copies the program to `to`, for a user who may not run it where it was built.
///
/// `cp` does it: had this process the copy open for writing, a test that forks at that moment would keep it
/// open, and running the copy would fail with `ETXTBSY`.
pub fn copy(to: &Path) {
    let copied = Command::new("cp").arg(binary()).arg(to).status().expect("cp starts");
    assert!(copied.success(), "the program is not copied to {}", to.display());
}

fn build() -> PathBuf {
    if let Some(built) = env::var_os(BUILT) {
        return built.into();
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (profile, directory) = profile();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(cargo);
    match profile.as_str() {
        // Benchmarks measure what users build.
        "release" => cargo.args(["build", "--bin", "mtree-worker"]),
        // `cargo test` has mostly built it already, since cargo builds the programs of a package for its integration
        // tests. `cargo build` would compile much again, with other features of the dependencies.
        _ => cargo.args(["test", "--no-run", "--test", "edges"]),
    };
    if cfg!(feature = "system") {
        cargo.args(["--features", "worker-tests/system"]);
    }
    let built = cargo
        .args(["--quiet", "--profile", &profile])
        .current_dir(&workspace)
        .status()
        .expect("cargo starts");
    assert!(built.success(), "mtree-worker does not build");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    workspace.join(target).join(directory).join("mtree-worker")
}

/// The profile that this test was built in, and its directory below the target directory: the program is
/// built in the same.
fn profile() -> (String, String) {
    let test = env::current_exe().expect("a process has a program");
    // target/DIRECTORY/deps/TEST, target/DIRECTORY/examples/EXAMPLE, or target/DIRECTORY/PROGRAM
    let is_below = |path: &Path| path.ends_with("deps") || path.ends_with("examples");
    let directory = test.ancestors().skip(1).find(|path| !is_below(path));
    let directory = directory.and_then(Path::file_name).expect("cargo built this test");
    let directory = directory.to_string_lossy().into_owned();
    let profile = if directory == "debug" { "dev".to_owned() } else { directory.clone() };
    (profile, directory)
}

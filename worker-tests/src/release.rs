//! The archive of a release: built by `release/build`, once per target directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The archive of a release. The first call takes minutes, in a target directory that has none yet.
pub fn archive() -> &'static Path {
    static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
    ARCHIVE.get_or_init(|| build(&repository(), None))
}

/// The root of this repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the repository is there")
}

/// Runs `release/build` of a repository, in a target directory: the default is the one of the repository. Returns the
/// archive.
pub fn build(repository: &Path, target_directory: Option<&Path>) -> PathBuf {
    let mut command = Command::new("release/build");
    command.current_dir(repository);
    if let Some(directory) = target_directory {
        command.env("CARGO_TARGET_DIR", directory);
    }
    let done = command.output().expect("release/build starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "release/build failed:\n{said}");
    println!("{said}");
    PathBuf::from(String::from_utf8_lossy(&done.stdout).trim_end())
}

/// Unpacks the archive of a release into `directory`. Returns the directory of the program.
pub fn unpack(archive: &Path, directory: &Path) -> PathBuf {
    let done = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(directory).status();
    assert!(done.expect("tar starts").success(), "{} cannot be unpacked", archive.display());
    let name = archive.file_name().expect("an archive has a name").to_string_lossy();
    directory.join(name.trim_end_matches(".tar.gz"))
}

/// What a program printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command, which must succeed.
#[track_caller]
pub fn must(command: &mut Command) -> Output {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        done.status.success(),
        "{command:?} failed:\n{}{}",
        text(&done.stdout),
        text(&done.stderr)
    );
    done
}

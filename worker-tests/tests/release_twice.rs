//! The release, built a second time in another place, is the same. This takes minutes, so it runs only for a release
//! (release/CHECKLIST.md).

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use worker_tests::release::{archive, build, must, repository, text, unpack};

#[test]
fn two_runs_of_release_build_in_two_places_make_the_same_archive() {
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
    let again = build(&clone, Some(&target));
    let (first, second) = (archive(), again.as_path());
    assert_eq!(first.file_name(), second.file_name());
    if fs::read(first).expect("the archive") != fs::read(second).expect("the archive") {
        panic!("the archives differ:\n{}", differences(first, second, room.path()));
    }
    // The checksum beside it is the one of the archive.
    let beside = first.parent().expect("a directory");
    let sums = fs::read_dir(beside).expect("a directory").filter_map(|entry| {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        (name == format!("{}.sha256", first.file_name()?.to_string_lossy())).then_some(name)
    });
    for sum in sums {
        must(Command::new("sha256sum").args(["--check", "--strict", &sum]).current_dir(beside));
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

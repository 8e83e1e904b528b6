//! The documents: what they say of flags, files, rules and output is true for the program and the
//! repository.

mod citations;
mod console;
mod flags;
mod links;
mod proofs;
mod registry;
mod versions;

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests lie below the root").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below `directory`, a path below the root, whose names end in `ending`; in order.
fn files(directory: &str, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![root().join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the repository") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                directories.push(entry.path());
            } else if entry.file_name().to_string_lossy().ends_with(ending) {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

/// Every document, by its path below the root.
fn documents() -> Vec<String> {
    let mut documents: Vec<_> =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
            .map(str::to_owned)
            .into();
    for directory in ["bazel", "docs", "release", "worker-tests/fuzz", "worker-tests/tests"] {
        let found = files(directory, ".md");
        let below = found.iter().map(|path| path.strip_prefix(root()).expect("below the root"));
        documents.extend(below.map(|path| path.to_string_lossy().into_owned()));
    }
    documents
}

/// The lines of a document outside of fenced blocks.
fn prose(document: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    document.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        !in_block && !is_fence
    })
}

/// The texts between backquotes in a line.
fn code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The lines of `document` below the heading `heading`, up to the next one of its level or above.
fn section<'d>(document: &'d str, heading: &str) -> Option<Vec<&'d str>> {
    let level = |line: &str| line.bytes().take_while(|byte| *byte == b'#').count();
    let mut lines = prose(document).skip_while(|line| *line != heading);
    let first = lines.next()?;
    Some(lines.take_while(|line| level(line) == 0 || level(line) > level(first)).collect())
}

/// Fails with the lines `wrong`, unless there are none.
fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_readme_has_at_most_180_lines_of_at_most_100_characters() {
    let readme = read(&root().join("README.md"));
    let lines = readme.lines().count();
    assert!(lines <= 180, "README.md has {lines} lines");
    for (number, line) in readme.lines().enumerate() {
        let long = line.chars().count();
        assert!(long <= 100, "README.md:{}: {long} characters", number + 1);
    }
}

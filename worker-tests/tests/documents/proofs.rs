//! The tests and cases that the documents name exist, and each case says why it is there.

use std::fs;

use super::{assert_none, code, files, prose, read, root};

/// The functions of a test file, or of the files of a test directory; none if there is no such test.
fn functions(test: &str) -> Vec<String> {
    let below = format!("worker-tests/tests/{test}");
    let paths = match root().join(&below).is_dir() {
        true => files(&below, ".rs"),
        false => vec![root().join(format!("{below}.rs"))],
    };
    let texts = paths.iter().filter_map(|path| fs::read_to_string(path).ok());
    let functions = texts.flat_map(|text| {
        let lines = text.lines().map(str::trim_start).map(str::to_owned).collect::<Vec<_>>();
        lines
            .into_iter()
            .filter_map(|line| Some(line.strip_prefix("fn ")?.split('(').next()?.to_owned()))
    });
    functions.collect()
}

/// Whether a directory of the tests has a file whose name begins with `stem` and, unless `stem` ends
/// in `*`, goes on with a dot.
fn has_file(directory: &str, stem: &str) -> bool {
    let (stem, dot) = stem.strip_suffix('*').map_or((stem, "."), |stem| (stem, ""));
    let start = format!("{stem}{dot}");
    let mut entries =
        fs::read_dir(root().join("worker-tests").join(directory)).expect("a directory");
    entries.any(|entry| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(&start))
    })
}

#[test]
fn every_test_case_and_target_that_security_names_exists() {
    let security = read(&root().join("SECURITY.md"));
    let mut wrong = Vec::new();
    let mut checked = 0;
    for row in prose(&security).filter(|line| line.starts_with("| ")).skip(2) {
        let proofs = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        // `file`: `function`, `function`; cases `case`; fuzz `target`.
        for group in proofs.split("; ") {
            let names: Vec<_> = code(group).collect();
            let is_there = |name: &&str| match group {
                group if group.starts_with("case") => has_file("cases", name),
                group if group.starts_with("fuzz") => has_file("fuzz/fuzz_targets", name),
                _ => {
                    functions(names[0]).iter().any(|function| name == function) || *name == names[0]
                }
            };
            checked += names.len();
            let is_file = group.starts_with('`');
            if is_file && functions(names[0]).is_empty() {
                wrong.push(format!("SECURITY.md: there is no test file {}", names[0]));
            }
            let missing = names.iter().filter(|name| !is_there(name));
            wrong.extend(missing.map(|name| format!("SECURITY.md: {group}: there is no {name}")));
        }
    }
    assert!(checked > 40, "only {checked} names were found");
    assert_none(&wrong);
}

#[test]
fn every_fault_names_a_test() {
    let faults = read(&root().join("worker-tests/tests/faults/README.md"));
    let mut wrong = Vec::new();
    let mut checked = 0;
    for row in prose(&faults).filter(|line| line.starts_with("| ") && line.contains("::")) {
        let named = code(row).last().unwrap_or_default();
        let (file, start) = named.split_once("::").unwrap_or((named, ""));
        let start = start.trim_end_matches('…');
        checked += 1;
        if !functions(&format!("faults/{file}")).iter().any(|function| function.starts_with(start))
        {
            wrong.push(format!("faults/README.md: there is no {named}"));
        }
    }
    assert!(checked > 10, "only {checked} tests were found");
    assert_none(&wrong);
}

#[test]
fn every_case_says_why_in_one_to_three_sentences() {
    let mut wrong = Vec::new();
    for path in files("worker-tests/cases", ".txtar") {
        let text = read(&path);
        let comment = text.split("-- ").next().unwrap_or_default();
        let lines = comment.lines().count();
        let sentences = comment.matches(['.', ':']).count();
        if !(1..=5).contains(&lines) || sentences == 0 || !comment.ends_with('\n') {
            wrong.push(format!("{}: {comment}", path.display()));
        }
    }
    assert_none(&wrong);
}

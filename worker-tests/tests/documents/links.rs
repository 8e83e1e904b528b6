//! Links between the documents, and the files that they name: all of them exist.

use std::fs;
use std::path::Path;

use super::{assert_none, code, documents, prose, read, root};

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|char| char.is_alphanumeric() || [' ', '-', '_'].contains(char));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect()
}

/// The targets of the Markdown links in a document.
fn links(document: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(document) {
        // Text between backquotes is no link.
        let line = line.split('`').step_by(2).collect::<Vec<_>>().join("");
        for rest in line.split("](").skip(1) {
            links.extend(rest.split_once(')').map(|(target, _)| target.to_owned()));
        }
    }
    links
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut wrong = Vec::new();
    let mut followed = 0;
    for name in documents() {
        let path = root().join(&name);
        for link in links(&read(&path)).iter().filter(|link| !link.contains("://")) {
            followed += 1;
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().expect("a document lies in a directory").join(file),
            };
            if !target.exists() {
                wrong.push(format!("{name}: {link} leads to no file"));
            } else if !fragment.is_empty() {
                let document = read(&target);
                let mut headings = prose(&document).filter(|line| line.starts_with('#'));
                if !headings.any(|heading| anchor(heading) == fragment) {
                    wrong.push(format!("{name}: {link} leads to no heading"));
                }
            }
        }
    }
    assert!(followed > 10, "only {followed} links were found");
    assert_none(&wrong);
}

#[test]
fn every_file_that_a_document_names_exists() {
    const DIRECTORIES: [&str; 9] = [
        "src/",
        "tests/",
        "worker-tests/",
        "bazel/",
        "docs/",
        "proto/",
        ".ci/",
        "release/",
        "examples/",
    ];
    let mut wrong = Vec::new();
    for name in documents().iter().filter(|name| *name != "CHANGELOG.md") {
        for named in prose(&read(&root().join(name))).flat_map(code) {
            // The first word of a command line, and not a pattern.
            let path = named.split(' ').next().unwrap_or_default();
            let is_path = DIRECTORIES.iter().any(|directory| path.starts_with(directory));
            let is_pattern = path.contains(['*', '{', '…']) || path.contains("NAME");
            if is_path && !is_pattern && !root().join(path).exists() {
                wrong.push(format!("{name}: there is no {path}"));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn the_code_map_names_every_directory_of_the_sources() {
    let architecture = read(&root().join("ARCHITECTURE.md"));
    let named: Vec<_> = prose(&architecture).flat_map(code).collect();
    let entries = fs::read_dir(root().join("src")).expect("a directory of the repository");
    let directories =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
    let names =
        directories.map(|path| path.strip_prefix(root()).expect("below the root").to_owned());
    let missing = names.filter(|name| !named.iter().any(|named| name == Path::new(named)));
    let missing = missing.map(|name| format!("ARCHITECTURE.md does not name {}", name.display()));
    assert_none(&missing.collect::<Vec<_>>());
}

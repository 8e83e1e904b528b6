//! Citations of docs/design.md in the sources: the rules and headings that they name exist.

use std::collections::BTreeSet;

use super::{assert_none, files, prose, read, root};

/// The numbers in a text like `rules 1, 2 and 5` or `rule 3`, from behind the word.
fn numbers(text: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    let mut rest = text;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Ok(number) = rest[..digits].parse() else {
            return numbers;
        };
        numbers.push(number);
        let next =
            [", ", " and ", " to "].into_iter().find_map(|and| rest[digits..].strip_prefix(and));
        let Some(next) = next else {
            return numbers;
        };
        rest = next;
    }
}

/// What a source file cites of the design: numbers of rules, and headings in quotes.
fn citations(text: &str) -> (Vec<u32>, Vec<String>) {
    // A citation may go on in the next line of a comment.
    let lines =
        text.lines().map(|line| line.trim_start().trim_start_matches(['/', '!', '#']).trim_start());
    let text = lines.collect::<Vec<_>>().join(" ");
    let lower = text.to_ascii_lowercase();
    let (mut rules, mut headings) = (Vec::new(), Vec::new());
    for (at, word) in lower.match_indices("design") {
        let rest = at + word.len();
        let rest = rest + if lower[rest..].starts_with(".md") { ".md".len() } else { 0 };
        for word in [" rule ", " rules "] {
            rules.extend(lower[rest..].strip_prefix(word).map(numbers).unwrap_or_default());
        }
        if let Some((heading, _)) =
            text[rest..].strip_prefix(", \"").and_then(|rest| rest.split_once('"'))
        {
            headings.push(heading.to_owned());
        }
    }
    (rules, headings)
}

#[test]
fn every_rule_and_heading_that_a_source_file_cites_is_in_the_design() {
    let design = read(&root().join("docs/design.md"));
    let headings: BTreeSet<_> = prose(&design)
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches(['#', ' ']))
        .collect();
    let mut wrong = Vec::new();
    let mut cited = 0;
    for directory in ["src", "worker-tests", "bazel"] {
        let sources = files(directory, ".rs").into_iter().chain(files(directory, ".bzl"));
        for path in sources.filter(|path| !path.ends_with("tests/documents.rs")) {
            let (rules, quoted) = citations(&read(&path));
            cited += rules.len();
            let rules = rules.iter().map(|number| format!("Rule {number}"));
            for heading in
                rules.chain(quoted).filter(|heading| !headings.contains(heading.as_str()))
            {
                wrong.push(format!(
                    "{}: docs/design.md has no heading \"{heading}\"",
                    path.display()
                ));
            }
        }
    }
    assert!(cited > 20, "only {cited} citations were found");
    assert_none(&wrong);
}

#[test]
fn citations_are_found_however_they_are_spelled() {
    let text = "//! Links (docs/design.md rules 1, 2 and 5; design\n//! rule 12), and \"more\" (DESIGN, \"The\n/// cache\").";
    assert_eq!(citations(text), (vec![1, 2, 5, 12], vec!["The cache".to_owned()]));
}

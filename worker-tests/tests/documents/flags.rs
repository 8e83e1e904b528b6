//! The flag tables of docs/reference.md, and the help of every command.

use std::collections::BTreeSet;
use std::process::Command;

use worker_tests::program::binary;

use super::{assert_none, code, prose, read, root, section};

/// What `mtree-worker COMMAND --help` prints.
fn help(command: &str) -> String {
    let mut program = Command::new(binary());
    if !command.is_empty() {
        program.arg(command);
    }
    let done = program.arg("--help").output().expect("the program starts");
    assert!(done.status.success(), "{command} --help fails");
    String::from_utf8(done.stdout).expect("the help is UTF-8")
}

/// The long flags that a help text has an entry for.
fn flags_of_help(help: &str) -> BTreeSet<String> {
    let entries = help.lines().map(str::trim_start).map(|line| {
        // `-h, --help` and `--help` alike.
        line.strip_prefix('-')
            .and_then(|line| line.split_once(", -"))
            .map_or(line, |(_, long)| long)
    });
    entries.filter_map(|entry| flag(entry.trim_start_matches('-'), entry)).collect()
}

/// The flag `name…`, if `entry` is one.
fn flag(name: &str, entry: &str) -> Option<String> {
    let name = name.split([' ', '=', '[', '<', '|']).next().unwrap_or_default();
    (entry.starts_with('-') && !name.is_empty()).then(|| format!("--{name}"))
}

/// The long flags in the first column of a section's tables.
fn flags_of_tables(section: &[&str]) -> BTreeSet<String> {
    let cells = section.iter().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let entries = cells.flat_map(code);
    entries.filter_map(|entry| flag(entry.strip_prefix("--")?, entry)).collect()
}

#[test]
fn the_flag_tables_of_the_reference_agree_with_the_help_of_every_command() {
    let reference = read(&root().join("docs/reference.md"));
    let top = help("");
    let commands = top.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    let commands: Vec<_> = commands
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.contains(&"resolve"), "the help names no commands: {top}");

    let mut wrong = Vec::new();
    let named: BTreeSet<_> = prose(&reference)
        .filter_map(|line| line.strip_prefix("## mtree-worker ")?.split_whitespace().next())
        .collect();
    for name in &named {
        if !commands.contains(name) {
            wrong.push(format!(
                "docs/reference.md has a command {name}, which the help does not name"
            ));
        }
    }
    for command in [""].into_iter().chain(commands) {
        let heading = match command {
            "" => "## Startup flags".to_owned(),
            command => format!("## mtree-worker {command}"),
        };
        let Some(section) = section(&reference, &heading) else {
            wrong.push(format!("docs/reference.md has no heading \"{heading}\""));
            continue;
        };
        let (tables, help) = (flags_of_tables(&section), flags_of_help(&help(command)));
        assert!(help.contains("--help"), "no flags are found in the help of {command}");
        for flag in help.difference(&tables) {
            // These two are the same everywhere; the startup flags' table names them.
            if command.is_empty() || flag != "--help" {
                wrong.push(format!("\"{heading}\" lacks {flag}"));
            }
        }
        for flag in tables.difference(&help) {
            wrong.push(format!("\"{heading}\" has {flag}, which the help lacks"));
        }
    }
    assert_none(&wrong);
}

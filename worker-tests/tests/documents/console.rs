//! The console examples of README.md and docs: each command is run, and prints what the document
//! shows.
//!
//! A document's examples run one after the other in one shell and one new directory. In what a
//! document shows, a line `…` or `...` stands for any lines, `…` in a line for any text; durations and
//! the names of captures need not agree.
//!
//! `WRITE_TRANSCRIPTS=1 cargo test -p worker-tests --test documents console` writes what the program
//! prints now into every example that shows something else.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use worker_tests::program::binary;

use super::{documents, read, root};

/// Where the examples run, as the documents spell it.
const EXAMPLE: &str = "/home/you/example";

/// A command of a console example, and what the document says that it prints.
struct Step {
    command: String,
    shown: Vec<String>,
    /// Its line in the document, from 0, and the line behind what it shows.
    lines: (usize, usize),
}

/// The commands of a document's ```console blocks.
fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut in_console = false;
    for (number, line) in document.lines().enumerate() {
        if line.starts_with("```") {
            in_console = line == "```console";
        } else if !in_console {
        } else if let Some(command) = line.strip_prefix("$ ") {
            let lines = (number, number + 1);
            steps.push(Step { command: command.to_owned(), shown: Vec::new(), lines });
        } else if let Some(step) = steps.last_mut() {
            match line.strip_prefix("> ").filter(|_| step.shown.is_empty()) {
                Some(more) => step.command = format!("{}\n{more}", step.command),
                None => step.shown.push(line.to_owned()),
            }
            step.lines.1 = number + 1;
        }
    }
    steps
}

/// Runs all steps in one shell and a new directory. By step: what it printed, on stdout and stderr.
fn run(steps: &[Step]) -> Vec<Vec<String>> {
    let directory = TempDir::new().expect("a directory can be made");
    let here = directory.path().canonicalize().expect("the directory is there").join("example");
    fs::create_dir(&here).expect("a directory can be made");
    // The value of $? is kept for the next step.
    let mark = "=== the next step ===";
    let mut script = "exec 2>&1\n".to_owned();
    for step in steps {
        let _ = write!(script, "{}\nstatus=$?; echo '{mark}'; (exit $status)\n", step.command);
    }
    let programs = binary().parent().expect("the program lies in a directory");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = [programs.to_owned()].into_iter().chain(std::env::split_paths(&path));
    let done = Command::new("sh")
        .arg("-c")
        .arg(script)
        .current_dir(&here)
        .env("PATH", std::env::join_paths(paths).expect("paths without a colon"))
        .env("LC_ALL", "C")
        .env_remove("MTREE_WORKER_LOG")
        .env_remove("MTREE_WORKER_RECORD")
        .stdin(Stdio::null())
        .output()
        .expect("sh starts");
    let printed = String::from_utf8_lossy(&done.stdout);
    let printed = printed.replace(here.to_str().expect("a path in UTF-8"), EXAMPLE);
    let mark = format!("{mark}\n");
    let parts = printed.split(&mark).take(steps.len());
    parts.map(|part| part.lines().map(str::to_owned).collect()).collect()
}

/// `line` with the parts that differ from run to run replaced: durations, and captures' names.
fn steady(line: &str) -> String {
    let words = line.split(' ').collect::<Vec<_>>();
    let mut steady = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let is_number =
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let is_duration = is_number && matches!(words.get(at + 1), Some(&"s" | &"ms"));
        steady.push(match word.split_once(".capture") {
            Some((head, tail)) if head.ends_with(|end: char| end.is_ascii_digit()) => {
                let directory = head.rfind('/').map_or("", |slash| &head[..=slash]);
                format!("{directory}TIME.capture{tail}")
            }
            _ if is_duration => "TIME".to_owned(),
            _ => (*word).to_owned(),
        });
    }
    steady.join(" ")
}

const ELLIPSES: [&str; 2] = ["…", "..."];

/// Whether `printed` is what is `shown`, where a line of an ellipsis stands for any lines, and one
/// in a line for any text.
fn matches(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if ELLIPSES.contains(&line.trim()) => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        Some((line, rest)) => printed.split_first().is_some_and(|(first, printed)| {
            line_matches(&steady(line), &steady(first)) && matches(rest, printed)
        }),
    }
}

fn line_matches(shown: &str, printed: &str) -> bool {
    let Some((head, tail)) = shown.split_once('…') else {
        return shown == printed;
    };
    printed.strip_prefix(head).is_some_and(|rest| {
        let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        ends.into_iter().any(|end| line_matches(tail, &rest[end..]))
    })
}

/// `document` with what each step printed in the place of what it shows, where that differs.
fn rewritten(document: &str, steps: &[Step], printed: &[Vec<String>]) -> String {
    let lines: Vec<_> = document.lines().collect();
    let mut text = String::new();
    let mut next = 0;
    for (step, printed) in steps.iter().zip(printed) {
        if matches(&step.shown, printed) {
            continue;
        }
        let first = step.lines.1 - step.shown.len();
        lines[next..first].iter().for_each(|line| text.extend([*line, "\n"]));
        for (at, line) in printed.iter().enumerate() {
            // A line that says the same stays, with its ellipses and its times.
            let shown = step.shown.get(at).filter(|_| step.shown.len() == printed.len());
            let shown = shown.filter(|shown| line_matches(&steady(shown), &steady(line)));
            text.extend([shown.unwrap_or(line), "\n"]);
        }
        next = step.lines.1;
    }
    lines[next..].iter().for_each(|line| text.extend([*line, "\n"]));
    text
}

#[test]
fn console_examples_print_what_the_documents_show() {
    let write = std::env::var_os("WRITE_TRANSCRIPTS").is_some();
    let mut wrong = String::new();
    let mut run_steps = 0;
    for name in documents().iter().filter(|name| *name == "README.md" || name.starts_with("docs/"))
    {
        let path = root().join(name);
        let document = read(&path);
        let steps = steps(&document);
        if steps.is_empty() {
            continue;
        }
        let printed = run(&steps);
        assert_eq!(printed.len(), steps.len(), "{name}: an example ended the shell");
        run_steps += steps.len();
        if write {
            fs::write(&path, rewritten(&document, &steps, &printed)).expect("it can be written");
            continue;
        }
        for (step, printed) in steps.iter().zip(&printed) {
            if !matches(&step.shown, printed) {
                let Step { command, shown, lines } = step;
                let (shown, printed) = (shown.join("\n"), printed.join("\n"));
                let line = lines.0 + 1;
                let _ = write!(
                    wrong,
                    "\n{name}:{line}: $ {command}\n--- shown\n{shown}\n--- printed\n{printed}\n"
                );
            }
        }
    }
    assert!(run_steps > 10, "only {run_steps} commands were found");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn an_example_that_shows_something_else_is_found() {
    let document =
        "```console\n$ echo a; echo b; echo c 0.31 s\na\n…\nc 9.99 s\n$ echo b\nc\n```\n";
    let steps = steps(document);
    let printed = run(&steps);
    let same: Vec<_> =
        steps.iter().zip(&printed).map(|(step, printed)| matches(&step.shown, printed)).collect();
    assert_eq!(same, [true, false]);
    let wanted = document.replace("$ echo b\nc\n", "$ echo b\nb\n");
    assert_eq!(rewritten(document, &steps, &printed), wanted);
}

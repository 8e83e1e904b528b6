//! Faults: what goes wrong around the program while it works. In each there is a right output or a
//! clean error, never a wrong or half output, and never a hang: each wait here has an end.
//!
//! Some need root: they mount file systems, or run the program as the user `nobody`.

mod changing;
mod clock;
mod limits;
mod outputs;
mod system_calls;
mod untyped;

use std::path::Path;
use std::process::{Command, Output};

use worker_tests::client::WorkResponse;
use worker_tests::exec_root::ExecRoot;
use worker_tests::program::{binary, said};

/// How long the program may take, in seconds. Nothing here takes a hundredth of it.
const PATIENCE: &str = "120";

/// What `timeout` exits with where that was too short.
const TOO_LONG: i32 = 124;

/// Runs the program once in `directory`; a hang is a failure.
fn once(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).arg(binary()).args(arguments).current_dir(directory);
    finished(command)
}

/// Runs a command that begins with `timeout`.
fn finished(mut command: Command) -> Output {
    let done = command.output().expect("timeout starts: coreutils has it");
    assert_ne!(done.status.code(), Some(TOO_LONG), "no end in {PATIENCE} s: {}", said(&done));
    done
}

/// Fails unless `said` is one sentence of an error with all of `words`.
fn assert_one_sentence(said: &str, words: &[&str]) {
    assert!(said.starts_with("mtree-worker: ") && !said.contains("warning: "), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "{said} does not name {word:?}");
    }
}

/// Fails unless a process that ran once failed with one sentence that has all of `words`.
fn assert_failed(done: &Output, words: &[&str]) {
    assert_eq!(done.status.code(), Some(1), "{}", said(done));
    assert_one_sentence(&said(done), words);
}

/// Fails unless every row of `out` is as it came in `spec`, or as `want` has it.
fn assert_of_both(out: &str, spec: &str, want: &str) {
    assert_eq!(out.lines().count(), spec.lines().count(), "{out}");
    for ((row, before), after) in out.lines().zip(spec.lines()).zip(want.lines()) {
        assert!(row == before || row == after, "{row}\nis neither\n{before}\nnor\n{after}");
    }
}

/// Fails unless a request gave an output of which each row is as it came or as `want` has it, or
/// failed with one sentence and wrote nothing. Returns the output.
fn right_or_clean(
    exec_root: &ExecRoot,
    answer: &WorkResponse,
    out: &str,
    spec: &str,
    want: &str,
) -> Option<String> {
    if answer.exit_code != 0 {
        assert_one_sentence(&answer.output, &[]);
        assert!(!exec_root.has(out), "a request that failed wrote something: {answer}");
        return None;
    }
    let written = exec_root.read(out);
    assert_of_both(&written, spec, want);
    Some(written)
}

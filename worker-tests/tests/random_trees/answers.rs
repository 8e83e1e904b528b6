//! What the oracle and the program answer for one spec, and whether they agree.

use std::{ffi::OsString, fs, path::Path};

use mtree_worker::{
    error::Sentence,
    request::{Context, Disk},
    worker,
};
use proptest::test_runner::TestCaseError;
use worker_tests::{
    difference::difference,
    oracle::{self, Fired, Options, Wrong},
    plant::describe,
    program,
    random::{spec::Written, tree::Planted},
};

/// An output, or the error.
pub(crate) struct Answer {
    pub(crate) output: Result<Vec<u8>, String>,
    pub(crate) fired: Fired,
}

/// What the oracle answers for the sources below `directory`.
pub(crate) fn ask_oracle(directory: &Path, written: &Written, options: &Options) -> Answer {
    match oracle::resolve(&written.spec, &[&written.also], options, directory) {
        Ok(resolved) => Answer { output: Ok(resolved.spec), fired: resolved.fired },
        Err(wrong) => Answer { output: Err(kind(&wrong).to_owned()), fired: Fired::new() },
    }
}

fn kind(wrong: &Wrong) -> &'static str {
    match wrong {
        Wrong::Line { .. } => "bad line",
        Wrong::SymlinkLoop { .. } => "symlink loop",
        Wrong::NoTarget { .. } => "missing target",
    }
}

/// What the program answers, run in `directory`.
pub(crate) fn ask_program(directory: &Path, written: &Written, options: &Options) -> Answer {
    let mut arguments = put_specs(directory, written);
    arguments.extend(options.arguments());
    let done = program::run(directory, &arguments);
    let output = match done.status.success() {
        true => Ok(fs::read(directory.join("out.mtree")).expect("there is an output")),
        false => Err(program::said(&done)),
    };
    Answer { output, fired: Fired::new() }
}

/// What a process answers in `context`, and how many directories it took from the cache.
pub(crate) fn ask_in_process(
    planted: &Planted,
    written: &Written,
    options: &Options,
    context: &Context<'_>,
) -> (Answer, usize) {
    // Beside the exec root, so that no spec is a change to it.
    let directory = planted.root.join("specs");
    fs::create_dir_all(&directory).expect("a directory is made");
    let mut arguments = put_specs(&directory, written);
    arguments.extend(options.arguments());
    let done = worker::run(&arguments, None, &mut Disk::new(*context));
    let reused = done.as_ref().map_or(0, |outcome| outcome.report.directories_reused);
    let output = match done {
        Ok(_) => Ok(fs::read(directory.join("out.mtree")).expect("there is an output")),
        Err(error) => Err(Sentence(&error).to_string()),
    };
    (Answer { output, fired: Fired::new() }, reused)
}

/// Writes the specs to `directory`, and returns the arguments that name them.
fn put_specs(directory: &Path, written: &Written) -> Vec<OsString> {
    for (name, text) in [("spec.mtree", &written.spec), ("also.mtree", &written.also)] {
        fs::write(directory.join(name), text).expect("a spec can be written");
    }
    let flag = |flag: &str, name: &str| {
        let mut argument = OsString::from(flag);
        argument.push(directory.join(name));
        argument
    };
    vec![
        "resolve".into(),
        flag("--mtree=", "spec.mtree"),
        flag("--also=", "also.mtree"),
        flag("--out=", "out.mtree"),
    ]
}

/// Fails unless both answers have the same bytes, or are both errors.
pub(crate) fn agree(who: &str, expected: &Answer, answer: &Answer) -> Result<(), TestCaseError> {
    match (&expected.output, &answer.output) {
        (Err(_), Err(_)) => Ok(()),
        (Ok(expected), Ok(answer)) if expected == answer => Ok(()),
        (Ok(expected), Ok(answer)) => {
            Err(TestCaseError::fail(format!("{who}: {}", difference(expected, answer))))
        }
        (Ok(_), Err(said)) => Err(TestCaseError::fail(format!("{who} fails: {said}"))),
        (Err(wrong), Ok(_)) => Err(TestCaseError::fail(format!("{who} finds no {wrong}"))),
    }
}

/// What failed, in the case format; its output is to be worked out by hand.
pub(crate) fn as_case(planted: &Planted, written: &Written, options: &Options) -> String {
    let arguments: String =
        options.arguments().iter().map(|argument| format!("{}\n", argument.display())).collect();
    format!(
        "As a case:\n-- tree --\n{}-- args --\n--also=also.mtree\n{arguments}-- spec.mtree --\n{}\n-- also.mtree --\n{}",
        describe(&planted.root),
        String::from_utf8_lossy(&written.spec),
        String::from_utf8_lossy(&written.also),
    )
}

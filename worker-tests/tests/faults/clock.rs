//! A clock that jumps back while the worker runs.
//!
//! The machine's clock is everybody's, so that it is the worker's alone that jumps: a library that
//! stands before libc's `clock_gettime` adds what a file says.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use worker_tests::client::{Protocol, Worker};
use worker_tests::exec_root::{ExecRoot, file_row, link_row, resolve};

/// Longer than a directory must have been left alone to be remembered.
const SETTLED: Duration = Duration::from_millis(2_300);

const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(clock, now);
    if (clock == CLOCK_REALTIME) {
        long seconds = 0;
        FILE *file = fopen(getenv("CLOCK_OFFSET"), "r");
        if (file) {
            if (fscanf(file, "%ld", &seconds) == 1) now->tv_sec += seconds;
            fclose(file);
        }
    }
    return status;
}
"#;

/// A worker whose clock is off by what a file says.
struct Offset {
    worker: Worker,
    file: PathBuf,
    id: i32,
}

impl Offset {
    fn start(exec_root: &ExecRoot) -> Offset {
        let [source, library, file] =
            ["clock.c", "clock.so", "offset"].map(|name| exec_root.beside().join(name));
        fs::write(&source, LIBRARY).unwrap();
        let mut cc = Command::new("cc");
        let built =
            cc.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").status();
        assert!(built.expect("there is a C compiler").success());
        let mut command = exec_root.command(&["--jobs=1"]);
        command.env("LD_PRELOAD", &library).env("CLOCK_OFFSET", &file);
        Offset { worker: Worker::start(command, Protocol::Proto), file, id: 0 }
    }

    /// Moves the clock to so many seconds from what it should be.
    fn set(&self, seconds: i64) {
        fs::write(&self.file, seconds.to_string()).unwrap();
    }

    /// Asks for the spec, of which `want` must come.
    fn assert(&mut self, exec_root: &ExecRoot, want: &str, when: &str) {
        self.id += 1;
        let answer = self.worker.ask(&resolve(self.id, "spec.mtree", "out.mtree"));
        assert_eq!((answer.exit_code, &answer.output[..]), (0, ""), "{when}");
        assert_eq!(exec_root.read("out.mtree"), want, "{when}");
    }
}

#[test]
fn a_clock_that_jumps_back_changes_what_is_remembered_and_never_what_is_written() {
    const DAY: i64 = 86_400;
    let exec_root =
        ExecRoot::new("file old/real\nlink old/name -> real\nfile new/real\nfile new/name\n");
    let real = file_row("old/real", "old/real") + &file_row("new/real", "new/real");
    let spec = file_row("old/name", "old/name") + &file_row("new/name", "new/name") + &real;
    exec_root.write("spec.mtree", spec);
    let want = |new_is_link: bool| {
        let new = match new_is_link {
            true => link_row("new/name", "real"),
            false => file_row("new/name", "new/name"),
        };
        link_row("old/name", "real") + &new + &real
    };
    let turn = |into_link: bool| {
        let aside = exec_root.at("aside");
        match into_link {
            true => symlink("real", &aside).unwrap(),
            false => fs::write(&aside, "").unwrap(),
        }
        fs::rename(&aside, exec_root.at("new/name")).unwrap();
    };
    let mut worker = Offset::start(&exec_root);
    worker.set(0);
    thread::sleep(SETTLED);
    worker.assert(&exec_root, &want(false), "cold");
    worker.assert(&exec_root, &want(false), "warm");
    worker.set(-DAY);
    worker.assert(&exec_root, &want(false), "a day back");
    for round in 0..20 {
        turn(round % 2 == 0);
        worker.assert(&exec_root, &want(round % 2 == 0), "changed, a day back");
    }
    thread::sleep(SETTLED);
    for _ in 0..3 {
        worker.assert(&exec_root, &want(false), "settled, a day back");
    }
    worker.set(0);
    worker.assert(&exec_root, &want(false), "the clock is right again");
    turn(true);
    worker.assert(&exec_root, &want(true), "changed again");
    let end = worker.worker.end();
    assert_eq!(end.code(), 0, "{}", end.log);
    let used: Vec<(u32, u32)> = end.log.lines().filter_map(used).collect();
    assert_eq!(used.len(), 28, "{}", end.log);
    // What was remembered before the jump is still used. The directory that was changed lies in the
    // worker's future, and is read each time, as is the directory that the output is written to.
    let (warm, settled) = (used[1], &used[23..26]);
    let read_besides = (warm.0 + 1, warm.1 - 1);
    assert!(settled.iter().all(|used| *used == read_besides), "the clock did not jump: {used:?}");
}

/// How many directories a request listed and reused, as its line in the log says.
fn used(line: &str) -> Option<(u32, u32)> {
    let number = |name: &str| line.split_once(name)?.1.split(' ').next()?.parse().ok();
    Some((number("directories_listed=")?, number("directories_reused=")?))
}

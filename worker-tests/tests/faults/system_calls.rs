//! System calls of a layer that fail, by strace's injection.
//!
//! First strace lists the calls of a layer that is written without faults. Then each kind of call fails with each
//! errno that it may have, the first, the last and some in between. strace counts the calls of each thread apart,
//! so the n-th call fails once in each thread that comes so far.
//!
//! Not among them are calls that the program needs before it runs or to end ([`NOT_FAILED`]), and calls for memory:
//! the program may end when there is none, and that is `memory_or_a_thread…`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use worker_tests::chance::Chance;
use worker_tests::client::{WorkRequest, request};
use worker_tests::exec_root::{ExecRoot, file_row};
use worker_tests::program::{binary, said};

use crate::{PATIENCE, assert_one_sentence, finished};

/// How many seconds each test goes on, unless `FAULTS_SECONDS` says otherwise. At least [`LEAST`] calls fail.
const SECONDS: u64 = 20;
const LEAST: usize = 40;

/// What stands at each output before.
const BEFORE: &str = "as it was";
const OUTPUTS: [&str; 3] = ["out.tar.gz", "out.json", "unused"];
const LAYER: [&str; 9] = [
    "layer",
    "--mtree",
    "spec.mtree",
    "--out",
    "out.tar.gz",
    "--descriptor",
    "out.json",
    "--unused-inputs",
    "unused",
];

/// Calls that do not fail here, and why.
const NOT_FAILED: [(&str, &str); 13] = [
    ("execve", "there would be no program"),
    ("exit", "it does not return"),
    ("exit_group", "it does not return"),
    ("arch_prctl", "the loader ends the program before it begins"),
    ("set_tid_address", "it does not fail"),
    ("futex", "a wake that is not sent is a kernel that does not work, and no error"),
    ("getrandom", "it does not fail once the machine has started"),
    ("rt_sigreturn", "it does not return"),
    ("restart_syscall", "the kernel makes it"),
    ("sched_yield", "it does not fail"),
    ("brk", "it answers the old end instead of an error"),
    ("poll", "Rust aborts a program that cannot look at its standard streams"),
    ("rt_sigaction", "Rust aborts a program that cannot ignore SIGPIPE"),
];

/// Calls for memory, and for the threads that need it.
const MEMORY: [&str; 5] = ["mmap", "mprotect", "munmap", "madvise", "clone3"];

/// The errors of a call.
fn errors(call: &str) -> &'static [&'static str] {
    match call {
        "openat" => &["EACCES", "EMFILE", "EINTR"],
        "read" | "pread64" | "newfstatat" | "fstat" | "readlinkat" | "getdents64" => {
            &["EIO", "EINTR"]
        }
        "write" | "writev" => &["ENOSPC", "EIO", "EINTR"],
        "rename" | "renameat" | "renameat2" => &["EIO", "EXDEV"],
        "clone3" => &["EAGAIN"],
        call if MEMORY.contains(&call) => &["ENOMEM"],
        _ => &["EIO"],
    }
}

/// A tree with a symlink, small files and one that is cut into frames, and what its layer is.
struct Planted {
    exec_root: ExecRoot,
    /// By output. Beside the right ones, those of rows that were left alone, which a warning must say.
    right: [Vec<Vec<u8>>; 3],
}

impl Planted {
    fn new() -> Planted {
        let exec_root = ExecRoot::new("file d/0\nfile d/1\nfile e/2\nlink d/link -> 0\n");
        let mut chance = Chance::new(6);
        let large: Vec<u8> =
            (0..1_300_000).map(|_| b"0123456789abcdef"[chance.below(16)]).collect();
        exec_root.write("large", large);
        for path in ["d/0", "d/1", "e/2"] {
            exec_root.write(path, path.repeat(1_000));
        }
        let sources = ["d/0", "d/1", "d/link", "e/2", "large"];
        let rows: String = sources.iter().map(|path| file_row(path, path)).collect();
        exec_root.write("spec.mtree", rows);
        let mut this = Planted { exec_root, right: Default::default() };
        for unresolved in [None, Some("--no-resolve")] {
            this.begin();
            let arguments: Vec<_> = LAYER.into_iter().chain(unresolved).collect();
            let done = this.exec_root.once(&arguments);
            assert!(done.status.success() && said(&done).is_empty(), "{}", said(&done));
            let written = this.written();
            for (right, output) in this.right.iter_mut().zip(written) {
                right.push(output);
            }
        }
        assert_ne!(this.right[0][0], this.right[0][1], "the symlink makes no difference");
        this
    }

    fn begin(&self) {
        for output in OUTPUTS {
            self.exec_root.write(output, BEFORE);
        }
    }

    fn written(&self) -> [Vec<u8>; 3] {
        OUTPUTS.map(|output| fs::read(self.exec_root.at(output)).expect("it was there before"))
    }

    /// Fails unless the outputs are right. With a warning they may be those of rows that were left alone.
    fn assert_right(&self, what: &str, said: &str) {
        let written = self.written();
        let is = |version: usize| (0..3).all(|at| written[at] == self.right[at][version]);
        let is_right = is(0) || said.contains("warning: ") && is(1);
        assert!(is_right, "{what}: status 0 and another output: {said}");
    }

    /// Fails unless all outputs are as they were; or, where it was a rename that failed, the layer is right, and what
    /// describes it is right or absent.
    fn assert_not_written(&self, what: &str) {
        let written = OUTPUTS.map(|output| fs::read(self.exec_root.at(output)).ok());
        if written.iter().all(|output| output.as_deref() == Some(BEFORE.as_bytes())) {
            return;
        }
        assert!(what.starts_with("inject=rename"), "{what}: an error, and outputs were written");
        assert_eq!(written[0].as_ref(), Some(&self.right[0][0]), "{what}: another layer");
        for at in 1..3 {
            let is_right = written[at].as_ref().is_none_or(|output| *output == self.right[at][0]);
            assert!(is_right, "{what}: {} describes no layer that is there", OUTPUTS[at]);
        }
    }

    fn assert_no_temporary_file(&self, what: &str) {
        assert_eq!(self.exec_root.temporary_files(), Vec::<PathBuf>::new(), "{what}");
    }

    /// The program under strace, with its arguments.
    fn traced(&self, flags: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args([PATIENCE, "strace", "-f", "-o"]).arg(self.trace()).args(flags);
        command.arg(binary()).arg("--jobs=2").args(LAYER).current_dir(self.exec_root.path());
        command
    }

    fn trace(&self) -> PathBuf {
        self.exec_root.beside().join("trace")
    }

    /// The calls to fail: a flag of strace for each, in an order of chance.
    fn draw(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        self.begin();
        let done = finished(self.traced(&[]));
        assert!(done.status.success(), "{}", said(&done));
        let mut faults = Vec::new();
        for (call, most) in most_of_a_thread(&fs::read_to_string(self.trace()).expect("a trace")) {
            if NOT_FAILED.iter().any(|(name, _)| *name == call) || !wanted(&call) {
                continue;
            }
            let numbers: BTreeSet<usize> = match most {
                ..=6 => (1..=most).collect(),
                _ => [1, 2, 3, most / 4, most / 2, most * 3 / 4, most - 1, most].into(),
            };
            for error in errors(&call) {
                let fault = |number| format!("inject={call}:error={error}:when={number}");
                faults.extend(numbers.iter().map(fault));
            }
        }
        let mut chance = Chance::new(7);
        for at in (1..faults.len()).rev() {
            faults.swap(at, chance.below(at + 1));
        }
        faults
    }
}

/// By call, how often the thread with the most of them makes it.
fn most_of_a_thread(trace: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::<(&str, &str), usize>::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let name = rest.trim_start().split('(').next().unwrap_or_default();
        if rest.contains('(') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            *counts.entry((name, thread)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((name, _), count) in counts {
        let entry = most.entry(name.to_owned()).or_default();
        *entry = count.max(*entry);
    }
    most
}

/// Runs `check` with one fault after another until the time is over. It answers whether the call was made.
fn each(faults: Vec<String>, mut check: impl FnMut(&str) -> bool) {
    let asked = std::env::var("FAULTS_SECONDS").ok();
    let seconds = asked.map_or(SECONDS, |text| text.parse().expect("FAULTS_SECONDS: a number"));
    let (start, budget) = (Instant::now(), Duration::from_secs(seconds));
    let (mut failed, all) = (0, faults.len());
    for fault in faults {
        if start.elapsed() > budget && failed >= LEAST {
            break;
        }
        failed += usize::from(check(&fault));
    }
    println!("{failed} faults of at most {all} in {:?}", start.elapsed());
    assert!(failed >= LEAST.min(all / 2), "only {failed} calls failed");
}

fn was_injected(trace: &str) -> bool {
    trace.contains("(INJECTED)")
}

/// Whether the program, or one of its threads, had not begun when the call failed: the loader and Rust say so in
/// their own words.
fn is_loader(said: &str) -> bool {
    said.contains("error while loading shared libraries")
        || said.contains("cannot set up thread-local")
        || said.contains("failed to set up alternative stack guard page")
        || said.contains("failed to allocate an alternative stack")
}

#[test]
fn a_system_call_that_fails_once_gives_the_right_layer_or_one_sentence_and_the_old_one() {
    let planted = Planted::new();
    each(planted.draw(|call| !MEMORY.contains(&call)), |fault| {
        planted.begin();
        let done = finished(planted.traced(&["-e", fault]));
        let said = said(&done);
        let is_interrupted = fault.contains("EINTR");
        match done.status.code() {
            Some(0) if is_interrupted => planted.assert_right(fault, ""),
            Some(0) => planted.assert_right(fault, &said),
            Some(1) => {
                assert!(!is_interrupted, "{fault}: the call is not made again: {said}");
                assert_one_sentence(&said, &[]);
                planted.assert_not_written(fault);
            }
            _ => {
                assert!(is_loader(&said), "{fault}: {}: {said}", done.status);
                planted.assert_not_written(fault);
            }
        }
        planted.assert_no_temporary_file(fault);
        was_injected(&fs::read_to_string(planted.trace()).expect("a trace"))
    });
}

#[test]
fn memory_or_a_thread_that_is_refused_gives_the_right_layer_or_one_sentence_or_ends_the_program() {
    let planted = Planted::new();
    each(planted.draw(|call| MEMORY.contains(&call)), |fault| {
        planted.begin();
        let done = finished(planted.traced(&["-e", fault]));
        let said = said(&done);
        let trace = fs::read_to_string(planted.trace()).expect("a trace");
        match done.status.code() {
            Some(0) => planted.assert_right(fault, &said),
            Some(1) => {
                assert_one_sentence(&said, &[]);
                planted.assert_not_written(fault);
            }
            // Rust ends a program that has no memory, and the file stays, as after SIGKILL.
            _ if said.contains("memory allocation of ") => {
                planted.assert_not_written(fault);
                for file in planted.exec_root.temporary_files() {
                    fs::remove_file(file).expect("it is there");
                }
            }
            _ => {
                let is_early = is_loader(&said) || !trace.contains("rt_sigaction(SIGPIPE");
                assert!(is_early, "{fault}: {}: {said}", done.status);
                planted.assert_not_written(fault);
            }
        }
        planted.assert_no_temporary_file(fault);
        was_injected(&trace)
    });
}

/// strace on a worker that runs, until it is dropped.
struct Injecting(Child);

impl Injecting {
    fn attach(planted: &Planted, worker: u32, flags: &[&str]) -> Injecting {
        let said = planted.exec_root.beside().join("strace-said");
        let _ = fs::remove_file(planted.trace());
        let mut command = Command::new("strace");
        command.args(["-f", "-o"]).arg(planted.trace()).args(flags);
        command.args(["-p", &worker.to_string()]).stdin(Stdio::null());
        command.stderr(fs::File::create(&said).expect("a file"));
        let this = Injecting(command.spawn().expect("strace starts"));
        let started = Instant::now();
        // All threads are attached once the first line is written.
        while !fs::read_to_string(&said).expect("a file").contains("attached") {
            assert!(started.elapsed() < Duration::from_secs(60), "strace does not attach");
            std::thread::sleep(Duration::from_millis(1));
        }
        this
    }

    /// Detaches, and answers what was traced.
    fn detach(mut self, planted: &Planted) -> String {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("strace runs");
        self.0.wait().expect("strace is a child");
        fs::read_to_string(planted.trace()).expect("a trace")
    }
}

impl Drop for Injecting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The request for the layer.
fn asked(id: i32) -> WorkRequest {
    request(id, &LAYER)
}

#[test]
fn a_worker_whose_system_call_fails_answers_with_the_right_layer_or_one_sentence_and_then_with_the_right_one()
 {
    let planted = Planted::new();
    let mut worker = planted.exec_root.worker(&["--jobs=2"]);
    // What a request makes of calls, cold and warm; the calls to write a response are not its own.
    let injecting = Injecting::attach(&planted, worker.id(), &[]);
    for id in [1, 2] {
        planted.begin();
        assert_eq!(worker.ask(&asked(id)).exit_code, 0);
        planted.assert_right("no fault", "");
    }
    let calls = most_of_a_thread(&injecting.detach(&planted));
    const OF_A_REQUEST: [&str; 14] = [
        "openat",
        "statx",
        "newfstatat",
        "fstat",
        "getdents64",
        "readlink",
        "readlinkat",
        "pread64",
        "lseek",
        "close",
        "getcwd",
        "renameat",
        "rename",
        "fcntl",
    ];
    let mut faults = Vec::new();
    for call in OF_A_REQUEST {
        let most = calls.get(call).copied().unwrap_or_default();
        for error in errors(call) {
            let fault = |number| format!("inject={call}:error={error}:when={number}");
            faults.extend((1..=most.min(4)).chain((most > 4).then_some(most)).map(fault));
        }
    }
    let mut chance = Chance::new(8);
    for at in (1..faults.len()).rev() {
        faults.swap(at, chance.below(at + 1));
    }
    let mut id = 2;
    each(faults, |fault| {
        // A file that is written again is made anew, and all others are reused.
        if chance.below(2) == 0 {
            planted.exec_root.write("d/1", "d/1".repeat(1_000));
        }
        planted.begin();
        id += 2;
        let injecting = Injecting::attach(&planted, worker.id(), &["-e", fault]);
        let answer = worker.ask(&asked(id));
        let trace = injecting.detach(&planted);
        let is_interrupted = fault.contains("EINTR");
        match answer.exit_code {
            0 if is_interrupted => planted.assert_right(fault, ""),
            0 => planted.assert_right(fault, &answer.output),
            _ => {
                assert!(!is_interrupted, "{fault}: the call is not made again: {answer}");
                assert_one_sentence(&answer.output, &[]);
                planted.assert_not_written(fault);
            }
        }
        planted.assert_no_temporary_file(fault);
        let answer = worker.ask(&asked(id + 1));
        assert_eq!((answer.exit_code, &answer.output[..]), (0, ""), "after {fault}");
        planted.assert_right(fault, "");
        was_injected(&trace)
    });
    assert_eq!(worker.end().code(), 0);
}

#[test]
fn an_output_that_cannot_be_renamed_leaves_nothing_that_describes_a_layer_that_is_not_there() {
    let planted = Planted::new();
    // In the order of the renames: the layer, the descriptor, the unused inputs.
    for (failing, failed) in OUTPUTS.into_iter().enumerate() {
        planted.begin();
        let fault = format!("inject=/^rename:error=EIO:when={}", failing + 1);
        let done = finished(planted.traced(&["-e", &fault]));
        let trace = fs::read_to_string(planted.trace()).expect("a trace");
        assert!(was_injected(&trace), "{fault}: {trace}");
        assert_eq!(done.status.code(), Some(1), "{}", said(&done));
        assert_one_sentence(&said(&done), &[failed, "Input/output error"]);
        for (at, output) in OUTPUTS.into_iter().enumerate() {
            let right = match failing {
                0 => Some(BEFORE.as_bytes()),
                _ if at == failing => None,
                _ => Some(&planted.right[at][0][..]),
            };
            let written = fs::read(planted.exec_root.at(output)).ok();
            assert!(written.as_deref() == right, "{fault}: {output}");
        }
        planted.assert_no_temporary_file(&fault);
    }
}

#[test]
fn a_call_of_a_directory_that_a_signal_interrupts_is_made_again() {
    let planted = Planted::new();
    for call in ["openat", "newfstatat", "fstat", "readlinkat", "getdents64"] {
        let mut interrupted = 0;
        for path in [
            planted.exec_root.at("d"),
            planted.exec_root.at("e"),
            planted.exec_root.path().to_owned(),
        ] {
            for number in 1..=2 {
                planted.begin();
                let fault = format!("inject={call}:error=EINTR:when={number}");
                let path = path.to_str().expect("UTF-8");
                let done = finished(planted.traced(&["-P", path, "-e", &fault]));
                assert_eq!((done.status.code(), &said(&done)[..]), (Some(0), ""), "{fault} {path}");
                planted.assert_right(&fault, "");
                let trace = fs::read_to_string(planted.trace()).expect("a trace");
                interrupted += usize::from(was_injected(&trace));
            }
        }
        assert!(interrupted > 0, "no {call} of a directory was interrupted");
    }
}

/// One call of a trace: its line, its thread, and what is written there.
struct Call<'t> {
    thread: &'t str,
    text: &'t str,
}

fn calls(trace: &str) -> Vec<Call<'_>> {
    let calls = trace.lines().filter_map(|line| line.split_once(' '));
    calls.map(|(thread, text)| Call { thread, text: text.trim_start() }).collect()
}

fn is_write(text: &str) -> bool {
    ["write(", "writev("].into_iter().any(|call| text.starts_with(call))
}

#[test]
fn nothing_is_flushed_to_the_disk_and_outputs_are_complete_before_one_is_renamed_the_layer_first() {
    let planted = Planted::new();
    let mut worker = planted.exec_root.worker(&["--jobs=2"]);
    let injecting = Injecting::attach(&planted, worker.id(), &["-y"]);
    planted.begin();
    assert_eq!(worker.ask(&asked(1)).exit_code, 0);
    let trace = injecting.detach(&planted);
    planted.assert_right("traced", "");
    let calls = calls(&trace);
    for call in &calls {
        let name = call.text.split('(').next().unwrap_or_default();
        assert!(
            !name.contains("sync"),
            "docs/design.md says that nothing is flushed: {}",
            call.text
        );
    }
    let renamed: Vec<_> =
        calls.iter().enumerate().filter(|(_, call)| call.text.starts_with("rename")).collect();
    let order: Vec<_> = renamed
        .iter()
        .map(|(_, call)| OUTPUTS.iter().position(|name| call.text.contains(&format!("{name}\""))))
        .collect();
    assert_eq!(order, [Some(0), Some(1), Some(2)], "{trace}");
    for (at, rename) in &renamed {
        let temporary = rename.text.split('"').nth(1).expect("the old name");
        let name = temporary.rsplit('/').next().expect("a name");
        let writes = calls
            .iter()
            .enumerate()
            .filter(|(_, call)| is_write(call.text) && call.text.contains(name));
        let writes: Vec<_> = writes.collect();
        // That no input is unused is an empty file.
        let is_empty = rename.text.contains("unused\"");
        assert_eq!(writes.is_empty(), is_empty, "writes to {name}: {trace}");
        for (write, call) in writes {
            // One thread writes and renames, so a write that was begun before has ended before.
            assert_eq!(call.thread, rename.thread, "{trace}");
            assert!(write < *at, "{name} is written after it is renamed: {trace}");
        }
    }
    let (last, _) = renamed.last().expect("outputs");
    let is_response = |call: &&Call<'_>| call.text.starts_with("write(1<");
    assert_eq!(calls[..*last].iter().filter(is_response).count(), 0, "{trace}");
    assert_eq!(calls[*last..].iter().filter(is_response).count(), 1, "{trace}");
}

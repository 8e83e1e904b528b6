//! What the system does not allow: EACCES, ELOOP, ENAMETOOLONG, EMFILE.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, mkdirat, openat, symlinkat};
use worker_tests::client::{Protocol, WorkRequest, Worker};
use worker_tests::exec_root::{ExecRoot, file_row, link_row, resolve, spec};
use worker_tests::forest;
use worker_tests::program::{binary, copy, run, said};

use crate::{PATIENCE, assert_failed, assert_one_sentence, finished, once, right_or_clean};

/// The user that owns nothing.
const NOBODY: u32 = 65534;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("root can do that");
}

/// A copy of the program that the user `nobody` may run.
fn program_for_user_nobody(exec_root: &ExecRoot) -> PathBuf {
    mode(&exec_root.beside(), 0o755);
    let program = exec_root.beside().join("mtree-worker");
    copy(&program);
    program
}

/// Runs the program in the exec root as the user `nobody`.
fn as_nobody(exec_root: &ExecRoot, arguments: &[&str]) -> Output {
    let program = program_for_user_nobody(exec_root);
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).arg(&program).args(arguments).current_dir(exec_root.path());
    command.uid(NOBODY).gid(NOBODY);
    finished(command)
}

#[test]
fn a_spec_that_may_not_be_read_and_a_directory_that_may_not_be_written_are_named() {
    let exec_root = ExecRoot::new("file a\n");
    exec_root.write("spec.mtree", spec(&["a"]));
    mode(exec_root.path(), 0o755);
    let resolve = ["resolve", "--mtree=spec.mtree", "--out=out.mtree"];
    assert_failed(&as_nobody(&exec_root, &resolve), &["out.mtree", "Permission denied"]);
    mode(exec_root.path(), 0o777);
    mode(&exec_root.at("spec.mtree"), 0o600);
    assert_failed(&as_nobody(&exec_root, &resolve), &["spec.mtree", "Permission denied"]);
    assert!(!exec_root.has("out.mtree"));
}

#[test]
fn a_directory_that_may_be_entered_but_not_listed_is_resolved_name_by_name() {
    let exec_root = ExecRoot::new("file bin/real\nlink bin/name -> real\n");
    exec_root.write("spec.mtree", spec(&["bin/name", "bin/real"]));
    mode(exec_root.path(), 0o777);
    mode(&exec_root.at("bin"), 0o711);
    let done = as_nobody(&exec_root, &["resolve", "--mtree=spec.mtree", "--out=out.mtree"]);
    assert!(done.status.success() && said(&done).is_empty(), "{}", said(&done));
    let want = link_row("bin/name", "real") + &file_row("bin/real", "bin/real");
    assert_eq!(exec_root.read("out.mtree"), want);
}

#[test]
fn a_directory_that_may_be_listed_but_not_entered_leaves_its_rows_alone_and_is_named() {
    let exec_root = ExecRoot::new("file bin/real\nlink bin/name -> real\n");
    let rows = spec(&["bin/name", "bin/real"]);
    exec_root.write("spec.mtree", &rows);
    mode(exec_root.path(), 0o777);
    mode(&exec_root.at("bin"), 0o744);
    let done = as_nobody(&exec_root, &["resolve", "--mtree=spec.mtree", "--out=out.mtree"]);
    assert!(done.status.success(), "{}", said(&done));
    for word in ["warning: ", "app/bin/name", "bin", "Permission denied"] {
        assert!(said(&done).contains(word), "{} does not name {word}", said(&done));
    }
    assert_eq!(exec_root.read("out.mtree"), rows);
}

#[test]
fn directories_of_every_mode_answer_a_sandboxed_request_as_another_and_its_capture_replays() {
    // The second directory has no link; the fourth has more rows than are looked up one by one.
    let tree = "file box/in/F/a\nlink box/in/F/b -> a\nfile box/in/C/a\nlink box/G/l -> ../in/C/a\n\
                link box/G/none -> ../in/C/none\nlink box/D -> in/F\nfile box/in/M/0\n\
                link box/in/M/link -> 0\nlink box/E -> in/M\n";
    let mut sources = ["in/F/a", "in/F/b", "in/C/a", "G/l", "G/none", "D", "in/C/gone", "E", "D/a"]
        .map(str::to_owned)
        .to_vec();
    sources.extend((0..40).map(|name| format!("in/M/{name}")));
    for bits in [0o777, 0o744, 0o444, 0o711, 0o000] {
        let exec_root = ExecRoot::new(tree);
        exec_root.write("box/spec.mtree", spec(&sources));
        for directory in [".", "box", "captures"] {
            fs::create_dir_all(exec_root.at(directory)).unwrap();
            mode(&exec_root.at(directory), 0o777);
        }
        for directory in ["F", "C", "M"] {
            mode(&exec_root.at("box/in").join(directory), bits);
        }
        // Directories younger than that are not remembered.
        thread::sleep(Duration::from_millis(2_100));
        let program = program_for_user_nobody(&exec_root);
        let start = |flags: &[&str], directory: PathBuf| {
            let mut command = Command::new(&program);
            command.args(flags).arg("--persistent_worker").current_dir(directory);
            command.uid(NOBODY).gid(NOBODY);
            Worker::start(command, Protocol::Proto)
        };
        let asked = resolve(0, "spec.mtree", "out.mtree");
        let answer = start(&[], exec_root.at("box")).ask(&asked);
        assert_eq!(answer.exit_code, 0, "{bits:o}: {answer}");
        let want = (exec_root.read("box/out.mtree"), answer.output);
        let mut worker = start(&["--record=captures"], exec_root.path().to_owned());
        for time in 1..=3 {
            let asked = WorkRequest { sandbox_dir: "box".to_owned(), ..asked.clone() };
            let answer = worker.ask(&asked);
            let have = (exec_root.read("box/out.mtree"), answer.output);
            assert_eq!(have, want, "{bits:o}, the {time}th time");
        }
        assert_eq!(worker.end().code(), 0);
        let captures: Vec<_> = fs::read_dir(exec_root.at("captures")).unwrap().collect();
        assert_eq!(captures.len(), 3);
        for capture in captures {
            let done =
                run(exec_root.path(), &[OsStr::new("replay"), capture.unwrap().path().as_os_str()]);
            assert!(done.status.success(), "{bits:o}: {}", said(&done));
        }
    }
}

#[test]
fn a_spec_or_a_sandbox_behind_a_symlink_loop_is_named() {
    let exec_root = ExecRoot::new("file a\nlink loop -> loop\n");
    let spec_loops = ["resolve", "--mtree=loop", "--out=out.mtree"];
    let words = ["loop", "Too many levels of symbolic links"];
    assert_failed(&once(exec_root.path(), &spec_loops), &words);
    exec_root.write("spec.mtree", spec(&["a"]));
    let into_loop = ["resolve", "--mtree=spec.mtree", "--out=loop/out.mtree"];
    assert_failed(&once(exec_root.path(), &into_loop), &["loop/out.mtree"]);
    let mut worker = exec_root.worker(&[]);
    let sandboxed =
        WorkRequest { sandbox_dir: "loop".to_owned(), ..resolve(1, "spec.mtree", "out.mtree") };
    let answer = worker.ask(&sandboxed);
    assert_eq!(answer.exit_code, 1);
    assert_one_sentence(&answer.output, &["spec.mtree", words[1]]);
    assert!(!exec_root.has("out.mtree"));
}

#[test]
fn names_and_paths_that_are_too_long_for_the_system_leave_their_rows_alone() {
    let exec_root = ExecRoot::new("file a\nlink b -> a\n");
    let name = "n".repeat(256);
    let path = vec!["d"; 3000].join("/");
    let too_long: String = [&name[..], &format!("{name}/in/it"), &path]
        .iter()
        .enumerate()
        .map(|(number, source)| file_row(&number.to_string(), source))
        .collect();
    exec_root.write("spec.mtree", too_long.clone() + &spec(&["a", "b"]));
    let resolve = ["resolve", "--mtree=spec.mtree", "--out=out.mtree"];
    let done = once(exec_root.path(), &resolve);
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("3 rows were left alone"), "{}", said(&done));
    let want = too_long + &file_row("a", "a") + &link_row("b", "a");
    assert_eq!(exec_root.read("out.mtree"), want);
}

#[test]
fn a_tree_that_is_deeper_than_any_path_gives_a_right_output_or_a_sentence() {
    let exec_root = ExecRoot::new("");
    let part = "d".repeat(200);
    // Deeper than 4,096 bytes of path, made one directory after the other.
    let mut deepest = fs::File::open(exec_root.path()).unwrap();
    for _ in 0..24 {
        mkdirat(&deepest, &part, Mode::RWXU).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        deepest = openat(&deepest, &part, flags, Mode::empty()).unwrap().into();
    }
    openat(&deepest, "real", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
    symlinkat("real", &deepest, "name").unwrap();
    let directory = vec![part; 24].join("/");
    let [name, real] = ["name", "real"].map(|name| format!("{directory}/{name}"));
    let rows = file_row("name", &name) + &file_row("real", &real);
    exec_root.write("spec.mtree", &rows);
    let done = once(exec_root.path(), &["resolve", "--mtree=spec.mtree", "--out=out.mtree"]);
    match done.status.success() {
        true => {
            let out = exec_root.read("out.mtree");
            let resolved = link_row("name", "real") + &file_row("real", &real);
            assert!(out == resolved || out == rows && said(&done).contains("warning: "), "{out}");
        }
        false => assert_failed(&done, &["too long"]),
    }
    // A TempDir removes by path.
    let removed = Command::new("rm").arg("-rf").arg(exec_root.path()).status();
    assert!(removed.expect("there is rm").success());
}

#[test]
fn outputs_and_specs_whose_names_are_too_long_are_named() {
    let exec_root = ExecRoot::new("file a\n");
    exec_root.write("spec.mtree", spec(&["a"]));
    let name = "n".repeat(256);
    let out = format!("--out={name}");
    let done = once(exec_root.path(), &["resolve", "--mtree=spec.mtree", &out]);
    assert_failed(&done, &[&name, "File name too long"]);
    let spec = format!("--mtree={name}");
    let done = once(exec_root.path(), &["resolve", &spec, "--out=out.mtree"]);
    assert_failed(&done, &[&name, "File name too long"]);
    assert_eq!(exec_root.temporary_files(), Vec::<std::path::PathBuf>::new());
    assert!(!exec_root.has("out.mtree"));
}

#[test]
fn thirty_two_descriptors_are_enough_for_one_process_whatever_the_tree() {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), 2_000, 3).unwrap();
    exec_root.write("spec.mtree", forest.spec());
    let want = exec_root.once_resolved(&["--mtree", "spec.mtree"]).unwrap();
    let mut command = Command::new("timeout");
    command.args([PATIENCE, "sh", "-c", "ulimit -n 32; exec \"$0\" \"$@\""]).arg(binary());
    command.args(["resolve", "--mtree=spec.mtree", "--out=out.mtree"]);
    command.current_dir(exec_root.path());
    let done = finished(command);
    assert!(done.status.success() && said(&done).is_empty(), "{}", said(&done));
    assert_eq!(exec_root.read("out.mtree"), want);
}

#[test]
fn a_worker_with_thirty_two_descriptors_answers_each_of_many_requests() {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), 500, 3).unwrap();
    let rows = String::from_utf8(forest.spec()).unwrap();
    exec_root.write("spec.mtree", &rows);
    let want = exec_root.once_resolved(&["--mtree", "spec.mtree"]).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 32; exec \"$0\" \"$@\""]).arg(binary());
    command.args(["--persistent_worker", "--jobs=24", "--cache-limit=0"]);
    command.current_dir(exec_root.path());
    let mut worker = Worker::start(command, Protocol::Proto);
    const REQUESTS: i32 = 96;
    for id in 1..=REQUESTS {
        worker.send(&resolve(id, "spec.mtree", &format!("{id}.mtree")));
    }
    for answer in worker.answers(REQUESTS as usize) {
        let out = format!("{}.mtree", answer.request_id);
        let written = right_or_clean(&exec_root, &answer, &out, &rows, &want);
        match written {
            Some(written) => assert!(written == want || answer.output.contains("warning: ")),
            None => assert_one_sentence(&answer.output, &["Too many open files"]),
        }
    }
    let answer = worker.ask(&resolve(0, "spec.mtree", "alone.mtree"));
    assert_eq!((answer.exit_code, &answer.output[..]), (0, ""));
    assert_eq!(exec_root.read("alone.mtree"), want);
    let end = worker.end();
    assert_eq!(end.code(), 0, "{}", end.log);
}

/// A user that runs nothing but the program in the tests of threads: the limit counts all that its user runs.
const ALONE: u32 = 64_321;

/// The command that runs the program in the exec root as a user that may have `threads` threads in all.
fn with_threads(exec_root: &ExecRoot, user: u32, threads: usize, arguments: &[&str]) -> Command {
    let program = program_for_user_nobody(exec_root);
    mode(exec_root.path(), 0o777);
    let mut command = Command::new("prlimit");
    command.arg(format!("--nproc={threads}")).arg(program).args(arguments);
    command.current_dir(exec_root.path()).uid(user).gid(user);
    command
}

#[test]
fn a_process_that_may_start_no_thread_resolves_on_the_one_it_has_and_says_of_a_layer_that_it_can_not()
 {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), 500, 3).unwrap();
    exec_root.write("spec.mtree", forest.spec());
    let want = exec_root.once_resolved(&["--mtree", "spec.mtree"]).unwrap();
    let run = |arguments: &[&str]| {
        with_threads(&exec_root, ALONE, 1, arguments).output().expect("prlimit: util-linux has it")
    };
    let done = run(&["resolve", "--mtree=spec.mtree", "--out=out.mtree"]);
    assert!(done.status.success() && said(&done).is_empty(), "{}", said(&done));
    assert_eq!(exec_root.read("out.mtree"), want);
    let done = run(&["diff", "spec.mtree", "out.mtree"]);
    assert_eq!((done.status.code(), &said(&done)[..]), (Some(1), ""));
    let layer = ["layer", "--mtree=spec.mtree", "--out=out.tar.gz", "--metadata=disk"];
    assert_failed(&run(&layer), &["thread", "Resource temporarily unavailable"]);
    assert!(!exec_root.has("out.tar.gz"));
    assert_eq!(exec_root.temporary_files(), Vec::<PathBuf>::new());
}

#[test]
fn a_worker_with_too_few_threads_says_so_and_one_with_just_enough_answers() {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), 500, 3).unwrap();
    exec_root.write("spec.mtree", forest.spec());
    let want = exec_root.once_resolved(&["--mtree", "spec.mtree"]).unwrap();
    // Its own, and those that read stdin, write stdout and handle a request.
    const LEAST: usize = 4;
    let cores = thread::available_parallelism().unwrap().get();
    // With more than the least and fewer than all, a worker ends or answers as it has many cores.
    for threads in (1..LEAST).chain([LEAST + cores]) {
        let user = ALONE + threads as u32;
        let command = with_threads(&exec_root, user, threads, &["--persistent_worker"]);
        let mut worker = Worker::start(command, Protocol::Proto);
        if threads < LEAST {
            let end = worker.wait();
            assert_eq!(end.code(), 1, "{threads}: {}", end.log);
            assert!(end.log.contains("cannot wait for requests"), "{threads}: {}", end.log);
            assert!(!end.log.contains("panicked"), "{threads}: {}", end.log);
            continue;
        }
        for id in [0, 1, 2] {
            let answer = worker.ask(&resolve(id, "spec.mtree", "out.mtree"));
            assert_eq!((answer.exit_code, &answer.output[..]), (0, ""), "{threads}");
            assert_eq!(exec_root.read("out.mtree"), want);
            fs::remove_file(exec_root.at("out.mtree")).unwrap();
        }
        let end = worker.end();
        assert_eq!(end.code(), 0, "{threads}: {}", end.log);
    }
}

//! The command line: each error is one sentence that says what failed, where, and what to do. Its exit
//! status is 1, and it leaves no file behind. A usage error has clap's text and exit status 2.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;
use worker_tests::program::{binary, copy, run, said};

/// A row whose source exists.
const ROW: &str = "app/a type=file content=py/a\n";

/// A directory with the source `py/a` and a spec of it, `spec.mtree`.
fn directory(spec: &str) -> TempDir {
    let directory = TempDir::new().expect("a directory can be made");
    fs::create_dir(directory.path().join("py")).expect("a directory can be made");
    fs::write(directory.path().join("py/a"), "a").expect("a file can be written");
    fs::write(directory.path().join("spec.mtree"), spec).expect("a spec can be written");
    directory
}

fn names(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory can be read");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    names.sort();
    names
}

fn resolve(directory: &Path, more: &[&str]) -> Output {
    run(directory, &[&["resolve", "--mtree=spec.mtree", "--out=out.mtree"], more].concat())
}

/// Asserts that the command fails with one sentence that has all of `words`, and leaves no file.
fn fails(directory: &Path, arguments: &[&str], words: &[&str]) {
    let before = names(directory);
    let done = run(directory, arguments);
    assert_fails(&done, words);
    assert_eq!(names(directory), before, "a file was left behind");
}

fn assert_fails(done: &Output, words: &[&str]) {
    let said = said(done);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(done.stdout.is_empty());
    assert!(said.starts_with("mtree-worker: ") && said.trim_end().lines().count() == 1, "{said}");
    for word in words {
        assert!(said.contains(word), "{said} does not name {word}");
    }
}

/// Asserts that resolving the spec fails with one sentence that has all of `words`.
fn spec_fails(spec: &str, words: &[&str]) {
    let directory = directory(spec);
    fails(directory.path(), &["resolve", "--mtree=spec.mtree", "--out=out.mtree"], words);
}

#[test]
fn a_spec_that_does_not_exist_is_named() {
    let directory = directory(ROW);
    let words = ["none.mtree", "No such file"];
    fails(directory.path(), &["resolve", "--mtree=none.mtree", "--out=out.mtree"], &words);
    let also = ["resolve", "--mtree=spec.mtree", "--also=none.mtree", "--out=out.mtree"];
    fails(directory.path(), &also, &words);
}

#[test]
fn a_spec_that_is_a_directory_is_named() {
    let directory = directory(ROW);
    fails(directory.path(), &["resolve", "--mtree=py", "--out=out.mtree"], &["py", "directory"]);
}

#[test]
fn an_unknown_type_is_named_with_its_line() {
    spec_fails(&format!("{ROW}app/b type=nonsense\n"), &["spec.mtree:2: ", "nonsense", "file"]);
}

#[test]
fn a_keyword_without_its_equals_sign_is_named_with_its_line() {
    spec_fails(&format!("#mtree\n{ROW}app/b uid type=file\n"), &["spec.mtree:3: ", "\"=\"", "uid"]);
}

#[test]
fn a_stray_escape_is_named_with_its_line() {
    spec_fails("app/\\q type=file content=py/a\n", &["spec.mtree:1: ", "\\q", "\\134"]);
}

#[test]
fn a_source_with_a_nul_is_named_with_its_line() {
    spec_fails("app/a type=file content=py/\\000a\n", &["spec.mtree:1: ", "NUL"]);
}

#[test]
fn a_symlink_loop_is_named_with_its_row_and_trail() {
    let directory = directory("app/x type=file content=py/x\n");
    symlink("y", directory.path().join("py/x")).expect("a link can be made");
    symlink("x", directory.path().join("py/y")).expect("a link can be made");
    let words = ["app/x: ", "py/x -> y -> x"];
    fails(directory.path(), &["resolve", "--mtree=spec.mtree", "--out=out.mtree"], &words);
}

#[test]
fn an_output_in_a_directory_that_does_not_exist_is_named() {
    let directory = directory(ROW);
    let arguments = ["resolve", "--mtree=spec.mtree", "--out=nowhere/out.mtree"];
    fails(directory.path(), &arguments, &["nowhere/out.mtree", "does not exist"]);
}

#[test]
fn an_output_that_is_an_input_is_refused_however_it_is_spelled() {
    let directory = directory(ROW);
    symlink("spec.mtree", directory.path().join("link.mtree")).expect("a link can be made");
    for out in ["spec.mtree", "./py/../spec.mtree", "link.mtree"] {
        let out = format!("--out={out}");
        fails(directory.path(), &["resolve", "--mtree=spec.mtree", &out], &["replace an input"]);
        let also = ["resolve", "--mtree=/dev/null", "--also=spec.mtree", &out];
        fails(directory.path(), &also, &["replace an input"]);
    }
    assert_eq!(fs::read(directory.path().join("spec.mtree")).expect("it is there"), ROW.as_bytes());
    let report = ["resolve", "--mtree=spec.mtree", "--out=out.mtree", "--report=out.mtree"];
    fails(directory.path(), &report, &["--report", "replace"]);
}

#[test]
fn a_symlink_at_an_output_is_followed_even_if_its_target_does_not_exist() {
    let directory = directory(ROW);
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("real")).expect("a directory can be made");
    for (link, text) in [("first", "py/second"), ("py/second", "../real/out.mtree")] {
        symlink(text, at(link)).expect("a link can be made");
    }
    for _ in 0..2 {
        let done = run(directory.path(), &["resolve", "--mtree=spec.mtree", "--out=first"]);
        assert!(done.status.success(), "{}", said(&done));
        assert!(at("first").is_symlink() && at("py/second").is_symlink());
        assert_eq!(names(&at("real")), [at("real/out.mtree")]);
    }
    symlink("round", at("round")).expect("a link can be made");
    let arguments = ["resolve", "--mtree=spec.mtree", "--out=round"];
    fails(directory.path(), &arguments, &["round", "Too many levels of symbolic links"]);
    symlink("nowhere/out.mtree", at("lost")).expect("a link can be made");
    let arguments = ["resolve", "--mtree=spec.mtree", "--out=lost"];
    fails(directory.path(), &arguments, &["lost", "does not exist"]);
}

#[test]
fn an_output_that_is_not_a_regular_file_is_refused_and_left_alone() {
    let directory = directory(ROW);
    for out in ["py", "/dev/full"] {
        let arguments = ["resolve", "--mtree=spec.mtree", "--out", out];
        fails(directory.path(), &arguments, &[out, "not a regular file"]);
    }
    assert!(!Path::new("/dev/full").is_file());
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing() {
    let directory = directory(&format!("#{}\n{ROW}", "x".repeat(100_000)));
    let small = directory.path().join("small");
    fs::create_dir(&small).expect("a directory can be made");
    mount("tmpfs", &small, "tmpfs", MountFlags::empty(), c"size=16k").expect("root can mount");
    let done = run(directory.path(), &["resolve", "--mtree=spec.mtree", "--out=small/out.mtree"]);
    let left = names(&small);
    unmount(&small, UnmountFlags::DETACH).expect("root can unmount");
    assert_fails(&done, &["small/out.mtree", "No space left"]);
    assert_eq!(left, Vec::<PathBuf>::new());
}

#[test]
fn a_directory_without_permission_is_named_and_its_rows_are_left_alone() {
    let spec = format!("{ROW}app/s type=file content=py/secret/s\n");
    let directory = directory(&spec);
    let secret = directory.path().join("py/secret");
    fs::create_dir(&secret).expect("a directory can be made");
    fs::write(secret.join("s"), "s").expect("a file can be written");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("root can do that");
    };
    mode(directory.path(), 0o777);
    mode(&secret, 0o700);
    // Another user may not be able to run the program where it was built.
    let program = directory.path().join("mtree-worker");
    copy(&program);
    let done = Command::new(&program)
        .args(["resolve", "--mtree=spec.mtree", "--out=out.mtree"])
        .current_dir(directory.path())
        .uid(65534)
        .gid(65534)
        .output()
        .expect("the program starts");
    let said = said(&done);
    assert!(done.status.success(), "{said}");
    for word in ["warning: ", "app/s", "py/secret", "Permission denied", "srcs"] {
        assert!(said.contains(word), "{said} does not name {word}");
    }
    assert_eq!(fs::read(directory.path().join("out.mtree")).expect("an output"), spec.as_bytes());
}

/// Asserts that the command line is refused with clap's text: status 2, and nothing on stdout.
fn is_usage_error(directory: &Path, arguments: &[&str], first_line: &str, words: &[&str]) {
    let before = names(directory);
    let done = run(directory, arguments);
    let said = said(&done);
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(done.stdout.is_empty());
    assert_eq!(said.lines().next(), Some(&*format!("mtree-worker: {first_line}")), "{said}");
    assert!(said.ends_with("For more information, try '--help'.\n"), "{said}");
    for word in words {
        assert!(said.contains(word), "{said} does not have {word}");
    }
    assert_eq!(names(directory), before, "a file was left behind");
}

#[test]
fn a_usage_error_has_status_2_with_suggestions_and_the_usage_line() {
    let directory = directory(ROW);
    let directory = directory.path();
    let usage = "Usage: mtree-worker resolve";
    is_usage_error(
        directory,
        &["resolve", "--mtre=x"],
        "unexpected argument '--mtre' found",
        &["a similar argument exists: '--mtree'", usage],
    );
    is_usage_error(
        directory,
        &["resolv"],
        "unrecognized subcommand 'resolv'",
        &["a similar subcommand exists: 'resolve'", "Usage: mtree-worker [OPTIONS] [COMMAND]"],
    );
    is_usage_error(
        directory,
        &["resolve"],
        "the following required arguments were not provided:",
        &["--mtree <IN>", "--out <OUT>", usage],
    );
    is_usage_error(
        directory,
        &["resolve", "--mtree=spec.mtree", "--out=o", "--missing-target=lose"],
        "invalid value 'lose' for '--missing-target <WHAT>'",
        &["[possible values: inline, keep, fail]"],
    );
    is_usage_error(
        directory,
        &["--jobs=2"],
        "a command is required",
        &["Usage: mtree-worker [OPTIONS] [COMMAND]"],
    );
    is_usage_error(
        directory,
        &["--persistent_worker", "inspect", "."],
        "--persistent_worker reads requests from stdin and takes no command",
        &["Usage: mtree-worker [OPTIONS] [COMMAND]"],
    );
}

#[test]
fn a_usage_error_escapes_the_arguments_that_it_repeats() {
    let directory = directory(ROW);
    let first_line = "unexpected argument '--\\342\\200\\256' found";
    is_usage_error(directory.path(), &["resolve", "--\u{202e}"], first_line, &[]);
}

#[test]
fn without_arguments_the_help_is_printed_with_status_0() {
    let directory = directory(ROW);
    let none: [&str; 0] = [];
    let done = run(directory.path(), &none);
    assert_eq!((done.status.code(), said(&done)), (Some(0), String::new()));
    let help = String::from_utf8_lossy(&done.stdout);
    for words in ["Usage: mtree-worker [OPTIONS] [COMMAND]", "resolve", "--persistent_worker"] {
        assert!(help.contains(words), "{help} does not have {words}");
    }
    assert_eq!(done.stdout, run(directory.path(), &["-h"]).stdout);
}

#[test]
fn help_is_printed_on_stdout() {
    let directory = directory(ROW);
    for arguments in [&["--help"][..], &["resolve", "--help"], &["inspect", "--help"]] {
        let done = run(directory.path(), arguments);
        assert!(done.status.success() && done.stderr.is_empty());
        assert!(String::from_utf8_lossy(&done.stdout).contains("Usage: mtree-worker"));
    }
}

#[test]
fn arguments_are_read_from_files_one_a_line() {
    let directory = directory(ROW);
    let flags = "--mtree\nspec.mtree\n--flagfile=more\n";
    fs::write(directory.path().join("flags"), flags).expect("a file can be written");
    fs::write(directory.path().join("more"), "--out\n@@out\n").expect("a file can be written");
    let done = run(directory.path(), &["resolve", "@flags"]);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(fs::read(directory.path().join("@out")).expect("an output"), ROW.as_bytes());
}

#[test]
fn a_flag_file_that_does_not_exist_or_includes_itself_is_named() {
    let directory = directory(ROW);
    fails(directory.path(), &["@none"], &["none", "No such file"]);
    fs::write(directory.path().join("round"), "@round\n").expect("a file can be written");
    fails(directory.path(), &["@round"], &["round", "include itself"]);
}

#[test]
fn a_report_has_the_numbers_of_the_run() {
    let spec = "app/a type=file content=py/a\napp/b type=file content=py/b\n\
                app/c type=file content=py/c\napp/gone type=file content=py/gone\n\
                app/lib/x type=file content=py/lib/x\napp/lib64/x type=file content=py/lib64/x\n";
    let directory = directory(spec);
    let py = directory.path().join("py");
    fs::create_dir(py.join("lib")).expect("a directory can be made");
    fs::write(py.join("lib/x"), "12345").expect("a file can be written");
    for (link, target) in [("b", "a"), ("c", "/etc/hostname"), ("lib64", "lib")] {
        symlink(target, py.join(link)).expect("a link can be made");
    }
    let done = resolve(directory.path(), &["--report=report.json"]);
    assert!(done.status.success(), "{}", said(&done));
    let report = fs::read_to_string(directory.path().join("report.json")).expect("a report");
    for line in [
        "\"rows\": 6",
        "\"files\": 4",
        "\"links\": 1",
        "\"folder_links\": 1",
        "\"left_for_want_of_a_target\": 1",
        "\"unstaged\": 1",
        "\"bytes_saved\": 6",
        "\"folders_reused\": 0",
    ] {
        assert!(report.contains(line), "{report} lacks {line}");
    }
}

#[test]
fn a_huge_directory_with_few_sources_is_not_listed() {
    let names = ["n00000", "n11111", "n22222"];
    let spec: String =
        names.map(|name| format!("app/{name} type=file content=huge/{name}\n")).concat();
    let directory = directory(&spec);
    let huge = directory.path().join("huge");
    fs::create_dir(&huge).expect("a directory can be made");
    for number in 0..30_000 {
        fs::File::create(huge.join(format!("n{number:05}"))).expect("a file can be made");
    }
    fs::remove_file(huge.join("n22222")).expect("it was made");
    symlink("n00000", huge.join("n22222")).expect("a link can be made");
    let done = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=getdents64,readlinkat"])
        .arg(binary())
        .args(["resolve", "--mtree=spec.mtree", "--out=out.mtree"])
        .current_dir(directory.path())
        .output()
        .expect("strace is installed: worker-tests/run does that");
    let calls = said(&done);
    assert!(done.status.success(), "{calls}");
    assert!(!calls.lines().any(|call| call.contains("getdents64") && call.contains("/huge>")));
    let looked_up = |name: &str| calls.lines().filter(|call| call.contains(name)).count();
    assert_eq!(names.map(looked_up), [1 + 1, 1, 1], "{calls}");
    let out = fs::read_to_string(directory.path().join("out.mtree")).expect("an output");
    assert!(out.ends_with("app/n22222 type=link link=n00000\n"));
}

#[test]
fn generate_writes_man_pages_without_a_warning_and_completions_that_bash_reads() {
    let directory = directory(ROW);
    let done = run(directory.path(), &["generate", "share"]);
    assert!(done.status.success(), "{}", said(&done));
    let share = directory.path().join("share");
    for page in ["mtree-worker.1", "mtree-worker-resolve.1", "mtree-worker-generate.1"] {
        let mut man = Command::new("man");
        man.args(["--warnings", "-l"]).arg(share.join("man/man1").join(page));
        let shown = man.env("LC_ALL", "C.UTF-8").output().expect("man starts");
        assert!(shown.status.success() && shown.stderr.is_empty(), "{page}: {}", said(&shown));
        assert!(String::from_utf8_lossy(&shown.stdout).contains("mtree-worker"), "{page}");
    }
    for file in ["mtree-worker.bash", "_mtree-worker", "mtree-worker.fish"] {
        let completions = fs::read_to_string(share.join("completions").join(file));
        assert!(completions.expect("a file").contains("missing-target"), "{file}");
    }
    let script = "source share/completions/mtree-worker.bash
        COMP_WORDS=(mtree-worker resolve --missing-t) COMP_CWORD=2
        _mtree__worker mtree-worker --missing-t resolve
        echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    let completed = bash.args(["-c", script]).current_dir(directory.path()).output();
    assert_eq!(completed.expect("bash starts").stdout, b"--missing-target\n");
    // Again: what is there is replaced.
    assert!(run(directory.path(), &["generate", "share"]).status.success());
    fails(
        directory.path(),
        &["generate", "py/a"],
        &["py/a: ", "cannot be written", "Not a directory"],
    );
}

//! What a user meets on the command line: each failure is one sentence that says what, where and what
//! to do, exit status 1, and leaves nothing behind.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;
use worker_tests::program::{binary, run, said};

/// The row of a file that is there.
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

/// Fails unless the command failed with one sentence that has all of `words`, and left nothing.
fn fails(directory: &Path, arguments: &[&str], words: &[&str]) {
    let before = names(directory);
    let done = run(directory, arguments);
    assert_fails(&done, words);
    assert_eq!(names(directory), before, "something was left behind");
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

/// Fails unless the spec cannot be resolved, for a reason that has all of `words`.
fn spec_fails(spec: &str, words: &[&str]) {
    let directory = directory(spec);
    fails(directory.path(), &["resolve", "--mtree=spec.mtree", "--out=out.mtree"], words);
}

#[test]
fn a_spec_that_is_not_there_is_named() {
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
fn a_circle_of_links_is_named_with_its_row_and_trail() {
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
fn a_link_at_an_output_is_followed_be_it_that_nothing_stands_there_yet() {
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
fn an_output_where_no_file_stands_is_refused_and_stays_what_it_is() {
    let directory = directory(ROW);
    for out in ["py", "/dev/full"] {
        let arguments = ["resolve", "--mtree=spec.mtree", "--out", out];
        fails(directory.path(), &arguments, &[out, "no regular file"]);
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
    // Where nobody may run the program that was built, a copy of it will do.
    let program = directory.path().join("mtree-worker");
    fs::copy(binary(), &program).expect("the program can be copied");
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

#[test]
fn a_command_line_that_is_not_known_is_one_sentence_that_names_the_help() {
    let directory = directory(ROW);
    fails(directory.path(), &["resolve", "--what"], &["--what", "--help"]);
    fails(directory.path(), &["resolve"], &["--mtree", "--out", "--help"]);
    fails(directory.path(), &[], &["resolve", "--help"]);
    let arguments = ["resolve", "--mtree=spec.mtree", "--out=o", "--missing-target=lose"];
    fails(directory.path(), &arguments, &["lose", "inline"]);
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
fn a_file_of_arguments_that_is_not_there_or_names_itself_is_named() {
    let directory = directory(ROW);
    fails(directory.path(), &["@none"], &["none", "No such file"]);
    fs::write(directory.path().join("round"), "@round\n").expect("a file can be written");
    fails(directory.path(), &["@round"], &["round", "names itself"]);
}

#[test]
fn a_report_tells_what_the_run_came_to() {
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
fn a_huge_directory_of_which_few_names_are_asked_for_is_not_listed() {
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

//! The rows of a layer: what an entry is made of, and the rows of which none can be made. Each error is one sentence
//! with the line of the spec and the archive path, and writes nothing.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use worker_tests::client::{Input, WorkRequest};
use worker_tests::exec_root::ExecRoot;
use worker_tests::program;

use crate::layers::{
    PLAIN, assert_done, bytes, file, hex, layer, names, once, refused, run, sha256,
};

#[test]
fn a_row_of_which_no_layer_can_be_made_is_named_with_its_line() {
    let exec_root = ExecRoot::new("file a\ndir directory\nfile directory/below\n");
    symlink("nowhere", exec_root.at("dangling")).expect("a symlink");
    let mode = Mode::from_raw_mode(0o644);
    mknodat(CWD, exec_root.at("fifo"), FileType::Fifo, mode, 0).expect("a fifo");
    let all = "uid=0 gid=0 mode=0644 time=0";
    for (row, words) in [
        ("type=file gid=0 mode=0644 time=0 content=a", "the row has no `uid`: give it one"),
        ("type=file uid=0 mode=0644 time=0 content=a", "the row has no `gid`: give it one"),
        ("type=file uid=0 gid=0 time=0 content=a", "the row has no `mode`: give it one"),
        (
            "type=file uid=0 gid=0 mode=0644 content=a",
            "the row has no `time`: give it one, or pass --mtime, or take it",
        ),
        ("type=dir gid=0 mode=0644 time=0", "the row has no `uid`: give it one"),
        (&format!("type=file {all} size=5"), "size=5 and no source: give it content="),
        (
            &format!("type=file {all} content=none"),
            "the source none does not exist; add it to srcs, or mark the row as optional",
        ),
        (&format!("type=file {all} content=a/none"), "the source a/none does not exist"),
        (
            &format!("type=file {all} content=directory"),
            "the source directory is not a file; give the row the type that it has",
        ),
        (&format!("type=file {all} content=fifo"), "the source fifo is not a file"),
        (&format!("type=file {all} content=/dev/null"), "the source /dev/null is not a file"),
        (&format!("type=socket {all}"), "type=socket: tar has no sockets: take the row out"),
        ("type=file uid=0 gid=0 mode=u+x time=0", "mode=u+x: a mode in octal is needed"),
        (&format!("type=char {all} device=vms,1,2"), "device=vms,1,2: "),
    ] {
        exec_root.write("spec.mtree", format!("{}# comment\n./dir/row {row}\n", file("a", "a")));
        for flags in [&["--no-resolve", PLAIN][..], &["--compress=gzip"]] {
            let said = refused(&exec_root, flags);
            let errors = said.lines().filter(|line| !line.contains(": warning: "));
            let errors: Vec<_> = errors.collect();
            assert_eq!(errors.len(), 1, "{row}: {said}");
            let place = "mtree-worker: spec.mtree:3: dir/row: ";
            assert!(errors[0].starts_with(place) && errors[0].contains(words), "{row}: {said}");
        }
    }
}

#[test]
fn an_optional_row_without_its_source_is_left_out() {
    let exec_root = ExecRoot::new("file a text\n");
    let optional = file("none", "none").replace(" type", " optional type");
    let present = file("b", "a").replace(" type", " optional type");
    exec_root.write("spec.mtree", file("a", "a") + &optional + &present);
    let tar = once(&exec_root, &["--no-resolve", PLAIN]);
    assert_eq!(names(&tar), ["./a", "./b"]);
    // A row whose source exists but is not an input is left out too.
    let mut worker = exec_root.worker(&[]);
    let inputs =
        ["spec.mtree", "a"].map(|path| Input { path: path.to_owned(), ..Default::default() });
    exec_root.write("none", "it is there");
    let asked = layer(0, "layer", &["--no-resolve", PLAIN]);
    assert_done(&worker.ask(&WorkRequest { inputs: inputs.to_vec(), ..asked.clone() }));
    assert!(bytes(&exec_root, "layer") == tar);
    assert_done(&worker.ask(&asked));
    assert_eq!(names(&bytes(&exec_root, "layer")), ["./a", "./none", "./b"]);
}

#[test]
fn a_source_that_is_no_input_of_the_action_is_named() {
    let exec_root = ExecRoot::new("file a text\nfile b text\n");
    exec_root.write("spec.mtree", file("a", "a") + &file("b", "b"));
    let mut worker = exec_root.worker(&[]);
    let inputs =
        ["spec.mtree", "a"].map(|path| Input { path: path.to_owned(), ..Default::default() });
    let asked = layer(0, "layer", &["--no-resolve", PLAIN]);
    let answer = worker.ask(&WorkRequest { inputs: inputs.to_vec(), ..asked });
    assert_eq!(answer.exit_code, 1);
    assert_eq!(
        answer.output,
        "mtree-worker: spec.mtree:2: b: the source b is not an input of the action; add it to srcs, or mark \
         the row as optional\n"
    );
    assert!(!exec_root.has("layer"));
}

#[test]
fn rows_without_a_source_are_what_the_spec_says_whatever_the_disk_has() {
    let exec_root = ExecRoot::new("file app/file text\nfile app/dir text\nlink app/link -> file\n");
    let keywords = "uid=0 gid=0 time=0 mode=0644";
    exec_root.write(
        "spec.mtree",
        format!(
            "./app/file type=file {keywords}\n./app/dir type=dir {keywords}\n\
             ./app/link type=link link=elsewhere {keywords}\n./app/none type=dir {keywords} size=77\n"
        ),
    );
    let tar = once(&exec_root, &[PLAIN]);
    assert_eq!(names(&tar), ["./app/file", "./app/dir/", "./app/link -> elsewhere", "./app/none/"]);
    assert_eq!(tar.len(), 4 * 512 + 1024);
}

#[test]
fn rows_of_one_path_are_merged_or_written_twice_with_a_warning() {
    let exec_root = ExecRoot::new("file a text\nfile b other\n");
    let spec = file("x", "a") + "./y type=dir uid=0 gid=0 time=0 mode=0755\n" + &file("x", "b");
    exec_root.write("spec.mtree", spec + &file("./x", "a"));
    let done = run(&exec_root, "layer", &["--no-resolve", PLAIN]);
    let said = program::said(&done);
    assert!(done.status.success(), "{said}");
    assert_eq!(
        said,
        "mtree-worker: warning: rows with the archive path of an earlier row: 2, the first: x (line 3, after \
         line 1); those spelled alike are merged, others are written twice, which images may not have; remove \
         all but one\n"
    );
    let tar = bytes(&exec_root, "layer");
    assert_eq!(names(&tar), ["./x", "./y/", "././x"]);
    assert_eq!(&tar[512..517], b"other");
}

#[test]
fn hard_links_of_equal_contents_need_equal_bytes_mode_owner_and_time() {
    let exec_root = ExecRoot::new(
        "file a same\nfile b same\nfile c other\nfile d same\nfile empty\nfile empty2\nfile e sams\n",
    );
    let row = |path: &str, source: &str, change: (&str, &str)| {
        file(path, source).replace(change.0, change.1)
    };
    let none = ("", "");
    let spec = [
        row("a", "a", none),
        row("b", "b", none),
        row("c", "c", none),
        row("mode", "a", ("0644", "0600")),
        row("uid", "a", ("uid=0", "uid=1")),
        row("gid", "a", ("gid=0", "gid=1")),
        row("time", "a", ("time=1672560000", "time=1")),
        row("uname", "a", (" type", " uname=u type")),
        row("empty", "empty", none),
        row("empty2", "empty2", none),
        row("d", "d", none),
        row("e", "e", none),
        row("uid2", "d", ("uid=0", "uid=1")),
    ];
    exec_root.write("spec.mtree", spec.concat());
    let want = [
        "./a",
        "./b == ./a",
        "./c",
        "./mode",
        "./uid",
        "./gid",
        "./time",
        "./uname",
        "./empty",
        "./empty2",
        "./d == ./a",
        "./e",
        "./uid2 == ./uid",
    ];
    let flags = ["--no-resolve", PLAIN, "--hardlinks=content"];
    let tar = once(&exec_root, &flags);
    assert_eq!(names(&tar), want);
    assert_eq!(
        names(&once(&exec_root, &flags[..2])).iter().filter(|it| it.contains("==")).count(),
        0
    );
    // With digests of any function, of all files or of some, it is the same.
    let mut worker = exec_root.worker(&[]);
    for round in 0..6 {
        let input = |(number, path): (usize, &&str)| {
            let bytes = bytes(&exec_root, path);
            let digest = match round % 3 {
                _ if round >= 3 && number % 2 == 0 => String::new(),
                0 => sha256(&bytes),
                1 => blake3::hash(&bytes).to_hex().to_string(),
                _ => hex(&<sha1::Sha1 as sha1::Digest>::digest(&bytes)),
            };
            Input { path: (*path).to_owned(), digest: digest.into_bytes(), ..Default::default() }
        };
        let paths = ["a", "b", "c", "d", "e", "empty", "empty2", "spec.mtree"];
        let inputs = paths.iter().enumerate().map(input).collect();
        let asked = layer(0, "layer", &flags);
        assert_done(&worker.ask(&WorkRequest { inputs, ..asked }));
        assert!(bytes(&exec_root, "layer") == tar, "{round}");
    }
}

#[test]
fn stable_first_puts_external_rows_first_with_the_directories_above_them() {
    let exec_root = ExecRoot::new("file own text\nfile external/x/lib text\n");
    let directory = |path: &str| format!("./{path} type=dir uid=0 gid=0 time=0 mode=0755\n");
    let spec = [
        directory("app"),
        file("app/main", "own"),
        directory("app/lib"),
        file("app/lib/x", "external/x/lib"),
        directory("own"),
        file("own/x", "own"),
    ];
    exec_root.write("spec.mtree", spec.concat());
    let order = ["./app/", "./app/lib/", "./app/lib/x", "./app/main", "./own/", "./own/x"];
    assert_eq!(names(&once(&exec_root, &["--no-resolve", PLAIN, "--order=stable-first"])), order);
    let spec_order = ["./app/", "./app/main", "./app/lib/", "./app/lib/x", "./own/", "./own/x"];
    assert_eq!(names(&once(&exec_root, &["--no-resolve", PLAIN, "--order=spec"])), spec_order);
}

#[test]
fn a_declared_symlink_is_written_past_staging_as_it_is() {
    // A sandbox: absolute symlinks whose targets end in the source.
    let exec_root = ExecRoot::new(
        "file execroot/lib/real text\nlink execroot/lib/name -> real\n\
         link execroot/lib/absolute -> /nowhere/at/all\n",
    );
    for name in ["real", "name", "absolute"] {
        let path = exec_root.at("sandbox/lib").join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        symlink(exec_root.at("execroot/lib").join(name), path).expect("a symlink");
    }
    let link = |name: &str| file(name, &format!("lib/{name}")).replace("type=file", "type=link");
    let spec = link("name") + &link("absolute") + &file("real", "lib/real");
    exec_root.write("sandbox/spec.mtree", spec);
    let mut worker = exec_root.worker(&[]);
    let asked = layer(0, "layer", &["--no-resolve", PLAIN]);
    assert_done(&worker.ask(&WorkRequest { sandbox_dir: "sandbox".to_owned(), ..asked.clone() }));
    let want = ["./name -> real", "./absolute -> /nowhere/at/all", "./real"];
    assert_eq!(names(&bytes(&exec_root, "sandbox/layer")), want);
    // A source that is not a symlink is an error.
    exec_root.write("sandbox/spec.mtree", link("real"));
    let answer = worker.ask(&WorkRequest { sandbox_dir: "sandbox".to_owned(), ..asked });
    assert_eq!(
        answer.output,
        "mtree-worker: spec.mtree:1: real: the source lib/real is not a symlink; give the row link=, or \
         type=file\n"
    );
}

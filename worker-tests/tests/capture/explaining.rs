//! `explain`: what it prints of every row of every case, and which rows globs select.
//!
//! `worker-tests/cases/NAME.explain` is what `explain` prints of the case NAME. With `WRITE_EXPLAINED=1`
//! the files are written instead of compared: check the difference before you commit it.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::Path,
    process::Output,
};

use worker_tests::program;

use crate::{SPEC, Small, directory, each_case, only_capture, os, printed, run};

/// `explained` without hops outside the case's tree: these depend on the machine.
fn of_this_case(explained: &str) -> String {
    let is_outside = |line: &&str| {
        let mut words = line.split_whitespace();
        words.next() == Some("hop") && words.nth(1).is_some_and(|path| path.starts_with('/'))
    };
    explained.split_inclusive('\n').filter(|line| !is_outside(line)).collect()
}

#[test]
fn explain_says_of_each_case_what_its_explain_file_has() {
    let captures = directory();
    let write = env::var_os("WRITE_EXPLAINED").is_some();
    each_case(captures.path(), |recorded| {
        let root = recorded.root.to_str().expect("UTF-8");
        let everything = os("**");
        let of_capture =
            run(captures.path(), &[os("explain"), recorded.capture.as_os_str(), everything]);
        let mut arguments: Vec<OsString> =
            ["explain", "--mtree", "spec.mtree", "**"].map(Into::into).to_vec();
        arguments.extend(recorded.arguments.iter().map(OsString::from));
        let of_spec = program::run(&recorded.cwd, &arguments);
        let name = &recorded.name;
        assert!(of_capture.status.success(), "{name}: {}", program::said(&of_capture));
        assert_eq!(printed(&of_capture), printed(&of_spec), "{name}: capture and spec differ");
        let explained = of_this_case(&printed(&of_capture).replace(root, "$ROOT"));
        let expected =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(format!("{name}.explain"));
        if write {
            fs::write(&expected, &explained).expect("it can be written");
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(explained, expected, "{name}");
        let failed = !recorded.done.status.success();
        assert_eq!(explained.contains("becomes an error: "), failed, "{name}: {explained}");
    });
}

#[test]
fn globs_select_rows_and_json_is_one_object_per_line() {
    let small = Small::new();
    let explained = |paths: &[&str]| {
        let mut arguments = vec![os("explain"), small.capture.as_os_str()];
        arguments.extend(paths.iter().map(OsStr::new));
        printed(&run(small.directory.path(), &arguments))
    };
    let heads = |paths: &[&str]| -> Vec<String> {
        let text = explained(paths);
        text.lines().filter(|line| !line.starts_with(' ')).map(str::to_owned).collect()
    };
    assert_eq!(heads(&["./app/bin/python?"]), ["app/bin/python3"]);
    assert_eq!(heads(&["/app/gone"]), ["app/gone"]);
    assert_eq!(heads(&["app/*"]), ["app/lib64/", "app/gone"]);
    assert_eq!(heads(&[]), ["app/lib64/", "app/bin/python", "app/bin/python3"]);
    let json = explained(&["--json"]);
    assert_eq!(json.lines().count(), 3);
    assert!(json.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{json}");
    assert!(!json.contains('\u{1b}') && !explained(&[]).contains('\u{1b}'));
}

/// Records the small tree with another spec, and runs `explain` on the capture.
fn explained(small: &Small, spec: &str, arguments: &[&str]) -> Output {
    fs::remove_file(&small.capture).expect("it is there");
    fs::write(small.path("spec.mtree"), spec).expect("it can be written");
    let record = ["--record", "captures", "resolve", "--mtree", "spec.mtree", "--out", "o"];
    let done = run(small.directory.path(), &record.map(OsStr::new));
    assert!(done.status.success(), "{}", program::said(&done));
    let capture = only_capture(&small.path("captures"));
    let mut all = vec![os("explain"), capture.as_os_str()];
    all.extend(arguments.iter().map(OsStr::new));
    run(small.directory.path(), &all)
}

#[test]
fn a_name_that_is_also_a_glob_or_has_escapes_selects_its_row() {
    let spec = "./app/[id].js type=file content=external/py/lib/a
./app/caf\\351 type=file content=external/py/lib/a
./app/i type=file content=external/py/lib/a
";
    for name in ["app/[id].js", "app/caf\\351"] {
        let done = explained(&Small::new(), spec, &[name]);
        assert!(done.status.success(), "{}", program::said(&done));
        let printed = printed(&done);
        let heads: Vec<_> = printed.lines().filter(|line| !line.starts_with(' ')).collect();
        assert_eq!(heads, [name]);
    }
}

#[test]
fn globs_that_match_no_row_are_an_error_of_one_sentence() {
    let done = explained(&Small::new(), SPEC, &["app/bin/pyton", "app/none/*"]);
    let said = program::said(&done);
    assert_eq!((done.status.code(), printed(&done)), (Some(1), String::new()));
    assert!(said.contains("no row matches app/bin/pyton, app/none/*"), "{said}");
}

#[test]
fn a_hop_names_eight_rows_and_counts_the_others() {
    let rows =
        (0..1000).map(|row| format!("./app/{row} type=file content=external/py/bin/python3.13\n"));
    let files: String = rows.collect();
    let links = files.replace("./app/", "./links/").replace("python3.13", "python");
    let done = explained(&Small::new(), &(files + &links), &[]);
    assert!(done.status.success(), "{}", program::said(&done));
    let printed = printed(&done);
    assert_eq!(printed.matches(", and 992 more").count(), 1000);
    assert!(printed.len() < 1_000_000, "{}", printed.len());
}

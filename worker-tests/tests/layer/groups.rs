//! Layers of groups of rows.

use std::collections::BTreeMap;

use worker_tests::exec_root::ExecRoot;
use worker_tests::program;

use crate::layers::{Form, PLAIN, bytes, file, names, once, refused, run};

/// A tree for groups: an interpreter, packages, own files, a symlink, and directory rows.
pub(crate) fn grouped() -> ExecRoot {
    let exec_root = ExecRoot::new(
        "file external/python3/bin/python3 ELF\nlink external/python3/bin/python -> python3\n\
         file external/numpy/a.py a\nfile external/numpy/b.py b\nfile main.py main\n",
    );
    let directory = |path: &str| format!("./{path} type=dir uid=0 gid=0 time=0 mode=0755\n");
    let spec = [
        directory("app"),
        directory("app/bin"),
        file("app/bin/python3", "external/python3/bin/python3"),
        file("app/bin/python", "external/python3/bin/python"),
        directory("app/site-packages"),
        file("app/site-packages/a.py", "external/numpy/a.py"),
        file("app/site-packages/b.py", "external/numpy/b.py"),
        directory("app/empty"),
        directory("tmp"),
        file("app/main.py", "main.py"),
    ];
    exec_root.write("spec.mtree", spec.concat());
    exec_root.write(
        "groups.json",
        r#"[{"name": "interpreter", "patterns": ["source:external/python*"]},
            {"name": "packages", "patterns": ["**/site-packages", "app/empty"]},
            {"name": "none", "patterns": ["no/such/**", "t*"]}]"#,
    );
    exec_root
}

#[test]
fn all_groups_together_hold_each_row_once_and_directories_where_something_is_below() {
    let exec_root = grouped();
    let of = |name: &str| {
        let only = format!("--only={name}");
        names(&once(&exec_root, &[PLAIN, "--groups=groups.json", &only]))
    };
    assert_eq!(
        of("interpreter"),
        ["./app/", "./app/bin/", "./app/bin/python3", "./app/bin/python -> python3"]
    );
    assert_eq!(
        of("packages"),
        [
            "./app/",
            "./app/site-packages/",
            "./app/site-packages/a.py",
            "./app/site-packages/b.py",
            "./app/empty/"
        ]
    );
    assert_eq!(of("none"), ["./tmp/"]);
    assert_eq!(of("app"), ["./app/", "./app/main.py"]);
    let mut count = BTreeMap::<String, usize>::new();
    for name in ["interpreter", "packages", "none", "app"] {
        of(name).into_iter().for_each(|row| *count.entry(row).or_default() += 1);
    }
    assert_eq!(count.remove("./app/"), Some(3));
    assert!(count.values().all(|times| *times == 1), "{count:?}");
    let mut whole = names(&once(&exec_root, &[PLAIN]));
    whole.retain(|row| row != "./app/");
    whole.sort();
    assert_eq!(count.into_keys().collect::<Vec<_>>(), whole);
}

#[test]
fn a_group_without_rows_is_an_empty_layer_with_a_warning() {
    let exec_root = grouped();
    exec_root.write("groups.json", r#"[{"name": "nothing", "patterns": ["no/such"]}]"#);
    let flags = ["--compress=gzip", "--groups=groups.json", "--only=nothing"];
    let done = run(&exec_root, "layer", &flags);
    assert!(done.status.success());
    assert_eq!(
        program::said(&done),
        "mtree-worker: warning: groups.json: no row is in the group \"nothing\", whose layer is empty; change \
         its patterns, or remove it\n"
    );
    assert_eq!(Form::Gzip.tar(&bytes(&exec_root, "layer")), [0; 1024]);
}

#[test]
fn groups_that_cannot_be_used_are_an_error_that_names_the_file() {
    let exec_root = grouped();
    for (text, words) in [
        ("", "the groups cannot be read; write a list of"),
        ("{}", "the groups cannot be read; write a list of"),
        (r#"[{"name": "a"}]"#, "the groups cannot be read; write a list of"),
        (r#"[{"name": "a", "patterns": [], "more": 1}]"#, "the groups cannot be read"),
        (r#"[{"name": "app", "patterns": []}]"#, "no group can be called \"app\""),
        (r#"[{"name": "", "patterns": []}]"#, "a group has no name; give it one"),
        (
            r#"[{"name": "a", "patterns": []}, {"name": "a", "patterns": []}]"#,
            "two groups are called \"a\"; rename one",
        ),
        (
            r#"[{"name": "a", "patterns": ["[a"]}]"#,
            "the pattern \"[a\" of the group \"a\" cannot be read",
        ),
        (
            r#"[{"name": "b", "patterns": []}]"#,
            "--only: no group is called \"a\"; the groups are b, app",
        ),
    ] {
        exec_root.write("groups.json", text);
        let said = refused(&exec_root, &[PLAIN, "--groups=groups.json", "--only=a"]);
        assert!(said.starts_with("mtree-worker: groups.json: "), "{said}");
        assert!(said.contains(words) && said.trim_end().lines().count() == 1, "{text}: {said}");
    }
    let said = refused(&exec_root, &[PLAIN, "--groups=none.json", "--only=a"]);
    assert!(said.contains("none.json: ") && said.contains("No such file or directory"), "{said}");
}

#[test]
fn the_sources_that_the_layer_does_not_read_are_listed_one_a_line() {
    let exec_root = grouped();
    let unused = |flags: &[&str]| {
        once(&exec_root, &[&[PLAIN, "--unused-inputs=unused"], flags].concat());
        exec_root.read("unused").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(unused(&[]), [""; 0]);
    let groups = "--groups=groups.json";
    // What became a link was read to find that out.
    assert_eq!(
        unused(&["--only=interpreter", groups]),
        ["external/numpy/a.py", "external/numpy/b.py", "main.py"]
    );
    let of_packages = ["external/python3/bin/python3", "external/python3/bin/python", "main.py"];
    assert_eq!(unused(&["--only=packages", groups]), of_packages);
    assert_eq!(unused(&["--exclude=app/main.py"]), ["main.py"]);
}

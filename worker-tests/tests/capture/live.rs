//! `replay --live`: which facts have changed; and bare requests, which run on the file system.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use worker_tests::{
    client::{self, Protocol},
    plant::plant_file,
    program,
};

use crate::{NOBODY, SPEC, Small, directory, os, printed, run};

impl Small {
    /// The changes that `replay --live` lists.
    fn changed(&self) -> Vec<String> {
        facts(&printed(&self.replay(&["--live"])))
    }
}

/// The facts that `replay --live` lists.
fn facts(printed: &str) -> Vec<String> {
    let mut lines = printed.lines().skip_while(|line| !line.contains("changed since"));
    let head = lines.next().expect("the facts are counted");
    let listed: Vec<_> =
        lines.map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect();
    let count = head.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
    assert_eq!(listed.len(), count, "{printed}");
    listed
}

#[test]
fn no_fact_has_changed_in_a_tree_that_is_the_same_or_was_moved() {
    let small = Small::new();
    assert_eq!(small.changed(), [""; 0]);
    let moved = directory();
    let elsewhere = moved.path().join("elsewhere");
    fs::rename(small.path("external"), elsewhere.join("external")).unwrap_or_else(|_| {
        fs::create_dir(&elsewhere).expect("the directory can be made");
        fs::rename(small.path("external"), elsewhere.join("external")).expect("it can be moved");
    });
    fs::copy(small.path("spec.mtree"), elsewhere.join("spec.mtree")).expect("it is there");
    let done = small.replay(&["--live", "--cwd", elsewhere.to_str().expect("UTF-8")]);
    assert!(done.status.success(), "{}", printed(&done));
    assert_eq!(facts(&printed(&done)), [""; 0]);
}

#[test]
fn each_kind_of_change_is_listed_and_nothing_else() {
    type Change = fn(&Small);
    fn remove(small: &Small, path: &str) {
        fs::remove_file(small.path(path)).expect("it was there");
    }
    fn link(small: &Small, path: &str, text: &str) {
        symlink(text, small.path(path)).expect("nothing was there");
    }
    let changes: [(Change, &[&str]); 10] = [
        (
            |small| {
                remove(small, "external/py/bin/python");
                link(small, "external/py/bin/python", "python3.13");
            },
            &["external/py/bin/python: was a symlink to python3, and is one to python3.13"],
        ),
        (
            |small| {
                remove(small, "external/py/bin/python");
                fs::write(small.path("external/py/bin/python"), "").expect("it can be written");
            },
            &["external/py/bin/python: was a symlink to python3, and is a file or directory"],
        ),
        (
            |small| {
                remove(small, "external/py/lib/a");
                link(small, "external/py/lib/a", "../bin/python");
            },
            &["external/py/lib/a: was a file or directory, and is a symlink to ../bin/python"],
        ),
        (
            |small| remove(small, "external/py/bin/python3"),
            &["external/py/bin/python3: was a symlink to python3.13, and is absent"],
        ),
        (
            |small| fs::write(small.path("external/py/gone"), "").expect("it can be written"),
            &["external/py/gone: was absent, and is a file or directory"],
        ),
        (
            |small| fs::remove_dir_all(small.path("external/py/bin")).expect("it was there"),
            &["external/py/bin: was a file or directory, and is absent"],
        ),
        (
            |small| {
                fs::remove_dir_all(small.path("external/py/bin")).expect("it was there");
                fs::write(small.path("external/py/bin"), "").expect("it can be written");
            },
            &["external/py/bin: was a directory, and is not one"],
        ),
        (
            |small| {
                remove(small, "external/py/lib64");
                plant_file(&small.path("external/py/lib64/a"), b"").expect("it can be written");
            },
            &["external/py/lib64: was a symlink to lib, and is a file or directory"],
        ),
        (
            |small| {
                let text = SPEC.replace("./app/gone", "./app/lost");
                fs::write(small.path("spec.mtree"), text).expect("it can be written");
            },
            &["spec.mtree: has other content"],
        ),
        (
            // The request does not look it up.
            |small| fs::write(small.path("external/py/bin/other"), "").expect("it can be written"),
            &[],
        ),
    ];
    for (change, expected) in changes {
        let small = Small::new();
        change(&small);
        assert_eq!(small.changed(), expected);
    }
}

#[test]
fn a_directory_that_became_unreadable_is_a_change() {
    let small = Small::new();
    let binary = small.path("mtree-worker");
    program::copy(&binary);
    fs::set_permissions(small.path("external/py/bin"), fs::Permissions::from_mode(0o000))
        .expect("it is ours");
    let done = Command::new(binary)
        .args([os("replay"), small.capture.as_os_str(), os("--live")])
        .current_dir(small.directory.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("the program starts");
    let changed = facts(&printed(&done));
    let names = ["python", "python3", "python3.13"];
    let was =
        ["a symlink to python3, and is unreadable", "a symlink to python3.13, and is unreadable"];
    assert_eq!(
        changed,
        [
            format!("external/py/bin/{}: was {}", names[0], was[0]),
            format!("external/py/bin/{}: was {}", names[1], was[1]),
            format!("external/py/bin/{}: was a file or directory, and is unreadable", names[2]),
        ]
    );
}

#[test]
fn a_bare_request_runs_on_the_file_system_and_writes_nothing_but_out() {
    let small = Small::new();
    fs::remove_file(small.path("out.mtree")).expect("it was written");
    let arguments = ["resolve", "--mtree", "spec.mtree", "--out", "out.mtree"];
    let request = client::request(5, &arguments);
    let json = r#"{"requestId": 5, "arguments":
        ["resolve", "--mtree", "spec.mtree", "--out", "out.mtree"]}"#;
    for bytes in [request.sent(Protocol::Proto), json.into()] {
        fs::write(small.path("request"), bytes).expect("it can be written");
        let cwd = small.directory.path().as_os_str();
        let request = small.path("request");
        let mut arguments = vec![os("replay"), request.as_os_str(), os("--cwd"), cwd];
        let done = run(Path::new("/"), &arguments);
        assert!(done.status.success(), "{}", program::said(&done));
        assert!(printed(&done).contains("6 rows, 2 links, 1 directory link"), "{}", printed(&done));
        assert!(!small.path("out.mtree").exists());
        let kept = small.path("kept");
        arguments.extend([os("--out"), kept.as_os_str()]);
        run(Path::new("/"), &arguments);
        let kept = fs::read_to_string(kept).expect("it was kept");
        assert!(kept.contains("./app/lib64 type=link link=lib"), "{kept}");
    }
}

#[test]
fn directories_with_other_times_alone_are_counted_and_listed_with_verbose() {
    let small = Small::new();
    fs::write(small.path("external/py/bin/other"), "").expect("it can be written");
    fs::rename(small.path("external/py/lib"), small.path("external/py/old")).expect("it is there");
    plant_file(&small.path("external/py/lib/a"), b"").expect("it can be written");
    let directories = |flags: &[&str]| -> Vec<String> {
        let printed = printed(&small.replay(flags));
        let lines = printed.lines().skip_while(|line| !line.contains("other times, or another"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(
        directories(&["--live"]),
        ["4 directories have other times, or another identity; --verbose lists them"]
    );
    assert_eq!(
        directories(&["--live", "--verbose"]),
        [
            "4 directories have other times, or another identity:",
            // The output and the captures were written there.
            "  .: has other times",
            "  external/py: has other times",
            "  external/py/bin: has other times",
            "  external/py/lib: is another directory",
        ]
    );
}

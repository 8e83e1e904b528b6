//! No stale output when the tree changes while the server and its worker run.

use std::process::Command;

use worker_tests::program;

use crate::server::Bazel;
use crate::workspace::{Workspace, must, read};

/// Changes of the toolchain: what it is, a script that makes it, and what the spec then contains. Each script runs in
/// a newly fetched tree.
const CHANGES: [(&str, &str, &str); 5] = [
    ("as it is", "true", "bin/python link=python3"),
    (
        "a link has become a file",
        "cp -L bin/python3 python; echo >> python; mv python bin/python",
        "bin/python content=external/python/bin/python",
    ),
    ("a file has become a link", "ln -sf os.py lib/python3*/abc.py", "/abc.py link=os.py"),
    (
        "a link leads elsewhere",
        "ln -sf ../lib/libpython.txt bin/python; echo text > lib/libpython.txt",
        "bin/python link=../lib/libpython.txt",
    ),
    (
        "a directory has become a link",
        "d=$(echo lib/python3*); mv $d/json $d/jason; ln -s jason $d/json; echo >> $d/jason/tool.py",
        "/json link=jason",
    ),
];

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn a_toolchain_fetched_again_is_seen_as_it_is() {
    let workspace = Workspace::example();
    let bazel = workspace.bazel("root");
    for (change, script, expected) in CHANGES {
        workspace.write("python.sh", &format!("{script}\n"));
        let said = bazel.build(&["//app:links", "--strategy=MtreeMutate=worker"]).succeeded();
        let spec = read(&bazel.output("app/links.mtree"));
        let (path, field) = expected.split_once(' ').expect("a path and a field");
        let row = spec.lines().find(|row| {
            let mut fields = row.split(' ');
            fields.next().is_some_and(|name| name.contains("/python/") && name.ends_with(path))
        });
        let row = row.unwrap_or_else(|| panic!("{change}: no row {path}"));
        println!("{change}: {row} ({})", said.processes());
        let last = row.rsplit(' ').next().unwrap_or_default();
        assert!(last.starts_with(field), "{change}: {row}");
        assert_eq!(spec, cold(&bazel), "{change}: the output of a new process differs");
    }
    let logs = bazel.worker_logs();
    assert_eq!(logs.len(), 1, "one worker made all specs");
    println!("{}", logs[0]);
}

/// The spec that a new process writes, which has cached nothing.
fn cold(bazel: &Bazel) -> String {
    let out = bazel.output_base().join("cold.mtree");
    let spec = bazel.output("app/spec.spec");
    must(
        Command::new(program::binary())
            .args(["resolve", "--package-dir=srv", "--mtree"])
            .arg(spec)
            .arg("--out")
            .arg(&out)
            .current_dir(bazel.execroot()),
    );
    read(&out)
}

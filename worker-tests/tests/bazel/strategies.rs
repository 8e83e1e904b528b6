//! The output is the same for every strategy.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use crate::workspace::{Workspace, read, repository};

const SINGLEPLEX: &str = "--modify_execution_info=MtreeMutate=-supports-multiplex-workers";

/// Names of strategies, the flags that select them, and what Bazel prints when it uses them.
const WAYS: [(&str, &[&str], &str); 6] = [
    ("worker", &["--strategy=MtreeMutate=worker", SINGLEPLEX], " non-sandboxed MtreeMutate worker"),
    (
        "sandboxed worker",
        &["--strategy=MtreeMutate=worker", SINGLEPLEX, "--worker_sandboxing"],
        " sandboxed MtreeMutate worker",
    ),
    (
        "multiplex worker",
        &["--strategy=MtreeMutate=worker"],
        " non-sandboxed MtreeMutate multiplex-worker",
    ),
    (
        "sandboxed multiplex worker",
        &["--strategy=MtreeMutate=worker", "--worker_sandboxing"],
        " sandboxed MtreeMutate multiplex-worker",
    ),
    ("one-shot, sandboxed", &["--strategy=MtreeMutate=sandboxed"], "1 linux-sandbox"),
    ("one-shot", &["--strategy=MtreeMutate=local"], "1 local"),
];

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn every_strategy_and_output_root_gives_the_same_bytes() {
    let workspace = Workspace::example();
    assert_links(&spec_of_every_strategy(&workspace, &["root", "external/root"], &[]));
}

/// Builds the spec of the example with every strategy in every output root, and returns the spec that all of
/// them write.
fn spec_of_every_strategy(workspace: &Workspace, roots: &[&str], more: &[&str]) -> String {
    let mut first: Option<String> = None;
    for root in roots {
        let bazel = workspace.bazel(root);
        for (way, flags, sign) in WAYS {
            let flags = [&["//app:links"], flags, more].concat();
            let said = bazel.build(&flags).succeeded().saying(sign);
            let output = bazel.output("app/links.mtree");
            let spec = read(&output);
            // The strategy is not part of the key of an action. Without its output, the action runs again.
            fs::remove_file(&output).expect("an output can be removed");
            println!("{root}, {way}: {} bytes, {}", spec.len(), said.processes());
            let first = first.get_or_insert_with(|| spec.clone());
            assert!(*first == spec, "{way} in {root} writes another spec");
        }
    }
    first.expect("there are strategies")
}

/// Panics unless the links of the example are in its spec.
fn assert_links(spec: &str) {
    for link in [
        "srv/NOTICE uid=0 gid=0 time=1672560000 mode=0755 type=link nlink=1 link=LICENSE\n",
        "/venv/bin/python uid=0 gid=0 time=1672560000 mode=0755 type=link nlink=1 link=python3\n",
        "/venv/bin/python3 uid=0 gid=0 time=1672560000 mode=0755 type=link nlink=1 \
         link=../../../../python/bin/python3\n",
    ] {
        assert!(spec.contains(link), "{link:?} is not in:\n{spec}");
    }
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn in_the_sibling_repository_layout_every_strategy_gives_the_same_bytes() {
    let workspace = Workspace::example();
    let spec = spec_of_every_strategy(
        &workspace,
        &["root"],
        &["--experimental_sibling_repository_layout"],
    );
    assert!(spec.contains(" content=../python/"), "not the sibling layout:\n{spec}");
    assert_links(&spec);
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn one_process_serves_many_actions_and_reads_its_directories_once() {
    const ACTIONS: usize = 24;
    let workspace = Workspace::example();
    workspace.write(
        "many/BUILD.bazel",
        &format!(
            "load(\"@mtree_worker//bazel:defs.bzl\", \"mtree_spec\", \"resolve_symlinks\")\n\
             mtree_spec(name = \"spec\", srcs = [\"//app:server\"])\n\
             [resolve_symlinks(\n\
                 name = \"links%d\" % i,\n\
                 srcs = [\"//app:server\"],\n\
                 mtree = \":spec\",\n\
             ) for i in range({ACTIONS})]\n"
        ),
    );
    workspace.write(
        "app/BUILD.bazel",
        &workspace.read("app/BUILD.bazel").replace(
            "program(\n    name = \"server\",",
            "program(\n    name = \"server\",\n    visibility = [\"//visibility:public\"],",
        ),
    );
    let bazel = workspace.bazel("root");
    bazel.build(&["//app:server", "//many:spec"]).succeeded();
    // The worker reads a directory again in each request until the directory is two seconds old.
    sleep(Duration::from_millis(2_100));
    let said = bazel.build(&["//many:all", "--strategy=MtreeMutate=worker"]).succeeded();
    let logs = bazel.worker_logs();
    assert_eq!(logs.len(), 1, "one process, not {}", logs.len());
    let requests: Vec<(u64, u64)> = logs[0].lines().filter_map(directories).collect();
    assert_eq!(requests.len(), ACTIONS);
    let (listed, reused) =
        requests.iter().fold((0, 0), |sum, request| (sum.0 + request.0, sum.1 + request.1));
    println!("{}", said.processes());
    println!("{ACTIONS} actions, 1 process: {listed} directories listed, {reused} reused");
    let directories = requests.iter().map(|request| request.0 + request.1).max().unwrap_or(0);
    // At best, each directory is listed once.
    assert!(reused > listed && directories > 50, "{requests:?}");
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn the_lines_for_bazelrc_in_the_readme_are_understood() {
    let readme = read(&repository().join("bazel/README.md"));
    let lines = readme.split("## .bazelrc").nth(1).and_then(|rest| rest.split("```").nth(1));
    let lines = lines.expect("the lines are there").trim();
    // The line before each flag is a comment. It begins like this if older versions lack the flag.
    let lines: Vec<&str> = lines.lines().collect();
    let (newer, all): (Vec<_>, Vec<_>) =
        lines.chunks(2).partition(|line| line[0].starts_with("# With Bazel"));
    assert!(newer.len() == 1 && all.len() == 3, "{lines:?}");
    let workspace = Workspace::with_worker("");
    workspace.write(".bazelrc", &all.concat().join("\n"));
    workspace.write(
        "BUILD.bazel",
        "load(\"@mtree_worker//bazel:defs.bzl\", \"resolve_symlinks\")\n\
         resolve_symlinks(name = \"links\", mtree = \"layer.spec\", srcs = [\"a.txt\"])\n",
    );
    workspace.write("a.txt", "a");
    workspace.write("layer.spec", "a.txt type=file content=a.txt\n");
    workspace
        .bazel("root")
        .build(&["//:links"])
        .succeeded()
        .saying(" sandboxed MtreeMutate multiplex-worker");
}

/// The numbers of directories that a request listed and reused, if the line of the log is about a request.
pub fn directories(line: &str) -> Option<(u64, u64)> {
    let number = |name: &str| {
        let (_, value) = line.split_once(name)?;
        value.split_whitespace().next()?.parse().ok()
    };
    Some((number("directories_listed=")?, number("directories_reused=")?))
}

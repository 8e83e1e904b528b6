//! What a request takes grows with its spec and tree: where each of thousands of links may lead to each of
//! thousands of rows, they are not compared pair by pair.
//!
//! No absolute time is checked, only growth: four times the rows may take ten times the processor time. If
//! they were compared pair by pair, they would take sixteen times.

use std::process::Command;

use worker_tests::exec_root::{ExecRoot, file_row};
use worker_tests::program::binary;

const FEW: usize = 4_000;

/// Milliseconds that processors spend on resolving `spec.mtree`, of three runs the fewest.
fn spent(exec_root: &ExecRoot) -> u64 {
    let run = || -> u64 {
        let mut command = Command::new("bash");
        command.args(["-c", "TIMEFORMAT='%3U %3S'; time \"$@\"", "bash"]).arg(binary());
        command.args(["resolve", "--mtree=spec.mtree", "--out=out.mtree"]);
        let done = command.current_dir(exec_root.path()).output().expect("there is bash");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{said}");
        let times = said.lines().last().unwrap_or_default().split(' ');
        times.map(|seconds| seconds.replace('.', "").parse::<u64>().expect("a time")).sum()
    };
    (0..3).map(|_| run()).min().expect("there are three")
}

/// `shape` adds to a tree and returns rows, as many as requested. A row in the output for each
/// number has `turned`.
fn grows_with_its_rows(shape: fn(&mut String, usize) -> String, turned: &str) {
    let take = |count| {
        let mut tree = "file t/real\nfile t/other\nlink u -> t\n".to_owned();
        let rows = shape(&mut tree, count);
        let exec_root = ExecRoot::new(&tree);
        exec_root.write("spec.mtree", rows);
        let spent = spent(&exec_root);
        assert_eq!(exec_root.read("out.mtree").matches(turned).count(), count, "{turned}");
        spent
    };
    let (few, many) = (take(FEW), take(4 * FEW));
    assert!(many < 10 * few.max(10), "{few} ms, and {many} ms for four times the rows");
}

fn each(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).map(text).collect()
}

/// Rows for `t/real` in directories of their own.
fn rows_of_one_file(count: usize) -> String {
    each(count, |at| file_row(&format!("{at}/t/real"), "t/real"))
}

#[test]
fn links_to_one_file_that_has_many_rows() {
    grows_with_its_rows(
        |tree, count| {
            *tree += &each(count, |at| format!("link t/l{at} -> real\n"));
            rows_of_one_file(count)
                + &each(count, |at| file_row(&format!("{at}/l"), &format!("t/l{at}")))
        },
        "type=link link=t/real",
    );
}

#[test]
fn rows_of_one_file_by_two_ways() {
    grows_with_its_rows(
        |_, count| {
            let other = |at| file_row(&format!("{at}/u/real"), "u/real");
            let blocks = |at| file_row(&format!("{at}/u/other"), "t/other");
            rows_of_one_file(count) + &each(count, other) + &each(count, blocks)
        },
        "type=link link=../t/real",
    );
}

#[test]
fn linked_directories_with_a_mirror_each() {
    grows_with_its_rows(
        |tree, count| {
            *tree += &each(count, |at| format!("link l{at} -> t\n"));
            let linked = |at| file_row(&format!("{at}/l/real"), &format!("l{at}/real"));
            rows_of_one_file(count) + &each(count, linked)
        },
        "type=link link=t\n",
    );
}

#[test]
fn linked_directories_none_of_which_has_an_equal() {
    grows_with_its_rows(
        |_, count| {
            let other = |at| file_row(&format!("{at}/t/other"), "t/other");
            let linked = |at| file_row(&format!("{at}/u/real"), "u/real");
            rows_of_one_file(count) + &each(count, other) + &each(count, linked)
        },
        "type=link link=../t/real",
    );
}

#[test]
fn linked_directories_that_differ_from_their_equals_by_a_directory_row() {
    grows_with_its_rows(
        |_, count| {
            let directory = |path: String| format!("./app/{path} type=dir\n");
            let linked = |at| file_row(&format!("{at}/u/real"), "u/real");
            each(count, |at| directory(format!("{at}/t/one")) + &directory(format!("{at}/u/other")))
                + &rows_of_one_file(count)
                + &each(count, linked)
        },
        "type=link link=../t/real",
    );
}

#[test]
fn linked_directories_with_a_file_each_of_a_directory_that_has_many() {
    grows_with_its_rows(
        |tree, count| {
            *tree += &each(count, |at| format!("file t/{at}\n"));
            let linked = |at| file_row(&format!("{at}/u/{at}"), &format!("u/{at}"));
            each(count, |at| file_row(&format!("t/{at}"), &format!("t/{at}")))
                + &each(count, linked)
        },
        "type=link link=../../t/",
    );
}

#[test]
fn a_linked_directory_with_a_directory_row_that_is_repeated() {
    grows_with_its_rows(
        |_, count| {
            let directory = |path| format!("./app/{path} type=dir\n").repeat(count);
            directory("t/one")
                + &file_row("t/real", "t/real")
                + &directory("u/one")
                + &file_row("u/real", "u/real")
        },
        "app/t/one type=dir",
    );
}

#[test]
fn linked_directories_that_differ_from_their_equals_by_the_keywords_of_a_directory_row() {
    grows_with_its_rows(
        |_, count| {
            let directory = |path, mode| format!("./app/{path} mode={mode} type=dir\n");
            let linked = |at| file_row(&format!("{at}/u/real"), "u/real");
            each(count, |at| {
                directory(format!("{at}/t/d"), 755) + &directory(format!("{at}/u/d"), 700)
            }) + &rows_of_one_file(count)
                + &each(count, linked)
        },
        "type=link link=../t/real",
    );
}

#[test]
fn linked_directories_whose_equal_was_reached_through_more_links() {
    grows_with_its_rows(
        |tree, count| {
            *tree += "link x -> .\n";
            each(count, |at| file_row(&format!("{at}/t/real"), "x/x/t/real"))
                + &each(count, |at| file_row(&format!("{at}/u/real"), "u/real"))
        },
        "type=link link=../u/real",
    );
}

#[test]
fn links_to_a_directory_that_is_mirrored_many_times() {
    grows_with_its_rows(
        |tree, count| {
            *tree += &each(count, |at| format!("link l{at} -> t\n"));
            rows_of_one_file(count)
                + &each(count, |at| file_row(&format!("{at}/l"), &format!("l{at}")))
        },
        "type=link link=t\n",
    );
}

#[test]
fn links_to_a_path_with_many_conflicting_rows() {
    grows_with_its_rows(
        |tree, count| {
            *tree += &each(count, |at| format!("link t/l{at} -> real\n"));
            let sources = ["t/real", "t/other"];
            each(count, |at| file_row("same", sources[at % 2]))
                + &each(count, |at| file_row(&format!("l{at}"), &format!("t/l{at}")))
        },
        "type=file content=t/l",
    );
}

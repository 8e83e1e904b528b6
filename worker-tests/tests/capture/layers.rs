//! Captures of `layer` requests: replayed without any content, made again with `--live`, and explained by frame.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use tempfile::TempDir;
use worker_tests::{client::request, program};

use crate::{captures_in, directory, only_capture, os, printed, run, worker};

/// Four hundred small files in a directory, and a large one, with a spec.
struct Tree {
    directory: TempDir,
    spec: String,
}

const KEYWORDS: &str = "uid=0 gid=0 mode=0644 time=0 type=file";

impl Tree {
    fn new() -> Tree {
        let directory = directory();
        fs::create_dir(directory.path().join("src")).expect("a directory is made");
        let mut spec = String::new();
        for number in 0..400 {
            let path = format!("src/{number:03}");
            fs::write(directory.path().join(&path), format!("content {number}")).expect("a file");
            spec.push_str(&format!("./{path} {KEYWORDS} content={path}\n"));
        }
        fs::write(directory.path().join("src/large"), vec![b'x'; 3 << 20]).expect("a file");
        spec.push_str(&format!("./src/large {KEYWORDS} content=src/large\n"));
        fs::write(directory.path().join("spec.mtree"), &spec).expect("a spec");
        Tree { directory, spec }
    }

    fn record(&self, arguments: &[&str]) -> (PathBuf, std::process::Output) {
        let captures = self.directory.path().join("captures");
        let _ = fs::remove_dir_all(&captures);
        let mut all = vec!["--record", "captures", "layer", "--mtree", "spec.mtree"];
        all.extend(arguments);
        let done = program::run(self.directory.path(), &all);
        (only_capture(&captures), done)
    }

    fn run(&self, arguments: &[&OsStr]) -> std::process::Output {
        run(self.directory.path(), arguments)
    }
}

#[test]
fn a_layer_is_replayed_without_its_contents() {
    let tree = Tree::new();
    for flags in [
        &["--out", "layer.tar.gz"][..],
        &["--out", "layer.tar.zst", "--hardlinks=content", "--report=report.json"],
        &["--out", "layer.tar", "--metadata=disk", "--hardlinks=inode"],
    ] {
        let (capture, done) = tree.record(flags);
        assert!(done.status.success(), "{}", program::said(&done));
        let elsewhere = directory();
        let replayed = run(elsewhere.path(), &[os("replay"), capture.as_os_str()]);
        let text = printed(&replayed);
        assert!(text.contains("the same output and the same response"), "{flags:?}: {text}");
        assert!(replayed.status.success());
        let bytes = fs::read(&capture).expect("the capture is there");
        assert!(bytes.len() < 100_000, "no content is in it: {}", bytes.len());
    }
}

#[test]
fn an_error_in_a_content_is_replayed_as_it_was() {
    let tree = Tree::new();
    fs::remove_file(tree.directory.path().join("src/007")).expect("it is there");
    let (capture, done) = tree.record(&["--out", "layer.tar.gz"]);
    let said = program::said(&done);
    assert!(said.contains("spec.mtree:8: src/007: the source src/007 does not exist"), "{said}");
    let replayed = run(directory().path(), &[os("replay"), capture.as_os_str()]);
    assert!(replayed.status.success(), "{}", printed(&replayed));
}

#[test]
fn a_live_replay_makes_the_layer_again_and_names_the_source_that_changed() {
    let tree = Tree::new();
    let (capture, _) = tree.record(&["--out", "layer.tar.gz"]);
    let layer = fs::read(tree.directory.path().join("layer.tar.gz")).expect("the layer");
    let replay = [os("replay"), os("--live"), os("--out"), os("again"), capture.as_os_str()];
    let replayed = tree.run(&replay);
    assert!(replayed.status.success(), "{}", printed(&replayed));
    let again = fs::read(tree.directory.path().join("again")).expect("the layer");
    assert!(again == layer, "it is the same layer");
    fs::write(tree.directory.path().join("src/100"), "other").expect("it is ours");
    let replayed = tree.run(&replay);
    let text = printed(&replayed);
    assert_eq!(replayed.status.code(), Some(1), "{text}");
    assert!(text.contains("--- recorded layer\n+++ replayed layer\n"), "{text}");
    assert!(text.contains("  src/100: has another size: 11 -> 5\n"), "{text}");
}

#[test]
fn a_worker_says_of_a_row_which_frame_it_is_in_and_why_that_was_made() {
    let tree = Tree::new();
    let captures = tree.directory.path().join("captures");
    let mut worker = worker(tree.directory.path(), &[]);
    let mut build = || {
        let request = request(0, &["layer", "--mtree=spec.mtree", "--out=out.tar.gz"]);
        let answer = worker.ask(&request);
        assert_eq!((answer.exit_code, answer.output.as_str()), (0, ""));
    };
    let wait = std::time::Duration::from_millis(2500);
    std::thread::sleep(wait);
    build();
    fs::write(tree.directory.path().join("src/200"), "changed").expect("it is ours");
    std::thread::sleep(wait);
    build();
    // In place: the worker holds this file.
    let out = tree.directory.path().join("out.tar.gz");
    let out = fs::File::options().write(true).open(out).expect("it is ours");
    out.write_all_at(b"damaged", 0).expect("it is ours");
    build();
    let without_a_row = tree.spec.lines().filter(|row| !row.starts_with("./src/150 "));
    let without_a_row: String = without_a_row.map(|row| format!("{row}\n")).collect();
    fs::write(tree.directory.path().join("spec.mtree"), without_a_row).expect("it is ours");
    build();
    worker.end();
    let found = captures_in(&captures);
    // By row: why its frame was made or reused.
    let explain = |capture: usize| -> HashMap<String, String> {
        let explained = tree.run(&[os("explain"), found[capture].as_os_str(), os("**")]);
        let text = printed(&explained);
        let (mut path, mut frames) = ("", HashMap::new());
        for line in text.lines() {
            match line.strip_prefix("  frame   ") {
                Some(frame) => drop(frames.insert(path.to_owned(), frame.to_owned())),
                None if !line.starts_with(' ') => path = line,
                None => {}
            }
        }
        frames
    };
    let (first, second) = (explain(0), explain(1));
    assert_eq!(second.len(), tree.spec.lines().count());
    assert_eq!(first["src/200"], "made: no earlier layer of this name is held");
    assert_eq!(second["src/200"], "made: its content or header changed");
    assert!(second["src/large"].starts_with("reused: "));
    let because_of_neighbour =
        "made: its content is the same, and that of its neighbour ./src/200 changed";
    let neighbours = second.values().filter(|why| *why == because_of_neighbour).count();
    let reused = second.values().filter(|why| why.starts_with("reused: ")).count();
    assert!(neighbours > 0 && neighbours < 200, "{neighbours}");
    assert_eq!(reused + neighbours + 1, second.len());
    let others_are_reused = |frames: &HashMap<String, String>, why: &str| {
        let with_why = frames.values().filter(|frame| *frame == why).count();
        let reused = frames.values().filter(|frame| frame.starts_with("reused: ")).count();
        assert!(with_why > 0 && with_why < 200, "{with_why}: {why}");
        assert_eq!(with_why + reused, frames.len(), "{why}");
    };
    let (third, fourth) = (explain(2), explain(3));
    let damaged = "made: the earlier layer that has it was changed in place: its checksum differs";
    assert_eq!(third["src/000"], damaged);
    others_are_reused(&third, damaged);
    let other_rows = "made: its content is the same, and other rows are its neighbours now";
    others_are_reused(&fourth, other_rows);
}

//! Determinism: a layer depends on the spec and the contents alone, not on what is cached, on threads or on
//! history; and frames are reused.

use std::fs;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestCaseError, TestRunner};
use worker_tests::client::{Input, Protocol, WorkRequest, Worker};
use worker_tests::exec_root::ExecRoot;

use crate::config;
use crate::layers::{
    Form, assert_done, bytes, content, file, hex, json, layer, number, once, sha256,
};

/// What a request lists of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    Nothing,
    Sha256,
    Blake3,
    Sha1,
    /// Paths alone.
    Empty,
    /// A text that is no digest of a known form.
    Unknown,
    /// Some paths with a digest, some without.
    Some,
}

const LISTED: [Listed; 7] = [
    Listed::Nothing,
    Listed::Sha256,
    Listed::Blake3,
    Listed::Sha1,
    Listed::Empty,
    Listed::Unknown,
    Listed::Some,
];

impl Listed {
    fn digest(self, number: usize, bytes: &[u8]) -> String {
        match self {
            Listed::Nothing | Listed::Empty => String::new(),
            Listed::Sha256 => sha256(bytes),
            Listed::Blake3 => hex(blake3::hash(bytes).as_bytes()),
            Listed::Sha1 => hex(&<sha1::Sha1 as sha1::Digest>::digest(bytes)),
            Listed::Unknown => "8080".to_owned(),
            Listed::Some if number.is_multiple_of(2) => String::new(),
            Listed::Some => sha256(bytes),
        }
    }

    fn list(self, exec_root: &ExecRoot, asked: WorkRequest, sources: &[String]) -> WorkRequest {
        if self == Listed::Nothing {
            return asked;
        }
        let input = |(number, path): (usize, &String)| Input {
            path: path.clone(),
            digest: self.digest(number, &bytes(exec_root, path)).into_bytes(),
            ..Input::default()
        };
        let inputs = sources.iter().enumerate().map(input);
        let spec = Input { path: "spec.mtree".to_owned(), ..Input::default() };
        WorkRequest { inputs: inputs.chain([spec]).collect(), ..asked }
    }
}

/// An edit of the tree or of its spec.
#[derive(Clone, Debug)]
enum Edit {
    /// Rewrites a file in place.
    Rewrite(usize, u32, usize),
    /// Changes one byte, and sets the time back.
    Byte(usize),
    /// Puts another file in the place of one.
    Replace(usize, u32, usize),
    Insert(usize, u32, usize),
    Remove(usize),
    Swap(usize, usize),
    Mode(usize),
    /// The output of the worker is overwritten at a place.
    Damage(usize),
    /// The output of the worker is removed.
    Unlink,
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![10 => 0..3000_usize, 2 => 3000..200_000_usize, 1 => 200_000..2_500_000_usize]
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = || 0..1000_usize;
    let written = || (at(), any::<u32>(), length());
    prop_oneof![
        3 => written().prop_map(|(at, seed, length)| Edit::Rewrite(at, seed, length)),
        3 => at().prop_map(Edit::Byte),
        2 => written().prop_map(|(at, seed, length)| Edit::Replace(at, seed, length)),
        2 => written().prop_map(|(at, seed, length)| Edit::Insert(at, seed, length)),
        2 => at().prop_map(Edit::Remove),
        1 => (at(), at()).prop_map(|(one, other)| Edit::Swap(one, other)),
        1 => at().prop_map(Edit::Mode),
        1 => at().prop_map(Edit::Damage),
        1 => Just(Edit::Unlink),
    ]
}

/// A tree and its spec.
struct Tree {
    exec_root: ExecRoot,
    /// Numbers of the sources in the order of the rows, each with the mode of its row.
    rows: Vec<(usize, u32)>,
    next: usize,
}

fn source(number: usize) -> String {
    format!("in/{number}")
}

impl Tree {
    fn new(files: &[(u32, usize)]) -> Tree {
        let mut tree = Tree { exec_root: ExecRoot::new(""), rows: Vec::new(), next: 0 };
        for (at, (seed, length)) in files.iter().enumerate() {
            tree.insert(at, *seed, *length);
        }
        tree
    }

    fn insert(&mut self, at: usize, seed: u32, length: usize) {
        self.exec_root.write(source(self.next), content(seed, length));
        self.rows.insert(at, (self.next, 0o644));
        self.next += 1;
    }

    fn sources(&self) -> Vec<String> {
        self.rows.iter().map(|(number, _)| source(*number)).collect()
    }

    fn write_spec(&self) {
        let rows = self.rows.iter().map(|(number, mode)| {
            format!(
                "./app/{number} uid=0 gid=0 time=1672560000 mode={mode:o} type=file content=in/{number}\n"
            )
        });
        self.exec_root.write("spec.mtree", rows.collect::<String>());
    }

    fn edit(&mut self, edit: &Edit, outs: &[&str]) {
        let count = self.rows.len();
        let row = |at: &usize| (count > 0).then(|| at % count);
        match edit {
            Edit::Rewrite(at, seed, length) => {
                if let Some(row) = row(at) {
                    self.exec_root.write(source(self.rows[row].0), content(*seed, *length));
                }
            }
            Edit::Byte(at) => {
                let Some(row) = row(at) else { return };
                let path = self.exec_root.at(source(self.rows[row].0));
                let mut bytes = fs::read(&path).expect("a source");
                if bytes.is_empty() {
                    return;
                }
                let at = at % bytes.len();
                bytes[at] ^= 1;
                let time = fs::metadata(&path).and_then(|it| it.modified()).expect("a time");
                fs::write(&path, bytes).expect("it can be written");
                let file = fs::File::options().write(true).open(&path).expect("it opens");
                file.set_modified(time).expect("a time can be set");
            }
            Edit::Replace(at, seed, length) => {
                if let Some(row) = row(at) {
                    self.exec_root.write("new", content(*seed, *length));
                    let path = self.exec_root.at(source(self.rows[row].0));
                    fs::rename(self.exec_root.at("new"), path).expect("a rename");
                }
            }
            Edit::Insert(at, seed, length) => self.insert(at % (count + 1), *seed, *length),
            Edit::Remove(at) => drop(row(at).map(|row| self.rows.remove(row))),
            Edit::Swap(one, other) => {
                if let (Some(one), Some(other)) = (row(one), row(other)) {
                    self.rows.swap(one, other);
                }
            }
            Edit::Mode(at) => {
                if let Some(row) = row(at) {
                    self.rows[row].1 ^= 0o111;
                }
            }
            Edit::Damage(at) => {
                for out in outs {
                    use std::os::unix::fs::FileExt;
                    let path = self.exec_root.at(out);
                    let Ok(file) = fs::File::options().write(true).open(&path) else { continue };
                    let length = file.metadata().expect("an output").len().max(1);
                    file.write_all_at(b"x0x", *at as u64 * 7919 % length).expect("it is damaged");
                }
            }
            Edit::Unlink => {
                outs.iter().for_each(|out| drop(fs::remove_file(self.exec_root.at(out))))
            }
        }
    }
}

#[test]
fn after_random_edits_a_worker_of_any_number_of_jobs_writes_what_a_fresh_process_writes() {
    let outs = ["1.layer", "2.layer", "4.layer"];
    let step = (prop::collection::vec(edit(), 1..6), select(&LISTED[..]));
    let plans = (
        prop::collection::vec((any::<u32>(), length()), 1..80),
        prop::collection::vec(step, 1..12),
        select(&Form::ALL[..]),
        any::<bool>(),
    );
    let mut runner = TestRunner::new(config(16));
    let result = runner.run(&plans, |(files, steps, form, is_json)| {
        let mut tree = Tree::new(&files);
        let protocol = if is_json { Protocol::Json } else { Protocol::Proto };
        let flag = if is_json { "--protocol=json" } else { "--protocol=proto" };
        let mut workers: Vec<_> = ["--jobs=1", "--jobs=2", "--jobs=4"]
            .iter()
            .map(|jobs| Worker::start(tree.exec_root.command(&[flag, jobs]), protocol))
            .collect();
        for (edits, listed) in steps {
            edits.iter().for_each(|edit| tree.edit(edit, &outs));
            tree.write_spec();
            let want = once(&tree.exec_root, form.flags());
            let sources = tree.sources();
            for (worker, out) in workers.iter_mut().zip(outs) {
                let flags = [form.flags(), &["--descriptor", "descriptor.json"]].concat();
                let asked = listed.list(&tree.exec_root, layer(0, out, &flags), &sources);
                let answer = worker.ask(&asked);
                let is_same = (answer.exit_code, &answer.output[..]) == (0, "")
                    && bytes(&tree.exec_root, out) == want;
                let descriptor = json(&tree.exec_root.at("descriptor.json"));
                let digests = [&descriptor["digest"], &descriptor["diff_id"]];
                let wanted = [&want, &form.tar(&want)].map(|it| format!("sha256:{}", sha256(it)));
                if !is_same || digests != [&wanted[0][..], &wanted[1]] {
                    let what = format!("{out} after {edits:?}, {listed:?}: {answer} {descriptor}");
                    return Err(TestCaseError::fail(what));
                }
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// A tree of 2,000 small files with a large one in the middle, and its spec's rows.
fn two_thousand() -> (ExecRoot, Vec<String>) {
    let exec_root = ExecRoot::new("");
    let rows = (0..2000).map(|number| {
        let length = if number == 1000 { 5 << 20 } else { 100 + number * 3 };
        exec_root.write(format!("in/{number}"), content(number as u32, length));
        file(&format!("app/{number}"), &format!("in/{number}"))
    });
    let rows = rows.collect();
    (exec_root, rows)
}

/// A request with the digests that Bazel lists. Without, a file that was changed just now is known by its bytes and
/// later by its times, so that its frame is made again.
fn listed_layer(exec_root: &ExecRoot, out: &str, flags: &[&str]) -> WorkRequest {
    let sources: Vec<_> = (0..2000).map(|number| format!("in/{number}")).collect();
    Listed::Sha256.list(exec_root, layer(0, out, flags), &sources)
}

#[test]
fn after_an_edit_of_a_small_file_or_row_at_most_three_frames_are_made_and_the_rest_is_reused() {
    let (exec_root, rows) = two_thousand();
    for (seed, form) in [(1, Form::Gzip), (2, Form::SingleMember), (3, Form::Zstd)] {
        let mut worker = exec_root.worker(&[]);
        let flags = [form.flags(), &["--report=report.json"]].concat();
        let mut made = |rows: &[String]| {
            exec_root.write("spec.mtree", rows.concat());
            assert_done(&worker.ask(&listed_layer(&exec_root, "layer", &flags)));
            assert_eq!(bytes(&exec_root, "layer"), once(&exec_root, form.flags()), "{form:?}");
            let report = json(&exec_root.at("report.json"));
            let counts = ["frames_made", "frames_reused"].map(|name| number(&report, name));
            assert_eq!(number(&report, "format_version"), 1);
            assert_eq!(
                number(&report, "bytes_compressed"),
                bytes(&exec_root, "layer").len() as u64
            );
            counts
        };
        let [all, none] = made(&rows);
        assert!(all > 40 && none == 0, "{form:?}: {all} made, {none} reused");
        assert_eq!(made(&rows), [0, all]);
        for edited in [0, 1, 500, 999, 1001, 1999] {
            exec_root.write(format!("in/{edited}"), content(seed, 200));
            let [made_now, reused] = made(&rows);
            assert!((1..=3).contains(&made_now), "{form:?}, {edited}: {made_now} made");
            assert!(made_now + reused >= all - 2, "{form:?}, {edited}: {reused} reused");
            let mut without = rows.clone();
            without.remove(edited);
            let [removed, _] = made(&without);
            assert!(removed <= 3, "{form:?}, {edited} removed: {removed} made");
            let mut with = rows.clone();
            with.insert(edited, file("app/new", "in/3"));
            let [inserted, _] = made(&with);
            assert!(inserted <= 3, "{form:?}, inserted at {edited}: {inserted} made");
            made(&rows);
        }
    }
}

#[test]
fn after_an_edit_of_a_large_file_its_own_frames_and_its_neighbours_are_made() {
    let (exec_root, rows) = two_thousand();
    exec_root.write("spec.mtree", rows.concat());
    let flags = ["--compress=gzip", "--level=1", "--report=report.json"];
    let mut worker = exec_root.worker(&[]);
    for (length, most) in [(5 << 20, 0), (5 << 20, 8), (300_000, 3), (9 << 20, 12), (1000, 3)] {
        let before = bytes(&exec_root, "in/1000").len();
        exec_root.write("in/1000", content(length as u32 + most, length));
        assert_done(&worker.ask(&listed_layer(&exec_root, "layer", &flags)));
        let made = number(&json(&exec_root.at("report.json")), "frames_made");
        if most > 0 {
            assert!((1..=u64::from(most)).contains(&made), "{before} -> {length}: {made} made");
        }
    }
}

#[test]
fn a_layer_of_the_same_rows_reuses_the_frames_of_another_output() {
    let (exec_root, rows) = two_thousand();
    exec_root.write("spec.mtree", rows.concat());
    let mut worker = exec_root.worker(&[]);
    let flags = ["--compress=zstd", "--level=1", "--report=report.json"];
    assert_done(&worker.ask(&listed_layer(&exec_root, "one", &flags)));
    let all = number(&json(&exec_root.at("report.json")), "frames_made");
    exec_root.write("spec.mtree", rows[300..].concat());
    assert_done(&worker.ask(&listed_layer(&exec_root, "other", &flags)));
    let report = json(&exec_root.at("report.json"));
    assert!(number(&report, "frames_made") <= 2, "{report}");
    assert!(number(&report, "frames_reused") > all / 2, "{report}");
    assert_eq!(bytes(&exec_root, "other"), once(&exec_root, &flags[..2]));
}

#[test]
fn without_digests_settled_files_are_known_by_their_times_and_no_frame_is_made_again() {
    let (exec_root, rows) = two_thousand();
    exec_root.write("spec.mtree", rows.concat());
    let flags = ["--compress=gzip", "--level=1", "--report=report.json"];
    let mut worker = exec_root.worker(&[]);
    let mut made = || {
        assert_done(&worker.ask(&layer(0, "layer", &flags)));
        number(&json(&exec_root.at("report.json")), "frames_made")
    };
    // Younger files are known by their bytes.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert!(made() > 0);
    assert_eq!(made(), 0);
    exec_root.write("in/77", "another");
    assert!((1..=3).contains(&made()));
    assert_eq!(bytes(&exec_root, "layer"), once(&exec_root, &flags[..2]));
}

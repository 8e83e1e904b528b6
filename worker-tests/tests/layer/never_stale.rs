//! No stale layer, and no trust in what is cached: what is listed wrongly, what happens to an output that frames are held in, and
//! what changes while it is read.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use worker_tests::client::{Input, WorkRequest, Worker};
use worker_tests::exec_root::ExecRoot;

use crate::layers::{
    Form, assert_done, bytes, content, file, hex, json, layer, names, number, once, sha256,
};

/// A tree with small files and one of several frames, and its spec.
fn tree() -> ExecRoot {
    let exec_root = ExecRoot::new("");
    let rows = (0..300).map(|number| {
        let length = if number == 150 { 3 << 20 } else { 100 + number * 20 };
        exec_root.write(format!("in/{number}"), content(number as u32, length));
        file(&format!("app/{number}"), &format!("in/{number}"))
    });
    let spec: String = rows.collect();
    exec_root.write("spec.mtree", spec);
    exec_root
}

/// The request with all inputs listed, `digest` returns what is listed for each.
fn listing(asked: WorkRequest, digest: impl Fn(usize) -> String) -> WorkRequest {
    let input = |number| Input {
        path: format!("in/{number}"),
        digest: digest(number).into_bytes(),
        ..Input::default()
    };
    let spec = Input { path: "spec.mtree".to_owned(), ..Input::default() };
    WorkRequest { inputs: (0..300).map(input).chain([spec]).collect(), ..asked }
}

const FLAGS: [&str; 3] = ["--compress=gzip", "--level=1", "--report=report.json"];

#[test]
fn a_content_that_matches_no_function_of_its_digest_fails_the_request_and_stores_nothing() {
    let exec_root = tree();
    let want = once(&exec_root, &FLAGS[..2]);
    let right = |number: usize| sha256(&bytes(&exec_root, &format!("in/{number}")));
    for wrong in [0, 7, 150, 299] {
        for digest in ["0".repeat(64), "f".repeat(40)] {
            for is_warm in [false, true] {
                let mut worker = exec_root.worker(&[]);
                fs::write(exec_root.at("layer"), "before").expect("it can be written");
                if is_warm {
                    assert_done(&worker.ask(&listing(layer(0, "layer", &FLAGS), right)));
                }
                let before = bytes(&exec_root, "layer");
                let asked = listing(layer(0, "layer", &FLAGS), |number| match number == wrong {
                    true => digest.clone(),
                    false => right(number),
                });
                let answer = worker.ask(&asked);
                let line = wrong + 1;
                let said = format!(
                    "mtree-worker: spec.mtree:{line}: app/{wrong}: the source in/{wrong} changed while the \
                     build ran: build again once nothing changes it\n"
                );
                assert_eq!((answer.exit_code, &answer.output[..]), (1, &said[..]));
                // Again: a failed content is not cached.
                assert_eq!(worker.ask(&asked).output, said);
                assert!(bytes(&exec_root, "layer") == before, "the old output changed");
                assert_done(&worker.ask(&listing(layer(0, "layer", &FLAGS), right)));
                assert!(bytes(&exec_root, "layer") == want, "{wrong}");
                assert!(exec_root.temporary_files().is_empty());
            }
        }
    }
}

#[test]
fn digests_of_every_function_in_any_mix_upper_case_or_unknown_make_the_same_layer() {
    let exec_root = tree();
    let want = once(&exec_root, &FLAGS[..2]);
    let mut worker = exec_root.worker(&[]);
    for round in 0..3 {
        let digest = |number: usize| {
            let bytes = bytes(&exec_root, &format!("in/{number}"));
            match (number + round) % 7 {
                0 => sha256(&bytes),
                1 => hex(blake3::hash(&bytes).as_bytes()),
                2 => hex(&<sha1::Sha1 as sha1::Digest>::digest(&bytes)),
                3 => sha256(&bytes).to_uppercase(),
                4 => String::new(),
                5 => "not hexadecimal".to_owned(),
                _ => "12".repeat(64),
            }
        };
        assert_done(&worker.ask(&listing(layer(0, "layer", &FLAGS), digest)));
        assert!(bytes(&exec_root, "layer") == want);
    }
}

#[test]
fn an_output_that_is_changed_in_any_way_while_frames_are_held_in_it_is_detected() {
    let exec_root = tree();
    for form in Form::ALL {
        let want = once(&exec_root, form.flags());
        let mut worker = exec_root.worker(&[]);
        let path = exec_root.at("layer");
        let open = || File::options().write(true).open(&path).expect("it opens");
        let damages: [(&str, &dyn Fn()); 9] = [
            ("overwritten", &|| fs::write(&path, vec![7; want.len()]).expect("written")),
            ("changed at its head", &|| open().write_all_at(b"xx", 0).expect("written")),
            ("changed in the middle", &|| {
                open().write_all_at(b"xx", want.len() as u64 / 2).expect("written");
            }),
            ("changed at its end", &|| {
                open().write_all_at(b"x", want.len() as u64 - 1).expect("written");
            }),
            ("cut short", &|| open().set_len(want.len() as u64 / 3).expect("cut")),
            ("emptied", &|| open().set_len(0).expect("cut")),
            ("made longer", &|| open().set_len(want.len() as u64 * 2).expect("longer")),
            ("removed", &|| fs::remove_file(&path).expect("removed")),
            ("replaced", &|| {
                exec_root.write("other", "other");
                fs::rename(exec_root.at("other"), &path).expect("renamed");
            }),
        ];
        for (how, damage) in damages {
            assert_done(&worker.ask(&layer(0, "layer", form.flags())));
            damage();
            assert_done(&worker.ask(&layer(0, "layer", form.flags())));
            assert!(bytes(&exec_root, "layer") == want, "{form:?}: {how}");
        }
    }
}

#[test]
fn frames_of_an_output_that_is_unlinked_or_read_only_are_still_reused() {
    let exec_root = tree();
    let mut worker = exec_root.worker(&[]);
    let path = exec_root.at("layer");
    let digest = |number| sha256(&bytes(&exec_root, &format!("in/{number}")));
    let asked = listing(layer(0, "layer", &FLAGS), digest);
    assert_done(&worker.ask(&asked));
    let want = bytes(&exec_root, "layer");
    let changes: [&dyn Fn(); 2] = [
        // As Bazel does before and behind each action.
        &|| fs::remove_file(&path).expect("removed"),
        &|| fs::set_permissions(&path, Permissions::from_mode(0o555)).expect("read-only"),
    ];
    for change in changes {
        change();
        assert_done(&worker.ask(&asked));
        assert_eq!(number(&json(&exec_root.at("report.json")), "frames_made"), 0);
        assert!(bytes(&exec_root, "layer") == want);
    }
}

#[test]
fn a_content_changed_in_place_with_its_size_and_time_kept_is_read_again() {
    let exec_root = tree();
    let mut worker = exec_root.worker(&[]);
    for number in [3, 150] {
        let path = exec_root.at(format!("in/{number}"));
        let file = File::options().write(true).open(&path).expect("it opens");
        for round in 0..3_u8 {
            assert_done(&worker.ask(&layer(0, "layer", &FLAGS)));
            let time = file.metadata().and_then(|it| it.modified()).expect("a time");
            file.write_all_at(&[b'0' + round], 60).expect("written");
            file.set_modified(time).expect("the time is set");
            assert_done(&worker.ask(&layer(0, "layer", &FLAGS)));
            assert!(bytes(&exec_root, "layer") == once(&exec_root, &FLAGS[..2]), "{number}");
        }
    }
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_whole_in_the_layer_or_an_error() {
    let exec_root = ExecRoot::new("");
    let contents = [vec![b'a'; 200_000], vec![b'b'; 200_000], vec![b'c'; 150_000]];
    exec_root.write("in/file", &contents[0]);
    exec_root.write("spec.mtree", file("app/file", "in/file"));
    let mut worker = exec_root.worker(&["--jobs=2"]);
    let is_over = AtomicBool::new(false);
    let (mut done, mut failed) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut turn = 0;
            while !is_over.load(Ordering::Relaxed) {
                exec_root.write("in/new", &contents[turn % 3]);
                fs::rename(exec_root.at("in/new"), exec_root.at("in/file")).expect("renamed");
                turn += 1;
            }
        });
        let stop = Stop(&is_over);
        for _ in 0..300 {
            let answer = worker.ask(&layer(0, "layer", &["--compress=none"]));
            if answer.exit_code == 0 {
                done += 1;
                let tar = bytes(&exec_root, "layer");
                let is_whole = contents.iter().any(|content| {
                    tar[512..].starts_with(content)
                        && tar[512 + content.len()..].iter().all(|it| *it == 0)
                });
                assert!(is_whole, "the layer has a mixture");
            } else {
                failed += 1;
                let is_said = ["bytes, where it had", "changed while the build ran"]
                    .iter()
                    .any(|words| answer.output.contains(words));
                assert!(is_said && answer.output.contains("spec.mtree:1: app/file: "), "{answer}");
            }
        }
        drop(stop);
    });
    println!("{done} layers, {failed} errors");
    // Once it no longer changes, the layer has its content.
    assert_done(&worker.ask(&layer(0, "layer", &["--compress=none"])));
    assert!(bytes(&exec_root, "layer") == once(&exec_root, &["--compress=none"]));
}

#[test]
fn a_file_that_is_rewritten_while_it_is_read_is_never_cached_wrongly() {
    let exec_root = tree();
    let mut worker = exec_root.worker(&["--jobs=2"]);
    let is_over = AtomicBool::new(false);
    for number in [5, 150] {
        is_over.store(false, Ordering::Relaxed);
        let path = exec_root.at(format!("in/{number}"));
        thread::scope(|scope| {
            scope.spawn(|| {
                let file = File::options().write(true).open(&path).expect("it opens");
                let mut turn = 0_u64;
                while !is_over.load(Ordering::Relaxed) {
                    file.write_all_at(&turn.to_le_bytes(), turn * 13 % 100).expect("written");
                    turn += 1;
                }
            });
            let stop = Stop(&is_over);
            for _ in 0..40 {
                let answer = worker.ask(&layer(0, "layer", &FLAGS));
                if answer.exit_code != 0 {
                    let words = "changed while the build ran: build again once nothing changes it";
                    assert!(answer.output.contains(words), "{answer}");
                }
            }
            drop(stop);
        });
        assert_done(&worker.ask(&layer(0, "layer", &FLAGS)));
        assert!(bytes(&exec_root, "layer") == once(&exec_root, &FLAGS[..2]), "{number}");
    }
    assert!(exec_root.temporary_files().is_empty());
}

/// Ends a writer, even if a test fails.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn two_workers_that_write_one_output_of_one_tree_both_write_it_whole() {
    let exec_root = tree();
    let mut workers = [exec_root.worker(&[]), exec_root.worker(&[])];
    for round in 0..10 {
        exec_root.write(format!("in/{}", round * 7), content(round, 500));
        for worker in &mut workers {
            worker.send(&layer(1, "layer", &FLAGS[..2]));
        }
        for worker in &mut workers {
            assert_done(&worker.answer());
        }
        assert!(bytes(&exec_root, "layer") == once(&exec_root, &FLAGS[..2]));
    }
}

#[test]
fn requests_that_run_at_once_write_each_its_own_layer() {
    let exec_root = tree();
    let mut worker = exec_root.worker(&["--jobs=4"]);
    let forms = [Form::None, Form::Gzip, Form::SingleMember, Form::Zstd];
    let want = forms.map(|form| once(&exec_root, form.flags()));
    for _ in 0..3 {
        for id in 1..=16 {
            let form = forms[id as usize % 4];
            worker.send(&layer(id, &format!("out-{id}"), form.flags()));
        }
        for answer in worker.answers(16) {
            assert_done(&answer);
            let id = answer.request_id;
            assert!(bytes(&exec_root, &format!("out-{id}")) == want[id as usize % 4], "{id}");
        }
    }
}

/// The outputs that the worker holds, as /proc has them, with their sizes on the disk.
fn held(worker: &Worker, exec_root: &ExecRoot) -> Vec<u64> {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", worker.id())).expect("it runs");
    let files = descriptors.filter_map(|entry| {
        let path = entry.expect("an entry").path();
        let target = fs::read_link(&path).ok()?;
        let is_output = target.starts_with(exec_root.path());
        is_output.then(|| fs::metadata(&path).expect("it is open").len())
    });
    files.collect()
}

#[test]
fn at_most_64_outputs_are_held_and_no_more_bytes_than_the_frame_limit() {
    let exec_root = ExecRoot::new("");
    let size = |held: &[u64]| held.iter().sum::<u64>();
    for (limit, outputs, bytes_most) in
        [(1_u64 << 30, 64, 1_u64 << 30), (300_000, 64, 300_000), (0, 0, 0)]
    {
        let mut worker = exec_root.worker(&[&format!("--frame-limit={limit}")]);
        let mut most = 0;
        for number in 0..80 {
            exec_root.write(format!("in/{number}"), content(number, 20_000));
            exec_root.write("spec.mtree", file(&format!("app/{number}"), &format!("in/{number}")));
            let out = format!("out/{number}");
            exec_root.write(&out, "");
            assert_done(&worker.ask(&layer(0, &out, &FLAGS[..2])));
            assert!(bytes(&exec_root, &out) == once(&exec_root, &FLAGS[..2]));
            let held = held(&worker, &exec_root);
            assert!(held.len() <= outputs && size(&held) <= bytes_most, "{limit}: {held:?}");
            most = most.max(held.len());
        }
        assert_eq!(most == 0, outputs == 0, "{limit}: {most} were held");
        assert!(limit != 1 << 30 || most == 64, "{most} were held");
        // Those that were used last are held; of a file that is 2 s old by now, the frame is made once more.
        let mut made = || {
            assert_done(&worker.ask(&layer(0, "out/79", &FLAGS)));
            number(&json(&exec_root.at("report.json")), "frames_made")
        };
        let made = [made(), made(), made()];
        assert_eq!(made.contains(&0), outputs > 0, "{made:?}");
    }
}

#[test]
fn an_output_whose_frames_are_no_longer_needed_is_closed() {
    let exec_root = tree();
    let mut worker = exec_root.worker(&[]);
    for turn in 0..10 {
        let out = format!("out-{turn}");
        let digest = |number| sha256(&bytes(&exec_root, &format!("in/{number}")));
        assert_done(&worker.ask(&listing(layer(0, &out, &FLAGS[..2]), digest)));
        // The frames of one are all in the next.
        assert_eq!(held(&worker, &exec_root).len(), 1);
    }
    exec_root.write("spec.mtree", "");
    assert_done(&worker.ask(&layer(0, "out-9", &FLAGS[..2])));
    assert!(held(&worker, &exec_root).len() <= 1);
    assert_eq!(names(&Form::Gzip.tar(&bytes(&exec_root, "out-9"))), [""; 0]);
}

//! Layers that are not finished: cancels, signals at every stage, and full disks. What was there before
//! stays, or the layer is whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use worker_tests::client::{Worker, cancel};
use worker_tests::exec_root::ExecRoot;
use worker_tests::program;

use crate::layers::{assert_done, bytes, content, file, layer, once};

/// It takes this long to compress.
const SLOW: [&str; 2] = ["--compress=gzip", "--level=9"];

/// How many bytes the temporary file has at a stage.
const STAGES: [u64; 5] = [0, 1, 1 << 20, 3 << 20, 6 << 20];

/// A tree whose layer takes a while, its layer, and an output that is there before.
fn slow_tree() -> (ExecRoot, Vec<u8>) {
    let exec_root = ExecRoot::new("");
    let rows = (0..20).map(|number| {
        exec_root.write(format!("in/{number}"), content(number, 1 << 20));
        file(&format!("app/{number}"), &format!("in/{number}"))
    });
    let rows: String = rows.collect();
    exec_root.write("spec.mtree", rows);
    let want = once(&exec_root, &SLOW);
    fs::remove_file(exec_root.at("once.layer")).expect("it is there");
    exec_root.write("out/layer", "before");
    (exec_root, want)
}

/// Waits until a layer that is being written has `least` bytes, or is there. Whether it is being written.
fn reach(exec_root: &ExecRoot, least: u64) -> bool {
    let started = Instant::now();
    loop {
        let sizes = exec_root
            .temporary_files()
            .into_iter()
            .filter_map(|path| Some(fs::metadata(path).ok()?.len()));
        if sizes.max().is_some_and(|size| size >= least) {
            return true;
        }
        if bytes(exec_root, "out/layer") != b"before" {
            return false;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is written");
        thread::yield_now();
    }
}

/// Fails unless the output is as it was, or whole. Whether it is as it was.
fn assert_none_or_whole(exec_root: &ExecRoot, want: &[u8]) -> bool {
    let out = bytes(exec_root, "out/layer");
    let is_old = out == b"before";
    assert!(is_old || out == want, "the output is half written: {} bytes", out.len());
    exec_root.write("out/layer", "before");
    is_old
}

#[test]
fn a_layer_cancelled_at_any_stage_has_one_response_and_leaves_nothing() {
    let (exec_root, want) = slow_tree();
    let mut worker = exec_root.worker(&["--frame-limit=0"]);
    let mut stopped = 0;
    for (number, stage) in STAGES.into_iter().enumerate() {
        let id = number as i32 + 1;
        worker.send(&layer(id, "out/layer", &SLOW));
        reach(&exec_root, stage);
        worker.send(&cancel(id));
        let answer = worker.answer();
        assert_eq!(answer.request_id, id);
        let is_old = assert_none_or_whole(&exec_root, &want);
        assert_eq!(is_old, answer.was_cancelled, "{answer}");
        stopped += usize::from(answer.was_cancelled);
        assert_eq!(exec_root.temporary_files(), Vec::<PathBuf>::new());
        // No other answer comes for it: the next one is the next request's.
        assert_done(&worker.ask(&layer(0, "out/other", &["--compress=none"])));
    }
    assert!(stopped >= 3, "only {stopped} were stopped");
    assert_done(&worker.ask(&layer(0, "out/layer", &SLOW)));
    assert!(bytes(&exec_root, "out/layer") == want);
}

/// Sends a signal at each stage, and calls `after` with the process that is to end.
fn interrupted(signal: Signal, flags: &[&str], after: impl Fn(&ExecRoot, &mut Worker)) {
    let (exec_root, want) = slow_tree();
    let mut stopped = 0;
    for stage in STAGES {
        let mut worker = exec_root.worker(flags);
        worker.send(&layer(1, "out/layer", &SLOW));
        reach(&exec_root, stage);
        let pid = Pid::from_raw(worker.id() as i32).expect("a process has an id");
        kill_process(pid, signal).expect("it runs");
        after(&exec_root, &mut worker);
        stopped += usize::from(assert_none_or_whole(&exec_root, &want));
        let mut worker = exec_root.worker(&[]);
        assert_done(&worker.ask(&layer(1, "out/layer", &SLOW)));
        assert!(bytes(&exec_root, "out/layer") == want);
        exec_root.write("out/layer", "before");
    }
    assert!(stopped >= 3, "only {stopped} were stopped");
}

#[test]
fn a_worker_killed_at_any_stage_leaves_the_old_output_or_the_whole_one() {
    interrupted(Signal::KILL, &[], |exec_root, worker| {
        assert_eq!(worker.wait().status.code(), None);
        for left in exec_root.temporary_files() {
            fs::remove_file(left).expect("it is there");
        }
    });
}

#[test]
fn a_worker_ends_on_sigterm_at_any_stage_without_a_temporary_file() {
    interrupted(Signal::TERM, &["--jobs=2"], |exec_root, worker| {
        assert_eq!(worker.wait().code(), 143);
        assert_eq!(exec_root.temporary_files(), Vec::<PathBuf>::new());
    });
}

fn start_once(exec_root: &ExecRoot) -> Child {
    let arguments = ["layer", "--mtree=spec.mtree", "--out=out/layer"];
    let mut command = Command::new(program::binary());
    command.args(arguments).args(SLOW).current_dir(exec_root.path());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

#[test]
fn a_process_that_runs_once_and_gets_a_signal_at_any_stage_leaves_the_old_output() {
    let (exec_root, want) = slow_tree();
    for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
        let mut stopped = 0;
        for stage in STAGES {
            let mut child = start_once(&exec_root);
            reach(&exec_root, stage);
            kill_process(Pid::from_child(&child), signal).expect("it runs");
            let status = child.wait().expect("it ends");
            let is_old = assert_none_or_whole(&exec_root, &want);
            // On a busy machine the layer may be whole before the signal comes.
            assert!(!is_old || !status.success(), "{signal:?} at {stage}");
            stopped += usize::from(is_old);
            for left in exec_root.temporary_files() {
                fs::remove_file(left).expect("it is there");
            }
        }
        assert!(stopped >= 3, "only {stopped} were stopped by {signal:?}");
    }
}

#[test]
fn a_worker_whose_input_ends_finishes_the_layer() {
    let (exec_root, want) = slow_tree();
    let mut worker = exec_root.worker(&[]);
    worker.send(&layer(1, "out/layer", &SLOW));
    let end = worker.end();
    assert_eq!(end.code(), 0);
    assert_done(&end.answers[0]);
    assert!(bytes(&exec_root, "out/layer") == want);
}

#[test]
fn a_cancel_stops_hashing_and_one_of_many_requests_alone() {
    let (exec_root, want) = slow_tree();
    let mut worker = exec_root.worker(&["--jobs=4", "--frame-limit=0"]);
    for id in 1..=4 {
        worker.send(&layer(id, &format!("out/{id}"), &SLOW));
    }
    worker.send(&cancel(2));
    for answer in worker.answers(4) {
        if answer.request_id != 2 {
            assert_done(&answer);
            assert!(bytes(&exec_root, &format!("out/{}", answer.request_id)) == want);
        }
        let is_written = exec_root.has(format!("out/{}", answer.request_id));
        assert_eq!(is_written, !answer.was_cancelled);
    }
}

#[test]
fn on_a_full_disk_the_old_output_stays_and_the_worker_goes_on_once_there_is_room() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

    /// Dropping this removes it.
    struct Small<'p>(&'p Path);
    impl Drop for Small<'_> {
        fn drop(&mut self) {
            unmount(self.0, UnmountFlags::DETACH).expect("root can unmount");
        }
    }

    let (exec_root, want) = slow_tree();
    let path = exec_root.at("small");
    fs::create_dir(&path).expect("a directory");
    mount("tmpfs", &path, "tmpfs", MountFlags::empty(), c"size=16m").expect("root can mount");
    let small = Small(&path);
    for (form, flags) in [("gzip", &SLOW[..]), ("none", &["--compress=none"])] {
        exec_root.write("small/layer", "before");
        let most = if form == "gzip" { 12 << 20 } else { 1 << 20 };
        exec_root.write("small/filler", vec![0; most]);
        let mut worker = exec_root.worker(&[]);
        for _ in 0..3 {
            let answer = worker.ask(&layer(0, "small/layer", flags));
            assert_eq!(answer.exit_code, 1);
            assert!(answer.output.contains("small/layer: --out cannot be written"), "{answer}");
            assert!(answer.output.contains("No space left on device"), "{answer}");
            assert_eq!(bytes(&exec_root, "small/layer"), b"before");
            assert_eq!(exec_root.temporary_files(), Vec::<PathBuf>::new());
        }
        fs::remove_file(small.0.join("filler")).expect("it is there");
        if form == "gzip" {
            assert_done(&worker.ask(&layer(0, "small/layer", flags)));
            assert!(bytes(&exec_root, "small/layer") == want);
            // Frames that are held there take space: the output and the new one do not fit together.
            let again = worker.ask(&layer(0, "small/layer", flags));
            assert!(again.exit_code == 0 || again.output.contains("No space left"), "{again}");
            assert!(bytes(&exec_root, "small/layer") == want);
        }
    }
}

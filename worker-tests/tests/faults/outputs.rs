//! Outputs that cannot be written, and writers that do not live to see it.

use std::fs;
use std::path::PathBuf;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, Signal, kill_process};
use worker_tests::client::{Protocol, Worker};
use worker_tests::exec_root::{ExecRoot, resolve};
use worker_tests::forest;
use worker_tests::interrupted::Interrupted;

use crate::assert_one_sentence;

/// An exec root with a forest and its spec, and what that spec becomes.
fn planted(directories: usize) -> (ExecRoot, String) {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), directories, 3).unwrap();
    exec_root.write("spec.mtree", forest.spec());
    let want = exec_root.once_resolved(&["--mtree", "spec.mtree"]).unwrap();
    (exec_root, want)
}

/// A small tmpfs. It goes when this goes.
struct Small(PathBuf);

impl Small {
    fn mount(exec_root: &ExecRoot, name: &str) -> Small {
        let path = exec_root.at(name);
        fs::create_dir(&path).unwrap();
        mount("tmpfs", &path, "tmpfs", MountFlags::empty(), c"size=512k").expect("root can mount");
        Small(path)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).expect("root can unmount");
    }
}

#[test]
fn a_worker_whose_disk_is_full_says_so_keeps_what_was_there_and_goes_on_once_there_is_room() {
    let (exec_root, want) = planted(1_000);
    assert!(want.len() > 200 << 10, "the output is too short to fill the disk");
    let small = Small::mount(&exec_root, "small");
    exec_root.write("small/out.mtree", "as it was");
    exec_root.write("small/filler", vec![0; 400 << 10]);
    let mut worker = exec_root.worker(&[]);
    for id in 1..=5 {
        let answer = worker.ask(&resolve(id, "spec.mtree", "small/out.mtree"));
        assert_eq!(answer.exit_code, 1);
        assert_one_sentence(&answer.output, &["small/out.mtree", "No space left"]);
        assert_eq!(exec_root.read("small/out.mtree"), "as it was");
    }
    assert_eq!(exec_root.temporary_files(), Vec::<PathBuf>::new());
    fs::remove_file(small.0.join("filler")).unwrap();
    let answer = worker.ask(&resolve(6, "spec.mtree", "small/out.mtree"));
    assert_eq!((answer.exit_code, &answer.output[..]), (0, ""));
    assert_eq!(exec_root.read("small/out.mtree"), want);
}

#[test]
fn a_worker_whose_stdout_is_closed_ends_with_a_sentence_and_leaves_nothing_half_written() {
    let (exec_root, want) = planted(300);
    for _ in 0..20 {
        fs::create_dir(exec_root.at("out")).unwrap();
        let command = exec_root.command(&["--jobs=4", "--cache-limit=0"]);
        let mut worker = Worker::start_unheard(command, Protocol::Proto);
        for id in 1..=16 {
            let request = resolve(id, "spec.mtree", &format!("out/{id}.mtree"));
            if worker.try_send_bytes(&request.sent(Protocol::Proto)).is_err() {
                break;
            }
        }
        let end = worker.wait();
        assert_eq!(end.code(), 1, "{}", end.log);
        assert!(end.log.contains("cannot write a response to stdout"), "{}", end.log);
        assert!(end.log.contains("Broken pipe"), "{}", end.log);
        for entry in fs::read_dir(exec_root.at("out")).unwrap() {
            assert_eq!(fs::read_to_string(entry.unwrap().path()).unwrap(), want);
        }
        assert_eq!(exec_root.temporary_files(), Vec::<PathBuf>::new());
        fs::remove_dir_all(exec_root.at("out")).unwrap();
    }
}

#[test]
fn after_sigkill_in_the_middle_outputs_are_whole_or_none_and_a_new_process_writes_them_all() {
    let kill = |worker: &Worker| {
        let pid = Pid::from_raw(worker.id() as i32).expect("a process has an id");
        kill_process(pid, Signal::KILL).unwrap();
    };
    Interrupted::by(kill, |interrupted, end| {
        assert_eq!(end.status.code(), None, "SIGKILL leaves no exit code");
        interrupted.write_all();
    });
}

#[test]
fn two_workers_on_one_output_tree_leave_what_one_of_them_wrote() {
    let (exec_root, want) = planted(300);
    // Both are longer than what is written at once, and of different lengths.
    let spec = exec_root.read("spec.mtree");
    let half: String =
        spec.lines().take(spec.lines().count() / 2).map(|l| l.to_owned() + "\n").collect();
    exec_root.write("half.mtree", &half);
    let wants = [want, exec_root.once_resolved(&["--mtree", "half.mtree"]).unwrap()];
    let mut workers = [exec_root.worker(&["--jobs=2"]), exec_root.worker(&["--jobs=2"])];
    for round in 0..50 {
        for worker in &mut workers {
            for id in 1..=4 {
                let spec = ["spec.mtree", "half.mtree"][(id + round) as usize % 2];
                worker.send(&resolve(id, spec, &format!("{}.mtree", id / 2)));
            }
        }
        for worker in &mut workers {
            for answer in worker.answers(4) {
                assert_eq!((answer.exit_code, &answer.output[..]), (0, ""));
            }
        }
        for out in 0..=2 {
            let out = exec_root.read(format!("{out}.mtree"));
            assert!(wants.contains(&out), "{} bytes are no request's output", out.len());
        }
    }
    assert_eq!(exec_root.temporary_files(), Vec::<PathBuf>::new());
}

//! A tree that changes under the program.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use worker_tests::exec_root::{ExecRoot, file_row, link_row, resolve};
use worker_tests::forest;

use crate::right_or_clean;

#[test]
fn a_tree_that_is_deleted_while_it_is_read_gives_rows_as_they_came_or_as_they_were() {
    let exec_root = ExecRoot::new("");
    let mut in_the_middle = 0;
    let mut id = 0;
    while in_the_middle < 30 {
        let forest = forest::plant(exec_root.path(), 400, 5).unwrap();
        let spec = String::from_utf8(forest.spec()).unwrap();
        exec_root.write("spec.mtree", &spec);
        let want = exec_root.once_resolved(&["--mtree", "spec.mtree"]).unwrap();
        let top = forest.directory_paths().next().unwrap();
        let top = exec_root.at(top.split('/').next().unwrap());
        let mut worker = exec_root.worker(&["--jobs=2"]);
        thread::scope(|scope| {
            let deleted = scope.spawn(|| fs::remove_dir_all(&top).unwrap());
            while !deleted.is_finished() {
                id += 1;
                let out = format!("{id}.mtree");
                let answer = worker.ask(&resolve(id, "spec.mtree", &out));
                let written = right_or_clean(&exec_root, &answer, &out, &spec, &want);
                let gone = answer.output.contains("their sources do not exist");
                in_the_middle += i32::from(written.is_none_or(|out| gone && out != spec));
            }
        });
        id += 1;
        let answer = worker.ask(&resolve(id, "spec.mtree", "last.mtree"));
        assert_eq!(answer.exit_code, 0, "{answer}");
        assert_eq!(exec_root.read("last.mtree"), spec, "of a tree that is gone nothing is known");
    }
}

/// What takes a directory's place.
#[derive(Clone, Copy, Debug)]
enum Other {
    File,
    LinkToItself,
    LinkToNowhere,
}

#[test]
fn a_directory_turned_into_a_file_or_a_broken_link_in_between_leaves_its_rows_alone_or_linked() {
    for other in [Other::File, Other::LinkToItself, Other::LinkToNowhere] {
        let exec_root = ExecRoot::new(
            "file pkg/in/a\nlink pkg/in/b -> a\nlink pkg/c -> in/a\nfile lib/x\nlink lib/y -> x\n",
        );
        let directory = exec_root.at("pkg");
        let aside = exec_root.at("aside");
        match other {
            Other::File => fs::write(&aside, "").unwrap(),
            Other::LinkToItself => symlink("pkg", &aside).unwrap(),
            Other::LinkToNowhere => symlink("nowhere", &aside).unwrap(),
        }
        let rows = [("pkg/in/b", "a"), ("pkg/c", "in/a"), ("lib/y", "x")];
        let files: String = ["pkg/in/a", "lib/x"].iter().map(|path| file_row(path, path)).collect();
        let spec: String = rows.iter().map(|(path, _)| file_row(path, path)).collect();
        let spec = spec + &files;
        let want: String = rows.iter().map(|(path, text)| link_row(path, text)).collect();
        let want = want + &files;
        exec_root.write("spec.mtree", &spec);

        let done = AtomicBool::new(false);
        let mut worker = exec_root.worker(&["--jobs=2"]);
        let (mut as_it_was, mut otherwise) = (0, 0);
        thread::scope(|scope| {
            let swapper = scope.spawn(|| {
                let mut swaps = 0u32;
                while !done.load(Ordering::Relaxed) {
                    renameat_with(CWD, &directory, CWD, &aside, RenameFlags::EXCHANGE).unwrap();
                    swaps += 1;
                    thread::yield_now();
                }
                swaps
            });
            let mut id = 0;
            while as_it_was < 200 || otherwise < 200 {
                id += 1;
                let out = format!("{}.mtree", id % 10);
                let _ = fs::remove_file(exec_root.at(&out));
                let answer = worker.ask(&resolve(id, "spec.mtree", &out));
                let written = right_or_clean(&exec_root, &answer, &out, &spec, &want);
                match written == Some(want.clone()) {
                    true => as_it_was += 1,
                    false => otherwise += 1,
                }
            }
            done.store(true, Ordering::Relaxed);
            let swaps = swapper.join().unwrap();
            if swaps % 2 == 1 {
                renameat_with(CWD, &directory, CWD, &aside, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let answer = worker.ask(&resolve(0, "spec.mtree", "last.mtree"));
        assert_eq!((answer.exit_code, &answer.output[..]), (0, ""), "{other:?}");
        assert_eq!(exec_root.read("last.mtree"), want, "{other:?}");
    }
}

//! Many requests at once.

use worker_tests::client::{Input, WorkRequest};
use worker_tests::exec_root::{ExecRoot, resolve, spec};
use worker_tests::forest;

use crate::assert_done;

/// Plants a tree, and sends 200 requests for parts of it that overlap, with nothing waited for.
fn assert_each_as_if_alone(flags: &[&str]) {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), 300, 6).unwrap();
    // Links into directories that other requests ask for, by other ways.
    worker_tests::plant::plant(
        exec_root.path(),
        b"link external/tool/here -> directory_00/directory_01\nlink external/again -> tool/directory_02\n",
    )
    .unwrap();
    let sources: Vec<_> = forest.sources().collect();
    let roundabout: Vec<_> = (0..6)
        .flat_map(|file| {
            ["external/tool/here", "external/again"].map(|at| format!("{at}/module_{file}.py"))
        })
        .collect();
    let part = |id: usize| -> Vec<String> {
        let begin = id * 37 % sources.len();
        let every = 1 + id % 5;
        let part = sources.iter().cycle().skip(begin).step_by(every).take(400);
        part.chain(&roundabout).cloned().collect()
    };
    let spec_of = |id: usize| format!("specs/{id}.mtree");
    for id in 0..200 {
        exec_root.write(spec_of(id), spec(&part(id)));
    }
    std::fs::create_dir(exec_root.at("out")).unwrap();
    let mut worker = exec_root.worker(flags);
    for round in 0..2 {
        for id in 0..200 {
            let out = format!("out/{id}.mtree");
            let mut asked = resolve(1 + round * 200 + id, &spec_of(id as usize), &out);
            if id % 3 == 0 {
                let path = "external".to_owned();
                asked.inputs = vec![Input { path, ..Input::default() }];
            }
            if id % 4 == 0 {
                let sandbox_dir = exec_root.path().to_str().unwrap().to_owned();
                asked = WorkRequest { sandbox_dir, ..asked };
            }
            worker.send(&asked);
        }
        for (answer, id) in worker.answers(200).iter().zip(1 + round * 200..) {
            assert_done(answer, id);
        }
        for id in 0..200 {
            let once = exec_root.once_resolved(&["--mtree", &spec_of(id)]).unwrap();
            let out = exec_root.read(format!("out/{id}.mtree"));
            assert_eq!(out, once, "request {id} of round {round}");
        }
    }
    assert_eq!(worker.end().code(), 0);
}

#[test]
fn two_hundred_requests_at_once_each_give_what_a_process_gives_that_runs_once() {
    assert_each_as_if_alone(&["--jobs=200"]);
}

#[test]
fn so_they_do_where_the_cache_has_no_room_and_directories_come_and_go() {
    assert_each_as_if_alone(&["--jobs=16", "--cache-limit=20000"]);
}

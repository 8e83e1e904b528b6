//! Many requests at once.

use worker_tests::client::{Input, WorkRequest};
use worker_tests::exec_root::{ExecRoot, resolve, spec};
use worker_tests::forest;

use crate::assert_done;

/// Sends 200 requests for overlapping parts of a tree at once, and asserts that each gives the output of a
/// process that runs once.
fn assert_each_as_if_alone(flags: &[&str]) {
    let exec_root = ExecRoot::new("");
    let forest = forest::plant(exec_root.path(), 300, 6).unwrap();
    // Other paths, through symlinks, to directories of other requests.
    worker_tests::plant::plant(
        exec_root.path(),
        b"link external/tool/here -> branch_00/branch_01\nlink external/again -> tool/branch_02\n",
    )
    .unwrap();
    let sources: Vec<_> = forest.sources().collect();
    let indirect: Vec<_> = (0..6)
        .flat_map(|file| {
            ["external/tool/here", "external/again"].map(|at| format!("{at}/module_{file}.py"))
        })
        .collect();
    let part = |id: usize| -> Vec<String> {
        let begin = id * 37 % sources.len();
        let every = 1 + id % 5;
        let part = sources.iter().cycle().skip(begin).step_by(every).take(400);
        part.chain(&indirect).cloned().collect()
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
        for (response, id) in worker.answers(200).iter().zip(1 + round * 200..) {
            assert_done(response, id);
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
fn two_hundred_requests_at_once_give_the_outputs_of_processes_that_run_once() {
    assert_each_as_if_alone(&["--jobs=200"]);
}

#[test]
fn requests_at_once_give_these_outputs_even_if_the_cache_is_too_small() {
    assert_each_as_if_alone(&["--jobs=16", "--cache-limit=20000"]);
}

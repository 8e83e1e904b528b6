//! `sandbox_dir`.

use std::fs;

use worker_tests::client::{Protocol, WorkRequest, Worker, request};
use worker_tests::exec_root::{ExecRoot, file_row, link_row, resolve, spec};
use worker_tests::plant::{plant, sources, stage};

use crate::{PYTHON, SOURCES, assert_done, assert_failed, resolved};

#[test]
fn sandbox_dir_is_the_root_of_sources_and_of_mtree_out_also_and_report() {
    // The files in the exec root itself must not be read.
    let exec_root = ExecRoot::new("file external/py/bin/python\nfile external/py/bin/python3.13\n");
    for name in ["spec.mtree", "other.mtree", "args"] {
        exec_root.write(name, "this must not be read\n");
    }
    plant(&exec_root.at("box/1"), PYTHON.as_bytes()).unwrap();
    exec_root.write("box/1/spec.mtree", spec(&SOURCES[..1]));
    exec_root.write("box/1/other.mtree", file_row("other/python3.13", SOURCES[2]));
    exec_root.write("box/1/args", "--also=other.mtree\n--report=report.json\n");
    let mut worker = exec_root.worker(&[]);
    let asked = request(1, &["resolve", "--mtree=spec.mtree", "--out=out.mtree", "@args"]);
    assert_done(&worker.ask(&WorkRequest { sandbox_dir: "box/1".to_owned(), ..asked }), 1);
    let text = "../../../other/python3.13";
    assert_eq!(exec_root.read("box/1/out.mtree"), link_row(SOURCES[0], text));
    assert!(exec_root.read("box/1/report.json").contains("\"links\": 1"));
    for name in ["out.mtree", "report.json"] {
        assert!(!exec_root.has(name), "{name} is in the exec root");
    }
}

#[test]
fn requests_in_different_sandboxes_run_at_once_and_each_sees_its_own() {
    let exec_root = ExecRoot::new("");
    let sandbox = |id: i32| format!("box/{id}");
    for id in 1..=20 {
        let tree = format!("file a/real-{id}\nlink a/link -> real-{id}\n");
        plant(&exec_root.at(sandbox(id)), tree.as_bytes()).unwrap();
        let text = spec(&["a/link".to_owned(), format!("a/real-{id}")]);
        exec_root.write(format!("{}/spec.mtree", sandbox(id)), text);
    }
    let mut worker = exec_root.worker(&["--jobs=8"]);
    for id in 1..=20 {
        let asked = resolve(id, "spec.mtree", "out.mtree");
        worker.send(&WorkRequest { sandbox_dir: sandbox(id), ..asked });
    }
    for (response, id) in worker.answers(20).iter().zip(1..) {
        assert_done(response, id);
        let real = format!("a/real-{id}");
        assert_eq!(
            exec_root.read(format!("{}/out.mtree", sandbox(id))),
            link_row("a/link", &format!("real-{id}")) + &file_row(&real, &real)
        );
    }
}

#[test]
fn a_sandbox_gives_the_same_output_as_the_exec_root() {
    let exec_root = ExecRoot::new(PYTHON);
    let text = spec(&SOURCES);
    let sandbox = stage(&exec_root.beside(), exec_root.path(), &sources(text.as_bytes())).unwrap();
    fs::write(sandbox.join("spec.mtree"), &text).unwrap();
    for protocol in [Protocol::Proto, Protocol::Json] {
        let flags = [if protocol == Protocol::Json { "--protocol=json" } else { "--jobs=2" }];
        let mut worker = Worker::start(exec_root.command(&flags), protocol);
        // Bazel sends a relative path. An absolute one works too.
        let relative =
            format!("../{}", sandbox.strip_prefix(exec_root.beside()).unwrap().display());
        for sandbox_dir in [relative, sandbox.display().to_string()] {
            let asked = resolve(3, "spec.mtree", "out.mtree");
            assert_done(&worker.ask(&WorkRequest { sandbox_dir, ..asked }), 3);
            assert_eq!(fs::read_to_string(sandbox.join("out.mtree")).unwrap(), resolved());
            fs::remove_file(sandbox.join("out.mtree")).unwrap();
        }
    }
}

#[test]
fn a_sandbox_that_does_not_exist_is_that_requests_error() {
    let exec_root = ExecRoot::new(PYTHON);
    exec_root.write("spec.mtree", spec(&SOURCES));
    let mut worker = exec_root.worker(&[]);
    let asked = resolve(1, "spec.mtree", "out.mtree");
    let response = worker.ask(&WorkRequest { sandbox_dir: "gone".to_owned(), ..asked });
    assert_failed(&response, 1, &["spec.mtree", "No such file"]);
    assert_done(&worker.ask(&resolve(2, "spec.mtree", "out.mtree")), 2);
}

//! The arguments of requests.

use worker_tests::client::{Protocol, Worker, request};
use worker_tests::exec_root::{link_row, resolve};

use crate::{assert_done, python, resolved};

#[test]
fn the_arguments_of_a_request_are_a_command_line() {
    let exec_root = python();
    let mut worker = exec_root.worker(&[]);
    let arguments = [
        "resolve",
        "--mtree",
        "spec.mtree",
        "--strip-prefix=app/external",
        "--package-dir",
        "opt",
        "--mtime=7",
        "--directory-links=expand",
    ];
    assert_done(&worker.ask(&request(1, &[&arguments[..], &["--out=out.mtree"]].concat())), 1);
    assert_eq!(exec_root.read("out.mtree"), exec_root.once_resolved(&arguments[1..]).unwrap());
    let link = "./opt/py/bin/python uid=0 gid=0 time=7 mode=0755 type=link link=python3\n";
    assert!(exec_root.read("out.mtree").contains(link), "{}", exec_root.read("out.mtree"));
}

#[test]
fn requests_of_any_id_give_the_same_output() {
    let exec_root = python();
    let mut worker = exec_root.worker(&[]);
    for id in [0, 1, -5, 0, i32::MAX] {
        let out = format!("out-{id}.mtree");
        assert_done(&worker.ask(&resolve(id, "spec.mtree", &out)), id);
        assert_eq!(exec_root.read(&out), resolved());
    }
    let end = worker.end();
    assert_eq!((end.code(), end.answers.len()), (0, 0));
}

#[test]
fn json_and_protobuf_give_the_same_bytes() {
    let exec_root = python();
    for (protocol, flag) in
        [(Protocol::Proto, "--protocol=proto"), (Protocol::Json, "--protocol=json")]
    {
        let mut worker = Worker::start(exec_root.command(&[flag]), protocol);
        for id in [0, 1] {
            assert_done(&worker.ask(&resolve(id, "spec.mtree", "out.mtree")), id);
            assert_eq!(exec_root.read("out.mtree"), resolved());
            std::fs::remove_file(exec_root.at("out.mtree")).unwrap();
        }
        let end = worker.end();
        assert_eq!((end.code(), end.answers.len()), (0, 0));
    }
}

#[test]
fn flag_files_have_one_argument_per_line() {
    let exec_root = python();
    exec_root.write("args", "--mtree\nspec.mtree\n@more args\n");
    exec_root.write("more args", "--out=out.mtree\n--flagfile=last\n");
    exec_root.write("last", "--package-dir\n@@scope/a b\n");
    let mut worker = exec_root.worker(&[]);
    for arguments in [["resolve", "@args"], ["resolve", "--flagfile=args"]] {
        assert_done(&worker.ask(&request(1, &arguments)), 1);
        let link = link_row("external/py/bin/python", "python3")
            .replace("./app/", "./@scope/a\\040b/app/");
        let out = exec_root.read("out.mtree");
        assert!(out.contains(&link), "{out}");
        std::fs::remove_file(exec_root.at("out.mtree")).unwrap();
    }
}

#[test]
fn a_flag_file_is_read_again_for_each_request() {
    let exec_root = python();
    let mut worker = exec_root.worker(&[]);
    for out in ["first.mtree", "second.mtree"] {
        exec_root.write("args", format!("resolve\n--mtree=spec.mtree\n--out={out}\n"));
        assert_done(&worker.ask(&request(1, &["@args"])), 1);
        assert_eq!(exec_root.read(out), resolved());
    }
}

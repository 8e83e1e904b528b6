//! `sandbox_dir`.

use std::fs;
use std::path::Path;

use worker_tests::client::{Protocol, WorkRequest, Worker, request};
use worker_tests::exec_root::{ExecRoot, file_row, link_row, resolve, spec};
use worker_tests::plant::{plant, plant_link, sources, stage};
use worker_tests::program;

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

/// What the warning of a sandbox without symlinks says.
const NO_SYMLINK: [&str; 4] = [
    "no source in the sandbox is a symlink",
    "--strategy=MtreeMutate=worker,local",
    "--experimental_use_hermetic_linux_sandbox",
    "hard links",
];

/// Copies the sources to `sandbox` as a hermetic sandbox has them: hard links to what symlinks lead to.
fn hard_link(exec_root: &Path, sandbox: &Path) {
    for source in SOURCES {
        let to = sandbox.join(source);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::hard_link(exec_root.join(source).canonicalize().unwrap(), to).unwrap();
    }
    fs::write(sandbox.join("spec.mtree"), spec(&SOURCES)).unwrap();
}

#[test]
fn a_sandbox_of_hard_links_gives_copies_and_one_warning_that_says_what_to_set() {
    let exec_root = ExecRoot::new(PYTHON);
    hard_link(exec_root.path(), &exec_root.at("box/1"));
    let captures = exec_root.at("captures");
    let mut worker = exec_root.worker(&["--record", captures.to_str().unwrap()]);
    let asked = resolve(1, "spec.mtree", "out.mtree");
    let answer = worker.ask(&WorkRequest { sandbox_dir: "box/1".to_owned(), ..asked });
    assert_eq!(answer.exit_code, 0, "{answer}");
    assert_eq!(answer.output.lines().count(), 1, "{answer}");
    NO_SYMLINK.iter().for_each(|part| assert!(answer.output.contains(part), "{answer}"));
    assert_eq!(exec_root.read("box/1/out.mtree"), spec(&SOURCES));
    assert_eq!(worker.end().code(), 0);

    // The capture knows that it was a sandbox.
    let capture = fs::read_dir(&captures).unwrap().next().unwrap().unwrap().path();
    for live in [&[][..], &["--live"]] {
        let arguments = [&["replay", capture.to_str().unwrap()], live].concat();
        let done = exec_root.once(&arguments);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(said.contains("the same output and the same response"), "{live:?}: {said}");
    }
}

#[test]
fn a_process_that_runs_once_in_a_hermetic_sandbox_warns_and_elsewhere_it_does_not() {
    let exec_root = ExecRoot::new(PYTHON);
    let sandboxes = ["sandbox/linux-sandbox/3/execroot/_main", "plain/execroot/_main"];
    for (directory, is_sandbox) in sandboxes.into_iter().zip([true, false]) {
        let directory = exec_root.at(directory);
        hard_link(exec_root.path(), &directory);
        let done = program::run(&directory, &["resolve", "--mtree=spec.mtree", "--out=out.mtree"]);
        let said = program::said(&done);
        assert!(done.status.success(), "{said}");
        assert_eq!(said.lines().count(), usize::from(is_sandbox), "{said}");
        assert_eq!(said.contains(NO_SYMLINK[0]), is_sandbox, "{said}");
    }
}

#[cfg(feature = "system")]
#[test]
fn the_root_of_the_file_system_of_a_hermetic_linux_sandbox_is_the_sandbox() {
    let exec_root = ExecRoot::new(PYTHON);
    let root = exec_root.beside().join("sandbox/linux-sandbox/3");
    hard_link(exec_root.path(), &root.join("execroot/_main"));
    program::copy(&root.join("mtree-worker"));
    // Bazel's linux-sandbox moves the root and enters the directory in the same way.
    let mut command = std::process::Command::new("bwrap");
    command.arg("--bind").args([&root, Path::new("/")]);
    for system in ["/usr", "/lib", "/lib64"] {
        if Path::new(system).exists() {
            command.args(["--ro-bind", system, system]);
        }
    }
    command.args(["--chdir", "/execroot/_main", "/mtree-worker", "resolve"]);
    let done = command.args(["--mtree=spec.mtree", "--out=out.mtree"]).output().expect("bwrap");
    let said = program::said(&done);
    assert!(done.status.success(), "{said}");
    assert!(said.contains(NO_SYMLINK[0]), "{said}");
}

#[test]
fn sandboxes_that_stage_by_symlinks_give_no_such_warning() {
    // A file, a directory on the way, the top of a repository; a tree without any symlink of an author.
    let tree = "file real/bazel-out/k8/bin/tree/a/x\nfile real/bazel-out/k8/bin/tree/a/y\n";
    let sources = ["bazel-out/k8/bin/tree/a/x", "bazel-out/k8/bin/tree/a/y"];
    let exec_root = ExecRoot::new(tree);
    let links =
        [&sources[..], &["bazel-out/k8/bin/tree/a"], &["bazel-out/k8/bin/tree"], &["bazel-out"]];
    let mut worker = exec_root.worker(&[]);
    for (id, links) in (1..).zip(links) {
        let sandbox_dir = format!("box/{id}");
        for link in links {
            let target = exec_root.at("real").join(link);
            let at = exec_root.at(&sandbox_dir).join(link);
            plant_link(&at, target.as_os_str().as_encoded_bytes()).unwrap();
        }
        exec_root.write(format!("{sandbox_dir}/spec.mtree"), spec(&sources));
        let asked = resolve(id, "spec.mtree", "out.mtree");
        assert_done(&worker.ask(&WorkRequest { sandbox_dir, ..asked }), id);
    }
    // No source of a file is relative, or none exists, or all are links that the build declared; or the
    // symlinks are the author's alone.
    let absolute = exec_root.at("real").join(sources[0]);
    let rows = [
        file_row("a", absolute.to_str().unwrap()),
        "./app/d type=dir\n".to_owned(),
        "./app/l type=link content=l\n".to_owned(),
        file_row("real", "real") + &file_row("link", "link"),
    ];
    for (id, rows) in (10..).zip(rows) {
        let sandbox_dir = format!("box/{id}");
        exec_root.write(format!("{sandbox_dir}/real"), "");
        plant_link(&exec_root.at(&sandbox_dir).join("l"), b"x").unwrap();
        plant_link(&exec_root.at(&sandbox_dir).join("link"), b"real").unwrap();
        exec_root.write(format!("{sandbox_dir}/spec.mtree"), rows);
        let asked = resolve(id, "spec.mtree", "out.mtree");
        assert_done(&worker.ask(&WorkRequest { sandbox_dir, ..asked }), id);
    }
    // Without resolving, nothing is looked for.
    let python = ExecRoot::new(PYTHON);
    hard_link(python.path(), &exec_root.at("box/20"));
    let asked = request(20, &["resolve", "--mtree=spec.mtree", "--out=out.mtree", "--no-resolve"]);
    assert_done(&worker.ask(&WorkRequest { sandbox_dir: "box/20".to_owned(), ..asked }), 20);
}

//! Names that are not ASCII. Bazel before version 9 sends each byte of a name as a Latin-1 character.

use worker_tests::client::{Input, Protocol, WorkRequest, Worker, request};
use worker_tests::exec_root::{ExecRoot, file_row, resolve};

use crate::assert_done;

/// `text` as an older Bazel sends it.
fn older(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

/// How a Bazel encodes a name.
type Encoding = fn(&str) -> String;

/// Each encoding with each protocol.
fn ways() -> [(Encoding, Protocol); 4] {
    [
        (older, Protocol::Proto),
        (older, Protocol::Json),
        (str::to_owned, Protocol::Proto),
        (str::to_owned, Protocol::Json),
    ]
}

fn start(exec_root: &ExecRoot, protocol: Protocol) -> Worker {
    let flags: &[&str] = if protocol == Protocol::Json { &["--protocol=json"] } else { &[] };
    Worker::start(exec_root.command(flags), protocol)
}

/// An exec root with names that are not ASCII, and its resolved spec.
fn cafe() -> (ExecRoot, String) {
    let tree = "file caf\u{e9}/stra\u{df}e\nlink caf\u{e9}/\u{4e2d} -> stra\u{df}e\n";
    let exec_root = ExecRoot::new(tree);
    let name = |name: &str| name.bytes().map(escaped).collect::<String>();
    let (link, file) = (name("caf\u{e9}/\u{4e2d}"), name("caf\u{e9}/stra\u{df}e"));
    exec_root
        .write("caf\u{e9}/spec \u{e9}.mtree", file_row(&link, &link) + &file_row(&file, &file));
    let target = name("stra\u{df}e");
    let link_row = worker_tests::exec_root::link_row(&link, &target);
    (exec_root, link_row + &file_row(&file, &file))
}

/// A byte, escaped as in a spec.
fn escaped(byte: u8) -> String {
    match byte {
        b'!'..=b'~' => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    }
}

#[test]
fn paths_in_arguments_are_decoded() {
    for (written, protocol) in ways() {
        let (exec_root, resolved) = cafe();
        let mut worker = start(&exec_root, protocol);
        let (spec, out) = ("caf\u{e9}/spec \u{e9}.mtree", "caf\u{e9}/out \u{e9}.mtree");
        assert_done(&worker.ask(&resolve(1, &written(spec), &written(out))), 1);
        assert_eq!(exec_root.read(out), resolved);
        let arguments = [format!("--mtree={}", written(spec)), format!("--out={}", written(out))];
        let arguments = ["resolve", &arguments[0], &arguments[1]];
        std::fs::remove_file(exec_root.at(out)).unwrap();
        assert_done(&worker.ask(&request(2, &arguments)), 2);
        assert_eq!(exec_root.read(out), resolved);
    }
}

#[test]
fn a_flag_file_with_such_a_name_is_found() {
    for (written, protocol) in ways() {
        let (exec_root, resolved) = cafe();
        // The file's content is not part of the message: its names are as on the disk.
        exec_root.write("arg\u{fc}", "--mtree=caf\u{e9}/spec \u{e9}.mtree\n--out=\u{f6}ut\n");
        let mut worker = start(&exec_root, protocol);
        assert_done(&worker.ask(&request(1, &["resolve", &written("@arg\u{fc}")])), 1);
        assert_eq!(exec_root.read("\u{f6}ut"), resolved);
    }
}

#[test]
fn inputs_are_decoded() {
    for (written, protocol) in ways() {
        let (exec_root, resolved) = cafe();
        let text = exec_root.read("caf\u{e9}/spec \u{e9}.mtree");
        exec_root.write("spec.mtree", &text);
        let mut worker = start(&exec_root, protocol);
        let input = |path: &str| Input { path: written(path), ..Input::default() };
        let asked = WorkRequest {
            inputs: vec![input("caf\u{e9}/stra\u{df}e"), input("caf\u{e9}/\u{4e2d}")],
            ..resolve(1, "spec.mtree", "out.mtree")
        };
        assert_done(&worker.ask(&asked), 1);
        assert_eq!(exec_root.read("out.mtree"), resolved);
        // A source that is not listed is left alone.
        let asked = WorkRequest { inputs: asked.inputs[1..].to_vec(), ..asked };
        let response = worker.ask(&asked);
        assert!(response.output.contains("1 row was left alone"), "{response}");
        assert_eq!(exec_root.read("out.mtree"), text);
    }
}

#[test]
fn a_sandbox_with_such_a_name_is_found() {
    for (written, protocol) in ways() {
        let (exec_root, resolved) = cafe();
        std::fs::create_dir(exec_root.at("b\u{f6}x")).unwrap();
        std::fs::rename(exec_root.at("caf\u{e9}"), exec_root.at("b\u{f6}x/caf\u{e9}")).unwrap();
        let mut worker = start(&exec_root, protocol);
        let asked =
            resolve(1, &written("caf\u{e9}/spec \u{e9}.mtree"), &written("caf\u{e9}/out.mtree"));
        let asked = WorkRequest { sandbox_dir: written("b\u{f6}x"), ..asked };
        assert_done(&worker.ask(&asked), 1);
        assert_eq!(exec_root.read("b\u{f6}x/caf\u{e9}/out.mtree"), resolved);
    }
}

#[test]
fn a_path_that_exists_as_it_was_sent_is_not_decoded() {
    // Both `é` and what an older Bazel would write for it.
    let exec_root = ExecRoot::new("file a\nlink b -> a\n");
    let (plain, double) = ("\u{e9}".to_owned(), older("\u{e9}"));
    exec_root.write(format!("{plain}.mtree"), file_row("plain", "a"));
    exec_root.write(format!("{double}.mtree"), file_row("double", "a"));
    let mut worker = exec_root.worker(&[]);
    for (name, want) in [(&plain, "plain"), (&double, "double")] {
        assert_done(&worker.ask(&resolve(1, &format!("{name}.mtree"), "out.mtree")), 1);
        assert_eq!(exec_root.read("out.mtree"), file_row(want, "a"));
    }
}

//! Writes to `corpus/` where the fuzzers begin: the specs, command lines and captures of
//! `worker-tests/cases`, requests for them, and random trees as proptest draws them.
//!
//! `cargo run --profile quick --example seeds`, in this directory.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use protobuf::Message;
use worker_tests::{
    capture,
    case::Case,
    client::{Input, Protocol, cancel, request},
    plant::plant,
    program,
};

/// How many random trees there are, with a spec each.
const TREES: u8 = 100;

fn main() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases");
    let mut files: Vec<PathBuf> = fs::read_dir(cases)
        .expect("the cases are there")
        .map(|entry| entry.expect("they can be listed").path())
        .filter(|path| path.extension() == Some(OsStr::new("txtar")))
        .collect();
    files.sort();
    for file in files {
        let name = file.file_stem().expect("a name").to_str().expect("UTF-8").to_owned();
        seed(&name, &Case::read(&file).expect("the case can be read"));
    }
    for number in 0..TREES {
        write("resolve", &format!("random-{number}"), &[number; 64]);
    }
}

fn seed(name: &str, case: &Case) {
    let tree = tempfile::tempdir().expect("a directory");
    // Short, since it stands in the seeds.
    let root = tree.path().canonicalize().expect("it is there");
    plant(&root, case.tree()).expect("the tree can be planted");
    let cwd = root.join(case.cwd().as_deref().unwrap_or("execroot/_main"));
    fs::create_dir_all(&cwd).expect("the directory can be made");
    for (spec, text) in case.specs(&root) {
        fs::write(cwd.join(spec), &text).expect("the spec can be written");
        write("spec", &format!("{name}-{spec}"), &[b"\0\0\0\0", &text[..]].concat());
        let escaped = text.split(|byte| matches!(byte, b' ' | b'\n' | b'='));
        for (number, word) in escaped.filter(|word| word.contains(&b'\\')).enumerate() {
            write("escapes", &format!("{name}-{number}"), word);
        }
    }
    let arguments: Vec<String> = ["resolve", "--mtree", "spec.mtree", "--out", "out.mtree"]
        .map(str::to_owned)
        .into_iter()
        .chain(case.arguments())
        .collect();
    if !case.arguments().is_empty() {
        write("arguments", name, arguments.join("\n").as_bytes());
        let in_a_file = format!("resolve\n@1\0{}\n@@odd", arguments[1..].join("\n"));
        write("arguments", &format!("{name}-file"), in_a_file.as_bytes());
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut asked = request(7, &words);
        asked.inputs.push(Input {
            path: "external/py".to_owned(),
            digest: vec![1; 4],
            ..Input::default()
        });
        for (protocol, choices) in [(Protocol::Proto, b"\0\0\0\0"), (Protocol::Json, b"\x01\0\0\0")]
        {
            let stream = [asked.sent(protocol), cancel(7).sent(protocol)].concat();
            write("frames", &format!("{name}-{protocol:?}"), &[choices, &stream[..]].concat());
        }
    }
    let layer = ["layer", "--metadata=disk", "--mtree=spec.mtree", "--out=layer.tar"];
    if program::run(&cwd, &layer).status.success() {
        let tar = fs::read(cwd.join("layer.tar")).expect("it was written");
        write("archive", name, &[b"\x01\0\0\0", &tar[..]].concat());
    }
    let captures = root.join("captures");
    let record = ["--record".to_owned(), captures.to_str().expect("UTF-8").to_owned()];
    program::run(&cwd, &record.into_iter().chain(arguments).collect::<Vec<_>>());
    for entry in fs::read_dir(&captures).expect("a capture") {
        let capture = capture::read(&entry.expect("it can be listed").path());
        let message = capture.write_to_bytes().expect("it can be written");
        write("capture", name, &[b"\0\0\0\0", &message[..]].concat());
    }
}

fn write(target: &str, name: &str, input: &[u8]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&directory).expect("a directory can be made");
    fs::write(directory.join(name), input).expect("a seed can be written");
}

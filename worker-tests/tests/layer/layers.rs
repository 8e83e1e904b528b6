//! What these tests share: the forms of a layer, requests for one, and what is in it.

use std::io::Read;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use sha2::Digest;
use worker_tests::client::{WorkRequest, WorkResponse, request};
use worker_tests::exec_root::ExecRoot;
use worker_tests::program;

/// The flag for a layer that is not compressed.
pub(crate) const PLAIN: &str = "--compress=none";

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    None,
    Gzip,
    SingleMember,
    Zstd,
}

impl Form {
    pub(crate) const ALL: [Form; 4] = [Form::None, Form::Gzip, Form::SingleMember, Form::Zstd];

    /// The flags that ask for it. Low levels, since the tests are many.
    pub(crate) fn flags(self) -> &'static [&'static str] {
        match self {
            Form::None => &["--compress=none"],
            Form::Gzip => &["--compress=gzip", "--level=1"],
            Form::SingleMember => &["--compress=gzip", "--level=1", "--single-member"],
            Form::Zstd => &["--compress=zstd", "--level=1"],
        }
    }

    /// The tar in `blob`, by another implementation of the codec.
    pub(crate) fn tar(self, blob: &[u8]) -> Vec<u8> {
        let mut tar = Vec::new();
        let read = match self {
            Form::None => return blob.to_vec(),
            Form::Gzip => flate2::read::MultiGzDecoder::new(blob).read_to_end(&mut tar),
            // Stops at the end of the first member.
            Form::SingleMember => flate2::read::GzDecoder::new(blob).read_to_end(&mut tar),
            Form::Zstd => zstd::Decoder::new(blob).and_then(|mut zstd| zstd.read_to_end(&mut tar)),
        };
        read.unwrap_or_else(|error| panic!("{self:?}: {error}"));
        tar
    }
}

/// A request for the layer of `spec.mtree`.
pub(crate) fn layer(id: i32, out: &str, flags: &[&str]) -> WorkRequest {
    request(id, &arguments(out, flags))
}

fn arguments<'a>(out: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    [&["layer", "--mtree", "spec.mtree", "--out", out], flags].concat()
}

/// Runs once for the layer of `spec.mtree`.
pub(crate) fn run(exec_root: &ExecRoot, out: &str, flags: &[&str]) -> Output {
    exec_root.once(&arguments(out, flags))
}

/// The layer that a process that runs once writes, which must succeed. It may warn.
pub(crate) fn once(exec_root: &ExecRoot, flags: &[&str]) -> Vec<u8> {
    let out = "once.layer";
    let done = run(exec_root, out, flags);
    assert!(done.status.success(), "{flags:?}: {}", program::said(&done));
    bytes(exec_root, out)
}

/// The messages of a process that runs once, which must fail and write nothing.
pub(crate) fn refused(exec_root: &ExecRoot, flags: &[&str]) -> String {
    let done = run(exec_root, "refused.layer", flags);
    let said = program::said(&done);
    assert_eq!(done.status.code(), Some(1), "{flags:?}: {said}");
    assert!(!exec_root.has("refused.layer"), "{flags:?} wrote a layer");
    assert_eq!(exec_root.temporary_files(), [""; 0].map(std::path::PathBuf::from));
    said
}

/// Fails unless the response is a success without a warning.
pub(crate) fn assert_done(answer: &WorkResponse) {
    assert_eq!((answer.exit_code, &answer.output[..]), (0, ""), "{answer}");
}

pub(crate) fn bytes(exec_root: &ExecRoot, path: &str) -> Vec<u8> {
    std::fs::read(exec_root.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The JSON in a file.
pub(crate) fn json(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("it is JSON")
}

/// A number of a report.
pub(crate) fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

/// Bytes that compress a little, and differ for each seed.
pub(crate) fn content(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// The row of a file at `./` + `path` with the source `source`.
pub(crate) fn file(path: &str, source: &str) -> String {
    format!("./{path} uid=0 gid=0 time=1672560000 mode=0644 type=file content={source}\n")
}

/// The names in a tar with what each is, in order, directories with a slash at the end; hard links and
/// symlinks with their texts. Reads plain ustar headers: what these tests write has no others.
pub(crate) fn names(tar: &[u8]) -> Vec<String> {
    let text = |field: &[u8]| {
        let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
        String::from_utf8_lossy(&field[..end]).into_owned()
    };
    let (mut names, mut at) = (Vec::new(), 0);
    while tar[at] != 0 {
        let header = &tar[at..at + 512];
        assert_eq!(&header[257..262], b"ustar", "a header at {at}");
        let size = u64::from_str_radix(text(&header[124..136]).trim(), 8).expect("an octal size");
        let name = text(&header[..100]);
        names.push(match header[156] {
            b'0' | b'5' => name,
            b'1' => format!("{name} == {}", text(&header[157..257])),
            b'2' => format!("{name} -> {}", text(&header[157..257])),
            other => panic!("{name} has the type {}", char::from(other)),
        });
        at += 512 + (size as usize).next_multiple_of(512);
    }
    assert_eq!(&tar[at..], [0; 1024], "the end of the tar");
    names
}

//! Attacks by hostile specs, trees, requests and captures, as listed in SECURITY.md, against the real
//! program.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use worker_tests::client::{Protocol, Worker};
use worker_tests::exec_root::{ExecRoot, file_row, link_row, resolve, spec};
use worker_tests::program::{binary, said};

/// Names that are commands to a shell, options to a program, or more than one word.
const COMMANDS: [&str; 8] = [
    "a$(touch PWNED).txt",
    "`touch PWNED`",
    "; touch PWNED;",
    "| touch PWNED",
    "--help",
    "-rf",
    "a\ntouch PWNED\n",
    "$IFS&&touch${IFS}PWNED",
];

/// Runs the program in `directory` under strace. Also returns its system calls, of those named `calls`.
fn traced(directory: &Path, calls: &str, arguments: &[&OsStr]) -> (Output, String) {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let done = Command::new("strace")
        .args(["-f", "-y", "-e", &format!("trace={calls}"), "-o"])
        .arg(log.path())
        .arg(binary())
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("strace is installed: worker-tests/run does that");
    let text = fs::read(log.path()).expect("strace wrote it");
    (done, String::from_utf8_lossy(&text).into_owned())
}

/// `name`, escaped as in a spec.
fn escaped(name: &str) -> String {
    let octal = |byte: u8| match byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("\\{byte:03o}"),
    };
    name.bytes().map(octal).collect()
}

#[test]
fn a_name_that_is_a_command_runs_nothing() {
    let exec_root = ExecRoot::new("file real\n");
    let mut rows = file_row("real", "real");
    let mut want = rows.clone();
    for name in COMMANDS {
        symlink("real", exec_root.at(name)).expect("a link can be made");
        rows += &file_row(&escaped(name), &escaped(name));
        want += &link_row(&escaped(name), "real");
    }
    exec_root.write("spec.mtree", rows);
    let arguments = ["resolve", "--mtree=spec.mtree", "--out=out.mtree"].map(OsStr::new);
    let (done, calls) = traced(exec_root.path(), "execve,execveat,fork,vfork", &arguments);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(exec_root.read("out.mtree"), want);
    // Only the program itself is executed.
    assert_eq!(calls.matches("exec").count(), 1, "{calls}");
    assert!(!calls.contains("fork("), "{calls}");
    assert!(!exec_root.has("PWNED"));
}

#[test]
fn no_source_is_opened_and_nothing_is_written_but_the_output() {
    let exec_root = ExecRoot::new("file secret KEEP\nfile pkg/key KEEP\nlink pkg/l -> key\n");
    let rows = spec(&["pkg/key", "pkg/l", "../main/secret"]) + &file_row("shadow", "/etc/shadow");
    exec_root.write("spec.mtree", &rows);
    let arguments = ["resolve", "--mtree=spec.mtree", "--out=out.mtree"].map(OsStr::new);
    let calls =
        "open,openat,creat,unlink,unlinkat,rename,renameat,renameat2,linkat,symlinkat,mkdirat";
    let (done, calls) = traced(exec_root.path(), calls, &arguments);
    assert!(done.status.success(), "{}", said(&done));
    for line in calls.lines() {
        for source in ["pkg/key\"", "/key\"", "secret", "shadow"] {
            assert!(!line.contains(source), "a source was opened: {line}");
        }
        let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "unlink", "rename", "link", "mkdir"];
        let is_output = line.contains(".mtree-worker-") || line.contains("out.mtree");
        assert!(is_output || !writes.iter().any(|word| line.contains(word)), "{line}");
    }
}

#[test]
fn a_pipe_or_a_device_in_the_tree_is_never_opened() {
    let exec_root = ExecRoot::new("file pkg/real\n");
    for path in ["pkg/pipe", "pipe"] {
        let made = Command::new("mkfifo").arg(exec_root.at(path)).status();
        assert!(made.expect("there is mkfifo").success());
    }
    symlink("/dev/zero", exec_root.at("pkg/zero")).expect("a link can be made");
    // A pipe where a file should be, and one where a directory should be.
    let rows = spec(&["pkg/pipe", "pkg/zero", "pipe/in/it", "pkg/real"]);
    exec_root.write("spec.mtree", &rows);
    // The test fails if the worker does not respond.
    let mut worker = exec_root.worker(&[]);
    let response = worker.ask(&resolve(1, "spec.mtree", "out.mtree"));
    assert_eq!(response.exit_code, 0, "{response}");
    assert!(response.output.contains("pipe/in/it"), "{response}");
    assert_eq!(exec_root.read("out.mtree"), rows);
}

#[test]
fn a_spec_that_never_ends_is_refused() {
    let exec_root = ExecRoot::new("file a\n");
    exec_root.write("sparse.mtree", "");
    let sparse = fs::OpenOptions::new().write(true).open(exec_root.at("sparse.mtree"));
    sparse.and_then(|file| file.set_len(1 << 40)).expect("a sparse file takes no room");
    let done = exec_root.once(&["resolve", "--mtree=sparse.mtree", "--out=out.mtree"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(said(&done).contains("sparse.mtree: the spec cannot be read: file too large"));
    assert!(!exec_root.has("out.mtree"));
}

/// The peak memory of a request with the spec `text`, in bytes, and the output of its response.
fn memory_for(text: &str) -> (u64, String) {
    let exec_root = ExecRoot::new("file a\n");
    exec_root.write("spec.mtree", text);
    let mut worker = exec_root.worker(&["--jobs=1"]);
    let response = worker.ask(&resolve(1, "spec.mtree", "out.mtree"));
    assert_eq!(exec_root.has("out.mtree"), response.exit_code == 0);
    (worker.memory("VmHWM"), response.output)
}

const MOST_MEMORY: u64 = 256 << 20;

#[test]
fn thousands_of_set_lines_take_no_more_memory_than_their_text() {
    let rows: String = (0..10_000)
        .map(|number| format!("/set k{number}=1\n./r{number} type=file content=a\n"))
        .collect();
    let (memory, said) = memory_for(&rows);
    assert_eq!(said, "");
    assert!(memory < MOST_MEMORY, "{memory} bytes for {} of text", rows.len());
}

#[test]
fn endlessly_nested_directories_are_refused_at_the_line_that_is_too_deep() {
    let rows = "d type=dir\n".repeat(100_000);
    let (memory, said) = memory_for(&rows);
    assert!(
        said.starts_with("mtree-worker: spec.mtree:2049: a path of more than 4096 bytes"),
        "{said}"
    );
    assert!(memory < MOST_MEMORY, "{memory} bytes for {} of text", rows.len());
}

#[test]
fn a_capture_that_unpacks_to_gigabytes_is_refused() {
    let exec_root = ExecRoot::new("");
    let bomb = {
        let mut encoder =
            zstd::Encoder::new(b"MTREECAP\x01\0\0\0".to_vec(), 1).expect("an encoder");
        std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 1 << 30), &mut encoder)
            .expect("a vector takes it");
        encoder.finish().expect("a vector takes it")
    };
    assert!(bomb.len() < 1 << 20, "{} bytes are no bomb", bomb.len());
    fs::write(exec_root.at("bomb.capture"), &bomb).expect("a file can be written");
    let done = exec_root.once(&["replay", "bomb.capture"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(said(&done).contains("bomb.capture: the capture holds more than"), "{}", said(&done));
}

#[test]
fn a_capture_is_replayed_without_opening_or_writing_what_it_names() {
    let exec_root = ExecRoot::new("file pkg/real\nlink pkg/name -> real\n");
    exec_root.write("spec.mtree", spec(&["pkg/real", "pkg/name"]));
    let once =
        exec_root.once(&["--record=captures", "resolve", "--mtree=spec.mtree", "--out=out.mtree"]);
    assert!(once.status.success(), "{}", said(&once));
    let mut captures = fs::read_dir(exec_root.at("captures")).expect("they are there");
    let capture = captures.next().expect("there is one").expect("it can be listed").path();
    let calls = "open,openat,stat,lstat,newfstatat,statx,readlink,readlinkat,access,faccessat,\
                 faccessat2,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat";
    let elsewhere = tempfile::tempdir().expect("a directory");
    let arguments = [OsStr::new("replay"), capture.as_os_str()];
    let (done, calls) = traced(elsewhere.path(), calls, &arguments);
    assert!(done.status.success(), "{}", said(&done));
    let capture = capture.to_str().expect("UTF-8");
    let root = exec_root.path().to_str().expect("UTF-8");
    for line in calls.lines().filter(|line| !line.contains(capture)) {
        for path in [root, "spec.mtree", "out.mtree", "pkg"] {
            assert!(!line.contains(path), "{line}");
        }
    }
    assert_eq!(fs::read_dir(elsewhere.path()).expect("it is there").count(), 0);
}

#[test]
fn names_are_escaped_in_responses_and_in_the_log() {
    let exec_root = ExecRoot::new("");
    let name =
        "gone\\033[2J\\012mtree-worker:\\040all\\040is\\040well\\177\\302\\233\\342\\200\\256";
    exec_root.write("spec.mtree", file_row(name, name));
    let mut worker = exec_root.worker(&[]);
    let response = worker.ask(&resolve(1, "spec.mtree", "out.mtree"));
    let end = worker.end();
    assert_eq!(response.output.lines().count(), 1, "{}", response.output);
    for text in [response.output, end.log] {
        assert!(!text.lines().any(|line| line.starts_with("mtree-worker: all is well")), "{text}");
        assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
        assert!(!text.contains('\u{202e}'), "{text:?}");
    }
}

#[test]
fn a_link_text_cannot_add_keywords_or_rows_to_the_output() {
    let exec_root = ExecRoot::new("");
    let text = "x type=file\n/etc/passwd type=file content=evil\n#\\";
    symlink(text, exec_root.at("l")).expect("a link can be made");
    exec_root.write("spec.mtree", spec(&["l"]));
    let done = exec_root.once(&["resolve", "--mtree=spec.mtree", "--out=out.mtree"]);
    assert!(done.status.success(), "{}", said(&done));
    let out = exec_root.read("out.mtree");
    assert_eq!(
        out,
        link_row(
            "l",
            &text
                .bytes()
                .map(|byte| match byte {
                    b' ' | b'\n' | b'=' | b'#' | b'\\' => format!("\\{byte:03o}"),
                    _ => char::from(byte).to_string(),
                })
                .collect::<String>()
        )
    );
}

#[test]
fn deeply_nested_json_exhausts_neither_stack_nor_memory() {
    const DEPTH: usize = 200_000;
    for (field, open, close) in [("x", "[", "]"), ("x", "{\"x\":", "}"), ("arguments", "[", "]")] {
        let exec_root = ExecRoot::new("");
        let mut worker = Worker::start(exec_root.command(&["--protocol=json"]), Protocol::Json);
        let nested = format!("{{\"{field}\":{}1{}}}", open.repeat(DEPTH), close.repeat(DEPTH));
        worker.try_send_bytes(nested.as_bytes()).expect("the worker reads");
        let end = worker.end();
        if field == "x" {
            // Unknown fields are skipped, however deep.
            assert_eq!((end.code(), end.answers.len()), (0, 1), "{}", end.log);
        } else {
            assert_eq!((end.code(), end.answers.len()), (1, 0), "{}", end.log);
            assert!(end.log.contains("stdin, byte 0: not a WorkRequest"), "{}", end.log);
        }
    }
}

#[test]
fn a_symlink_out_of_the_archive_is_written_only_if_declared_and_then_with_a_warning() {
    let exec_root = ExecRoot::new("");
    let text = "../../../../nowhere/at/all";
    for name in ["declared", "found"] {
        symlink(text, exec_root.at(name)).expect("a link can be made");
    }
    let declared = file_row("declared", "declared").replace("type=file", "type=link");
    let found = file_row("found", "found");
    exec_root
        .write("spec.mtree", declared.clone() + &declared.replace("app/d", "app/2-d") + &found);
    let done = exec_root.once(&["resolve", "--mtree=spec.mtree", "--out=out.mtree"]);
    assert!(done.status.success(), "{}", said(&done));
    let want = link_row("declared", text);
    assert_eq!(
        exec_root.read("out.mtree"),
        want.clone() + &want.replace("app/d", "app/2-d") + &found
    );
    let warnings: Vec<String> = said(&done).lines().map(str::to_owned).collect();
    assert_eq!(
        warnings,
        [
            "mtree-worker: warning: links that the build declared lead out of the archive: 2, the \
             first: app/declared (declared); declare them with a target inside it",
            "mtree-worker: warning: rows left alone, since their symlinks are dangling and would lead \
             out of the archive: 1, the first: app/found (found); remove them from srcs, or let the \
             build declare them as links",
        ]
    );
}

#[test]
fn every_file_is_created_with_o_excl() {
    let exec_root = ExecRoot::new("file a\n");
    exec_root.write("spec.mtree", spec(&["a"]));
    // An attacker with write access to the directory cannot guess the temporary file's name.
    let arguments = ["resolve", "--mtree=spec.mtree", "--out=out.mtree"].map(OsStr::new);
    let (done, calls) = traced(exec_root.path(), "openat", &arguments);
    assert!(done.status.success(), "{}", said(&done));
    let created: Vec<_> = calls.lines().filter(|line| line.contains("O_CREAT")).collect();
    assert!(!created.is_empty() && created.iter().all(|line| line.contains("O_EXCL")), "{calls}");
}

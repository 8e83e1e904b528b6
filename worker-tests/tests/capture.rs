//! Requests that are recorded, carried elsewhere, replayed and explained (DESIGN, "Capture and
//! replay"), with the real program.
//!
//! `worker-tests/cases/NAME.explain` is what `explain` says of every row of the case NAME. With
//! `WRITE_EXPLAINED=1` the files are written instead of compared: read what changed.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;
use worker_tests::{
    capture,
    case::Case,
    client::{self, Protocol, Worker},
    plant::{plant, plant_file},
    program,
};

/// The user that owns nothing.
const NOBODY: u32 = 65534;

/// A directory that anybody may look into.
fn directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("capture-").tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    directory
}

/// A case on the disk, and what recording it gave.
struct Recorded {
    name: String,
    cwd: PathBuf,
    root: PathBuf,
    arguments: Vec<String>,
    capture: PathBuf,
    answer: Output,
    out: Option<Vec<u8>>,
    _tree: TempDir,
}

/// Plants each case, records it, and calls `check` with it.
fn each_case(captures: &Path, check: impl Fn(&Recorded) + Sync) {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<_> = fs::read_dir(cases)
        .expect("the cases are there")
        .map(|entry| entry.expect("they can be listed").path())
        .filter(|path| path.extension() == Some(OsStr::new("txtar")))
        .collect();
    files.sort();
    assert!(files.len() > 100, "the cases are gone");
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let captures = captures.join(&name);
        check(&record_case(name, &file, &captures));
    }
}

fn record_case(name: String, file: &Path, captures: &Path) -> Recorded {
    let case = Case::read(file).expect("the case can be read");
    let tree = directory();
    let root = tree.path().canonicalize().expect("it is there");
    plant(&root, case.tree()).expect("the tree can be planted");
    let cwd = root.join(case.cwd().as_deref().unwrap_or("execroot/_main"));
    fs::create_dir_all(&cwd).expect("the directory can be made");
    for (name, text) in case.specs(&root) {
        fs::write(cwd.join(name), text).expect("the spec can be written");
    }
    let mut arguments = ["--record", captures.to_str().expect("UTF-8")].map(str::to_owned).to_vec();
    arguments.extend(["resolve", "--mtree", "spec.mtree", "--out", "out.mtree"].map(str::to_owned));
    arguments.extend(case.arguments());
    let answer = program::run(&cwd, &arguments);
    let out = fs::read(cwd.join("out.mtree")).ok();
    let capture = only_capture(captures);
    let arguments = case.arguments();
    Recorded { name, cwd, root, arguments, capture, answer, out, _tree: tree }
}

/// The captures of a directory, in the order of their names.
fn captures_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    let mut found: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    found.sort();
    found
}

fn only_capture(directory: &Path) -> PathBuf {
    let mut found = captures_in(directory);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn run(directory: &Path, arguments: &[&OsStr]) -> Output {
    program::run(directory, arguments)
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn os(text: &str) -> &OsStr {
    OsStr::new(text)
}

#[test]
fn captures_of_every_case_replay_without_the_tree_as_another_user_and_give_the_same() {
    let captures = directory();
    let elsewhere = directory();
    // The program, where anybody may run it.
    let binary = elsewhere.path().join("mtree-worker");
    fs::copy(program::binary(), &binary).expect("the program can be copied");
    let empty = elsewhere.path().join("empty");
    fs::create_dir(&empty).expect("the directory can be made");
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o777)).expect("it is ours");
    each_case(captures.path(), |recorded| {
        fs::remove_dir_all(&recorded.root).expect("the tree goes");
        let name = &recorded.name;
        let done = Command::new(&binary)
            .args([os("replay"), recorded.capture.as_os_str(), os("--out"), os("again.mtree")])
            .current_dir(&empty)
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .expect("the program starts");
        assert!(done.status.success(), "{name}: {}{}", printed(&done), program::said(&done));
        assert_eq!(printed(&done).lines().count(), 1, "{name}: {}", printed(&done));
        let again = empty.join("again.mtree");
        assert_eq!(fs::read(&again).ok(), recorded.out, "{name}");
        if again.exists() {
            fs::remove_file(&again).expect("it is there");
        }
        assert!(captures_in(&empty).is_empty(), "{name}: something was left behind");
    });
}

/// `explained` without the hops that lie outside the case, on the machine that the test runs on.
fn of_this_case(explained: &str) -> String {
    let is_outside = |line: &&str| {
        let mut words = line.split_whitespace();
        words.next() == Some("hop") && words.nth(1).is_some_and(|path| path.starts_with('/'))
    };
    explained.split_inclusive('\n').filter(|line| !is_outside(line)).collect()
}

#[test]
fn explain_says_of_each_case_what_stands_beside_it() {
    let captures = directory();
    let write = env::var_os("WRITE_EXPLAINED").is_some();
    each_case(captures.path(), |recorded| {
        let root = recorded.root.to_str().expect("UTF-8");
        let everything = os("**");
        let of_capture =
            run(captures.path(), &[os("explain"), recorded.capture.as_os_str(), everything]);
        let mut arguments: Vec<OsString> =
            ["explain", "--mtree", "spec.mtree", "**"].map(Into::into).to_vec();
        arguments.extend(recorded.arguments.iter().map(OsString::from));
        let of_spec = program::run(&recorded.cwd, &arguments);
        let name = &recorded.name;
        assert!(of_capture.status.success(), "{name}: {}", program::said(&of_capture));
        assert_eq!(printed(&of_capture), printed(&of_spec), "{name}: capture and spec differ");
        let explained = of_this_case(&printed(&of_capture).replace(root, "$ROOT"));
        let expected =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(format!("{name}.explain"));
        if write {
            fs::write(&expected, &explained).expect("it can be written");
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(explained, expected, "{name}");
        let failed = !recorded.answer.status.success();
        assert_eq!(explained.contains("becomes an error: "), failed, "{name}: {explained}");
    });
}

/// A small tree with a spec, recorded.
struct Small {
    directory: TempDir,
    capture: PathBuf,
}

const SPEC: &str = "\
./app/bin/python type=file content=external/py/bin/python
./app/bin/python3 type=file content=external/py/bin/python3
./app/bin/python3.13 type=file content=external/py/bin/python3.13
./app/lib/a type=file content=external/py/lib/a
./app/lib64/a type=file content=external/py/lib64/a
./app/gone type=file content=external/py/gone
";

impl Small {
    fn new() -> Small {
        let directory = directory();
        let tree = b"file external/py/bin/python3.13
link external/py/bin/python3 -> python3.13
link external/py/bin/python -> python3
file external/py/lib/a
link external/py/lib64 -> lib";
        plant(directory.path(), tree).expect("the tree can be planted");
        fs::write(directory.path().join("spec.mtree"), SPEC).expect("the spec can be written");
        let captures = directory.path().join("captures");
        let done = run(
            directory.path(),
            &["--record", "captures", "resolve", "--mtree", "spec.mtree", "--out", "out.mtree"]
                .map(OsStr::new),
        );
        assert!(done.status.success(), "{}", program::said(&done));
        let capture = only_capture(&captures);
        Small { directory, capture }
    }

    fn replay(&self, flags: &[&str]) -> Output {
        let mut arguments = vec![os("replay"), self.capture.as_os_str()];
        arguments.extend(flags.iter().map(OsStr::new));
        run(self.directory.path(), &arguments)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// What `replay --live` says has changed.
    fn changed(&self) -> Vec<String> {
        facts(&printed(&self.replay(&["--live"])))
    }
}

/// The facts that `replay --live` lists.
fn facts(printed: &str) -> Vec<String> {
    let mut lines = printed.lines().skip_while(|line| !line.contains("changed since"));
    let head = lines.next().expect("the facts are counted");
    let listed: Vec<_> =
        lines.map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect();
    let count = head.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
    assert_eq!(listed.len(), count, "{printed}");
    listed
}

#[test]
fn a_capture_whose_facts_are_edited_gives_a_diff_and_status_1() {
    let small = Small::new();
    let mut edited = capture::read(&small.capture);
    let facts = edited.facts.mut_or_insert_default();
    let text = String::from_utf8(facts.texts.clone()).expect("texts are ASCII here");
    assert!(text.contains("python3.13"), "{text}");
    facts.texts = text.replace("python3.13", "python3.99").into_bytes();
    capture::write(&small.capture, &edited);
    let done = small.replay(&[]);
    assert_eq!(done.status.code(), Some(1));
    let printed = printed(&done);
    // The link leads to what no fact is of, which is said, and then nothing is written.
    assert!(printed.contains("the exit code was 0, and is 1"), "{printed}");
    assert!(printed.contains("external/py/bin/python3.99"), "{printed}");
}

#[test]
fn a_link_that_is_said_to_be_another_gives_a_unified_diff() {
    let small = Small::new();
    let mut edited = capture::read(&small.capture);
    let facts = edited.facts.mut_or_insert_default();
    // `python` leads to `./python`-like text of the same length: past `python3`, to `python3.13`.
    let kinds = facts.kinds.clone();
    let names = lengths_to_texts(&facts.names, &facts.name_lengths);
    let mut texts = lengths_to_texts(&facts.texts, &facts.text_lengths);
    let mut text = 0;
    for (kind, name) in kinds.iter().zip(&names) {
        let has_text = matches!(kind, 2 | 13);
        if has_text && name == b"python" {
            texts[text] = b"./python3".to_vec();
        }
        text += usize::from(has_text);
    }
    facts.text_lengths = texts.iter().map(|text| text.len() as u32).collect();
    facts.texts = texts.concat();
    capture::write(&small.capture, &edited);
    let done = small.replay(&[]);
    assert_eq!(done.status.code(), Some(1));
    let printed = printed(&done);
    for line in [
        "--- recorded output",
        "+++ replayed output",
        "-./app/bin/python type=link link=python3",
        "+./app/bin/python type=link link=./python3",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
    }
}

fn lengths_to_texts(all: &[u8], lengths: &[u32]) -> Vec<Vec<u8>> {
    let mut rest = all;
    let cut = lengths.iter().map(|length| {
        let (text, behind) = rest.split_at(*length as usize);
        rest = behind;
        text.to_vec()
    });
    cut.collect()
}

/// Replaying `bytes` must fail with one sentence that says `words`.
fn assert_refused(small: &Small, bytes: &[u8], words: &str) {
    fs::write(&small.capture, bytes).expect("it can be written");
    for command in ["replay", "explain"] {
        let done = run(small.directory.path(), &[os(command), small.capture.as_os_str()]);
        let said = program::said(&done);
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert_eq!((said.lines().count(), printed(&done)), (1, String::new()), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_capture_that_is_cut_off_damaged_or_newer_gives_one_sentence() {
    let small = Small::new();
    let whole = fs::read(&small.capture).expect("it is there");
    for end in [8, 10, 12, 20, whole.len() / 2, whole.len() - 1] {
        assert_refused(&small, &whole[..end], "the capture is cut off or damaged");
    }
    for at in [20, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        assert_refused(&small, &damaged, "the capture is cut off or damaged");
    }
    let mut newer = whole.clone();
    newer[8] = 2;
    assert_refused(&small, &newer, "version 2 of the format");
    assert_refused(&small, b"MTREECA", "capture");
}

impl Small {
    /// Edits the capture's facts, which then cannot be what a tree told.
    fn with_facts(&self, edit: impl Fn(&mut capture::Facts)) -> Vec<u8> {
        let whole = fs::read(&self.capture).expect("it is there");
        let mut edited = capture::read(&self.capture);
        edit(edited.facts.mut_or_insert_default());
        capture::write(&self.capture, &edited);
        let bytes = fs::read(&self.capture).expect("it is there");
        fs::write(&self.capture, whole).expect("it can be written");
        bytes
    }
}

#[test]
fn facts_that_cannot_be_are_refused_however_they_are_wrong() {
    let small = Small::new();
    let edits: [fn(&mut capture::Facts); 6] = [
        |facts| facts.directories[0] = i32::MAX,
        |facts| facts.numbers.fill(u32::MAX),
        |facts| facts.name_lengths[0] = u32::MAX,
        |facts| facts.kinds[0] = 200,
        |facts| facts.inodes.clear(),
        |facts| facts.names.fill(b'/'),
    ];
    let bytes: Vec<_> = edits.iter().map(|edit| small.with_facts(edit)).collect();
    for bytes in bytes {
        fs::write(&small.capture, bytes).expect("it can be written");
        let done = small.replay(&[]);
        let said = program::said(&done);
        assert_eq!((done.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains("its facts cannot be"), "{said}");
    }
}

#[test]
fn nothing_has_changed_in_a_tree_that_was_left_alone_or_moved() {
    let small = Small::new();
    assert_eq!(small.changed(), [""; 0]);
    let moved = directory();
    let elsewhere = moved.path().join("elsewhere");
    fs::rename(small.path("external"), elsewhere.join("external")).unwrap_or_else(|_| {
        fs::create_dir(&elsewhere).expect("the directory can be made");
        fs::rename(small.path("external"), elsewhere.join("external")).expect("it can be moved");
    });
    fs::copy(small.path("spec.mtree"), elsewhere.join("spec.mtree")).expect("it is there");
    let done = small.replay(&["--live", "--cwd", elsewhere.to_str().expect("UTF-8")]);
    assert!(done.status.success(), "{}", printed(&done));
    assert_eq!(facts(&printed(&done)), [""; 0]);
}

#[test]
fn each_kind_of_change_is_named_and_nothing_else() {
    type Change = fn(&Small);
    fn remove(small: &Small, path: &str) {
        fs::remove_file(small.path(path)).expect("it was there");
    }
    fn link(small: &Small, path: &str, text: &str) {
        symlink(text, small.path(path)).expect("nothing was there");
    }
    let changes: [(Change, &[&str]); 10] = [
        (
            |small| {
                remove(small, "external/py/bin/python");
                link(small, "external/py/bin/python", "python3.13");
            },
            &["external/py/bin/python: was a link, and is another: python3 -> python3.13"],
        ),
        (
            |small| {
                remove(small, "external/py/bin/python");
                fs::write(small.path("external/py/bin/python"), "").expect("it can be written");
            },
            &["external/py/bin/python: was a link, and is a file or directory (to python3)"],
        ),
        (
            |small| {
                remove(small, "external/py/lib/a");
                link(small, "external/py/lib/a", "../bin/python");
            },
            &["external/py/lib/a: was a file or directory, and is a link (to ../bin/python)"],
        ),
        (
            |small| remove(small, "external/py/bin/python3"),
            &["external/py/bin/python3: was a link, and is not there (to python3.13)"],
        ),
        (
            |small| fs::write(small.path("external/py/gone"), "").expect("it can be written"),
            &["external/py/gone: was not there, and is a file or directory"],
        ),
        (
            |small| fs::remove_dir_all(small.path("external/py/bin")).expect("it was there"),
            &["external/py/bin: was a file or directory, and is not there"],
        ),
        (
            |small| {
                fs::remove_dir_all(small.path("external/py/bin")).expect("it was there");
                fs::write(small.path("external/py/bin"), "").expect("it can be written");
            },
            &["external/py/bin: was a directory, and is none"],
        ),
        (
            |small| {
                remove(small, "external/py/lib64");
                plant_file(&small.path("external/py/lib64/a"), b"").expect("it can be written");
            },
            &["external/py/lib64: was a link, and is a file or directory (to lib)"],
        ),
        (
            |small| {
                let text = SPEC.replace("./app/gone", "./app/lost");
                fs::write(small.path("spec.mtree"), text).expect("it can be written");
            },
            &["spec.mtree: held other text"],
        ),
        (
            // Nobody asked for it.
            |small| fs::write(small.path("external/py/bin/other"), "").expect("it can be written"),
            &[],
        ),
    ];
    for (change, expected) in changes {
        let small = Small::new();
        change(&small);
        assert_eq!(small.changed(), expected);
    }
}

#[test]
fn a_directory_that_cannot_be_read_any_more_is_a_change() {
    let small = Small::new();
    let binary = small.path("mtree-worker");
    fs::copy(program::binary(), &binary).expect("the program can be copied");
    fs::set_permissions(small.path("external/py/bin"), fs::Permissions::from_mode(0o000))
        .expect("it is ours");
    let done = Command::new(binary)
        .args([os("replay"), small.capture.as_os_str(), os("--live")])
        .current_dir(small.directory.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("the program starts");
    let changed = facts(&printed(&done));
    let names = ["python", "python3", "python3.13"];
    let was =
        ["a link, and is unreadable (to python3)", "a link, and is unreadable (to python3.13)"];
    assert_eq!(
        changed,
        [
            format!("external/py/bin/{}: was {}", names[0], was[0]),
            format!("external/py/bin/{}: was {}", names[1], was[1]),
            format!("external/py/bin/{}: was a file or directory, and is unreadable", names[2]),
        ]
    );
}

/// A worker that records to `captures`.
fn worker(directory: &Path, flags: &[&str]) -> Worker {
    let mut command = Command::new(program::binary());
    command
        .args(["--record", "captures", "--persistent_worker"])
        .args(flags)
        .current_dir(directory);
    let protocol =
        if flags.contains(&"--protocol=json") { Protocol::Json } else { Protocol::Proto };
    Worker::start(command, protocol)
}

#[test]
fn a_worker_writes_one_capture_a_request_and_its_name_shows_the_request_id() {
    let small = Small::new();
    fs::remove_file(&small.capture).expect("it is there");
    for flags in [&[][..], &["--protocol=json"]] {
        let mut worker = worker(small.directory.path(), flags);
        for id in [7, 8, 9] {
            let out = format!("out{id}.mtree");
            let mtree = if id == 8 { "none.mtree" } else { "spec.mtree" };
            let asked = ["resolve", "--mtree", mtree, "--out", &out];
            worker.ask(&client::request(id, &asked));
        }
        assert_eq!(worker.end().code(), 0);
        let captures = captures_in(&small.path("captures"));
        assert_eq!(captures.len(), 3, "{captures:?}");
        for (capture, id) in captures.iter().zip([7, 8, 9]) {
            let name = capture.file_name().expect("a name").to_string_lossy().into_owned();
            assert_eq!(name.split('-').nth(1), Some(id.to_string().as_str()), "{name}");
            let done = run(Path::new("/"), &[os("replay"), capture.as_os_str()]);
            assert!(done.status.success(), "{}", printed(&done));
            fs::remove_file(capture).expect("it is there");
        }
    }
}

#[test]
fn a_sandboxed_request_with_listed_inputs_and_an_argument_file_replays_without_its_tree() {
    let small = Small::new();
    fs::remove_file(&small.capture).expect("it is there");
    let sandbox = small.path("sandbox/1");
    fs::create_dir_all(&sandbox).expect("it can be made");
    fs::rename(small.path("external"), sandbox.join("external")).expect("it can be moved");
    fs::rename(small.path("spec.mtree"), sandbox.join("spec.mtree")).expect("it can be moved");
    fs::write(sandbox.join("args"), "--out\nout.mtree\n").expect("it can be written");
    let mut worker = worker(small.directory.path(), &[]);
    let mut request = client::request(3, &["resolve", "--mtree", "spec.mtree", "@args"]);
    request.sandbox_dir = "sandbox/1".to_owned();
    request.inputs = ["external/py/bin", "external/py/lib"]
        .map(|path| client::Input { path: path.to_owned(), ..client::Input::default() })
        .to_vec();
    let answer = worker.ask(&request);
    assert_eq!(answer.exit_code, 0, "{answer}");
    assert_eq!(worker.end().code(), 0);
    let out = fs::read(sandbox.join("out.mtree")).expect("it was written");
    fs::remove_dir_all(small.path("sandbox")).expect("it was there");
    let capture = only_capture(&small.path("captures"));
    let done =
        run(small.directory.path(), &[os("replay"), capture.as_os_str(), os("--out"), os("o")]);
    assert!(done.status.success(), "{}", printed(&done));
    assert_eq!(fs::read(small.path("o")).expect("it was kept"), out);
}

#[test]
fn a_bare_request_replays_live_and_writes_nothing_but_out() {
    let small = Small::new();
    fs::remove_file(small.path("out.mtree")).expect("it was written");
    let asked = ["resolve", "--mtree", "spec.mtree", "--out", "out.mtree"];
    let request = client::request(5, &asked);
    let json = r#"{"requestId": 5, "arguments":
        ["resolve", "--mtree", "spec.mtree", "--out", "out.mtree"]}"#;
    for bytes in [request.sent(Protocol::Proto), json.into()] {
        fs::write(small.path("request"), bytes).expect("it can be written");
        let cwd = small.directory.path().as_os_str();
        let request = small.path("request");
        let mut arguments = vec![os("replay"), request.as_os_str(), os("--cwd"), cwd];
        let done = run(Path::new("/"), &arguments);
        assert!(done.status.success(), "{}", program::said(&done));
        assert!(
            printed(&done).contains("6 rows, 2 links, 1 directory links"),
            "{}",
            printed(&done)
        );
        assert!(!small.path("out.mtree").exists());
        let kept = small.path("kept");
        arguments.extend([os("--out"), kept.as_os_str()]);
        run(Path::new("/"), &arguments);
        let kept = fs::read_to_string(kept).expect("it was kept");
        assert!(kept.contains("./app/lib64 type=link link=lib"), "{kept}");
    }
}

#[test]
fn the_oldest_captures_go_when_they_take_more_than_the_limit() {
    let small = Small::new();
    let size = fs::metadata(&small.capture).expect("it is there").len();
    let limit = format!("--record-limit={}", size * 5 / 2);
    let mut worker = worker(small.directory.path(), &[&limit]);
    for id in 1..=4 {
        worker.ask(&client::request(id, &["resolve", "--mtree", "none", "--out", "o"]));
        let asked = ["resolve", "--mtree", "spec.mtree", "--out", "o"];
        worker.ask(&client::request(id + 10, &asked));
    }
    assert_eq!(worker.end().code(), 0);
    let captures = captures_in(&small.path("captures"));
    let held: u64 =
        captures.iter().map(|file| fs::metadata(file).expect("it is there").len()).sum();
    assert!(held <= size * 5 / 2, "{held}");
    let newest = captures.last().expect("the newest stays").to_string_lossy().into_owned();
    assert!(newest.contains("-14-"), "{newest}");
}

#[test]
fn a_disk_that_is_full_is_a_warning_in_the_log_and_the_request_goes_on() {
    let small = Small::new();
    // A directory that cannot be made stands for any disk that takes nothing.
    let mut command = Command::new(program::binary());
    command
        .args(["--record", "/dev/full/captures", "--persistent_worker"])
        .current_dir(small.directory.path());
    let mut worker = Worker::start(command, Protocol::Proto);
    let asked = ["resolve", "--mtree", "spec.mtree", "--out", "again.mtree"];
    let answer = worker.ask(&client::request(1, &asked));
    assert_eq!(answer.exit_code, 0, "{answer}");
    let end = worker.end();
    assert_eq!(end.code(), 0);
    assert!(end.log.contains("WARN") && end.log.contains("a capture was not kept"), "{}", end.log);
}

#[test]
fn the_environment_suffices_to_record() {
    let small = Small::new();
    let captures = small.path("by-environment");
    let done = Command::new(program::binary())
        .args(["resolve", "--mtree", "spec.mtree", "--out", "again.mtree"])
        .current_dir(small.directory.path())
        .env("MTREE_WORKER_RECORD", &captures)
        .output()
        .expect("the program starts");
    assert!(done.status.success());
    let capture = capture::read(&only_capture(&captures));
    assert_eq!(capture.working_directory, small.directory.path().as_os_str().as_encoded_bytes());
    assert_eq!(capture.startup_arguments[0], b"resolve");
    assert_eq!(capture.program_version, env!("CARGO_PKG_VERSION"));
    assert!(!capture.steps.is_empty());
}

#[test]
fn globs_choose_rows_and_json_is_one_object_a_line() {
    let small = Small::new();
    let explained = |paths: &[&str]| {
        let mut arguments = vec![os("explain"), small.capture.as_os_str()];
        arguments.extend(paths.iter().map(OsStr::new));
        printed(&run(small.directory.path(), &arguments))
    };
    let heads = |paths: &[&str]| -> Vec<String> {
        let text = explained(paths);
        text.lines().filter(|line| !line.starts_with(' ')).map(str::to_owned).collect()
    };
    assert_eq!(heads(&["./app/bin/python?"]), ["app/bin/python3"]);
    assert_eq!(heads(&["/app/gone"]), ["app/gone"]);
    assert_eq!(heads(&["app/*"]), ["app/lib64/", "app/gone"]);
    assert_eq!(heads(&[]), ["app/lib64/", "app/bin/python", "app/bin/python3"]);
    let json = explained(&["--json"]);
    assert_eq!(json.lines().count(), 3);
    assert!(json.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{json}");
    assert!(!json.contains('\u{1b}') && !explained(&[]).contains('\u{1b}'));
}

/// Runs a command on the small tree with `spec` instead of its own, which is recorded first.
fn explained(small: &Small, spec: &str, arguments: &[&str]) -> Output {
    fs::remove_file(&small.capture).expect("it is there");
    fs::write(small.path("spec.mtree"), spec).expect("it can be written");
    let record = ["--record", "captures", "resolve", "--mtree", "spec.mtree", "--out", "o"];
    let done = run(small.directory.path(), &record.map(OsStr::new));
    assert!(done.status.success(), "{}", program::said(&done));
    let capture = only_capture(&small.path("captures"));
    let mut all = vec![os("explain"), capture.as_os_str()];
    all.extend(arguments.iter().map(OsStr::new));
    run(small.directory.path(), &all)
}

#[test]
fn a_name_that_is_a_glob_or_is_shown_with_escapes_chooses_its_row() {
    let spec = "./app/[id].js type=file content=external/py/lib/a
./app/caf\\351 type=file content=external/py/lib/a
./app/i type=file content=external/py/lib/a
";
    for name in ["app/[id].js", "app/caf\\351"] {
        let done = explained(&Small::new(), spec, &[name]);
        assert!(done.status.success(), "{}", program::said(&done));
        let printed = printed(&done);
        let heads: Vec<_> = printed.lines().filter(|line| !line.starts_with(' ')).collect();
        assert_eq!(heads, [name]);
    }
}

#[test]
fn a_path_that_no_row_stands_at_is_one_sentence() {
    let done = explained(&Small::new(), SPEC, &["app/bin/pyton", "app/none/*"]);
    let said = program::said(&done);
    assert_eq!((done.status.code(), printed(&done)), (Some(1), String::new()));
    assert!(said.contains("no row stands at app/bin/pyton, app/none/*"), "{said}");
}

#[test]
fn a_thousand_rows_of_one_source_are_not_named_a_thousand_times_each() {
    let rows =
        (0..1000).map(|row| format!("./app/{row} type=file content=external/py/bin/python3.13\n"));
    let files: String = rows.collect();
    let links = files.replace("./app/", "./links/").replace("python3.13", "python");
    let done = explained(&Small::new(), &(files + &links), &[]);
    assert!(done.status.success(), "{}", program::said(&done));
    let printed = printed(&done);
    assert_eq!(printed.matches(", and 992 more").count(), 1000);
    assert!(printed.len() < 1_000_000, "{}", printed.len());
}

#[test]
fn what_a_stranger_wrote_cannot_change_the_terminal() {
    let small = Small::new();
    let mut edited = capture::read(&small.capture);
    let mut refusal = capture::Refusal::new();
    refusal.what = b"read spec.mtree".to_vec();
    refusal.error = "\u{1b}]0;title\u{7}\u{1b}[31m\nanother line".to_owned();
    edited.refusals.push(refusal);
    capture::write(&small.capture, &edited);
    for command in ["explain", "replay"] {
        let done = run(small.directory.path(), &[os(command), small.capture.as_os_str()]);
        let said = program::said(&done) + &printed(&done);
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert!(said.contains("\\033]0;title\\007\\033[31m\\012another line"), "{said}");
        assert!(said.chars().all(|letter| letter == '\n' || !letter.is_control()), "{said}");
    }
}

#[test]
fn a_few_kilobytes_that_stand_for_gigabytes_are_refused() {
    let small = Small::new();
    let bytes = small.with_facts(|facts| facts.weights = vec![0; 1 << 25]);
    assert!(bytes.len() < 10_000, "{}", bytes.len());
    assert_refused(&small, &bytes, "the capture holds more than");
}

#[test]
fn a_directory_of_thousands_of_parts_is_refused() {
    let small = Small::new();
    let mut edited = capture::read(&small.capture);
    edited.arguments.extend([b"--package-dir".to_vec(), b"a/".repeat(200_000)]);
    capture::write(&small.capture, &edited);
    let done = run(small.directory.path(), &[os("explain"), small.capture.as_os_str()]);
    let said = program::said(&done);
    assert_eq!((done.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("--package-dir is longer than 16384 bytes"), "{said}");
}

#[test]
fn directories_that_only_have_other_times_are_counted_and_named_if_asked() {
    let small = Small::new();
    fs::write(small.path("external/py/bin/other"), "").expect("it can be written");
    fs::rename(small.path("external/py/lib"), small.path("external/py/old")).expect("it is there");
    plant_file(&small.path("external/py/lib/a"), b"").expect("it can be written");
    let touched = |flags: &[&str]| -> Vec<String> {
        let printed = printed(&small.replay(flags));
        let lines = printed.lines().skip_while(|line| !line.contains("other times, or another"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(
        touched(&["--live"]),
        ["4 directories have other times, or another identity; --verbose lists them"]
    );
    assert_eq!(
        touched(&["--live", "--verbose"]),
        [
            "4 directories have other times, or another identity:",
            // The output and the capture itself were put there.
            "  .: has other times",
            "  external/py: has other times",
            "  external/py/bin: has other times",
            "  external/py/lib: is another directory",
        ]
    );
}

#[test]
fn verbose_logs_every_question_and_its_answer() {
    let small = Small::new();
    let quiet = program::said(&small.replay(&[]));
    assert_eq!(quiet, "");
    let logged = program::said(&small.replay(&["--verbose"]));
    for words in [r"link directory=", "name=python3 text=python3.13", "enter directory="] {
        assert!(logged.contains(words), "{words}: {logged}");
    }
}

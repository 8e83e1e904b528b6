//! `replay` from the capture alone: the same result without the tree, by another user, and from version
//! 0.1.0; and captures that are damaged, edited or hostile.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use worker_tests::{capture, client, program};

use crate::{
    NOBODY, Small, captures_in, directory, each_case, only_capture, os, printed, run, worker,
};

#[test]
fn every_case_replays_without_its_tree_and_as_another_user_with_the_same_result() {
    let captures = directory();
    let elsewhere = directory();
    // A copy of the program that any user may run.
    let binary = elsewhere.path().join("mtree-worker");
    program::copy(&binary);
    let empty = elsewhere.path().join("empty");
    fs::create_dir(&empty).expect("the directory can be made");
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o777)).expect("it is ours");
    each_case(captures.path(), |recorded| {
        fs::remove_dir_all(&recorded.root).expect("the tree can be removed");
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
        assert!(captures_in(&empty).is_empty(), "{name}: replay left files");
    });
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
    // The symlink leads to a name without a fact: the replay fails and names it.
    assert!(printed.contains("the exit code was 0, and is 1"), "{printed}");
    assert!(printed.contains("external/py/bin/python3.99"), "{printed}");
}

#[test]
fn a_capture_with_another_symlink_gives_a_unified_diff() {
    let small = Small::new();
    let mut edited = capture::read(&small.capture);
    let facts = edited.facts.mut_or_insert_default();
    // `python` gets another text that leads to the same place.
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

/// Asserts that `bytes` can be neither replayed nor explained: status 1, and one sentence with `words`.
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
fn a_capture_that_is_cut_off_damaged_or_newer_is_refused_with_one_sentence() {
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
    newer[8] = 3;
    assert_refused(&small, &newer, "version 3 of the format");
    assert_refused(&small, b"MTREECA", "capture");
}

impl Small {
    /// The capture with edited facts. The file itself stays as it is.
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
fn facts_that_contradict_each_other_are_refused() {
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
        assert!(said.contains("its facts contradict each other"), "{said}");
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
    let response = worker.ask(&request);
    assert_eq!(response.exit_code, 0, "{response}");
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
fn text_in_a_capture_is_escaped_on_the_terminal() {
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
fn a_few_kilobytes_that_decode_to_gigabytes_are_refused() {
    let small = Small::new();
    let bytes = small.with_facts(|facts| facts.weights = vec![0; 1 << 25]);
    assert!(bytes.len() < 10_000, "{}", bytes.len());
    assert_refused(&small, &bytes, "the capture holds more than");
}

#[test]
fn a_package_dir_of_thousands_of_components_is_refused() {
    let small = Small::new();
    let mut edited = capture::read(&small.capture);
    edited.arguments.extend([b"--package-dir".to_vec(), b"a/".repeat(200_000)]);
    capture::write(&small.capture, &edited);
    let done = run(small.directory.path(), &[os("explain"), small.capture.as_os_str()]);
    let said = program::said(&done);
    assert_eq!((done.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("--package-dir of more than 16384 bytes"), "{said}");
}

#[test]
fn verbose_logs_every_access_to_the_tree() {
    let small = Small::new();
    let quiet = program::said(&small.replay(&[]));
    assert_eq!(quiet, "");
    let logged = program::said(&small.replay(&["--verbose"]));
    for words in [r"link directory=", "name=python3 text=python3.13", "enter directory="] {
        assert!(logged.contains(words), "{words}: {logged}");
    }
}

/// A capture that version 0.1.0 recorded.
fn recorded_by_0_1_0(name: &str) -> PathBuf {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    captures.join(format!("0.1.0-{name}.capture"))
}

#[test]
fn captures_of_version_0_1_0_replay_and_explain() {
    let empty = directory();
    // The number of lines that the wording changed since 0.1.0, and words that explain prints.
    let captures = [
        ("links", 0, "becomes a link to python3.13"),
        ("warnings", 3, "rule 8  "),
        ("error", 1, "becomes an error: "),
        ("protobuf", 1, "rule 8  "),
    ];
    for (name, changed_lines, words) in captures {
        let capture = recorded_by_0_1_0(name);
        let replayed = run(empty.path(), &[os("replay"), capture.as_os_str()]);
        let text = printed(&replayed);
        assert!(replayed.status.success(), "{name}: {text}{}", program::said(&replayed));
        assert_eq!(text.matches("\n+mtree-worker: ").count(), changed_lines, "{name}: {text}");
        let note = "note: the wording of the response differs: recorded by 0.1.0\n";
        assert_eq!(text.contains(note), changed_lines > 0, "{name}: {text}");
        let explained = run(empty.path(), &[os("explain"), capture.as_os_str(), os("**")]);
        assert!(explained.status.success(), "{name}: {}", program::said(&explained));
        assert!(printed(&explained).contains(words), "{name}: {}", printed(&explained));
    }
    assert!(captures_in(empty.path()).is_empty(), "replay left files");
}

#[test]
fn another_wording_is_a_difference_if_this_version_recorded_it_or_the_exit_code_differs() {
    let small = Small::new();
    for name in ["warnings", "error"] {
        let recorded = capture::read(&recorded_by_0_1_0(name));
        let replay = |capture: &capture::Capture| {
            capture::write(&small.capture, capture);
            small.replay(&[])
        };
        assert_eq!(replay(&recorded).status.code(), Some(0), "{name}");
        let mut this_version = recorded.clone();
        this_version.program_version = env!("CARGO_PKG_VERSION").to_owned();
        let done = replay(&this_version);
        assert_eq!(done.status.code(), Some(1), "{name}: {}", printed(&done));
        assert!(!printed(&done).contains("note: "), "{name}: {}", printed(&done));
        let mut other_exit_code = recorded;
        other_exit_code.response.mut_or_insert_default().exit_code ^= 1;
        let done = replay(&other_exit_code);
        assert_eq!(done.status.code(), Some(1), "{name}: {}", printed(&done));
        assert!(!printed(&done).contains("note: "), "{name}: {}", printed(&done));
    }
}

//! The flags of `layer`, what it says, and what it refuses: each error is one sentence with the line of the
//! spec and the archive path, and writes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use worker_tests::client::WorkRequest;
use worker_tests::exec_root::ExecRoot;
use worker_tests::program;

use crate::layers::{
    Form, assert_done, bytes, content, file, json, layer, names, number, once, refused, run, sha256,
};

const PLAIN: &str = "--compress=none";

#[test]
fn the_name_of_the_output_chooses_the_compression_unless_a_flag_does() {
    let exec_root = ExecRoot::new("file a some text\n");
    exec_root.write("spec.mtree", file("a", "a"));
    let (gzip, zstd, ustar) = (&b"\x1f\x8b"[..], &b"\x28\xb5\x2f\xfd"[..], &b"./a\0"[..]);
    for (out, flags, head) in [
        ("a.tar.gz", &[][..], gzip),
        ("a.tgz", &[], gzip),
        ("a.tar.zst", &[], zstd),
        ("a.tzst", &[], zstd),
        ("a.tar", &[], ustar),
        ("a.gz", &[], ustar),
        ("a", &[], ustar),
        ("a.tar.gz", &[PLAIN], ustar),
        ("a.tar", &["--compress=gzip"], gzip),
        ("a.tar.gz", &["--compress=zstd"], zstd),
    ] {
        let done = run(&exec_root, out, flags);
        assert!(done.status.success() && done.stdout.is_empty(), "{}", program::said(&done));
        assert_eq!(program::said(&done), "");
        assert_eq!(&bytes(&exec_root, out)[..head.len()], head, "{out} {flags:?}");
    }
}

#[test]
fn every_level_makes_a_layer_of_the_same_tar_and_the_default_is_6_or_3() {
    let exec_root = ExecRoot::new("");
    exec_root.write("a", content(1, 400_000));
    exec_root.write("spec.mtree", file("a", "a"));
    let tar = once(&exec_root, &[PLAIN]);
    for (codec, form, levels, default) in [("gzip", Form::Gzip, 12, 6), ("zstd", Form::Zstd, 19, 3)]
    {
        let codec = format!("--compress={codec}");
        let of_default = once(&exec_root, &[&codec]);
        for level in 1..=levels {
            let layer = once(&exec_root, &[&codec, &format!("--level={level}")]);
            assert!(form.tar(&layer) == tar, "{codec} {level}");
            assert!(level != default || layer == of_default, "{codec}");
        }
    }
    for level in ["1", "6", "12"] {
        let flags = ["--compress=gzip", "--single-member", &format!("--level={level}")];
        assert!(Form::SingleMember.tar(&once(&exec_root, &flags)) == tar);
    }
}

#[test]
fn flags_that_contradict_each_other_are_refused_with_status_2() {
    let exec_root = ExecRoot::new("file a\n");
    exec_root.write("spec.mtree", file("a", "a"));
    for (out, flags, words) in [
        ("a.tar", &["--level=3"][..], "--level cannot be used with an --out that is not named"),
        ("a.tgz", &[PLAIN, "--level=3"], "--level cannot be used with --compress=none"),
        ("a.tgz", &["--level=0"], "gzip has no level 0; give one from 1 to 12"),
        ("a.tgz", &["--level=13"], "gzip has no level 13; give one from 1 to 12"),
        ("a.tzst", &["--level=20"], "zstd has no level 20; give one from 1 to 19"),
        ("a.tzst", &["--level=300"], "300"),
        ("a.tzst", &["--single-member"], "--single-member is for gzip"),
        ("a.tar", &["--single-member"], "--single-member is for gzip"),
        ("a.tar", &["--only=x"], "--groups"),
        ("a.tar", &["--groups=x"], "--only"),
        ("a.tar", &["--hardlinks=some"], "--hardlinks"),
        ("a.tar", &["--compress=xz"], "--compress"),
        ("a.tar", &["--metadata=none"], "--metadata"),
        ("a.tar", &["--order=random"], "--order"),
    ] {
        let done = run(&exec_root, out, flags);
        assert_eq!(done.status.code(), Some(2), "{flags:?}");
        assert!(program::said(&done).contains(words), "{flags:?}: {}", program::said(&done));
        assert!(!exec_root.has(out));
    }
}

#[test]
fn the_descriptor_has_media_type_size_and_both_digests_as_sha256sum_computes_them() {
    let exec_root = ExecRoot::new("");
    exec_root.write("a", content(1, 700_000));
    exec_root.write("spec.mtree", file("a", "a"));
    let sha256sum = |path: &str| {
        let done = Command::new("sha256sum").arg(exec_root.at(path)).output();
        let said = String::from_utf8(done.expect("coreutils has it").stdout).expect("ASCII");
        format!("sha256:{}", &said[..64])
    };
    for form in Form::ALL {
        let flags = [form.flags(), &["--descriptor=descriptor.json"]].concat();
        let layer = once(&exec_root, &flags);
        exec_root.write("tar", form.tar(&layer));
        let descriptor = json(&exec_root.at("descriptor.json"));
        let suffix = match form {
            Form::None => "",
            Form::Gzip | Form::SingleMember => "+gzip",
            Form::Zstd => "+zstd",
        };
        let want = serde_json::json!({
            "mediaType": format!("application/vnd.oci.image.layer.v1.tar{suffix}"),
            "digest": sha256sum("once.layer"),
            "size": layer.len(),
            "diff_id": sha256sum("tar"),
        });
        assert_eq!(descriptor, want, "{form:?}");
    }
}

#[test]
fn the_report_counts_bytes_frames_and_seconds() {
    let exec_root = ExecRoot::new("");
    exec_root.write("a", content(1, 3 << 20));
    exec_root.write("b", "b");
    exec_root.write("spec.mtree", file("a", "a") + &file("b", "b"));
    for form in Form::ALL {
        let flags = [form.flags(), &["--report=report.json"]].concat();
        let layer = once(&exec_root, &flags);
        let report = json(&exec_root.at("report.json"));
        assert_eq!(number(&report, "rows"), 2, "{report}");
        assert_eq!(number(&report, "format_version"), 1);
        assert_eq!(number(&report, "bytes_raw"), form.tar(&layer).len() as u64);
        assert_eq!(number(&report, "bytes_compressed"), layer.len() as u64);
        // Without compression there are no frames.
        let made = number(&report, "frames_made");
        assert!(if form == Form::None { made == 0 } else { made >= 4 }, "{report}");
        assert!(report["seconds"]["total"].as_f64() > Some(0.0), "{report}");
        assert_eq!(number(&report, "frames_reused"), 0);
    }
}

#[test]
fn a_row_of_which_no_layer_can_be_made_is_named_with_its_line() {
    let exec_root = ExecRoot::new("file a\ndir directory\nfile directory/below\n");
    symlink("nowhere", exec_root.at("dangling")).expect("a symlink");
    let mode = Mode::from_raw_mode(0o644);
    mknodat(CWD, exec_root.at("fifo"), FileType::Fifo, mode, 0).expect("a fifo");
    let all = "uid=0 gid=0 mode=0644 time=0";
    for (row, words) in [
        ("type=file gid=0 mode=0644 time=0 content=a", "the row has no `uid`: give it one"),
        ("type=file uid=0 mode=0644 time=0 content=a", "the row has no `gid`: give it one"),
        ("type=file uid=0 gid=0 time=0 content=a", "the row has no `mode`: give it one"),
        ("type=file uid=0 gid=0 mode=0644 content=a", "the row has no `time`: give it one"),
        ("type=dir gid=0 mode=0644 time=0", "the row has no `uid`: give it one"),
        (&format!("type=file {all} size=5"), "size=5 and no source: give it content="),
        (
            &format!("type=file {all} content=none"),
            "the source none does not exist; add it to srcs, or mark the row as optional",
        ),
        (&format!("type=file {all} content=a/none"), "the source a/none does not exist"),
        (
            &format!("type=file {all} content=directory"),
            "the source directory is not a file; give the row the type that it has",
        ),
        (&format!("type=file {all} content=fifo"), "the source fifo is not a file"),
        (&format!("type=file {all} content=/dev/null"), "the source /dev/null is not a file"),
        (&format!("type=socket {all}"), "type=socket: tar has no sockets: take the row out"),
        ("type=file uid=0 gid=0 mode=u+x time=0", "mode=u+x: a mode in octal is needed"),
        (&format!("type=char {all} device=vms,1,2"), "device=vms,1,2: "),
    ] {
        exec_root.write("spec.mtree", format!("{}# comment\n./dir/row {row}\n", file("a", "a")));
        for flags in [&["--no-resolve", PLAIN][..], &["--compress=gzip"]] {
            let said = refused(&exec_root, flags);
            let errors = said.lines().filter(|line| !line.contains(": warning: "));
            let errors: Vec<_> = errors.collect();
            assert_eq!(errors.len(), 1, "{row}: {said}");
            let place = "mtree-worker: spec.mtree:3: dir/row: ";
            assert!(errors[0].starts_with(place) && errors[0].contains(words), "{row}: {said}");
        }
    }
}

#[test]
fn flags_supply_what_rows_do_not_have() {
    let exec_root = ExecRoot::new("file a text\n");
    exec_root.write("spec.mtree", "./a type=file content=a\n./d type=dir\n");
    let flags = [PLAIN, "--owner=7", "--group=8", "--mode=0751", "--mtime=9"];
    let supplied = once(&exec_root, &flags);
    let keywords = "uid=7 gid=8 mode=0751 time=9";
    let spec = format!("./a type=file {keywords} content=a\n./d type=dir {keywords}\n");
    exec_root.write("spec.mtree", spec);
    assert!(supplied == once(&exec_root, &[PLAIN]));
}

#[test]
fn an_optional_row_without_its_source_is_left_out() {
    let exec_root = ExecRoot::new("file a text\n");
    let optional = file("none", "none").replace(" type", " optional type");
    let present = file("b", "a").replace(" type", " optional type");
    exec_root.write("spec.mtree", file("a", "a") + &optional + &present);
    let tar = once(&exec_root, &["--no-resolve", PLAIN]);
    assert_eq!(names(&tar), ["./a", "./b"]);
    // Nor one whose source is there, but is no input.
    let mut worker = exec_root.worker(&[]);
    let inputs = ["spec.mtree", "a"]
        .map(|path| worker_tests::client::Input { path: path.to_owned(), ..Default::default() });
    exec_root.write("none", "it is there");
    let asked = layer(0, "layer", &["--no-resolve", PLAIN]);
    assert_done(&worker.ask(&WorkRequest { inputs: inputs.to_vec(), ..asked.clone() }));
    assert!(bytes(&exec_root, "layer") == tar);
    assert_done(&worker.ask(&asked));
    assert_eq!(names(&bytes(&exec_root, "layer")), ["./a", "./none", "./b"]);
}

#[test]
fn a_source_that_is_no_input_of_the_action_is_named() {
    let exec_root = ExecRoot::new("file a text\nfile b text\n");
    exec_root.write("spec.mtree", file("a", "a") + &file("b", "b"));
    let mut worker = exec_root.worker(&[]);
    let inputs = ["spec.mtree", "a"]
        .map(|path| worker_tests::client::Input { path: path.to_owned(), ..Default::default() });
    let asked = layer(0, "layer", &["--no-resolve", PLAIN]);
    let answer = worker.ask(&WorkRequest { inputs: inputs.to_vec(), ..asked });
    assert_eq!(answer.exit_code, 1);
    assert_eq!(
        answer.output,
        "mtree-worker: spec.mtree:2: b: the source b is not an input of the action; add it to srcs, or mark \
         the row as optional\n"
    );
    assert!(!exec_root.has("layer"));
}

#[test]
fn rows_without_a_source_are_what_the_spec_says_whatever_the_disk_has() {
    let exec_root = ExecRoot::new("file app/file text\nfile app/dir text\nlink app/link -> file\n");
    let keywords = "uid=0 gid=0 time=0 mode=0644";
    exec_root.write(
        "spec.mtree",
        format!(
            "./app/file type=file {keywords}\n./app/dir type=dir {keywords}\n\
             ./app/link type=link link=elsewhere {keywords}\n./app/none type=dir {keywords} size=77\n"
        ),
    );
    let tar = once(&exec_root, &[PLAIN]);
    assert_eq!(names(&tar), ["./app/file", "./app/dir/", "./app/link -> elsewhere", "./app/none/"]);
    assert_eq!(tar.len(), 4 * 512 + 1024);
}

#[test]
fn rows_of_one_path_are_merged_or_written_twice_with_a_warning() {
    let exec_root = ExecRoot::new("file a text\nfile b other\n");
    let spec = file("x", "a") + "./y type=dir uid=0 gid=0 time=0 mode=0755\n" + &file("x", "b");
    exec_root.write("spec.mtree", spec + &file("./x", "a"));
    let done = run(&exec_root, "layer", &["--no-resolve", PLAIN]);
    let said = program::said(&done);
    assert!(done.status.success(), "{said}");
    assert_eq!(
        said,
        "mtree-worker: warning: rows with the archive path of an earlier row: 2, the first: x (line 3, after \
         line 1); those spelled alike are merged, others are written twice, which images may not have; remove \
         all but one\n"
    );
    let tar = bytes(&exec_root, "layer");
    assert_eq!(names(&tar), ["./x", "./y/", "././x"]);
    assert_eq!(&tar[512..517], b"other");
}

#[test]
fn hard_links_of_equal_contents_need_equal_bytes_mode_owner_and_time() {
    let exec_root = ExecRoot::new(
        "file a same\nfile b same\nfile c other\nfile d same\nfile empty\nfile empty2\nfile e sams\n",
    );
    let row = |path: &str, source: &str, change: (&str, &str)| {
        file(path, source).replace(change.0, change.1)
    };
    let none = ("", "");
    let spec = [
        row("a", "a", none),
        row("b", "b", none),
        row("c", "c", none),
        row("mode", "a", ("0644", "0600")),
        row("uid", "a", ("uid=0", "uid=1")),
        row("gid", "a", ("gid=0", "gid=1")),
        row("time", "a", ("time=1672560000", "time=1")),
        row("uname", "a", (" type", " uname=u type")),
        row("empty", "empty", none),
        row("empty2", "empty2", none),
        row("d", "d", none),
        row("e", "e", none),
        row("uid2", "d", ("uid=0", "uid=1")),
    ];
    exec_root.write("spec.mtree", spec.concat());
    let want = [
        "./a",
        "./b == ./a",
        "./c",
        "./mode",
        "./uid",
        "./gid",
        "./time",
        "./uname",
        "./empty",
        "./empty2",
        "./d == ./a",
        "./e",
        "./uid2 == ./uid",
    ];
    let flags = ["--no-resolve", PLAIN, "--hardlinks=content"];
    let tar = once(&exec_root, &flags);
    assert_eq!(names(&tar), want);
    assert_eq!(
        names(&once(&exec_root, &flags[..2])).iter().filter(|it| it.contains("==")).count(),
        0
    );
    // With digests of any function, of all files or of some, it is the same.
    let mut worker = exec_root.worker(&[]);
    for round in 0..6 {
        let input = |(number, path): (usize, &&str)| {
            let bytes = bytes(&exec_root, path);
            let digest = match round % 3 {
                _ if round >= 3 && number % 2 == 0 => String::new(),
                0 => sha256(&bytes),
                1 => blake3::hash(&bytes).to_hex().to_string(),
                _ => crate::layers::hex(&<sha1::Sha1 as sha1::Digest>::digest(&bytes)),
            };
            worker_tests::client::Input {
                path: (*path).to_owned(),
                digest: digest.into_bytes(),
                ..Default::default()
            }
        };
        let paths = ["a", "b", "c", "d", "e", "empty", "empty2", "spec.mtree"];
        let inputs = paths.iter().enumerate().map(input).collect();
        let asked = layer(0, "layer", &flags);
        assert_done(&worker.ask(&WorkRequest { inputs, ..asked }));
        assert!(bytes(&exec_root, "layer") == tar, "{round}");
    }
}

#[test]
fn stable_first_puts_external_rows_first_with_the_directories_above_them() {
    let exec_root = ExecRoot::new("file own text\nfile external/x/lib text\n");
    let directory = |path: &str| format!("./{path} type=dir uid=0 gid=0 time=0 mode=0755\n");
    let spec = [
        directory("app"),
        file("app/main", "own"),
        directory("app/lib"),
        file("app/lib/x", "external/x/lib"),
        directory("own"),
        file("own/x", "own"),
    ];
    exec_root.write("spec.mtree", spec.concat());
    let order = ["./app/", "./app/lib/", "./app/lib/x", "./app/main", "./own/", "./own/x"];
    assert_eq!(names(&once(&exec_root, &["--no-resolve", PLAIN, "--order=stable-first"])), order);
    let spec_order = ["./app/", "./app/main", "./app/lib/", "./app/lib/x", "./own/", "./own/x"];
    assert_eq!(names(&once(&exec_root, &["--no-resolve", PLAIN, "--order=spec"])), spec_order);
}

/// A tree for groups: an interpreter, packages, own files, a symlink, and directory rows.
fn grouped() -> ExecRoot {
    let exec_root = ExecRoot::new(
        "file external/python3/bin/python3 ELF\nlink external/python3/bin/python -> python3\n\
         file external/numpy/a.py a\nfile external/numpy/b.py b\nfile main.py main\n",
    );
    let directory = |path: &str| format!("./{path} type=dir uid=0 gid=0 time=0 mode=0755\n");
    let spec = [
        directory("app"),
        directory("app/bin"),
        file("app/bin/python3", "external/python3/bin/python3"),
        file("app/bin/python", "external/python3/bin/python"),
        directory("app/site-packages"),
        file("app/site-packages/a.py", "external/numpy/a.py"),
        file("app/site-packages/b.py", "external/numpy/b.py"),
        directory("app/empty"),
        directory("tmp"),
        file("app/main.py", "main.py"),
    ];
    exec_root.write("spec.mtree", spec.concat());
    exec_root.write(
        "groups.json",
        r#"[{"name": "interpreter", "patterns": ["source:external/python*"]},
            {"name": "packages", "patterns": ["**/site-packages", "app/empty"]},
            {"name": "none", "patterns": ["no/such/**", "t*"]}]"#,
    );
    exec_root
}

#[test]
fn all_groups_together_hold_each_row_once_and_directories_where_something_is_below() {
    let exec_root = grouped();
    let of = |name: &str| {
        let only = format!("--only={name}");
        names(&once(&exec_root, &[PLAIN, "--groups=groups.json", &only]))
    };
    assert_eq!(
        of("interpreter"),
        ["./app/", "./app/bin/", "./app/bin/python3", "./app/bin/python -> python3"]
    );
    assert_eq!(
        of("packages"),
        [
            "./app/",
            "./app/site-packages/",
            "./app/site-packages/a.py",
            "./app/site-packages/b.py",
            "./app/empty/"
        ]
    );
    assert_eq!(of("none"), ["./tmp/"]);
    assert_eq!(of("app"), ["./app/", "./app/main.py"]);
    let mut count = BTreeMap::<String, usize>::new();
    for name in ["interpreter", "packages", "none", "app"] {
        of(name).into_iter().for_each(|row| *count.entry(row).or_default() += 1);
    }
    assert_eq!(count.remove("./app/"), Some(3));
    assert!(count.values().all(|times| *times == 1), "{count:?}");
    let mut whole = names(&once(&exec_root, &[PLAIN]));
    whole.retain(|row| row != "./app/");
    whole.sort();
    assert_eq!(count.into_keys().collect::<Vec<_>>(), whole);
}

#[test]
fn a_group_without_rows_is_an_empty_layer_with_a_warning() {
    let exec_root = grouped();
    exec_root.write("groups.json", r#"[{"name": "nothing", "patterns": ["no/such"]}]"#);
    let flags = ["--compress=gzip", "--groups=groups.json", "--only=nothing"];
    let done = run(&exec_root, "layer", &flags);
    assert!(done.status.success());
    assert_eq!(
        program::said(&done),
        "mtree-worker: warning: groups.json: no row is in the group \"nothing\", whose layer is empty; change \
         its patterns, or remove it\n"
    );
    assert_eq!(Form::Gzip.tar(&bytes(&exec_root, "layer")), [0; 1024]);
}

#[test]
fn groups_that_cannot_be_used_are_an_error_that_names_the_file() {
    let exec_root = grouped();
    for (text, words) in [
        ("", "the groups cannot be read; write a list of"),
        ("{}", "the groups cannot be read; write a list of"),
        (r#"[{"name": "a"}]"#, "the groups cannot be read; write a list of"),
        (r#"[{"name": "a", "patterns": [], "more": 1}]"#, "the groups cannot be read"),
        (r#"[{"name": "app", "patterns": []}]"#, "no group can be called \"app\""),
        (r#"[{"name": "", "patterns": []}]"#, "a group has no name; give it one"),
        (
            r#"[{"name": "a", "patterns": []}, {"name": "a", "patterns": []}]"#,
            "two groups are called \"a\"; rename one",
        ),
        (
            r#"[{"name": "a", "patterns": ["[a"]}]"#,
            "the pattern \"[a\" of the group \"a\" cannot be read",
        ),
        (
            r#"[{"name": "b", "patterns": []}]"#,
            "--only: no group is called \"a\"; the groups are b, app",
        ),
    ] {
        exec_root.write("groups.json", text);
        let said = refused(&exec_root, &[PLAIN, "--groups=groups.json", "--only=a"]);
        assert!(said.starts_with("mtree-worker: groups.json: "), "{said}");
        assert!(said.contains(words) && said.trim_end().lines().count() == 1, "{text}: {said}");
    }
    let said = refused(&exec_root, &[PLAIN, "--groups=none.json", "--only=a"]);
    assert!(said.contains("none.json: ") && said.contains("No such file or directory"), "{said}");
}

#[test]
fn the_sources_that_the_layer_does_not_read_are_listed_one_a_line() {
    let exec_root = grouped();
    let unused = |flags: &[&str]| {
        once(&exec_root, &[&[PLAIN, "--unused-inputs=unused"], flags].concat());
        exec_root.read("unused").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(unused(&[]), [""; 0]);
    let groups = "--groups=groups.json";
    // What became a link was read to find that out.
    assert_eq!(
        unused(&["--only=interpreter", groups]),
        ["external/numpy/a.py", "external/numpy/b.py", "main.py"]
    );
    let of_packages = ["external/python3/bin/python3", "external/python3/bin/python", "main.py"];
    assert_eq!(unused(&["--only=packages", groups]), of_packages);
    assert_eq!(unused(&["--exclude=app/main.py"]), ["main.py"]);
}

#[test]
fn a_declared_symlink_is_written_past_staging_as_it_is() {
    // A sandbox: absolute symlinks whose targets end in the source.
    let exec_root = ExecRoot::new(
        "file execroot/lib/real text\nlink execroot/lib/name -> real\n\
         link execroot/lib/absolute -> /nowhere/at/all\n",
    );
    for name in ["real", "name", "absolute"] {
        let path = exec_root.at("sandbox/lib").join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        symlink(exec_root.at("execroot/lib").join(name), path).expect("a symlink");
    }
    let link = |name: &str| file(name, &format!("lib/{name}")).replace("type=file", "type=link");
    let spec = link("name") + &link("absolute") + &file("real", "lib/real");
    exec_root.write("sandbox/spec.mtree", spec);
    let mut worker = exec_root.worker(&[]);
    let asked = layer(0, "layer", &["--no-resolve", PLAIN]);
    assert_done(&worker.ask(&WorkRequest { sandbox_dir: "sandbox".to_owned(), ..asked.clone() }));
    let want = ["./name -> real", "./absolute -> /nowhere/at/all", "./real"];
    assert_eq!(names(&bytes(&exec_root, "sandbox/layer")), want);
    // A source that is no symlink is an error.
    exec_root.write("sandbox/spec.mtree", link("real"));
    let answer = worker.ask(&WorkRequest { sandbox_dir: "sandbox".to_owned(), ..asked });
    assert_eq!(
        answer.output,
        "mtree-worker: spec.mtree:1: real: the source lib/real is not a symlink; give the row link=, or \
         type=file\n"
    );
}

#[test]
fn every_flag_of_resolve_makes_the_layer_of_the_spec_that_resolve_writes() {
    let exec_root = grouped();
    exec_root.write("also.mtree", "./base type=dir uid=0 gid=0 time=0 mode=0755\n");
    symlink("bin", exec_root.at("external/python3/bin2")).expect("a symlink");
    let more = file("app/bin2/python3", "external/python3/bin2/python3")
        + &file("app/bin2/python", "external/python3/bin2/python")
        + &file("app/a.py", "external/numpy/a.py");
    let spec = exec_root.read("spec.mtree") + &more;
    for flags in [
        &[][..],
        &["--missing-target=keep"],
        &["--missing-target=fail"],
        &["--directory-links=expand"],
        &["--strip-prefix=app"],
        &["--strip-prefix=app/site-packages"],
        &["--package-dir=opt/deep"],
        &["--mtime=7", "--owner=1", "--ownername=o", "--group=2", "--groupname=g"],
        &["--mode=**/*.py=0600"],
        &["--include=app/bin/**", "--include-source=main.py"],
        &["--exclude=**/python", "--exclude-source=external/numpy/b.py"],
        &["--sort"],
        &["--also=also.mtree"],
        &["--no-resolve"],
    ] {
        exec_root.write("spec.mtree", &spec);
        let layer = once(&exec_root, &[&[PLAIN], flags].concat());
        let resolve = [&["resolve", "--mtree=spec.mtree", "--out=resolved.mtree"], flags].concat();
        let done = exec_root.once(&resolve);
        assert!(done.status.success(), "{flags:?}: {}", program::said(&done));
        exec_root.write("spec.mtree", exec_root.read("resolved.mtree"));
        assert!(layer == once(&exec_root, &[PLAIN, "--no-resolve"]), "{flags:?}");
    }
}

#[test]
fn outputs_that_cannot_be_written_are_named() {
    let exec_root = ExecRoot::new("file a text\n");
    exec_root.write("spec.mtree", file("a", "a"));
    for (out, flags, words) in [
        ("none/layer", &[][..], "--out"),
        ("/dev/full", &[], "is not a regular file"),
        ("spec.mtree", &[], "spec.mtree"),
        ("layer", &["--descriptor=none/d"], "--descriptor"),
        ("layer", &["--report=none/r"], "--report"),
        ("layer", &["--unused-inputs=none/u"], "--unused-inputs"),
        ("layer", &["--descriptor=spec.mtree"], "--descriptor"),
    ] {
        let done = run(&exec_root, out, flags);
        let said = program::said(&done);
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert!(said.contains(words) && said.trim_end().lines().count() == 1, "{said}");
        assert!(!exec_root.has("layer") && exec_root.temporary_files().is_empty());
    }
}

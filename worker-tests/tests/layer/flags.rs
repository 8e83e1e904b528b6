//! The flags of `layer` and its outputs.

use std::os::unix::fs::symlink;
use std::process::Command;

use worker_tests::exec_root::ExecRoot;
use worker_tests::program;

use crate::groups::grouped;
use crate::layers::{Form, PLAIN, bytes, content, file, json, number, once, run};

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

//! Identity: the uncompressed layer is byte for byte what bsdtar writes for the same spec. The variable
//! `BSDTAR` names another bsdtar than the machine's; what version 3.6.2 does otherwise than 3.8.1, which the
//! program follows, is left out for it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, hard_link};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestCaseError, TestRunner};
use worker_tests::exec_root::ExecRoot;
use worker_tests::{program, real_tree};

use crate::config;
use crate::layers::{Form, bytes, content, once, run};
use crate::random_lines::{HARD_LINKS, SIZES, escaped, line, source, text_of};

fn bsdtar() -> OsString {
    std::env::var_os("BSDTAR").unwrap_or_else(|| "bsdtar".into())
}

/// Whether bsdtar is as old as Debian 12's.
fn is_old() -> bool {
    let version = Command::new(bsdtar()).arg("--version").output();
    version.expect("bsdtar starts").stdout.starts_with(b"bsdtar 3.6")
}

/// What bsdtar writes for `spec` in `directory`, and what it says.
fn by_bsdtar(directory: &Path, spec: &Path, flags: &[&str]) -> (PathBuf, String) {
    let out = directory.join("bsdtar.tar");
    let mut at = OsString::from("@");
    at.push(spec);
    let mut command = Command::new(bsdtar());
    command.args(flags).arg("-cf").arg(&out).arg(at);
    let done = command.current_dir(directory).env("LC_ALL", "C.UTF-8").output();
    let done = done.expect("bsdtar starts: apt-get install libarchive-tools");
    (out, String::from_utf8_lossy(&done.stderr).into_owned())
}

fn plant() -> ExecRoot {
    let exec_root = ExecRoot::new("");
    for (number, &size) in SIZES.iter().enumerate() {
        exec_root.write(source(number), content(number as u32, size));
    }
    for (number, &other) in HARD_LINKS.iter().enumerate() {
        let link = exec_root.at(source(SIZES.len() + number));
        hard_link(exec_root.at(source(other)), link).expect("a hard link");
    }
    exec_root
}

#[test]
fn a_random_spec_makes_the_tar_that_bsdtar_makes_in_every_form() {
    let (exec_root, is_old) = (plant(), is_old());
    let mut runner = TestRunner::new(config(400));
    let forms = select(&Form::ALL[1..]);
    let specs = (prop::collection::vec(line(is_old), 1..16), forms);
    let result = runner.run(&specs, |(lines, form)| {
        let spec = text_of(&lines);
        exec_root.write("spec.mtree", &spec);
        let (theirs, said) = by_bsdtar(exec_root.path(), &exec_root.at("spec.mtree"), &[]);
        let theirs = fs::read(theirs).expect("bsdtar writes");
        let plain = ["--no-resolve", "--hardlinks=inode"];
        for form in [Form::None, form] {
            let done = run(&exec_root, "layer", &[&plain, form.flags()].concat());
            let ours_said = program::said(&done);
            if !done.status.success() {
                return Err(TestCaseError::fail(format!("{ours_said}{said}{spec}")));
            }
            let ours = form.tar(&bytes(&exec_root, "layer"));
            same(&theirs, &ours).map_err(|what| {
                TestCaseError::fail(format!("{form:?}: {what}\n{ours_said}{said}{spec}"))
            })?;
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Where two tars differ, with what is there.
fn same(theirs: &[u8], ours: &[u8]) -> Result<(), String> {
    if theirs == ours {
        return Ok(());
    }
    let both = theirs.iter().zip(ours);
    let at = both.take_while(|(theirs, ours)| theirs == ours).count() / 512 * 512;
    let show =
        |tar: &[u8]| tar[at.min(tar.len())..tar.len().min(at + 1024)].escape_ascii().to_string();
    Err(format!(
        "bsdtar {} bytes, this {} bytes, from {at} on:\nbsdtar {}\nthis   {}",
        theirs.len(),
        ours.len(),
        show(theirs),
        show(ours)
    ))
}

/// The spec of everything below `tree`, hard links, symlinks and special files included.
fn spec_of(tree: &Path) -> Vec<u8> {
    let mut spec = b"#mtree\n".to_vec();
    let mut directories = vec![PathBuf::from(".")];
    while let Some(directory) = directories.pop() {
        let mut entries: Vec<_> = fs::read_dir(tree.join(&directory))
            .expect("a directory")
            .map(|entry| entry.expect("an entry"))
            .collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = directory.join(entry.file_name());
            let metadata = entry.metadata().expect("it is there");
            let escaped = escaped(path.as_os_str().as_bytes(), false);
            use std::os::unix::fs::MetadataExt;
            let kind = metadata.file_type();
            let what = if kind.is_dir() {
                directories.push(path.clone());
                "dir".to_owned()
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path()).expect("a symlink");
                format!("link link={}", self::escaped(target.as_os_str().as_bytes(), false))
            } else if kind.is_file() {
                format!("file content={escaped}")
            } else {
                continue;
            };
            let line = format!(
                "{escaped} uid={} gid={} time={}.{} mode={:o} type={what}\n",
                metadata.uid(),
                metadata.gid(),
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.mode() & 0o7777,
            );
            spec.extend_from_slice(line.as_bytes());
        }
    }
    spec
}

/// Packs the tree with bsdtar and with this program, in these forms.
fn check_tree(tree: &Path, forms: &[Form]) {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let scratch = tempfile::tempdir_in(kept).expect("a directory");
    let spec = scratch.path().join("spec.mtree");
    fs::write(&spec, spec_of(tree)).expect("a spec");
    let (theirs, said) = {
        let out = scratch.path().join("bsdtar.tar");
        let mut at = OsString::from("@");
        at.push(&spec);
        let done = Command::new(bsdtar())
            .args([OsStr::new("-cf"), out.as_os_str(), &at])
            .current_dir(tree)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("bsdtar starts: apt-get install libarchive-tools");
        (out, String::from_utf8_lossy(&done.stderr).into_owned())
    };
    assert_eq!(said, "", "bsdtar warns");
    let theirs = fs::read(theirs).expect("bsdtar writes");
    for form in forms {
        let out = scratch.path().join("layer");
        let mut command = Command::new(program::binary());
        command.args(["layer", "--no-resolve", "--hardlinks=inode", "--mtree"]).arg(&spec);
        command.arg("--out").arg(&out).args(form.flags()).current_dir(tree);
        let done = command.output().expect("it starts");
        assert!(done.status.success(), "{}", program::said(&done));
        assert_eq!(program::said(&done), "", "it warns");
        let ours = form.tar(&fs::read(&out).expect("it writes"));
        same(&theirs, &ours).unwrap_or_else(|what| panic!("{}: {what}", tree.display()));
    }
    println!("{}: {} bytes of tar", tree.display(), theirs.len());
}

#[test]
fn a_python_installation_makes_the_tar_that_bsdtar_makes() {
    check_tree(&real_tree::cpython().expect("a CPython"), &[Form::None, Form::Zstd]);
}

#[test]
fn a_node_modules_of_pnpm_makes_the_tar_that_bsdtar_makes_in_every_form() {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    check_tree(&real_tree::pnpm_packages(kept).expect("pnpm's packages"), &Form::ALL);
}

#[test]
fn a_row_without_keywords_takes_from_the_disk_what_bsdtar_takes_from_there() {
    let exec_root = plant();
    let keywords = ["uid=7", "gid=8", "time=9.1", "mode=0751", "uname=u", "gname=g", "nochange"];
    let mut spec = String::from("#mtree\n");
    for bits in 0..1 << keywords.len() {
        let chosen = keywords.iter().enumerate().filter(|(number, _)| bits >> number & 1 == 1);
        let chosen: Vec<_> = chosen.map(|(_, keyword)| *keyword).collect();
        let chosen = chosen.join(" ");
        spec += &format!("./file/{bits} type=file {chosen} nlink=1 content={}\n", source(bits % 7));
        spec += &format!("./x/sources-{bits} type=dir {chosen} content=sources-of-the-test\n");
    }
    spec += &format!("./{} type=file nlink=1\n", source(1));
    exec_root.write("spec.mtree", &spec);
    let (theirs, said) = by_bsdtar(exec_root.path(), &exec_root.at("spec.mtree"), &[]);
    let theirs = fs::read(theirs).expect("bsdtar writes");
    let spec = spec.replace(
        &format!("./{} type=file nlink=1\n", source(1)),
        &format!("./{0} type=file nlink=1 content={0}\n", source(1)),
    );
    exec_root.write("spec.mtree", spec);
    let flags = ["--no-resolve", "--compress=none", "--metadata=disk", "--hardlinks=inode"];
    let ours = once(&exec_root, &flags);
    same(&theirs, &ours).unwrap_or_else(|what| panic!("{what}\n{said}"));
}

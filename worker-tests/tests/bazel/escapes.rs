//! The bytes that `mtree_spec` escapes are those that a reader of the spec would misread, and no others.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::workspace::Workspace;

/// A directory with one file for each ASCII character that a name can hold, and one for a UTF-8 character.
const RULES: &str = r#"
def _characters_impl(ctx):
    tree = ctx.actions.declare_directory("tree")
    ctx.actions.run_shell(outputs = [tree], command = """
cd "$1" && i=1
printf utf8 > "$(printf 's\\303\\251t')"
while [ $i -lt 128 ]; do
    # The x after the character keeps a newline from being removed.
    character=$(printf "\\\\$(printf %03o $i)x") && character=${character%x}
    [ "$character" = / ] || printf $i > "s${character}t"
    i=$((i + 1))
done
""", arguments = [tree.path])
    return [DefaultInfo(files = depset([tree]))]

characters = rule(implementation = _characters_impl)
"#;

const BUILD: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "mtree_spec")
load(":rules.bzl", "characters")

characters(name = "tree")
mtree_spec(name = "spec", srcs = [":tree"])
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn mtree_spec_escapes_exactly_the_bytes_that_mtree_or_libarchive_misread() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", BUILD);
    workspace.write("rules.bzl", RULES);
    let bazel = workspace.bazel("root");
    bazel.build(&["//:spec", "//:tree"]).succeeded();
    let spec = fs::read(bazel.output("spec.spec")).expect("the spec is there");
    let execroot = bazel.execroot();

    let rows: Vec<&[u8]> =
        spec.split(|&byte| byte == b'\n').filter(|row| !row.is_empty()).collect();
    let (directories, rows) = rows.split_at(1);
    assert!(directories[0].starts_with(b"tree/ "), "{}", directories[0].escape_ascii());
    assert_eq!(rows.len(), 127, "126 ASCII characters and a UTF-8 character");
    // With the escapes, libarchive finds every file.
    let listed = list(&execroot, &spec).expect("libarchive reads the spec");
    assert_eq!(listed.len(), 128);

    let (mut in_names, mut in_values) = (Vec::new(), Vec::new());
    for &row in rows {
        let (name, rest) = split(row, b" uid=");
        let (keywords, value) = split(rest, b" content=");
        let raw = unescape(name);
        if name != raw {
            let row = [&raw[..], b" uid=", keywords, b" content=", value, b"\n"].concat();
            let found = list(&execroot, &row);
            let raw = raw.escape_ascii();
            assert!(found != Some(vec![unescape(name)]), "{raw} as a name needs no escape");
            in_names.push(raw.to_string());
        }
        let raw = unescape(value);
        // In mtree(5), # begins a comment. Only libarchive reads it in a value.
        if value != raw && !raw.contains(&b'#') {
            let row = [b"tree/x uid=", keywords, b" content=", &raw, b"\n"].concat();
            let found = list(&execroot, &row);
            let raw = raw.escape_ascii();
            assert!(found != Some(vec![b"tree/x".to_vec()]), "{raw} as a value needs no escape");
            in_values.push(raw.to_string());
        }
    }
    println!("escaped in names: {}\nescaped in values: {}", in_names.concat(), in_values.concat());
    let equals = |paths: &[String]| paths.iter().any(|path| path.ends_with("s=t"));
    assert!(equals(&in_names) && !equals(&in_values), "= is escaped in names alone");
    assert!(in_values.iter().any(|path| path.ends_with("s t")), "a space is escaped in values");
}

/// A path without its escapes.
fn unescape(path: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            raw.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at(3);
        rest = tail;
        let digits = str::from_utf8(digits).expect("an escape has three digits");
        raw.push(u8::from_str_radix(digits, 8).expect("an escape is an octal number"));
    }
    raw
}

fn split<'row>(row: &'row [u8], at: &[u8]) -> (&'row [u8], &'row [u8]) {
    let position = row.windows(at.len()).position(|window| window == at);
    let position = position.unwrap_or_else(|| panic!("{} is incomplete", row.escape_ascii()));
    (&row[..position], &row[position + at.len()..])
}

/// The names of a layer that bsdtar makes of a spec, or `None` if bsdtar fails.
fn list(execroot: &Path, spec: &[u8]) -> Option<Vec<Vec<u8>>> {
    let directory = TempDir::new().expect("a directory can be made");
    let path = directory.path().join("spec");
    fs::write(&path, spec).expect("a file can be written");
    let layer = directory.path().join("layer.tar");
    let made = Command::new("bsdtar")
        .args(["--create", "--format=pax", "--file"])
        .arg(&layer)
        .arg(OsStr::from_bytes(&[b"@", path.as_os_str().as_bytes()].concat()))
        .env("LC_ALL", "C.UTF-8")
        .current_dir(execroot)
        .output()
        .expect("bsdtar starts");
    if !made.status.success() {
        return None;
    }
    let script = "import os, sys, tarfile\n\
                  for member in tarfile.open(sys.argv[1], encoding='utf-8', errors='surrogateescape'):\n    \
                  sys.stdout.buffer.write(os.fsencode(member.name + '/' * member.isdir()) + b'\\0')\n";
    let listed = Command::new("python3")
        .args(["-c", script])
        .arg(&layer)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("python3 starts");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let names = listed.stdout.split(|&byte| byte == 0).map(<[u8]>::to_vec);
    Some(names.filter(|name| !name.is_empty()).collect())
}

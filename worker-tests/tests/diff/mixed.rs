//! Layers, specs and captures in any mix.

use std::fs;

use super::{Files, differences, out};

/// A tree with a spec of it, in two states: `old` and `new`, each with spec, layer, resolved spec and capture.
fn two_builds() -> Files {
    let files = Files::new();
    files.write("py/bin/python3.13", "python");
    files.write("py/lib/a", "a");
    files.write("main.py", "print(1)\n");
    let keywords = "uid=0 gid=0 mode=0755 time=0 type=file";
    let rows =
        ["python3 py/bin/python3", "python3.13 py/bin/python3.13", "a py/lib/a", "main.py main.py"];
    let rows = rows.map(|row| {
        let (name, source) = row.split_once(' ').expect("a row has both");
        format!("app/{name} {keywords} content={source}\n")
    });
    files.write("in.mtree", rows.concat());
    let build = |name: &str| {
        files.sh(&format!(
            "mtree-worker --record captures-{name} resolve --mtree in.mtree --out {name}.mtree
             mv captures-{name}/* {name}.capture
             mtree-worker layer --mtree in.mtree --out {name}.tar.gz"
        ));
    };
    files.sh("cp py/bin/python3.13 py/bin/python3");
    build("old");
    files.sh("rm py/bin/python3; ln -s python3.13 py/bin/python3; echo 'print(22)' >main.py");
    build("new");
    files
}

#[test]
fn a_capture_says_source_home_and_rule_of_what_differs() {
    let files = two_builds();
    let printed = differences(&files.differing(&["old.capture", "new.capture"]));
    let expected = "\
changed app/python3
  type    file -> link
  link    none -> python3.13
  source  py/bin/python3
  home    py/bin/python3
  becomes a link to python3.13 (before: itself)
  rule 1  its home is not a symlink (before)
  rule 2  hop 1 is the first on its trail that is another row
  rule 5  the text is the author's, verbatim
not compared: the contents of 3 files; the first is app/a (a spec has no sha256= for it)
";
    assert_eq!(printed, expected);
}

#[test]
fn a_capture_and_a_layer_are_compared_in_what_both_say() {
    let files = two_builds();
    for (old, new) in [("new.capture", "new.tar.gz"), ("new.tar.gz", "new.mtree")] {
        let done = files.diff(&[old, new]);
        assert_eq!(done.status.code(), Some(0), "{}", out(&done));
        assert!(out(&done).starts_with("not compared: the contents of 3 files; "));
    }
    let printed = files.differing(&["old.tar.gz", "new.capture"]);
    let expected = "changed app/python3\n  type    file -> link\n  link    none -> python3.13\n  \
                    source  py/bin/python3\n  home    py/bin/python3\n  \
                    becomes a link to python3.13\n  rule 2  ";
    assert!(printed.contains(expected) && !printed.contains("main.py"), "{printed}");
}

#[test]
fn two_layers_of_this_program_differ_in_what_was_edited() {
    let files = two_builds();
    let printed = files.differing(&["old.tar.gz", "new.tar.gz"]);
    assert!(
        printed.contains("changed app/main.py\n  size    9 -> 10 (+1)\n  content "),
        "{printed}"
    );
    assert!(printed.contains("changed app/python3\n  type    file -> link\n"), "{printed}");
    assert!(printed.contains("0 added, 0 removed, 2 changed, 2 unchanged\n"), "{printed}");
}

#[test]
fn a_size_or_digest_of_a_spec_is_compared_with_the_content_of_a_layer() {
    let files = Files::new();
    files.write("a.tar", super::tar::tar(&[super::tar::file("a", "1")]));
    let spec = |more: &str| format!("./a type=file uid=0 gid=0 mode=0644 time=0 {more}\n");
    let one = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
    files.write("same.mtree", spec(&format!("size=1 sha256={one}")));
    files.equal(&["a.tar", "same.mtree"]);
    files.write("size.mtree", spec("size=2 content=x"));
    let printed = differences(&files.differing(&["a.tar", "size.mtree"]));
    assert!(printed.starts_with("changed a\n  size    1 -> 2 (+1)\nnot compared: "), "{printed}");
    files.write("digest.mtree", spec(&format!("sha256digest={}", one.replace('6', "7"))));
    let printed = differences(&files.differing(&["digest.mtree", "a.tar"]));
    assert_eq!(printed, "changed a\n  content sha256:7b87b273ff34 -> sha256:6b86b273ff34\n");
}

#[test]
fn what_a_spec_does_not_say_is_not_compared_with_a_layer() {
    let files = Files::new();
    let head = super::tar::file("app/a", "1");
    let head = super::tar::Head { uid: 7, mode: 0o755, uname: "you", ..head };
    files.write("a.tar", super::tar::tar(&[head]));
    files.write("b.mtree", "app/a type=file content=x md5=0 nlink=2 tags=,t,\n");
    let done = files.diff(&["a.tar", "b.mtree"]);
    assert_eq!(done.status.code(), Some(0));
    let expected = "not compared: the content of 1 file: app/a (a spec has no sha256= for it)\n";
    assert_eq!(out(&done), expected);
}

#[test]
fn two_specs_differ_in_every_keyword_also_one_that_only_one_has() {
    let files = Files::new();
    files.write(
        "a.mtree",
        "/set uid=0\n./a type=file content=x/a size=1 md5=0\n./l type=link link=a\n",
    );
    files.write(
        "b.mtree",
        "a type=file content=x/b md5digest=1 nlink=2 mode=644\n./l type=link link=b uid=0\n",
    );
    let expected = "\
changed a
  mode    none -> 0644
  uid     0 -> none
  size    1 -> none
  source  x/a -> x/b
  md5     0 -> 1
  nlink   none -> 2
changed l
  link    a -> b
";
    let printed = differences(&files.differing(&["a.mtree", "b.mtree"]));
    assert!(printed.starts_with(expected), "{printed}");
    assert!(printed.contains("not compared: the content of 1 file: a ("), "{printed}");
}

#[test]
fn rows_of_one_path_are_one_entry_as_in_bsdtar() {
    let files = Files::new();
    files.write("x", "1");
    let row = "./a type=file uid=0 gid=0 mode=0644 time=0 content=x\n";
    files.write("a.mtree", format!("{row}./a type=file mode=0600\n"));
    files.sh("bsdtar -cf a.tar @a.mtree");
    let done = files.diff(&["a.mtree", "a.tar"]);
    assert_eq!(done.status.code(), Some(0), "{}", out(&done));
}

#[test]
fn a_directory_that_became_one_link_is_explained_with_the_rows_that_were_removed() {
    let files = Files::new();
    files.write("py/lib/a", "a");
    files.sh("ln -s lib py/lib64");
    let row = |path: &str| format!("app/{path} type=file content=py/{path}\n");
    files.write("in.mtree", row("lib/a") + &row("lib64/a"));
    let resolve = |flag: &str, name: &str| {
        files.sh(&format!(
            "mtree-worker --record c resolve --directory-links={flag} --mtree in.mtree --out {name}.mtree
             mv c/* {name}.capture"
        ));
    };
    resolve("expand", "old");
    resolve("collapse", "new");
    let printed = differences(&files.differing(&["old.capture", "new.capture"]));
    assert!(printed.contains("added app/lib64: link to lib\n"), "{printed}");
    let rule = "  rule 6  it is one symlink in the tree, and its target is in the archive with the same rows\n";
    assert!(printed.contains(rule), "{printed}");
    assert!(printed.contains("removed app/lib64/a: link to ../lib/a\n"), "{printed}");
    assert!(
        printed.contains(
            "  becomes nothing: it is removed with its directory (before: a link to ../lib/a)\n"
        ),
        "{printed}"
    );
}

#[test]
fn a_capture_without_an_output_is_an_error() {
    let files = Files::new();
    files.write("in.mtree", "app/a type=door\n");
    let record = ["--record", "c", "resolve", "--mtree", "in.mtree", "--out", "o"];
    let done = worker_tests::program::run(files.path(), &record);
    assert_eq!(done.status.code(), Some(1));
    let capture =
        fs::read_dir(files.at("c")).expect("it is there").next().expect("one").expect("one");
    fs::rename(capture.path(), files.at("a.capture")).expect("it can be renamed");
    files.fails(&["a.capture", "in.mtree"], &["a.capture: the capture has no spec"]);
}

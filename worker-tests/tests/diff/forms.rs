//! What is printed in each form, what globs select, and the status.

use super::tar::{Head, file, special};
use super::{Files, differences, out};
use worker_tests::program::run;

/// Two tars with one of each difference, and a directory that was added as a whole.
fn files() -> Files {
    let old = [file("app/gone", "12"), file("app/main.py", "1"), file("app/same", "s")];
    let new = [
        special("app/new/", b'5'),
        file("app/new/a", "1"),
        file("app/new/b/c", "123"),
        file("app/main.py", "123"),
        Head { mode: 0o600, ..file("app/same", "s") },
        file("app-data", "d"),
    ];
    Files::of_tars(&old, &new)
}

#[test]
fn stat_has_a_line_for_each_entry_and_for_each_directory_that_was_added_whole() {
    let expected = "\
--- a.tar: layer, uncompressed, 3 entries
+++ b.tar: layer, uncompressed, 6 entries
 app/gone    | removed, file, 2 bytes
 app/main.py | 1 -> 3 bytes (+2); size, content
 app/new/    | 3 entries added, 4 bytes
 app/same    | 1 byte; mode
 app-data    | added, file, 1 byte
4 added, 1 removed, 2 changed, 0 unchanged
content 4 -> 9 bytes (+5); \
tar 4096 -> 6656 bytes (+2560)
";
    assert_eq!(files().differing(&["--stat", "a.tar", "b.tar"]), expected);
}

#[test]
fn json_is_one_object_a_line_with_the_values_as_they_are() {
    let printed = files().differing(&["--json", "a.tar", "b.tar"]);
    let lines: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |path: &str| {
        lines
            .iter()
            .find(|line| line["path"] == path)
            .unwrap_or_else(|| panic!("{path}: {printed}"))
    };
    assert_eq!(of("app/gone")["change"], "removed");
    assert_eq!(
        (&of("app/new/b/c")["change"], &of("app/new/b/c")["new_bytes"]),
        (&"added".into(), &3.into())
    );
    let main = of("app/main.py");
    assert_eq!((&main["old_bytes"], &main["new_bytes"]), (&1.into(), &3.into()));
    let fields = serde_json::json!([
        {"field": "size", "old": 1, "new": 3},
        {
            "field": "content",
            "old": "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
            "new": "sha256:a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3",
        },
    ]);
    assert_eq!(main["fields"], fields);
    assert_eq!(
        of("app/same")["fields"],
        serde_json::json!([{"field": "mode", "old": "0644", "new": "0600"}])
    );
    let totals = lines.last().expect("there are lines");
    let expected = serde_json::json!({
        "of": "totals", "entries": [3, 6], "added": 4, "removed": 1, "changed": 2, "unchanged": 0,
        "content_bytes": [4, 9], "tar_bytes": [4096, 6656], "compressed_bytes": null,
    });
    assert_eq!(*totals, expected);
}

#[test]
fn json_of_equal_files_has_the_totals_alone() {
    let files = files();
    let done = files.diff(&["--json", "a.tar", "a.tar"]);
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(out(&done).lines().count(), 1);
    assert!(out(&done).contains("\"unchanged\":3"), "{}", out(&done));
}

#[test]
fn globs_choose_entries_and_nothing_else_is_compared() {
    let files = files();
    let printed = differences(&files.differing(&["a.tar", "b.tar", "./app/new/**", "app/g*"]));
    let expected = "removed app/gone: file, 2 bytes\nadded app/new/a: file, 1 byte\n\
                    added app/new/b/c: file, 3 bytes\n";
    assert_eq!(printed, expected);
    let equal =
        Files::of_tars(&[file("a", "1"), file("b", "1")], &[file("b", "1"), file("a", "1")]);
    equal.equal(&["a.tar", "b.tar", "a"]);
    files.fails(&["a.tar", "b.tar", "app/none"], &["no entry of either file matches app/none"]);
    files.fails(&["a.tar", "b.tar", "app/["], &["invalid glob"]);
}

#[test]
fn the_status_is_0_if_equal_1_if_different_and_2_on_an_error() {
    let files = files();
    let status = |arguments: &[&str]| files.diff(arguments).status.code();
    assert_eq!(status(&["a.tar", "a.tar"]), Some(0));
    assert_eq!(status(&["a.tar", "b.tar"]), Some(1));
    assert_eq!(status(&["a.tar", "none.tar"]), Some(2));
    assert_eq!(status(&["a.tar"]), Some(2));
    let typed = |arguments: &[&str]| run(files.path(), arguments).status.code();
    assert_eq!(typed(&["diff", "a.tar", "@none"]), Some(2));
    assert_eq!(typed(&["--jobs", "2", "@none", "diff", "a.tar", "a.tar"]), Some(2));
    assert_eq!(typed(&["resolve", "--mtree", "diff", "@none"]), Some(1));
    assert_eq!(status(&["--stat", "--json", "a.tar", "b.tar"]), Some(2));
    files.fails(&["none.tar", "a.tar"], &["none.tar: cannot be read: No such file or directory"]);
    files.fails(&[".", "a.tar"], &[".: cannot be read: Is a directory"]);
}

#[test]
fn colours_are_for_a_terminal_unless_no_color_is_set() {
    let files = files();
    let on_terminal = |environment: &str| {
        files.sh(&format!(
            "{environment} script -qec 'mtree-worker diff a.tar b.tar' /dev/null || true"
        ))
    };
    let coloured = on_terminal("");
    assert!(
        coloured.contains("\u{1b}[32madded\u{1b}[0m \u{1b}[1mapp/new/a\u{1b}[0m"),
        "{coloured}"
    );
    assert!(coloured.contains("\u{1b}[31mremoved\u{1b}[0m"), "{coloured}");
    assert!(!on_terminal("NO_COLOR=1").contains('\u{1b}'));
    assert!(!files.differing(&["a.tar", "b.tar"]).contains('\u{1b}'));
}

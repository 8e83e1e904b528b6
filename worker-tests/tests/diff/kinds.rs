//! Each kind of difference, with the sentence that is printed for it.

use super::tar::{Head, file, pax, special, tar};
use super::{Files, differences};

/// What is printed of two tars, without their names and the totals.
fn printed(old: &[Head], new: &[Head]) -> String {
    differences(&Files::of_tars(old, new).differing(&["a.tar", "b.tar"]))
}

#[test]
fn two_tars_that_are_the_same_print_nothing() {
    let tar = [file("app/a", "1"), special("app/d/", b'5')];
    Files::of_tars(&tar, &tar).equal(&["a.tar", "b.tar"]);
}

#[test]
fn an_added_and_a_removed_entry_are_named_with_what_they_are() {
    let old = [file("app/a", "1"), file("app/gone", "12")];
    let new = [
        file("app/a", "1"),
        special("app/d/", b'5'),
        Head { link: "a", ..special("app/l", b'2') },
        Head { link: "app/a", ..special("app/h", b'1') },
        special("app/pipe", b'6'),
    ];
    let files = Files::of_tars(&old, &new);
    let expected = "\
--- a.tar: layer, uncompressed, 2 entries
+++ b.tar: layer, uncompressed, 5 entries
added app/d: directory
removed app/gone: file, 2 bytes
added app/h: hard link to app/a
added app/l: link to a
added app/pipe: fifo
4 added, 1 removed, 0 changed, 1 unchanged
content 3 -> 1 byte (-2); tar 3072 -> 4096 bytes (+1024)
";
    assert_eq!(files.differing(&["a.tar", "b.tar"]), expected);
}

#[test]
fn each_field_of_an_entry_that_differs_is_a_line_with_both_values() {
    let base = file("app/a", "1");
    let link = Head { link: "b", ..special("app/a", b'2') };
    let device = Head { device: (8, 1), ..special("app/a", b'4') };
    let cases = [
        (&base, Head { mode: 0o755, ..base.clone() }, "mode    0644 -> 0755"),
        (&base, Head { uid: 7, ..base.clone() }, "uid     0 -> 7"),
        (&base, Head { gid: 7, ..base.clone() }, "gid     0 -> 7"),
        (&base, Head { uname: "root", ..base.clone() }, "uname   none -> root"),
        (&base, Head { gname: "wheel", ..base.clone() }, "gname   none -> wheel"),
        (
            &base,
            Head { time: 1_700_000_000, ..base.clone() },
            "time    1970-01-01T00:00:00Z -> 2023-11-14T22:13:20Z",
        ),
        (&link, Head { link: "c", ..link.clone() }, "link    b -> c"),
        (&device, Head { device: (8, 2), ..device.clone() }, "device  8,1 -> 8,2"),
        (
            &device,
            Head { kind: b'3', ..device.clone() },
            "type    block device -> character device",
        ),
        (
            &base,
            Head { content: b"2".to_vec(), ..base.clone() },
            "content sha256:6b86b273ff34 -> sha256:d4735e3a265e",
        ),
    ];
    for (old, new, line) in cases {
        let printed = printed(std::slice::from_ref(old), &[new]);
        assert_eq!(printed, format!("changed app/a\n  {line}\n"));
    }
}

#[test]
fn a_file_that_has_grown_says_by_how_many_bytes() {
    let printed = printed(&[file("app/a", "1")], &[file("app/a", "123")]);
    let expected = "changed app/a\n  size    1 -> 3 (+2)\n  \
                    content sha256:6b86b273ff34 -> sha256:a665a4592042\n";
    assert_eq!(printed, expected);
}

#[test]
fn a_file_that_became_a_link_has_a_type_a_target_and_no_content() {
    let printed = printed(&[file("app/a", "1")], &[Head { link: "b", ..special("app/a", b'2') }]);
    let expected = "changed app/a\n  type    file -> link\n  link    none -> b\n  \
                    size    1 -> none\n  content sha256:6b86b273ff34 -> none\n";
    assert_eq!(printed, expected);
}

#[test]
fn an_extended_attribute_or_any_other_record_of_pax_is_a_field() {
    let with = |records: &[(&str, &str)]| [pax(records), file("app/a", "1")];
    let old = with(&[("SCHILY.xattr.user.x", "1"), ("atime", "5")]);
    let new = with(&[("SCHILY.xattr.user.x", "2")]);
    let expected = "changed app/a\n  SCHILY.xattr.user.x 1 -> 2\n  atime   5 -> none\n";
    assert_eq!(printed(&old, &new), expected);
}

#[test]
fn the_content_of_an_entry_of_an_unknown_kind_counts() {
    let of = |content: &str| Head { kind: b'Z', ..file("app/a", content) };
    let printed = printed(&[of("1")], &[of("2")]);
    assert_eq!(printed, "changed app/a\n  content sha256:6b86b273ff34 -> sha256:d4735e3a265e\n");
}

#[test]
fn the_flags_of_a_file_are_a_field() {
    let with = |flags: &str| [pax(&[("SCHILY.fflags", flags)]), file("app/a", "1")];
    let printed = printed(&with("nodump"), &with("nodump,uappnd"));
    assert_eq!(printed, "changed app/a\n  flags   nodump -> nodump,uappnd\n");
}

#[test]
fn a_long_value_is_shown_by_its_beginning_and_whole_in_json() {
    let long = "v".repeat(5000);
    let old = [pax(&[("SCHILY.xattr.user.x", "1")]), file("a", "1")];
    let new = [pax(&[("SCHILY.xattr.user.x", &long)]), file("a", "1")];
    let shown =
        format!("changed a\n  SCHILY.xattr.user.x 1 -> {}... (5000 bytes)\n", &long[..1000]);
    assert_eq!(printed(&old, &new), shown);
    assert!(Files::of_tars(&old, &new).differing(&["--json", "a.tar", "b.tar"]).contains(&long));
}

#[test]
fn several_entries_of_one_path_are_compared_in_their_order() {
    let old = [file("a", "1"), file("a", "2")];
    let new = [file("a", "1"), file("a", "3"), file("a", "4")];
    let expected = "changed a (entry 2 of this path)\n  \
                    content sha256:d4735e3a265e -> sha256:4e07408562be\n\
                    added a (entry 3 of this path): file, 1 byte\n";
    assert_eq!(printed(&old, &new), expected);
}

#[test]
fn entries_in_another_order_are_counted_and_the_first_is_named() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| file(name, name));
    let old = [a.clone(), b.clone(), c.clone(), d.clone()];
    let one = [b.clone(), c.clone(), d.clone(), a.clone()];
    assert_eq!(printed(&old, &one), "order: 1 entry is in another place: a\n");
    let two = [d, c, a, b];
    let expected = "order: 2 entries are in another place; the first is d\n";
    assert_eq!(printed(&old, &two), expected);
}

#[test]
fn headers_that_spell_the_same_fields_differently_are_counted_with_why() {
    let old = [file("a", "1"), file("b", "1")];
    let dotted = [file("./a", "1"), file("./b", "1")];
    assert_eq!(
        printed(&old, &dotted),
        "headers: 2 entries have other header bytes for equal fields; the first is a \
         (named a, then ./a)\n"
    );
    let with_pax = [pax(&[("path", "a")]), file("a", "1"), file("b", "1")];
    assert_eq!(
        printed(&old, &with_pax),
        "headers: 1 entry has other header bytes for equal fields: a (ustar header, then pax)\n"
    );
    let other = [Head { link: "x", ..file("a", "1") }, file("b", "1")];
    assert_eq!(
        printed(&old, &other),
        "headers: 1 entry has other header bytes for equal fields: a \
         (the fields are spelled in another way)\n"
    );
}

#[test]
fn another_end_of_the_archive_is_a_difference() {
    let files = Files::of_tars(&[file("a", "1")], &[]);
    let mut long = tar(&[file("a", "1")]);
    long.resize(10240, 0);
    files.write("b.tar", &long);
    let printed = differences(&files.differing(&["a.tar", "b.tar"]));
    assert_eq!(printed, "end: 1024 -> 9216 bytes after the last entry\n");
    *long.last_mut().expect("it is long") = 1;
    files.write("a.tar", &long);
    let printed = differences(&files.differing(&["a.tar", "b.tar"]));
    assert_eq!(printed, "end: the 9216 bytes after the last entry are others\n");
    files.write("a.tar", file("a", "1").blocks());
    let printed = differences(&files.differing(&["a.tar", "b.tar"]));
    assert_eq!(printed, "end: 0 -> 9216 bytes after the last entry\n");
}

/// The bytes of a layer in gzip members, cut at `cuts`.
fn members(tar: &[u8], cuts: &[usize], level: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let ends = cuts.iter().copied().chain([tar.len()]);
    let starts = [0].into_iter().chain(cuts.iter().copied());
    for (start, end) in starts.zip(ends) {
        let files = Files::new();
        files.write("part", &tar[start..end]);
        files.sh(&format!("gzip -n {level} part"));
        bytes.extend(std::fs::read(files.at("part.gz")).expect("gzip wrote it"));
    }
    bytes
}

#[test]
fn gzip_members_that_differ_are_counted_and_the_first_is_named_with_its_entry() {
    let old = [file("a", &"x".repeat(3000)), file("b", &"y".repeat(3000)), file("c", "z")];
    let mut new = old.clone();
    new[1].content[0] = b'Y';
    let files = Files::new();
    files.write("a.tar.gz", members(&tar(&old), &[3584, 7168], "-6"));
    files.write("b.tar.gz", members(&tar(&new), &[3584, 7168], "-6"));
    let printed = files.differing(&["a.tar.gz", "b.tar.gz"]);
    assert!(printed.contains("--- a.tar.gz: layer, gzip of 3 members, 3 entries\n"), "{printed}");
    assert!(printed.contains("changed b\n  content sha256:"), "{printed}");
    let frames = "frames: gzip members: 1 of 3 are new, 1 of 3 are gone; the first is member 2 of \
                  the new layer, ";
    assert!(printed.contains(frames), "{printed}");
    let place = " bytes at byte 3584 of the tar, from b on; the tar is cut at the same places\n";
    assert!(printed.contains(place), "{printed}");
    assert!(printed.contains("; compressed "), "{printed}");
}

#[test]
fn equal_tars_in_other_gzip_members_differ_in_frames_alone() {
    let tar = tar(&[file("a", &"x".repeat(3000)), file("b", &"y".repeat(3000))]);
    let files = Files::new();
    files.write("a.tar.gz", members(&tar, &[3584], "-6"));
    files.write("b.tar.gz", members(&tar, &[512], "-6"));
    let printed = differences(&files.differing(&["a.tar.gz", "b.tar.gz"]));
    assert!(printed.starts_with("frames: gzip members: 2 of 2 are new, 2 of 2 are gone; "));
    assert!(printed.ends_with("the tar is cut at other places\n"), "{printed}");
    files.write("c.tar.gz", members(&tar, &[3584], "-1"));
    let printed = differences(&files.differing(&["a.tar.gz", "c.tar.gz"]));
    assert!(printed.ends_with("the tar is cut at the same places\n"), "{printed}");
    files.write("a.tar", &tar);
    files.equal(&["a.tar", "a.tar.gz"]);
    files.equal(&["b.tar.gz", "a.tar"]);
}

#[test]
fn zstd_frames_are_compared_and_skippable_ones_are_skipped() {
    let tar = tar(&[file("a", &"x".repeat(3000)), file("b", &"y".repeat(3000))]);
    let part = |text: &[u8]| zstd::encode_all(text, 3).expect("it can be compressed");
    let skippable = [&0x184d_2a50_u32.to_le_bytes()[..], &4_u32.to_le_bytes(), b"skip"].concat();
    let files = Files::new();
    files.write("a.tar.zst", [part(&tar[..3584]), part(&tar[3584..])].concat());
    files.write("b.tar.zst", [part(&tar[..3584]), part(&tar[3584..]), skippable.clone()].concat());
    let printed = differences(&files.differing(&["a.tar.zst", "b.tar.zst"]));
    let expected = "frames: zstd frames: 1 of 3 are new, 0 of 2 are gone; the first is frame 3 of \
                    the new layer, 12 bytes at byte 8192 of the tar, from b on; the tar is cut at \
                    other places\n";
    assert_eq!(printed, expected);
    let twice = skippable.repeat(2);
    files.write("c.tar.zst", [part(&tar[..3584]), part(&tar[3584..]), twice].concat());
    let printed = differences(&files.differing(&["b.tar.zst", "c.tar.zst"]));
    let expected = "frames: zstd frames: the same, in another order or number; the first is frame 4 \
                    of the new layer, 12 bytes at byte 8192 of the tar, from b on; the tar is cut at \
                    other places\n";
    assert_eq!(printed, expected);
}

//! Hostile archives: each is compared, or refused with one sentence, within the memory limit.

use std::fs;
use std::io::Read;

use worker_tests::chance::Chance;

use super::tar::{Head, file, pax, special, tar};
use super::{Files, out};

/// How much address space a comparison of small archives gets, in KiB.
const SMALL: u32 = 400_000;

/// Runs `diff` on a file and an empty tar with this much address space, and returns its status and its messages.
fn bounded(files: &Files, name: &str, kibibytes: u32) -> String {
    files.write("empty.tar", tar(&[]));
    files.sh(&format!(
        "set +e; ulimit -v {kibibytes}; mtree-worker diff {name} empty.tar 2>&1 >/dev/null; echo status $?"
    ))
}

/// `length` zeros behind `head`, compressed.
fn bomb(head: &[u8], length: u64) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    let mut content = head.chain(std::io::repeat(0).take(length));
    std::io::copy(&mut content, &mut encoder).expect("a vector takes it");
    encoder.finish().expect("a vector takes it")
}

#[test]
fn a_file_that_unpacks_to_gigabytes_takes_no_memory() {
    let files = Files::new();
    let head = Head { size: Some(4 << 30), ..file("bomb", "") };
    let bomb = bomb(&head.blocks(), (4 << 30) + 1024);
    assert!(bomb.len() < 1 << 20, "{} bytes are no bomb", bomb.len());
    files.write("bomb.tar.zst", bomb);
    assert_eq!(bounded(&files, "bomb.tar.zst", SMALL), "status 1\n");
}

#[test]
fn a_size_that_is_only_claimed_takes_no_memory() {
    let files = Files::new();
    files.write("claim.tar", Head { size: Some(0o77777777777), ..file("big", "1") }.blocks());
    let said = bounded(&files, "claim.tar", SMALL);
    assert!(said.contains("claim.tar: the archive ends within big; it is cut off"), "{said}");
    assert!(said.ends_with("status 2\n"), "{said}");
    for (kind, sentence) in [
        (b'L', "a name is longer than 65536 bytes"),
        (b'x', "a pax header is longer than 8388608 bytes"),
    ] {
        files.write("claim.tar", Head { size: Some(1 << 32), ..special("long", kind) }.blocks());
        let said = bounded(&files, "claim.tar", SMALL);
        assert!(said.contains(&format!("claim.tar: byte 0 of the tar: {sentence}")), "{said}");
    }
}

#[test]
fn extension_headers_without_end_take_no_memory() {
    let files = Files::new();
    let value = "v".repeat(100_000);
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    for number in 0..20_000 {
        let keyword = format!("x{number}");
        std::io::Write::write_all(&mut encoder, &pax(&[(&keyword, &value)]).blocks())
            .expect("a vector");
    }
    files.write("endless.tar.zst", encoder.finish().expect("a vector"));
    let said = bounded(&files, "endless.tar.zst", SMALL);
    assert!(said.contains("a pax header is longer than 8388608 bytes"), "{said}");
}

#[test]
fn entries_without_end_are_refused_at_512_mib() {
    let files = Files::new();
    let blocks = file("a", "").blocks().repeat(1000);
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    for _ in 0..3000 {
        std::io::Write::write_all(&mut encoder, &blocks).expect("a vector");
    }
    let bomb = encoder.finish().expect("a vector");
    assert!(bomb.len() < 1 << 20, "{} bytes are no bomb", bomb.len());
    files.write("many.tar.zst", bomb);
    let said = bounded(&files, "many.tar.zst", 1 << 20);
    assert!(
        said.contains(
            "many.tar.zst: names and headers of the archive take more than 536870912 bytes"
        ),
        "{said}"
    );
    assert!(said.ends_with("status 2\n"), "{said}");
}

#[test]
fn keywords_of_set_on_every_row_are_refused_at_512_mib() {
    let files = Files::new();
    let set: String = (0..2000).map(|number| format!(" k{number}=1")).collect();
    let rows: String = (0..20_000).map(|number| format!("r{number}\n")).collect();
    files.write("set.mtree", format!("/set type=file{set}\n{rows}"));
    let said = bounded(&files, "set.mtree", 1 << 20);
    let sentence = "set.mtree: the rows and keywords of the spec take more than 536870912 bytes";
    assert!(said.contains(sentence) && said.ends_with("status 2\n"), "{said}");
}

#[test]
fn frames_without_end_are_refused() {
    let files = Files::new();
    let empty = zstd::encode_all(&b""[..], 1).expect("it can be compressed");
    files.write("frames.tar.zst", empty.repeat((1 << 20) + 1));
    let said = bounded(&files, "frames.tar.zst", SMALL);
    assert!(
        said.contains(
            "frames.tar.zst: the layer has more than 1048576 gzip members or zstd frames"
        ),
        "{said}"
    );
}

#[test]
fn a_layer_that_is_cut_anywhere_is_an_error_or_a_difference_and_never_equal() {
    let files = Files::new();
    let whole = tar(&[file("a", "1"), pax(&[("path", "b/c")]), file("b", &"x".repeat(700))]);
    files.write("whole.tar", &whole);
    files.write("whole.zst", zstd::encode_all(&whole[..], 1).expect("it can be compressed"));
    files.sh("gzip -k whole.tar");
    for (name, step) in [("whole.tar", 97), ("whole.tar.gz", 7), ("whole.zst", 7)] {
        let bytes = fs::read(files.at(name)).expect("it is there");
        for end in (0..bytes.len()).step_by(step) {
            files.write("cut", &bytes[..end]);
            let done = files.diff(&["cut", name]);
            let status = done.status.code().expect("it was not killed");
            // A tar that ends where an entry does, and nothing at all, are archives too.
            let may_be_whole = end == 0 || name == "whole.tar" && end > bytes.len() - 1024;
            assert!(status == 2 || (status == 1 && may_be_whole), "{name} {end}: {}", out(&done));
        }
    }
}

#[test]
fn a_tar_with_any_byte_changed_is_never_equal() {
    let files = Files::new();
    let whole = tar(&[
        file("a", "1"),
        pax(&[("path", "b/c"), ("SCHILY.xattr.user.x", "1")]),
        file("b", &"x".repeat(700)),
        Head { link: "a", ..special("l", b'2') },
    ]);
    files.write("whole.tar", &whole);
    let mut chance = Chance::new(17);
    for _ in 0..300 {
        let at = chance.below(whole.len());
        let mut changed = whole.clone();
        changed[at] ^= 1 << chance.below(8);
        files.write("changed.tar", changed);
        let done = files.diff(&["whole.tar", "changed.tar"]);
        assert!(matches!(done.status.code(), Some(1 | 2)), "byte {at}: {}", out(&done));
    }
}

#[test]
fn damage_is_reported_with_its_position() {
    let files = Files::new();
    files.write("b.tar", tar(&[]));
    let refused = |bytes: &[u8], words: &[&str]| {
        files.write("a", bytes);
        files.fails(&["a", "b.tar"], words);
    };
    let good = tar(&[file("a", "1"), file("b", "2")]);
    let mut bytes = good.clone();
    bytes[1024] ^= 1;
    refused(&bytes, &["a: byte 1024 of the tar: not a header, since its checksum is wrong"]);
    let invalid = Head { content: b"9 a=b\n".to_vec(), ..pax(&[]) };
    refused(
        &tar(&[file("a", ""), invalid, file("b", "")]),
        &["byte 512 of the tar: a record of the pax header is invalid"],
    );
    refused(
        &tar(&[pax(&[("size", "-1")]), file("b", "")]),
        &["a record of the pax header is invalid"],
    );
    let long = "n".repeat(70_000);
    refused(
        &tar(&[pax(&[("path", &long)]), file("b", "")]),
        &["a name is longer than 65536 bytes"],
    );
    refused(&pax(&[("path", "x")]).blocks(), &["the archive ends within a header"]);
    let gzip = {
        files.write("g", &good);
        files.sh("gzip -f g");
        fs::read(files.at("g.gz")).expect("gzip wrote it")
    };
    let mut bytes = gzip.clone();
    let crc = bytes.len() - 8;
    bytes[crc] ^= 1;
    refused(&bytes, &["a: cannot be decompressed; it is cut off or damaged"]);
    let length = gzip.len();
    refused(
        &[&gzip[..], b"more"].concat(),
        &[&format!("a: byte {length}: neither a gzip member nor")],
    );
    refused(
        &[&gzip[..], b"\0\0x"].concat(),
        &[&format!("a: byte {}: neither a gzip member nor", length + 2)],
    );
}

#[test]
fn a_file_of_another_kind_is_named_as_what_it_is() {
    let files = Files::new();
    files.write("b.tar", tar(&[]));
    files.write("x", b"\xfd7zXZ\0more");
    files.fails(
        &["x", "b.tar"],
        &["x: compressed with xz, which diff does not read; decompress it first"],
    );
    files.write("x", b"BZh9");
    files.fails(&["b.tar", "x"], &["x: compressed with bzip2"]);
    files.write("x", b"\x7fELF\0\0");
    files.fails(
        &["x", "b.tar"],
        &["x: neither a tar (uncompressed, gzip or zstd), nor an mtree spec, nor a capture"],
    );
    files.write("x", "app/a type=door\n");
    files.fails(&["x", "b.tar"], &["x:1: ", "door"]);
    files.write("x", "app/a type=file mode=u+x\n");
    files.fails(&["x", "b.tar"], &["x:1: mode=u+x: a mode in octal is needed"]);
    files.write("x", "MTREECAP\u{1}");
    files.fails(&["x", "b.tar"], &["x: the capture is cut off or damaged"]);
}

#[test]
fn a_name_is_shown_on_one_line_whatever_its_bytes_and_nothing_is_written() {
    let name = "../../\u{1b}[31mroot\u{202e}\nadded /etc/passwd";
    let files = Files::of_tars(&[], &[pax(&[("path", name)]), file("x", "1")]);
    let printed = files.differing(&["a.tar", "b.tar"]);
    let line = "added ../../\\033[31mroot\\342\\200\\256\\012added /etc/passwd: file, 1 byte\n";
    assert!(printed.contains(line), "{printed}");
    let mut names: Vec<_> = fs::read_dir(files.path())
        .expect("it is there")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["a.tar", "b.tar"]);
}

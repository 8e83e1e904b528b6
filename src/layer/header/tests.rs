//! Compares headers with those of the machine's bsdtar, or of the one that the variable BSDTAR names.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::layer::entry::archive_name;
use crate::layer::identity::ContentIdentity;
use crate::layer::keywords::TarKeywords;
use crate::layer::rows::{self, FoundContent, Merged, Metadata, SpecRow};
use crate::layer::source::{DiskContents, ReadSource};

/// A character in CESU-8.
const SURROGATES: &[u8] = b"\xed\xa0\xbd\xed\xb8\x80";

/// A row that becomes text for bsdtar and values for this program.
#[derive(Clone, Debug)]
struct TestRow {
    path: Vec<u8>,
    keywords: Vec<(&'static str, String)>,
    link: Option<Vec<u8>>,
    content: Option<usize>,
}

fn bsdtar() -> OsString {
    std::env::var_os("BSDTAR").unwrap_or_else(|| "bsdtar".into())
}

/// The limits of bsdtar, and whether it is as old as Debian 12's.
fn limits() -> (Limits, bool) {
    let version =
        Command::new(bsdtar()).arg("--version").output().expect("bsdtar is installed").stdout;
    let is_old = version.starts_with(b"bsdtar 3.6");
    (if is_old { Limits::V3_6_2 } else { Limits::CURRENT }, is_old)
}

/// `text` with `\ooo` for every byte that is not plain, and for a slash at the head.
fn escaped(text: &[u8]) -> String {
    let is_plain = |at: usize, byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b'-' | b'@' | b':')
            || byte == b'/' && at > 0
    };
    let escape = |(at, &byte): (usize, &u8)| {
        if is_plain(at, byte) { char::from(byte).to_string() } else { format!("\\{byte:03o}") }
    };
    text.iter().enumerate().map(escape).collect()
}

fn source(number: usize) -> String {
    format!("sources-of-the-test/{number}")
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7) as u8).collect()
}

/// The tar that bsdtar writes, without zeros at its end.
fn by_bsdtar(directory: &Path, rows: &[TestRow]) -> Vec<u8> {
    let mut spec = String::from("#mtree\n");
    for (number, row) in rows.iter().enumerate() {
        spec += &escaped(&row.path);
        for (keyword, value) in &row.keywords {
            spec += &format!(" {keyword}={value}");
        }
        if let Some(link) = &row.link {
            spec += &format!(" link={}", escaped(link));
        }
        if let Some(length) = row.content {
            fs::write(directory.join(source(number)), bytes(length)).unwrap();
            spec += &format!(" content={}", source(number));
        }
        // So that no backslash ends the line.
        spec += " nlink=1\n";
    }
    fs::write(directory.join("spec-of-the-test"), spec).unwrap();
    let mut command = Command::new(bsdtar());
    command.args(["-cf", "-", "@spec-of-the-test"]).current_dir(directory).env("LC_ALL", "C.UTF-8");
    trimmed(command.output().unwrap().stdout)
}

fn by_this(directory: &Path, rows: &[TestRow], limits: &Limits) -> Vec<u8> {
    let to_row = |(number, row): (usize, &TestRow)| {
        let mut keywords = TarKeywords::default();
        for (keyword, value) in &row.keywords {
            keywords.set(keyword.as_bytes(), value.as_bytes()).unwrap();
        }
        let source = row.content.map(|_| source(number).into_bytes().into());
        let link = row.link.clone().map(Into::into);
        SpecRow { path: row.path.clone().into(), is_relative: false, keywords, link, source }
    };
    let mut left: Vec<_> = rows.iter().enumerate().map(to_row).map(Some).collect();
    let paths = rows.iter().map(|row| row.path.as_slice().into());
    for Merged { row, into } in rows::same_paths(paths.enumerate()) {
        let later = left[row].take().unwrap();
        left[into].as_mut().unwrap().merge(later);
    }
    let disk = DiskContents::new(directory.into());
    let mut tar = Vec::new();
    for row in left.into_iter().flatten() {
        let content = row.source.as_ref().map(|source| {
            let size = disk.open(source).unwrap().stamp().unwrap().size;
            FoundContent { size, identity: ContentIdentity::Unknown }
        });
        let entry = rows::complete(row, Metadata::Spec, None, content).unwrap();
        let mut header = Vec::new();
        write(&entry, &mut header);
        assert_eq!(len(&entry), header.len() as u64);
        write_with(limits, &entry, &mut tar);
        tar.extend_from_slice(&bytes(entry.data_len() as usize));
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
    trimmed(tar)
}

fn trimmed(mut tar: Vec<u8>) -> Vec<u8> {
    tar.truncate(tar.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
    tar
}

fn check(rows: &[TestRow]) -> Result<(), TestCaseError> {
    let (limits, is_old) = limits();
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("sources-of-the-test")).unwrap();
    let mut rows = rows.to_vec();
    if is_old {
        for row in &mut rows {
            // It does not strip the head of a name, does not convert the text of a link, and ends at a
            // pax header of a negative owner.
            row.path = [b"./", &*archive_name(&row.path, EntryKind::File)].concat();
            row.link =
                row.link.take().filter(|link| !link.windows(6).any(|window| window == SURROGATES));
            let values = row.keywords.iter_mut().filter(|(keyword, _)| keyword.ends_with("id"));
            values.filter(|(_, value)| value == "-1").for_each(|(_, value)| *value = "0".into());
        }
    }
    let (theirs, ours) =
        (by_bsdtar(directory.path(), &rows), by_this(directory.path(), &rows, &limits));
    let at = theirs.iter().zip(&ours).position(|(theirs, ours)| theirs != ours);
    let show = |tar: &[u8]| {
        let from = at.unwrap_or(0) / BLOCK * BLOCK;
        tar[from.min(tar.len())..tar.len().min(from + 2 * BLOCK)].escape_ascii().to_string()
    };
    prop_assert!(theirs == ours, "at {at:?}:\nbsdtar {}\nthis   {}", show(&theirs), show(&ours));
    Ok(())
}

fn component() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[a-zA-Z0-9._-]{1,12}".prop_map(String::into_bytes),
        2 => "[a-z.]{40,130}".prop_map(String::into_bytes),
        1 => "[ =#\\\\\n\t:@*]{1,5}".prop_map(String::into_bytes),
        1 => "[a-z\u{e9}\u{3b1}\u{1f600}]{1,60}".prop_map(String::into_bytes),
        1 => prop::collection::vec(prop_oneof![1..=46_u8, 48..=255_u8], 1..8),
        1 => Just(SURROGATES.to_vec()),
        1 => Just(b".".to_vec()),
        1 => Just(Vec::new()),
    ]
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    let heads = ["./", "./", "x/", "x/", "/t-e-s-t/", "c:t-e-s-t/", "//?/UNC/t-e-s-t/"];
    let head = prop::sample::select(heads.map(str::as_bytes).to_vec());
    // Not the working directory: bsdtar reads it.
    let is_elsewhere =
        |parts: &Vec<Vec<u8>>| parts.iter().any(|part| part != b"." && !part.is_empty());
    (head, prop::collection::vec(component(), 1..8).prop_filter("is the directory", is_elsewhere))
        .prop_map(|(head, parts)| [head, &parts.join(&b'/')].concat())
}

fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(values).prop_map(str::to_owned)
}

fn row() -> impl Strategy<Value = TestRow> {
    let id = || {
        one_of(&[
            "0",
            "1000",
            "262143",
            "262144",
            "2097152",
            "16777216",
            "9223372036854775807",
            "-1",
            "7x",
        ])
    };
    let time = one_of(&[
        "0",
        "1.5",
        "1700000000.000000000",
        "-1",
        "-1.25",
        "2147483646.5",
        "2147483647",
        "8589934590.1",
        "8589934591",
        "8589934592",
        "1099511627776.999999999",
        "99999999999999999999",
    ]);
    let owner =
        || prop_oneof![3 => Just(String::new()), 3 => "[a-z]{1,8}", 1 => "[a-z\\\\]{29,40}"];
    let device = one_of(&[
        "native,1,3",
        "native,300000,70000",
        "0x801",
        "linux,4,0x11",
        "svr4,7,8",
        "native,262144,262144",
    ]);
    let kind =
        prop::sample::select(&["file", "file", "file", "dir", "link", "char", "block", "fifo"][..]);
    let link = prop::option::weighted(
        0.2,
        prop_oneof![path(), Just(vec![b'l'; 100]), Just(vec![b'l'; 101])],
    );
    let content = prop::option::of(prop::sample::select(&[0_usize, 1, 511, 512, 513, 3000][..]));
    let mode = one_of(&["0644", "755", "4755", "07777", "0", "0100600"]);
    let flags = prop::option::weighted(0.1, one_of(&["nodump", "uchg,nodump"]));
    let values = (id(), id(), owner(), owner(), time, mode, flags, device);
    (path(), kind, values, link, content).prop_map(
        |(path, kind, (uid, gid, uname, gname, time, mode, flags, device), link, content)| {
            let mut keywords = vec![("type", kind.to_owned())];
            keywords.extend([("uid", uid), ("gid", gid), ("time", time), ("mode", mode)]);
            keywords.extend(
                [("uname", uname), ("gname", gname)]
                    .into_iter()
                    .filter(|(_, name)| !name.is_empty()),
            );
            keywords.extend(flags.map(|flags| ("flags", flags)));
            if kind == "char" || kind == "block" {
                keywords.push(("device", device));
            }
            let link = link.or_else(|| (kind == "link").then(|| b"../target".to_vec()));
            TestRow { path, keywords, link, content: content.filter(|_| kind == "file") }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn rows_of_every_kind_are_written_as_bsdtar_writes_them(rows in prop::collection::vec(row(), 1..12)) {
        check(&rows)?;
    }

    #[test]
    fn rows_of_one_path_are_merged_as_bsdtar_merges_them(
        rows in prop::collection::vec(row(), 2..5), order in prop::collection::vec(0..2_usize, 5),
    ) {
        let paths: Vec<_> = rows.iter().take(2).map(|row| row.path.clone()).collect();
        let rows = rows.iter().zip(order).map(|(row, path)| {
            // All have one type: bsdtar compares the type of a merged row with the disk.
            let keywords = row.keywords.iter().cloned().map(|(keyword, value)| match keyword {
                "type" => (keyword, "file".into()),
                _ => (keyword, value),
            });
            TestRow { path: paths[path].clone(), keywords: keywords.collect(), ..row.clone() }
        });
        check(&rows.collect::<Vec<_>>())?;
    }
}

/// An entry of a file of `size` bytes.
fn large(size: u64) -> Vec<u8> {
    let mut keywords = TarKeywords::default();
    for (keyword, value) in
        [("type", "file"), ("uid", "0"), ("gid", "0"), ("mode", "644"), ("time", "1.5")]
    {
        keywords.set(keyword.as_bytes(), value.as_bytes()).unwrap();
    }
    let row = SpecRow {
        path: b"./large"[..].into(),
        is_relative: false,
        keywords,
        link: None,
        source: None,
    };
    let mut entry = rows::complete(row, Metadata::Spec, None, None).unwrap();
    entry.size = size;
    let mut header = Vec::new();
    write(&entry, &mut header);
    header
}

#[test]
fn a_file_of_8_gib_has_its_size_in_a_pax_header_and_more_digits() {
    let small = large((8 << 30) - 1);
    assert_eq!(small.len(), BLOCK);
    assert_eq!(&small[124..136], b"77777777777 ");
    let large = large(8 << 30);
    assert_eq!(large.len(), 3 * BLOCK);
    let records = b"21 mtime=1.000000005\n19 size=8589934592\n";
    assert_eq!(&large[BLOCK..BLOCK + records.len()], records);
    assert_eq!(&large[2 * BLOCK + 124..2 * BLOCK + 136], b"100000000000");
}

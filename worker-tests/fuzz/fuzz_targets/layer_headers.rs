//! Headers of layers: what is written is read back as the same entry by another implementation, and the entry
//! behind it is where it should be.

#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use mtree_worker::layer::{Device, EntryKind, LinkText, TarEntry, Time, archive_name, header};
use worker_fuzz::{Chooser, split};

const KINDS: [EntryKind; 6] = [
    EntryKind::File,
    EntryKind::Directory,
    EntryKind::Symlink,
    EntryKind::Character,
    EntryKind::Block,
    EntryKind::Fifo,
];

/// Numbers at which libarchive does something else.
const IDS: [i64; 7] = [0, 1000, (1 << 18) - 1, 1 << 18, 1 << 21, 1 << 24, i64::MAX];
const SECONDS: [i64; 9] =
    [0, 1, -1, 1 << 31, (1 << 33) - 1, 1 << 33, 1 << 40, i64::MAX, 1_700_000_000];

fuzz_target!(|input: &[u8]| {
    let Some((choices, text)) = split(input) else {
        return;
    };
    // The other reader splits the records of a pax header at newlines.
    if text.contains(&b'\n') {
        return;
    }
    let mut chooser = Chooser::new(choices);
    let mut texts = text.split(|byte| *byte == 0);
    let mut next = || texts.next().unwrap_or_default();
    let kind = KINDS[chooser.below(KINDS.len())];
    let (path, link, uname, gname) = (next(), next(), next(), next());
    let some = |text: &[u8]| (!text.is_empty()).then(|| text.into());
    let link = match (kind, chooser.below(4)) {
        (EntryKind::Symlink, 1..) => Some(LinkText::Symlink(link.into())),
        (EntryKind::File, 1) if !link.is_empty() => Some(LinkText::Hard(link.into())),
        _ => None,
    };
    let entry = TarEntry {
        path: archive_name(path, kind),
        kind,
        mode: chooser.below(1 << 12) as u32,
        uid: IDS[chooser.below(IDS.len())],
        gid: IDS[chooser.below(IDS.len())],
        uname: some(uname),
        gname: some(gname),
        time: Time {
            seconds: SECONDS[chooser.below(SECONDS.len())],
            nanoseconds: [0, 5, 999_999_999][chooser.below(3)],
        },
        device: Device {
            major: chooser.below(1 << 18) as u32,
            minor: chooser.below(1 << 18) as u32,
        },
        flags: None,
        link,
        size: if kind == EntryKind::File { chooser.below(3000) as u64 } else { 0 },
        content: None,
    };
    let size = match &entry.link {
        None if kind == EntryKind::File => entry.size as usize,
        _ => 0,
    };
    let mut tar = Vec::new();
    header::write(&entry, &mut tar);
    assert_eq!(tar.len() % header::BLOCK, 0);
    tar.resize(tar.len() + size, b'x');
    tar.resize(tar.len().next_multiple_of(header::BLOCK), 0);
    let behind = TarEntry { path: b"./behind"[..].into(), link: None, size: 0, ..entry.clone() };
    header::write(&behind, &mut tar);
    tar.extend_from_slice(&header::END);

    let mut archive = tar::Archive::new(&tar[..]);
    let mut entries = archive.entries().expect("it is an archive");
    let mut read = entries.next().expect("an entry").expect("it is read");
    same(&entry, &mut read, size);
    let mut read = entries.next().expect("the entry behind").expect("it is read");
    same(&behind, &mut read, 0);
    assert!(entries.next().is_none());
});

/// Fails unless the entry that was read is the one that was written.
fn same(entry: &TarEntry, read: &mut tar::Entry<'_, &[u8]>, size: usize) {
    use tar::EntryType;
    let records: Vec<(Vec<u8>, Vec<u8>)> = match read.pax_extensions().expect("records") {
        Some(records) => records
            .map(|record| record.expect("a record"))
            .map(|record| (record.key_bytes().to_vec(), record.value_bytes().to_vec()))
            .collect(),
        None => Vec::new(),
    };
    let record = |key: &str| {
        let found = records.iter().find(|(name, _)| name == key.as_bytes());
        found.map(|(_, value)| &value[..])
    };
    // Text that is no UTF-8 is marked as bytes; surrogates in CESU-8 become one character.
    let texts = [&entry.path[..], entry.uname.as_deref().unwrap_or_default()];
    let is_plain = texts.iter().all(|text| !text.contains(&0xed));
    if is_plain {
        assert_eq!(record("path").unwrap_or(&entry.path), &*entry.path);
        assert_eq!(&*read.path_bytes(), &*entry.path, "the path");
    }
    let want = match (entry.kind, &entry.link) {
        (_, Some(LinkText::Hard(_))) => EntryType::Link,
        (EntryKind::File, _) => EntryType::Regular,
        (EntryKind::Directory, _) => EntryType::Directory,
        (EntryKind::Symlink, _) => EntryType::Symlink,
        (EntryKind::Character, _) => EntryType::Char,
        (EntryKind::Block, _) => EntryType::Block,
        (EntryKind::Fifo, _) => EntryType::Fifo,
    };
    assert_eq!(read.header().entry_type(), want);
    if let Some(LinkText::Symlink(text) | LinkText::Hard(text)) = &entry.link
        && !text.contains(&0xed)
    {
        let found = read.link_name_bytes().map(|text| text.into_owned());
        assert_eq!(found.unwrap_or_default(), &**text, "the link");
    }
    assert_eq!(read.header().mode().expect("a mode"), entry.mode);
    let number = |key: &str, field: u64| match record(key) {
        Some(value) => str::from_utf8(value).expect("digits").parse().expect("a number"),
        None => field,
    };
    let header = read.header();
    assert_eq!(number("uid", header.uid().unwrap_or_default()), entry.uid as u64);
    assert_eq!(number("gid", header.gid().unwrap_or_default()), entry.gid as u64);
    let seconds = match record("mtime") {
        Some(value) => {
            let text = str::from_utf8(value).expect("digits");
            let (seconds, rest) = text.split_once('.').unwrap_or((text, ""));
            let nanoseconds = format!("{rest:0<9}").parse::<u32>().expect("digits");
            assert_eq!(nanoseconds, entry.time.nanoseconds);
            seconds.parse::<i64>().expect("a number")
        }
        None => header.mtime().expect("a time").cast_signed(),
    };
    assert_eq!(seconds, entry.time.seconds);
    if let EntryKind::Character | EntryKind::Block = entry.kind {
        let device = [header.device_major(), header.device_minor()];
        let device = device.map(|number| number.ok().flatten());
        assert_eq!(device, [Some(entry.device.major), Some(entry.device.minor)]);
    }
    for (key, text, field) in [
        ("uname", &entry.uname, header.username_bytes()),
        ("gname", &entry.gname, header.groupname_bytes()),
    ] {
        let text = text.as_deref().unwrap_or_default();
        if !text.contains(&0xed) {
            assert_eq!(record(key).or(field).unwrap_or_default(), text, "{key}");
        }
    }
    let mut bytes = Vec::new();
    assert_eq!(read.read_to_end(&mut bytes).expect("it is read"), size);
    assert!(bytes.iter().all(|byte| *byte == b'x'));
}

//! Headers: the blocks before the content of an entry, byte for byte as bsdtar writes them.
//!
//! Knows libarchive's restricted pax format (`archive_write_set_format_pax.c` and
//! `archive_write_set_format_ustar.c` of 3.8.1, in a UTF-8 locale): a ustar header alone wherever each
//! field fits it, else a pax header before it. Must not know contents, nor what the blocks are for.

mod charset;
mod names;
mod pax;
mod ustar;

use std::borrow::Cow;

use super::entry::{EntryKind, LinkText, TarEntry, Time};
use pax::Records;
use ustar::Block;

/// The unit of a tar, in bytes.
pub const BLOCK: usize = 512;

/// The end of a tar: two blocks of zeros. No padding to a whole record follows.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The first uid or gid, and the first number of a device, that needs a pax record.
const LARGE_ID: i64 = 1 << 18;
/// The first size in bytes that needs a pax record: 8 GiB.
const LARGE_SIZE: u64 = 1 << 33;
/// The longest name or link text that a ustar header holds whole, in bytes.
const LONGEST_NAME: usize = 100;
/// The longest uname or gname that needs no pax record, in bytes.
const LONGEST_OWNER: usize = 31;

/// The differences between versions of libarchive.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The first time that needs a pax record, in seconds; also the latest in a pax header's own block.
    latest: i64,
    /// Whether a negative uid or gid is written as 0.
    clips_owners: bool,
}

impl Limits {
    /// libarchive 3.8.1, which tar.bzl runs: what this program writes.
    pub const CURRENT: Self = Self { latest: 0x1_ffff_ffff, clips_owners: true };

    /// libarchive 3.6.2 with Debian 12's patches: what the tests can compare with.
    #[cfg(test)]
    pub const V3_6_2: Self = Self { latest: 0x7fff_ffff, clips_owners: false };
}

/// Appends the header of `entry` to `out`: one block, or a pax header of whole blocks and one more.
pub fn write(entry: &TarEntry, out: &mut Vec<u8>) {
    write_with(&Limits::CURRENT, entry, out);
}

/// As [`write()`], for a version of libarchive.
pub fn write_with(limits: &Limits, entry: &TarEntry, out: &mut Vec<u8>) {
    with_parts(limits, entry, |block, records| {
        if !records.is_empty() {
            let name = names::of_pax_header(block.name);
            block.of_pax_header(&name, records.len(), limits.latest).write(out);
            records.write(out);
        }
        block.write(out);
    });
}

/// How many bytes [`write()`] appends for `entry`.
pub fn len(entry: &TarEntry) -> u64 {
    with_parts(&Limits::CURRENT, entry, |_, records| {
        let pax = match records.is_empty() {
            true => 0,
            false => BLOCK + records.len() + padding(records.len() as u64),
        };
        (pax + BLOCK) as u64
    })
}

/// Calls `then` with the block of the header of `entry`, and the records of its pax header.
fn with_parts<T>(
    limits: &Limits,
    entry: &TarEntry,
    then: impl FnOnce(&Block<'_>, &Records) -> T,
) -> T {
    let text = Texts::of(entry);
    let mut records = Records::default();
    // Whether a field does not fit. A fraction of the time is written then, too, though it needs no pax header.
    let mut is_extended = false;
    if text.is_binary {
        records.add("hdrcharset", b"BINARY");
    }
    let mut name = Cow::Borrowed(&*text.path);
    if !text.path.is_ascii() || !ustar::fits(&text.path) {
        records.add("path", &text.path);
        name = names::shortened(&text.path, None).into();
        is_extended = true;
    }
    let mut link = text.link.as_deref().unwrap_or_default();
    if link.len() > LONGEST_NAME || !link.is_ascii() {
        records.add("linkpath", link);
        if link.len() > LONGEST_NAME {
            link = if entry.is_hard_link() { b"././@LongHardLink" } else { b"././@LongSymLink" };
        }
        is_extended = true;
    }
    is_extended |= entry.size >= LARGE_SIZE;
    let [uid, gid] =
        [entry.uid, entry.gid].map(|id| if limits.clips_owners { id.max(0) } else { id });
    is_extended |= records.add_owner("gid", gid, "gname", text.gname.as_deref());
    is_extended |= records.add_owner("uid", uid, "uname", text.uname.as_deref());
    let device =
        matches!(entry.kind, EntryKind::Character | EntryKind::Block).then_some(entry.device);
    if let Some(device) = device {
        is_extended |= records.add_device("SCHILY.devmajor", device.major);
        is_extended |= records.add_device("SCHILY.devminor", device.minor);
    }
    let Time { seconds, nanoseconds } = entry.time;
    let is_time_far = seconds < 0 || seconds >= limits.latest;
    let flags = entry.flags.as_deref().unwrap_or_default();
    if is_extended || is_time_far || !flags.is_empty() {
        if is_time_far || nanoseconds != 0 {
            records.add("mtime", pax::decimal(entry.time).as_bytes());
        }
        if !flags.is_empty() {
            records.add("SCHILY.fflags", flags);
        }
    }
    let size = if entry.kind == EntryKind::File && !entry.is_hard_link() { entry.size } else { 0 };
    if size >= LARGE_SIZE {
        records.add("size", size.to_string().as_bytes());
    }
    let block = Block {
        name: &name,
        link,
        typeflag: typeflag(entry),
        mode: entry.mode,
        uid,
        gid,
        size,
        seconds,
        uname: text.uname.as_deref().unwrap_or_default(),
        gname: text.gname.as_deref().unwrap_or_default(),
        device,
    };
    then(&block, &records)
}

/// The size of the padding after a content of `size` bytes, in bytes.
pub fn padding(size: u64) -> usize {
    // Below 512.
    (size.wrapping_neg() % BLOCK as u64) as usize
}

fn typeflag(entry: &TarEntry) -> u8 {
    match (&entry.link, entry.kind) {
        // libarchive ignores a hard link to an empty path.
        (Some(LinkText::Hard(path)), _) if !path.is_empty() => b'1',
        (_, EntryKind::File) => b'0',
        (_, EntryKind::Symlink) => b'2',
        (_, EntryKind::Character) => b'3',
        (_, EntryKind::Block) => b'4',
        (_, EntryKind::Directory) => b'5',
        (_, EntryKind::Fifo) => b'6',
    }
}

/// The texts of an entry in the header's character set. If one of them is not UTF-8, none is converted.
struct Texts<'e> {
    path: Cow<'e, [u8]>,
    link: Option<Cow<'e, [u8]>>,
    uname: Option<Cow<'e, [u8]>>,
    gname: Option<Cow<'e, [u8]>>,
    is_binary: bool,
}

impl<'e> Texts<'e> {
    fn of(entry: &'e TarEntry) -> Self {
        let link = entry.link.as_ref().map(|link| match link {
            LinkText::Symlink(text) | LinkText::Hard(text) => &**text,
        });
        let (uname, gname) = (entry.uname.as_deref(), entry.gname.as_deref());
        Self::converted(&entry.path, link, uname, gname).unwrap_or_else(|| Self {
            path: Cow::Borrowed(&entry.path),
            link: link.map(Cow::Borrowed),
            uname: uname.map(Cow::Borrowed),
            gname: gname.map(Cow::Borrowed),
            is_binary: true,
        })
    }

    fn converted(
        path: &'e [u8],
        link: Option<&'e [u8]>,
        uname: Option<&'e [u8]>,
        gname: Option<&'e [u8]>,
    ) -> Option<Self> {
        // The outer `None`: the text cannot be converted. The inner one: there is no text.
        let convert = |text: Option<&'e [u8]>| match text {
            Some(text) => charset::to_utf8(text).map(Some),
            None => Some(None),
        };
        Some(Self {
            path: charset::to_utf8(path)?,
            link: convert(link)?,
            uname: convert(uname)?,
            gname: convert(gname)?,
            is_binary: false,
        })
    }
}

#[cfg(all(test, feature = "system"))]
mod tests;

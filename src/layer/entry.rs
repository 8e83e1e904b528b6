//! Entries of a tar: a header, and the content that follows it.
//!
//! Knows names and numbers as tar has them; must not know how a header spells them, nor where the
//! bytes of a content are read.

use std::sync::Arc;

use super::header;
use super::identity::ContentIdentity;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symlink.
    Symlink,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A named pipe.
    Fifo,
}

/// A time: seconds since 1970, and nanoseconds.
///
/// The nanoseconds count away from zero, as libarchive writes them: -1 s and 5 ns is `-1.000000005`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Time {
    /// Since 1970.
    pub seconds: i64,
    /// Below 1,000,000,000.
    pub nanoseconds: u32,
}

/// The numbers of a device, as Linux takes a `dev_t` apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Device {
    /// The number of the driver.
    pub major: u32,
    /// The number that the driver gives the device.
    pub minor: u32,
}

/// The text of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkText {
    /// The text of a symlink. libarchive writes it for every kind of entry that has one.
    Symlink(Box<[u8]>),
    /// The archive path of an earlier entry with the same bytes, as that entry spells it. Whatever the
    /// kind of an entry, this makes it a hard link.
    Hard(Box<[u8]>),
}

/// Where the bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    /// The path that [`ReadSource`](super::ReadSource) opens.
    pub source: Box<[u8]>,
    /// What is known of the bytes before they are read.
    pub identity: ContentIdentity,
}

impl FileContent {
    /// Whether its identity is a digest of its bytes, and not a stamp of its file.
    pub(super) fn is_known_by_bytes(&self) -> bool {
        matches!(self.identity, ContentIdentity::Listed(_) | ContentIdentity::Hashed(_))
    }
}

/// One entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TarEntry {
    /// The name, as [`archive_name`] makes it.
    pub path: Box<[u8]>,
    /// What it is.
    pub kind: EntryKind,
    /// The twelve bits of the permissions. Others are ignored.
    pub mode: u32,
    /// The number of the owner.
    pub uid: i64,
    /// The number of the group.
    pub gid: i64,
    /// The name of the owner.
    pub uname: Option<Arc<[u8]>>,
    /// The name of the group.
    pub gname: Option<Arc<[u8]>>,
    /// When it was changed last.
    pub time: Time,
    /// Of a character or block device. The tar has none for other entries.
    pub device: Device,
    /// `flags=`, as mtree(5) spells them. They are written to a pax header.
    pub flags: Option<Arc<[u8]>>,
    /// What it links to.
    pub link: Option<LinkText>,
    /// In bytes. Of a file, the size of its content; of others, the value of `size=`, which only decides whether
    /// libarchive makes a pax header.
    pub size: u64,
    /// Where the bytes of a file are. A file without content is empty.
    pub content: Option<FileContent>,
}

impl TarEntry {
    /// Whether this is a hard link.
    pub fn is_hard_link(&self) -> bool {
        matches!(self.link, Some(LinkText::Hard(_)))
    }

    /// The content that follows the header, if any does.
    pub fn data(&self) -> Option<&FileContent> {
        match &self.content {
            Some(content) if self.kind == EntryKind::File && !self.is_hard_link() => Some(content),
            _ => None,
        }
    }

    /// The size of its header, content and padding in the tar, in bytes.
    pub fn tar_size(&self) -> u64 {
        header::len(self) + self.data_len() + header::padding(self.data_len()) as u64
    }

    /// The size of the content that follows the header, without padding, in bytes.
    pub fn data_len(&self) -> u64 {
        if self.data().is_some() { self.size } else { 0 }
    }
}

/// The name under which bsdtar writes a path of a spec.
///
/// It strips what makes a path absolute on Unix or Windows (`strip_absolute_path` of its
/// tar/util.c): slashes and backslashes at the head, also with `.` or `..` between them, and the letter
/// of a drive, as in `c:`. If nothing is left, the name is `.`. A directory ends in a slash. Nothing else changes.
pub fn archive_name(path: &[u8], kind: EntryKind) -> Box<[u8]> {
    let mut name = relative(path);
    if name.is_empty() {
        name = b".";
    }
    if kind == EntryKind::Directory && name.last() != Some(&b'/') {
        let mut name = name.to_vec();
        name.push(b'/');
        return name.into();
    }
    name.into()
}

/// The path that a hard link to `path` names, stripped as in [`archive_name`]. `None` if nothing is left.
pub fn hard_link_name(path: &[u8]) -> Option<Box<[u8]>> {
    let name = relative(path);
    (!name.is_empty()).then(|| name.into())
}

fn is_slash(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b'/' | b'\\'))
}

fn relative(path: &[u8]) -> &[u8] {
    let mut rest = path;
    // The prefixes of the Windows API: //./, //?/ and //?/UNC/.
    if is_slash(rest.first())
        && is_slash(rest.get(1))
        && matches!(rest.get(2), Some(b'.' | b'?'))
        && is_slash(rest.get(3))
    {
        let is_unc = rest[2] == b'?'
            && rest.get(4..7).is_some_and(|name| name.eq_ignore_ascii_case(b"UNC"))
            && is_slash(rest.get(7));
        rest = &rest[if is_unc { 8 } else { 4 }..];
    }
    loop {
        let before = rest.len();
        if rest.first().is_some_and(u8::is_ascii_alphabetic) && rest.get(1) == Some(&b':') {
            rest = &rest[2..];
        }
        while is_slash(rest.first()) {
            let taken = if rest.get(1..3) == Some(b"..") && is_slash(rest.get(3)) {
                3
            } else if rest.get(1) == Some(&b'.') && is_slash(rest.get(2)) {
                2
            } else {
                1
            };
            rest = &rest[taken..];
        }
        if rest.len() == before {
            return rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_as_it_is_spelled() {
        for name in [&b"a"[..], b"./a", b"a//b", b"../a", b".", b"a/.", b"\xff"] {
            assert_eq!(&*archive_name(name, EntryKind::File), name);
        }
    }

    #[test]
    fn a_directory_ends_in_one_slash() {
        assert_eq!(&*archive_name(b"a", EntryKind::Directory), b"a/");
        assert_eq!(&*archive_name(b"a/", EntryKind::Directory), b"a/");
        assert_eq!(&*archive_name(b".", EntryKind::Directory), b"./");
    }

    #[test]
    fn what_makes_a_path_absolute_is_taken_off() {
        for name in
            [&b"/a"[..], b"//a", b"/../a", b"/./a", b"c:a", b"c:/a", b"\\a", b"//?/UNC/a", b"//./a"]
        {
            assert_eq!(&*archive_name(name, EntryKind::File), b"a", "{}", name.escape_ascii());
        }
        assert_eq!(&*archive_name(b"/", EntryKind::Directory), b"./");
        assert_eq!(hard_link_name(b"/"), None);
    }
}

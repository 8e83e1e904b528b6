//! What one reading of a directory tells: which names it has, which are symlinks, and to what. Or, of
//! some of its names alone, the same.
//!
//! Knows one directory, by the descriptor or the path that it is given; must not know where that lies
//! in the tree, nor how long the directory is remembered.

use std::ffi::CStr;
use std::hash::BuildHasher;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::os::fd::AsFd;

use rustix::fs::{FileType, readlinkat_raw};
use rustix::io::Errno;

use crate::resolve::Entry;

/// The names of a directory, or some of them. Of names that are no links only a hash is kept, since a
/// tree has many: two names with one hash would at worst make a name that is not there, or was not
/// asked for, look like a file, whose row is left alone.
#[derive(Debug, Default)]
pub struct Listing {
    /// The hashes of the names that are no links, in order.
    plain: Box<[u64]>,
    links: Option<Box<Links>>,
    /// Whether all names are here, so that one that is not is not in the directory either.
    is_whole: bool,
}

/// The links of a directory.
#[derive(Debug)]
struct Links {
    /// In the order of their hashes.
    table: Box<[ListedLink]>,
    /// Names and targets, one behind the other.
    text: Box<[u8]>,
}

#[derive(Debug)]
struct ListedLink {
    hash: u64,
    at: u32,
    name: u16,
    target: u16,
}

/// The hash of names, with a seed of its own in each process.
pub(super) type NameHasher = foldhash::quality::RandomState;

/// Room to read directories in, used again and again.
pub struct Scratch {
    entries: Vec<u8>,
    path: Vec<u8>,
    target: Vec<u8>,
    plain: Vec<u64>,
    table: Vec<ListedLink>,
    text: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            entries: Vec::with_capacity(32 * 1024),
            path: Vec::new(),
            target: Vec::with_capacity(4096),
            plain: Vec::new(),
            table: Vec::new(),
            text: Vec::new(),
        }
    }
}

impl Listing {
    /// Reads the directory `descriptor`. `None` if it has more than `most` names.
    pub fn read(
        descriptor: impl AsFd,
        most: usize,
        hasher: &NameHasher,
        scratch: &mut Scratch,
    ) -> Result<Option<Self>, Errno> {
        scratch.clear();
        let Scratch { entries, target, plain, table, text, .. } = scratch;
        let mut too_many = false;
        each_name(&descriptor, entries, |name, kind| {
            let bytes = name.to_bytes();
            too_many = plain.len() + table.len() >= most;
            if too_many {
                return Ok(ControlFlow::Break(()));
            }
            let hash = hasher.hash_one(bytes);
            let link = match kind {
                FileType::Symlink | FileType::Unknown => {
                    read_link(&descriptor, name, target.spare_capacity_mut())?
                }
                _ => Some(&[][..]),
            };
            match link {
                None => {}
                Some([]) => plain.push(hash),
                Some(target) => push_link(table, text, hash, bytes, target),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((!too_many).then(|| scratch.listing(true)))
    }

    /// Asks for `names` of the directory at `path`, which is relative to `root`, one by one, and reads
    /// no others. The path may lead elsewhere meanwhile. `None` if one of them is not there, or does
    /// not let itself be asked.
    pub fn of_names(
        root: impl AsFd,
        path: &CStr,
        names: &[&[u8]],
        hasher: &NameHasher,
        scratch: &mut Scratch,
    ) -> Option<Self> {
        scratch.clear();
        let Scratch { path: at, target, plain, table, text, .. } = scratch;
        at.clear();
        at.extend_from_slice(path.to_bytes());
        at.push(b'/');
        let directory = at.len();
        for &name in names {
            at.truncate(directory);
            at.extend_from_slice(name);
            at.push(0);
            // A name with a NUL is no file's.
            let path = CStr::from_bytes_with_nul(at).ok()?;
            match read_link(&root, path, target.spare_capacity_mut()).ok()?? {
                [] => plain.push(hasher.hash_one(name)),
                target => push_link(table, text, hasher.hash_one(name), name, target),
            }
        }
        Some(scratch.listing(false))
    }

    /// Whether all names are here.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether it tells what stands at `name`, which has the hash `hash`: that of some names alone
    /// tells nothing of others.
    pub fn tells(&self, name: &[u8], hash: u64) -> bool {
        self.is_whole || self.entry(name, hash) != Entry::Absent
    }

    /// What stands at `name`, which has the hash `hash`.
    pub fn entry(&self, name: &[u8], hash: u64) -> Entry<&[u8]> {
        if let Some(links) = &self.links {
            let from = links.table.partition_point(|link| link.hash < hash);
            for link in links.table[from..].iter().take_while(|link| link.hash == hash) {
                let (known, target) = links.text(link);
                if known == name {
                    return Entry::Symlink(target);
                }
            }
        }
        match self.plain.binary_search(&hash) {
            Ok(_) => Entry::Plain(()),
            Err(_) => Entry::Absent,
        }
    }

    /// The memory that the names take, in bytes.
    pub fn bytes(&self) -> usize {
        let links = self.links.as_ref().map_or(0, |links| {
            size_of::<Links>() + links.text.len() + links.table.len() * size_of::<ListedLink>()
        });
        self.plain.len() * size_of::<u64>() + links
    }
}

impl Scratch {
    fn clear(&mut self) {
        self.plain.clear();
        self.table.clear();
        self.text.clear();
    }

    /// What was put in.
    fn listing(&mut self, is_whole: bool) -> Listing {
        let Self { plain, table, text, .. } = self;
        plain.sort_unstable();
        table.sort_unstable_by_key(|link| link.hash);
        let links = (!table.is_empty()).then(|| {
            Box::new(Links { table: table.drain(..).collect(), text: text.as_slice().into() })
        });
        Listing { plain: plain.as_slice().into(), links, is_whole }
    }
}

fn push_link(
    table: &mut Vec<ListedLink>,
    text: &mut Vec<u8>,
    hash: u64,
    name: &[u8],
    target: &[u8],
) {
    let at = text.len() as u32;
    table.push(ListedLink { hash, at, name: name.len() as u16, target: target.len() as u16 });
    text.extend_from_slice(name);
    text.extend_from_slice(target);
}

impl Links {
    /// The name and the target of a link.
    fn text(&self, link: &ListedLink) -> (&[u8], &[u8]) {
        let (name, rest) = self.text[link.at as usize..].split_at(link.name as usize);
        (name, &rest[..link.target as usize])
    }
}

/// Calls `tell` with each name of a directory and what it is, but for `.` and `..`, until it breaks.
#[cfg(target_os = "linux")]
fn each_name(
    descriptor: impl AsFd,
    entries: &mut Vec<u8>,
    mut tell: impl FnMut(&CStr, FileType) -> Result<ControlFlow<()>, Errno>,
) -> Result<(), Errno> {
    // The system call itself, with room that is used again: there are thousands of small directories.
    let mut directory = rustix::fs::RawDir::new(descriptor, entries.spare_capacity_mut());
    while let Some(entry) = directory.next() {
        let entry = entry?;
        if !is_dot(entry.file_name()) && tell(entry.file_name(), entry.file_type())?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The same where the system call is not to be had.
#[cfg(any(test, not(target_os = "linux")))]
fn each_name_of_dir(
    descriptor: impl AsFd,
    mut tell: impl FnMut(&CStr, FileType) -> Result<ControlFlow<()>, Errno>,
) -> Result<(), Errno> {
    for entry in rustix::fs::Dir::read_from(descriptor)? {
        let entry = entry?;
        if !is_dot(entry.file_name()) && tell(entry.file_name(), entry.file_type())?.is_break() {
            break;
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn each_name(
    descriptor: impl AsFd,
    _entries: &mut Vec<u8>,
    tell: impl FnMut(&CStr, FileType) -> Result<ControlFlow<()>, Errno>,
) -> Result<(), Errno> {
    each_name_of_dir(descriptor, tell)
}

fn is_dot(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

/// The target of the link `name` in a directory: empty if it is no link, `None` if it is gone.
fn read_link<'b>(
    descriptor: impl AsFd,
    name: &CStr,
    buffer: &'b mut [MaybeUninit<u8>],
) -> Result<Option<&'b [u8]>, Errno> {
    match readlinkat_raw(descriptor, name, buffer) {
        Ok((target, _)) => Ok(Some(target)),
        Err(Errno::INVAL) => Ok(Some(&[])),
        Err(Errno::NOENT) => Ok(None),
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_listing_tells_links_from_other_names() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), "").unwrap();
        symlink("some/where", directory.path().join("link")).unwrap();
        let descriptor = std::fs::File::open(directory.path()).unwrap();
        let hasher = NameHasher::default();
        let read = |most| Listing::read(&descriptor, most, &hasher, &mut Scratch::default());
        let listing = read(2).unwrap().unwrap();
        let entry = |name: &[u8]| listing.entry(name, hasher.hash_one(name));
        assert_eq!(entry(b"file"), Entry::Plain(()));
        assert_eq!(entry(b"link"), Entry::Symlink(&b"some/where"[..]));
        assert_eq!(entry(b"none"), Entry::Absent);
    }

    #[test]
    fn a_directory_with_too_many_names_is_not_listed() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let descriptor = std::fs::File::open(directory.path()).unwrap();
        let read = Listing::read(&descriptor, 2, &NameHasher::default(), &mut Scratch::default());
        assert!(read.unwrap().is_none());
    }

    #[test]
    fn both_ways_of_listing_tell_the_same() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("directory")).unwrap();
        std::fs::write(directory.path().join("file"), "").unwrap();
        symlink("file", directory.path().join("link")).unwrap();
        let descriptor = std::fs::File::open(directory.path()).unwrap();
        let (mut one, mut other) = (Vec::new(), Vec::new());
        each_name_of_dir(&descriptor, |name, kind| {
            one.push((name.to_owned(), kind));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        let descriptor = std::fs::File::open(directory.path()).unwrap();
        each_name(&descriptor, &mut Vec::with_capacity(32 << 10), |name, kind| {
            other.push((name.to_owned(), kind));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        one.sort_by(|a, b| a.0.cmp(&b.0));
        other.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(one.len(), 3);
        assert_eq!(one, other);
    }
}

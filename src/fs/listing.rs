//! The names of one directory, or some of them: which are symlinks, and their targets.
//!
//! Knows one directory, by a descriptor or a path; must not know its position in the tree, nor how long it
//! is cached.

use std::ffi::CStr;
use std::hash::BuildHasher;
use std::ops::ControlFlow;
use std::os::fd::AsFd;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::calls;
use super::place::Place;
use crate::resolve::Entry;

/// The names of a directory, or some of them. Of a name that is not a symlink only the hash is stored, since
/// a tree has many of them. If two names have one hash, an absent or unlisted name may appear as a file, and
/// its row is left unchanged.
#[derive(Debug, Default)]
pub struct DirectoryListing {
    /// The hashes of the names that are not symlinks, in ascending order.
    plain: Box<[u64]>,
    symlinks: Option<Box<Symlinks>>,
    /// Whether all names of the directory are listed.
    is_complete: bool,
}

/// The symlinks of a directory.
#[derive(Debug)]
struct Symlinks {
    /// In ascending order of the hashes.
    table: Box<[ListedSymlink]>,
    /// Names and targets, concatenated.
    text: Box<[u8]>,
}

#[derive(Debug)]
struct ListedSymlink {
    hash: u64,
    at: u32,
    name: u16,
    target: u16,
}

/// The hash function of names. Each process has its own seed.
pub(super) type NameHasher = foldhash::quality::RandomState;

/// Buffers to read directories, reused from one to the next.
pub struct Scratch {
    entries: Vec<u8>,
    path: Vec<u8>,
    target: Vec<u8>,
    plain: Vec<u64>,
    table: Vec<ListedSymlink>,
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

impl DirectoryListing {
    /// Reads the directory that `descriptor` refers to. `None` if it has more than `max_names` names.
    pub fn read(
        descriptor: impl AsFd,
        max_names: usize,
        hasher: &NameHasher,
        scratch: &mut Scratch,
    ) -> Result<Option<Self>, Errno> {
        scratch.clear();
        let Scratch { entries, target, plain, table, text, .. } = scratch;
        let mut is_too_large = false;
        for_each_name(&descriptor, entries, |name, kind| {
            let bytes = name.to_bytes();
            is_too_large = plain.len() + table.len() >= max_names;
            if is_too_large {
                return Ok(ControlFlow::Break(()));
            }
            let hash = hasher.hash_one(bytes);
            let link = match kind {
                FileType::Symlink | FileType::Unknown => read_link(&descriptor, name, target)?,
                _ => Some(&[][..]),
            };
            match link {
                None => {}
                Some([]) => plain.push(hash),
                Some(target) => push_symlink(table, text, hash, bytes, target),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((!is_too_large).then(|| scratch.listing(true)))
    }

    /// Looks up only `names`, one by one, in the directory at `place`. It may be moved meanwhile, and another
    /// be there. `None` if a name is absent, or a lookup fails.
    pub(super) fn look_up_names(
        place: Place<'_>,
        names: &[&[u8]],
        hasher: &NameHasher,
        scratch: &mut Scratch,
    ) -> Option<Self> {
        scratch.clear();
        let Scratch { path: at, target, plain, table, text, .. } = scratch;
        at.clear();
        at.extend_from_slice(place.path.to_bytes());
        at.push(b'/');
        let directory = at.len();
        for &name in names {
            at.truncate(directory);
            at.extend_from_slice(name);
            at.push(0);
            // No file has a name with a NUL.
            let path = CStr::from_bytes_with_nul(at).ok()?;
            match read_link(place.from, path, target).ok()?? {
                [] => plain.push(hasher.hash_one(name)),
                target => push_symlink(table, text, hasher.hash_one(name), name, target),
            }
        }
        Some(scratch.listing(false))
    }

    /// Whether all names of the directory are listed.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether [`entry`](Self::entry) is right for `name`, which has the hash `hash`. A partial listing says
    /// nothing about names that are not in it.
    pub fn covers(&self, name: &[u8], hash: u64) -> bool {
        self.is_complete || self.entry(name, hash) != Entry::Absent
    }

    /// What is at `name`, which has the hash `hash`.
    pub fn entry(&self, name: &[u8], hash: u64) -> Entry<&[u8]> {
        if let Some(symlinks) = &self.symlinks {
            let from = symlinks.table.partition_point(|link| link.hash < hash);
            for link in symlinks.table[from..].iter().take_while(|link| link.hash == hash) {
                let (listed, target) = symlinks.text(link);
                if listed == name {
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
        let symlinks = self.symlinks.as_ref().map_or(0, |symlinks| {
            size_of::<Symlinks>()
                + symlinks.text.len()
                + symlinks.table.len() * size_of::<ListedSymlink>()
        });
        self.plain.len() * size_of::<u64>() + symlinks
    }
}

impl Scratch {
    fn clear(&mut self) {
        self.plain.clear();
        self.table.clear();
        self.text.clear();
    }

    /// A listing of the names collected so far.
    fn listing(&mut self, is_complete: bool) -> DirectoryListing {
        let Self { plain, table, text, .. } = self;
        plain.sort_unstable();
        table.sort_unstable_by_key(|link| link.hash);
        let symlinks = (!table.is_empty()).then(|| {
            Box::new(Symlinks { table: table.drain(..).collect(), text: text.as_slice().into() })
        });
        DirectoryListing { plain: plain.as_slice().into(), symlinks, is_complete }
    }
}

fn push_symlink(
    table: &mut Vec<ListedSymlink>,
    text: &mut Vec<u8>,
    hash: u64,
    name: &[u8],
    target: &[u8],
) {
    let at = text.len() as u32;
    table.push(ListedSymlink { hash, at, name: name.len() as u16, target: target.len() as u16 });
    text.extend_from_slice(name);
    text.extend_from_slice(target);
}

impl Symlinks {
    /// The name and the target of a symlink.
    fn text(&self, link: &ListedSymlink) -> (&[u8], &[u8]) {
        let (name, rest) = self.text[link.at as usize..].split_at(link.name as usize);
        (name, &rest[..link.target as usize])
    }
}

/// Calls `visit` with each name of a directory and its type, except `.` and `..`, until `visit` breaks.
#[cfg(target_os = "linux")]
fn for_each_name(
    descriptor: impl AsFd,
    entries: &mut Vec<u8>,
    mut visit: impl FnMut(&CStr, FileType) -> Result<ControlFlow<()>, Errno>,
) -> Result<(), Errno> {
    // The system call itself with a reused buffer: there are thousands of small directories.
    let mut directory = rustix::fs::RawDir::new(descriptor, entries.spare_capacity_mut());
    while let Some(entry) = directory.next() {
        let entry = match entry {
            Err(Errno::INTR) => continue,
            entry => entry?,
        };
        if !is_dot(entry.file_name()) && visit(entry.file_name(), entry.file_type())?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The same, where the system call does not exist.
#[cfg(any(test, not(target_os = "linux")))]
fn for_each_name_of_dir(
    descriptor: impl AsFd,
    mut visit: impl FnMut(&CStr, FileType) -> Result<ControlFlow<()>, Errno>,
) -> Result<(), Errno> {
    for entry in rustix::fs::Dir::read_from(descriptor)? {
        let entry = entry?;
        if !is_dot(entry.file_name()) && visit(entry.file_name(), entry.file_type())?.is_break() {
            break;
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn for_each_name(
    descriptor: impl AsFd,
    _entries: &mut Vec<u8>,
    visit: impl FnMut(&CStr, FileType) -> Result<ControlFlow<()>, Errno>,
) -> Result<(), Errno> {
    for_each_name_of_dir(descriptor, visit)
}

fn is_dot(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

/// The target of the symlink `name` in a directory. Empty if it is not a symlink, `None` if it is absent.
fn read_link<'b>(
    descriptor: impl AsFd,
    name: &CStr,
    buffer: &'b mut Vec<u8>,
) -> Result<Option<&'b [u8]>, Errno> {
    match calls::read_link(descriptor, name, buffer) {
        Ok(target) => Ok(Some(target)),
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
    fn a_listing_distinguishes_symlinks_files_and_absent_names() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), "").unwrap();
        symlink("some/where", directory.path().join("link")).unwrap();
        let descriptor = std::fs::File::open(directory.path()).unwrap();
        let hasher = NameHasher::default();
        let read = |max_names| {
            DirectoryListing::read(&descriptor, max_names, &hasher, &mut Scratch::default())
        };
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
        let read =
            DirectoryListing::read(&descriptor, 2, &NameHasher::default(), &mut Scratch::default());
        assert!(read.unwrap().is_none());
    }

    #[test]
    fn both_ways_of_reading_a_directory_give_the_same_names() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("directory")).unwrap();
        std::fs::write(directory.path().join("file"), "").unwrap();
        symlink("file", directory.path().join("link")).unwrap();
        let descriptor = std::fs::File::open(directory.path()).unwrap();
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for_each_name_of_dir(&descriptor, |name, kind| {
            one.push((name.to_owned(), kind));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        let descriptor = std::fs::File::open(directory.path()).unwrap();
        for_each_name(&descriptor, &mut Vec::with_capacity(32 << 10), |name, kind| {
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

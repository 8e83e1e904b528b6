//! Where a system call looks: a path, and the open directory that it is relative to.
//!
//! Knows paths and descriptors; must not know what is looked up there.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;

use super::calls::open;
use super::paths::{Paths, c_str};
use crate::resolve::Directory;

/// The flags to open a directory for reading.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The flags to open a directory for lookups of names, which need no read permission.
#[cfg(target_os = "linux")]
pub const SEARCH_ONLY: OFlags = DIRECTORY.union(OFlags::PATH);
/// The flags to open a directory for lookups of names.
#[cfg(not(target_os = "linux"))]
pub const SEARCH_ONLY: OFlags = DIRECTORY;

/// A path, and the directory that it is relative to.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    pub from: BorrowedFd<'p>,
    pub path: &'p CStr,
}

/// The kernel walks a path shorter than this, in bytes, about as fast as from a directory that is open.
const LONG: usize = 64;
/// Opening the directory is worth it for more entries than this.
const FEW_ENTRIES: usize = 3;
/// The longest path that a system call takes, in bytes with its NUL (`PATH_MAX`): a longer one does not exist.
const LONGEST: usize = 4096;

/// The places of entries, one by one. Consecutive entries of one directory share its path; if they are many and
/// the path is long, it is opened, so that the kernel need not walk the path for each.
#[derive(Default)]
pub(super) struct Places {
    text: Vec<u8>,
    parent: Option<Parent>,
}

/// The directory of the last entry.
struct Parent {
    directory: Directory,
    /// The length of its path, which is at the head of `Places::text`.
    length: usize,
    /// How many entries in it were looked up.
    entries: usize,
    opened: Option<OwnedFd>,
}

impl Places {
    /// The place of `name` in `parent`.
    pub(super) fn of<'p>(
        &'p mut self,
        root: BorrowedFd<'p>,
        paths: &Paths,
        parent: Directory,
        name: &[u8],
    ) -> Place<'p> {
        let Self { text, parent: last } = self;
        let known = last.take().filter(|last| last.directory == parent);
        let parent = last.insert(known.unwrap_or_else(|| {
            paths.write_entry_path(parent, b"", text);
            Parent { directory: parent, length: text.len() - 1, entries: 0, opened: None }
        }));
        text.truncate(parent.length);
        parent.entries += 1;
        if parent.entries == FEW_ENTRIES + 1 && parent.length >= LONG {
            text.push(0);
            // If that fails, the whole path is walked as before.
            parent.opened = open(root, c_str(text), SEARCH_ONLY).ok();
            text.pop();
        }
        if text.last() != Some(&b'/') {
            text.push(b'/');
        }
        let at = text.len();
        text.extend_from_slice(name);
        text.push(0);
        match &parent.opened {
            Some(opened) if text.len() <= LONGEST => {
                Place { from: opened.as_fd(), path: c_str(&text[at..]) }
            }
            _ => Place { from: root, path: c_str(text) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::paths::{ROOT, Reached};
    use super::*;
    use rustix::fs::{AtFlags, CWD, Mode, mkdirat, openat, statat};

    /// A directory, and the paths of one with entries whose path has a length.
    fn planted(length: usize) -> (tempfile::TempDir, OwnedFd, Paths, Directory) {
        let directory = tempfile::tempdir().unwrap();
        let root = openat(CWD, directory.path(), DIRECTORY, Mode::empty()).unwrap();
        let (mut paths, mut parent, mut path) = (Paths::new(), ROOT, String::new());
        while path.len() < length {
            let slash = usize::from(!path.is_empty());
            let name = "d".repeat((length - path.len() - slash).min(200));
            path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            mkdirat(&root, &path, Mode::RWXU).unwrap();
            let name = paths.add_name(name.as_bytes());
            parent = paths.add(Reached::In(parent, name));
        }
        (directory, root, paths, parent)
    }

    #[test]
    fn entries_are_at_one_place_whether_their_directory_is_opened_or_not() {
        for length in [LONG - 1, LONG, 300] {
            let (directory, root, paths, parent) = planted(length);
            let mut places = Places::default();
            for number in 0..3 * FEW_ENTRIES {
                let name = format!("entry_{number}");
                let place = places.of(root.as_fd(), &paths, parent, name.as_bytes());
                let is_name = place.path.to_bytes() == name.as_bytes();
                assert_eq!(is_name, length >= LONG && number >= FEW_ENTRIES, "{length} {number}");
                mkdirat(place.from, place.path, Mode::RWXU).unwrap();
                let mut whole = Vec::new();
                paths.write_entry_path(parent, name.as_bytes(), &mut whole);
                let whole = statat(&root, c_str(&whole), AtFlags::empty()).unwrap();
                let place = statat(place.from, place.path, AtFlags::empty()).unwrap();
                assert_eq!(whole.st_ino, place.st_ino);
            }
            drop(directory);
        }
    }

    #[test]
    fn a_path_that_no_system_call_takes_is_not_made_short() {
        let (_directory, root, paths, parent) = planted(LONGEST - 10);
        let mut places = Places::default();
        for (name, is_there) in [("short", true), ("longer-name", false)].repeat(FEW_ENTRIES) {
            let place = places.of(root.as_fd(), &paths, parent, name.as_bytes());
            let made = mkdirat(place.from, place.path, Mode::RWXU);
            let is_too_long = made == Err(rustix::io::Errno::NAMETOOLONG);
            assert_eq!(is_too_long, !is_there, "{name}");
        }
    }
}

//! Where a system call looks: a path, and the open directory that it is relative to.
//!
//! Knows paths and descriptors; must not know what is asked for there.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};

use super::paths::{Paths, c_str};
use crate::resolve::Directory;

/// The flags to open a directory for reading.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The flags to open a directory for lookups of names, which need no read permission.
#[cfg(target_os = "linux")]
pub(super) const SEARCH_ONLY: OFlags = DIRECTORY.union(OFlags::PATH);
#[cfg(not(target_os = "linux"))]
pub(super) const SEARCH_ONLY: OFlags = DIRECTORY;

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
/// The longest path that a system call takes, in bytes with its NUL (`PATH_MAX`): no longer one is there.
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
    /// How many entries in it were asked for.
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
            parent.opened = openat(root, c_str(text), SEARCH_ONLY, Mode::empty()).ok();
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

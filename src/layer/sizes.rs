//! How many bytes entries take in a tar archive, and how many bytes links save. All such numbers of
//! `resolve --report`, `inspect` and `report` are computed here.
//!
//! There are two quantities, and they are never added:
//!
//! - *content bytes*: the sizes of files, without tar's headers and padding. A link saves the content of
//!   every file that it replaces ([`content_saved`]). `--report` writes the sum as `bytes_saved`.
//! - *archive bytes*: what entries take in a tar archive ([`file()`], [`HEADER`]). A link saves what the
//!   replaced entries take, less its own header ([`archive_saved`]).
//!
//! `None` is a number that is unknown. [`sum_of_known`] leaves such numbers out of a sum.
//!
//! Knows sizes; must not know rows, nor which of them are replaced.

use super::entry::EntryKind;
use super::hard_links::{self, FileInode, HardLink};

/// The archive bytes of a header. An entry other than a file takes no more.
pub(crate) const HEADER: u64 = 512;

/// The archive bytes of a file of `content` bytes: a header, then whole blocks of 512 bytes.
pub(crate) fn file(content: u64) -> u64 {
    HEADER.saturating_add(content.checked_next_multiple_of(512).unwrap_or(content))
}

/// The content bytes that one link saves by replacing files of these sizes. `None` if one is unknown.
pub(crate) fn content_saved(files: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    sum(files)
}

/// The archive bytes that one link saves by replacing entries of these archive bytes. `None` if those of one are unknown.
pub(crate) fn archive_saved(entries: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    Some(sum(entries)?.saturating_sub(HEADER))
}

fn sum(mut numbers: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    numbers.try_fold(0, |sum: u64, number| Some(sum.saturating_add(number?)))
}

/// The sum of the numbers that are known.
pub(crate) fn sum_of_known(numbers: impl Iterator<Item = Option<u64>>) -> u64 {
    numbers.flatten().fold(0, u64::saturating_add)
}

/// A file on the disk.
pub(crate) struct DiskFile {
    /// Its size in bytes.
    pub size: u64,
    /// Its inode, if it has more than one hard link.
    pub inode: Option<FileInode>,
}

/// The archive bytes of each of `files`, in order, as bsdtar packs them: [`hard_links::by_inode`] finds
/// those that are a header alone.
pub(crate) fn with_hard_links<'f>(files: impl Iterator<Item = &'f DiskFile> + Clone) -> Vec<u64> {
    let mut sizes: Vec<_> = files.clone().map(|disk_file| file(disk_file.size)).collect();
    let inodes = files.map(|disk_file| (EntryKind::File, disk_file.inode));
    for HardLink { entry, .. } in hard_links::by_inode(inodes) {
        sizes[entry] = HEADER;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_a_header_and_whole_blocks() {
        assert_eq!([0, 1, 512, 513].map(file), [512, 1024, 1024, 1536]);
        assert_eq!(file(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_link_saves_what_it_replaces_less_its_own_header() {
        assert_eq!(archive_saved([Some(file(1)), Some(HEADER)].into_iter()), Some(1024));
        assert_eq!(archive_saved([Some(file(1)), None].into_iter()), None);
    }

    #[test]
    fn a_link_saves_the_content_of_the_files_that_it_replaces_if_all_sizes_are_known() {
        assert_eq!(content_saved([Some(1), Some(513)].into_iter()), Some(514));
        assert_eq!(content_saved([Some(1), None].into_iter()), None);
        assert_eq!(content_saved([Some(1), Some(u64::MAX)].into_iter()), Some(u64::MAX));
    }

    #[test]
    fn a_sum_leaves_out_what_is_unknown() {
        assert_eq!(sum_of_known([Some(1), None, Some(513)].into_iter()), 514);
        assert_eq!(sum_of_known([Some(1), Some(u64::MAX)].into_iter()), u64::MAX);
    }

    #[test]
    fn an_inode_is_packed_once_until_all_of_its_links_were_seen() {
        let shared = || {
            let inode = FileInode { device: 1, inode: 2, links: 2 };
            DiskFile { size: 1, inode: Some(inode) }
        };
        let files = [shared(), DiskFile { size: 1, inode: None }, shared(), shared()];
        assert_eq!(with_hard_links(files.iter()), [1024, 1024, 512, 1024]);
    }
}

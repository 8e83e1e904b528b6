//! How many bytes entries take in a tar archive, and how many bytes links save. All such numbers of
//! `resolve --report`, `inspect` and `report` are computed here.
//!
//! There are two quantities, and they are never added:
//!
//! - *content bytes*: the sizes of files, without tar's headers and padding. Links save the content of
//!   every file that they replace ([`content_saved`]). `--report` writes this as `bytes_saved`.
//! - *archive bytes*: what entries take in a tar archive ([`file()`], [`HEADER`]). A link saves what the
//!   replaced entries take, less its own header ([`archive_saved`]).
//!
//! Knows sizes; must not know rows, nor which of them are replaced.

use std::collections::HashMap;

/// The archive bytes of a header. An entry other than a file takes no more.
pub(crate) const HEADER: u64 = 512;

/// The archive bytes of a file of `content` bytes: a header, then whole blocks of 512 bytes.
pub(crate) fn file(content: u64) -> u64 {
    HEADER.saturating_add(content.checked_next_multiple_of(512).unwrap_or(content))
}

/// The content bytes that links save: those of each replaced file, once for each row. A file of unknown
/// size counts as 0.
pub(crate) fn content_saved(replaced_files: impl Iterator<Item = Option<u64>>) -> u64 {
    replaced_files.flatten().fold(0, u64::saturating_add)
}

/// The archive bytes that one link saves by replacing `entries`. `None` if the size of one is unknown.
pub(crate) fn archive_saved(mut entries: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    let replaced = entries.try_fold(0, |sum: u64, bytes| Some(sum.saturating_add(bytes?)))?;
    Some(replaced.saturating_sub(HEADER))
}

/// A file on the disk.
pub(crate) struct DiskFile {
    /// Its size in bytes.
    pub size: u64,
    /// Its inode, if it has more than one hard link.
    pub inode: Option<Inode>,
}

/// An inode with more than one hard link.
#[derive(Clone, Copy)]
pub(crate) struct Inode {
    /// Its device and number.
    pub identity: (u64, u64),
    /// How many hard links it has.
    pub links: u64,
}

/// The archive bytes of each of `files`, in order, as bsdtar packs them: the first entry of an inode has
/// the content, further ones are hard links to it. Like libarchive, this forgets an inode once as many
/// entries had it as it has links; the next one has the content again.
pub(crate) fn with_hard_links<'f>(files: impl Iterator<Item = &'f DiskFile>) -> Vec<u64> {
    let mut links_left: HashMap<(u64, u64), u64> = HashMap::new();
    let size = |disk_file: &DiskFile| {
        let Some(Inode { identity, links }) = disk_file.inode else {
            return file(disk_file.size);
        };
        match links_left.get_mut(&identity) {
            Some(left @ 1..) => {
                *left -= 1;
                HEADER
            }
            _ => {
                links_left.insert(identity, links - 1);
                file(disk_file.size)
            }
        }
    };
    files.map(size).collect()
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
    fn links_save_the_content_of_each_file_whose_size_is_known() {
        assert_eq!(content_saved([Some(1), None, Some(513)].into_iter()), 514);
        assert_eq!(content_saved([Some(1), Some(u64::MAX)].into_iter()), u64::MAX);
    }

    #[test]
    fn an_inode_is_packed_once_until_all_of_its_links_were_met() {
        let shared = |links| DiskFile { size: 1, inode: Some(Inode { identity: (1, 2), links }) };
        let files = [shared(2), DiskFile { size: 1, inode: None }, shared(2), shared(2)];
        assert_eq!(with_hard_links(files.iter()), [1024, 1024, 512, 1024]);
    }
}

//! Hard links: which entries become a link to an earlier one.
//!
//! Knows entries and what tells contents and files apart; must not know flags or the disk.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;

use super::entries::Entries;
use super::entry::{EntryKind, Time};
use super::identity::ContentIdentity;

/// The file of an entry's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileInode {
    /// The device that the file is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// How many names it has, by `nlink=`, or else by the disk.
    pub links: u32,
}

/// An entry that becomes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HardLink {
    /// Its number.
    pub entry: usize,
    /// The number of the earlier entry that it is a link to.
    pub to: usize,
}

/// The hard links of entries that are one file on the disk, exactly as bsdtar makes them
/// (`archive_entry_linkify`): an entry of a file that an earlier entry has, until as many names were seen
/// as the file has; the next one is no link. `inodes` has the kind of each entry, and the file that its source is; an
/// entry without one is no link.
pub fn by_inode(inodes: impl Iterator<Item = (EntryKind, Option<FileInode>)>) -> Vec<HardLink> {
    // By device and inode: the first entry, and how many names were not seen yet.
    let mut open = HashMap::<(u64, u64), (usize, u32)>::new();
    let mut hard_links = Vec::new();
    for (number, (kind, inode)) in inodes.enumerate() {
        let Some(FileInode { device, inode, links }) = inode else { continue };
        if links == 1
            || matches!(kind, EntryKind::Directory | EntryKind::Character | EntryKind::Block)
        {
            continue;
        }
        match open.entry((device, inode)) {
            MapEntry::Vacant(slot) => {
                slot.insert((number, links.wrapping_sub(1)));
            }
            MapEntry::Occupied(mut slot) => {
                let (to, left) = slot.get_mut();
                hard_links.push(HardLink { entry: number, to: *to });
                *left = left.wrapping_sub(1);
                if *left == 0 {
                    slot.remove();
                }
            }
        }
    }
    hard_links
}

/// The hard links of files that equal an earlier one in bytes, mode, owner and time, if they are not
/// empty. The caller identifies all contents in one way, so that they are equal if their identities are.
pub fn by_content(entries: &dyn Entries) -> Vec<HardLink> {
    type Same = (ContentIdentity, u64, u32, i64, i64, Time);
    let mut first: HashMap<Same, Vec<usize>> = HashMap::new();
    let mut hard_links = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let Some(content) = entry.data() else { continue };
        if entry.size == 0 || content.identity == ContentIdentity::Unknown {
            continue;
        }
        let same = (content.identity, entry.size, entry.mode, entry.uid, entry.gid, entry.time);
        let candidates = first.entry(same).or_default();
        let has_same_names = |&&earlier: &&usize| {
            let earlier = entries.entry(earlier);
            (&earlier.uname, &earlier.gname, &earlier.flags)
                == (&entry.uname, &entry.gname, &entry.flags)
        };
        match candidates.iter().find(has_same_names) {
            Some(&earlier) => hard_links.push(HardLink { entry: number, to: earlier }),
            None => candidates.push(number),
        }
    }
    hard_links
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::entry::{FileContent, TarEntry};

    fn file(path: &str, content: u8) -> TarEntry {
        TarEntry {
            path: path.as_bytes().into(),
            kind: EntryKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            uname: None,
            gname: None,
            time: Time::default(),
            device: Default::default(),
            flags: None,
            link: None,
            size: content.into(),
            content: Some(FileContent {
                source: [content].into(),
                identity: ContentIdentity::Hashed([content; 32]),
            }),
        }
    }

    #[test]
    fn a_file_becomes_a_link_to_an_earlier_one_with_its_bytes_mode_owner_and_time() {
        let mut entries: Vec<_> =
            [("a", 1), ("b", 1), ("c", 2), ("d", 0), ("e", 0), ("f", 1), ("g", 1)]
                .map(|(path, content)| file(path, content))
                .into();
        entries[5].mode = 0o755;
        entries[6].uname = Some(b"u"[..].into());
        assert_eq!(by_content(&entries), [HardLink { entry: 1, to: 0 }]);
    }

    #[test]
    fn names_of_a_file_are_links_until_all_its_names_were_seen() {
        let inode = |links| (EntryKind::File, Some(FileInode { device: 1, inode: 1, links }));
        let hard_links = by_inode([3, 3, 3, 3, 1].map(inode).into_iter());
        assert_eq!(hard_links, [HardLink { entry: 1, to: 0 }, HardLink { entry: 2, to: 0 }]);
    }
}

//! Hard links: which entries become a link to an earlier one.
//!
//! Knows entries and what tells contents and files apart; must not know flags or the disk.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use super::entry::{EntryKind, LinkText, TarEntry, Time, hard_link_name};
use super::identity::ContentIdentity;

/// The file of an entry's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileInode {
    /// The device that the file is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// How many names it has: what `nlink=` says, else the disk.
    pub links: u32,
}

/// Makes hard links of entries that are one file on the disk, exactly as bsdtar does
/// (`archive_entry_linkify`): an entry of a file that an earlier entry has, until as many names were met
/// as the file has. `inodes` says for each entry what its source is; an entry without one stays.
pub fn by_inode(entries: &mut [TarEntry], inodes: &[Option<FileInode>]) {
    // By device and inode: the first name, and how many names are still to come.
    type Open = HashMap<(u64, u64), (Box<[u8]>, u32)>;
    let mut open = Open::new();
    for (entry, inode) in entries.iter_mut().zip(inodes) {
        let Some(FileInode { device, inode, links }) = *inode else { continue };
        if links == 1
            || matches!(entry.kind, EntryKind::Directory | EntryKind::Character | EntryKind::Block)
        {
            continue;
        }
        match open.entry((device, inode)) {
            Slot::Vacant(slot) => {
                slot.insert((entry.path.clone(), links.wrapping_sub(1)));
            }
            Slot::Occupied(mut slot) => {
                let (path, left) = slot.get_mut();
                entry.link = hard_link_name(path).map(LinkText::Hard);
                *left = left.wrapping_sub(1);
                if *left == 0 {
                    slot.remove();
                }
            }
        }
    }
}

/// Makes hard links of files that equal an earlier one in bytes, mode, owner and time, if they are not
/// empty. Contents are equal if their identities are: the caller lists or hashes them all in one way.
pub fn by_content(entries: &mut [TarEntry]) {
    type Same = (ContentIdentity, u64, u32, i64, i64, Time);
    let mut first: HashMap<Same, Vec<usize>> = HashMap::new();
    for number in 0..entries.len() {
        let entry = &entries[number];
        let Some(content) = entry.data() else { continue };
        if entry.size == 0 || content.identity == ContentIdentity::Unknown {
            continue;
        }
        let same = (content.identity, entry.size, entry.mode, entry.uid, entry.gid, entry.time);
        let candidates = first.entry(same).or_default();
        let has_same_names = |&&earlier: &&usize| {
            let earlier = &entries[earlier];
            (&earlier.uname, &earlier.gname, &earlier.flags)
                == (&entry.uname, &entry.gname, &entry.flags)
        };
        match candidates.iter().find(has_same_names) {
            Some(&earlier) => {
                entries[number].link = Some(LinkText::Hard(entries[earlier].path.clone()));
            }
            None => candidates.push(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::entry::FileContent;

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

    fn links(entries: &[TarEntry]) -> Vec<Option<&str>> {
        entries
            .iter()
            .map(|entry| match &entry.link {
                Some(LinkText::Hard(path)) => str::from_utf8(path).ok(),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_file_becomes_a_link_to_an_earlier_one_with_its_bytes_mode_owner_and_time() {
        let mut entries: Vec<_> =
            [("a", 1), ("b", 1), ("c", 2), ("d", 0), ("e", 0), ("f", 1), ("g", 1)]
                .map(|(path, content)| file(path, content))
                .into();
        entries[5].mode = 0o755;
        entries[6].uname = Some(b"u"[..].into());
        by_content(&mut entries);
        assert_eq!(links(&entries), [None, Some("a"), None, None, None, None, None]);
    }

    #[test]
    fn names_of_a_file_are_links_until_all_its_names_were_met() {
        let mut entries: Vec<_> = ["/a", "b", "c", "d", "e"].map(|path| file(path, 1)).into();
        let inode = |links| Some(FileInode { device: 1, inode: 1, links });
        by_inode(&mut entries, &[inode(3), inode(3), inode(3), inode(3), inode(1)]);
        assert_eq!(links(&entries), [None, Some("a"), Some("a"), None, None]);
    }
}

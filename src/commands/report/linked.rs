//! The sizes of files that links replaced, from the entries of the layer: the tree may be gone, as a sandbox is.
//!
//! Pure. Must not know decisions or specs.

use std::collections::HashMap;

use crate::layer::{EntryKind, LinkText, TarEntry};
use crate::path;
use crate::resolve::MOST_LINKS;

/// The longest path that is followed, in bytes, as on Linux.
const LONGEST: usize = 4096;

/// The files and symlinks of a layer.
#[derive(Default)]
pub(super) struct LinkedSizes {
    /// By archive path.
    entries: HashMap<Vec<u8>, LinkedEntry>,
}

enum LinkedEntry {
    File(u64),
    Symlink(Box<[u8]>),
}

impl LinkedSizes {
    pub(super) fn new(entries: &[TarEntry]) -> Self {
        let entries = entries.iter().filter_map(|entry| {
            let what = match (&entry.link, entry.kind) {
                (Some(LinkText::Symlink(text)), EntryKind::Symlink) => {
                    LinkedEntry::Symlink(text.clone())
                }
                (_, EntryKind::File) => LinkedEntry::File(entry.size),
                _ => return None,
            };
            Some((path::normal(&entry.path), what))
        });
        Self { entries: entries.collect() }
    }

    /// Whether the layer has a file or a symlink at an archive path.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        self.entries.contains_key(path)
    }

    /// The size of the file that `path` leads to, which may lie below links. `None` if that is not in the layer.
    pub(super) fn of(&self, path: &[u8]) -> Option<u64> {
        let mut path = path.to_vec();
        for _ in 0..=MOST_LINKS {
            if path.len() > LONGEST {
                return None;
            }
            match self.entries.get(&path) {
                Some(LinkedEntry::File(size)) => return Some(*size),
                Some(LinkedEntry::Symlink(text)) => path = followed(&path, text, b"")?,
                None => path = self.past_directory_link(&path)?,
            }
        }
        None
    }

    /// The path that `path` leads to because a directory that it lies in is a link.
    fn past_directory_link(&self, path: &[u8]) -> Option<Vec<u8>> {
        let slashes = memchr::memchr_iter(b'/', path);
        let mut links = slashes.filter_map(|at| match self.entries.get(&path[..at])? {
            LinkedEntry::Symlink(text) => followed(&path[..at], text, &path[at..]),
            LinkedEntry::File(_) => None,
        });
        links.next()
    }
}

/// The path that the symlink `text` at `path` leads to, with `rest` behind. `None` if that is outside of the archive.
fn followed(path: &[u8], text: &[u8], rest: &[u8]) -> Option<Vec<u8>> {
    if text.first() == Some(&b'/') {
        return None;
    }
    let mut parts: Vec<&[u8]> = path::parts(path).collect();
    parts.pop();
    for part in path::parts(text).chain(path::parts(rest)) {
        match part {
            b".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Time;

    fn entry(path: &str, size: u64, link: Option<&str>) -> TarEntry {
        TarEntry {
            path: path.as_bytes().into(),
            kind: if link.is_some() { EntryKind::Symlink } else { EntryKind::File },
            mode: 0o644,
            uid: 0,
            gid: 0,
            uname: None,
            gname: None,
            time: Time::default(),
            device: Default::default(),
            flags: None,
            link: link.map(|text| LinkText::Symlink(text.as_bytes().into())),
            size,
            content: None,
        }
    }

    #[test]
    fn links_are_followed_in_the_layer() {
        let sizes = LinkedSizes::new(&[
            entry("./bin/python3.13", 6, None),
            entry("./bin/python3", 0, Some("python3.13")),
            entry("./bin/python", 0, Some("../bin/./python3")),
            entry("./lib/a/x", 5, None),
            entry("./lib64", 0, Some("lib")),
            entry("./lib/b", 0, Some("a")),
            entry("./loop", 0, Some("loop")),
            entry("./out", 0, Some("../../etc/passwd")),
        ]);
        let size = |path: &str| sizes.of(path.as_bytes());
        assert_eq!([size("bin/python"), size("bin/python3"), size("bin/python3.13")], [Some(6); 3]);
        assert_eq!([size("lib64/a/x"), size("lib64/b/x")], [Some(5); 2]);
        assert_eq!(
            [size("loop"), size("out"), size("loop/x"), size("none"), size("lib64")],
            [None; 5]
        );
        assert!(sizes.has(b"lib64") && !sizes.has(b"lib"));
    }
}

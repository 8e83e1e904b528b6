//! What one reading of a folder tells: which names it has, which are symlinks, and to what.

use std::hash::BuildHasher;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use rustix::fs::{FileType, RawDir, readlinkat_raw};
use rustix::io::Errno;

use crate::resolve::Entry;

/// The names of a folder. Of names that are no links only a hash is kept, since a tree has many:
/// two names with one hash would at worst make a name that is not there look like a file, whose row
/// is left alone either way.
#[derive(Debug, Default)]
pub struct Listing {
    /// The hashes of the names that are no links, in order.
    plain: Box<[u64]>,
    links: Option<Box<Links>>,
}

/// The links of a folder.
#[derive(Debug)]
struct Links {
    /// In the order of their hashes.
    table: Box<[Link]>,
    /// Names and targets, one behind the other.
    text: Box<[u8]>,
}

#[derive(Debug)]
struct Link {
    hash: u64,
    at: u32,
    name: u16,
    target: u16,
}

/// The hash of names, with a seed of its own in each process.
pub type NameHasher = foldhash::quality::RandomState;

/// Room to read folders in, used again and again.
pub struct Scratch {
    entries: Vec<u8>,
    target: Vec<u8>,
    plain: Vec<u64>,
    table: Vec<Link>,
    text: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            entries: Vec::with_capacity(32 * 1024),
            target: Vec::with_capacity(4096),
            plain: Vec::new(),
            table: Vec::new(),
            text: Vec::new(),
        }
    }
}

impl Listing {
    /// Reads the folder `descriptor`. `None` if it has more than `most` names.
    pub fn read(
        descriptor: impl AsFd,
        most: usize,
        hasher: &NameHasher,
        scratch: &mut Scratch,
    ) -> Result<Option<Self>, Errno> {
        let Scratch { entries, target, plain, table, text } = scratch;
        plain.clear();
        table.clear();
        text.clear();
        let mut dir = RawDir::new(&descriptor, entries.spare_capacity_mut());
        while let Some(entry) = dir.next() {
            let entry = entry?;
            let name = entry.file_name();
            let bytes = name.to_bytes();
            if bytes == b"." || bytes == b".." {
                continue;
            }
            if plain.len() + table.len() >= most {
                return Ok(None);
            }
            let hash = hasher.hash_one(bytes);
            let link = match entry.file_type() {
                FileType::Symlink | FileType::Unknown => {
                    read_link(&descriptor, name, target.spare_capacity_mut())?
                }
                _ => Some(&[][..]),
            };
            match link {
                None => {}
                Some([]) => plain.push(hash),
                Some(target) => {
                    let at = text.len() as u32;
                    table.push(Link {
                        hash,
                        at,
                        name: bytes.len() as u16,
                        target: target.len() as u16,
                    });
                    text.extend_from_slice(bytes);
                    text.extend_from_slice(target);
                }
            }
        }
        plain.sort_unstable();
        table.sort_unstable_by_key(|link| link.hash);
        let links = (!table.is_empty()).then(|| {
            Box::new(Links { table: table.drain(..).collect(), text: text.as_slice().into() })
        });
        Ok(Some(Self { plain: plain.as_slice().into(), links }))
    }

    /// What stands at `name`, which has the hash `hash`.
    pub fn entry(&self, name: &[u8], hash: u64) -> Entry<'_> {
        if let Some(links) = &self.links {
            let from = links.table.partition_point(|link| link.hash < hash);
            for link in links.table[from..].iter().take_while(|link| link.hash == hash) {
                let (known, target) = links.text(link);
                if known == name {
                    return Entry::Link(target);
                }
            }
        }
        match self.plain.binary_search(&hash) {
            Ok(_) => Entry::Plain,
            Err(_) => Entry::Absent,
        }
    }

    /// The memory that the names take, in bytes.
    pub fn bytes(&self) -> usize {
        let links = self.links.as_ref().map_or(0, |links| {
            size_of::<Links>() + links.text.len() + links.table.len() * size_of::<Link>()
        });
        self.plain.len() * size_of::<u64>() + links
    }
}

impl Links {
    /// The name and the target of a link.
    fn text(&self, link: &Link) -> (&[u8], &[u8]) {
        let (name, rest) = self.text[link.at as usize..].split_at(link.name as usize);
        (name, &rest[..link.target as usize])
    }
}

/// The target of the link `name` in a folder: empty if it is no link, `None` if it is gone.
fn read_link<'b>(
    descriptor: impl AsFd,
    name: &std::ffi::CStr,
    buffer: &'b mut [MaybeUninit<u8>],
) -> Result<Option<&'b [u8]>, Errno> {
    match readlinkat_raw(descriptor, name, buffer) {
        Ok((target, _)) => Ok(Some(target)),
        Err(Errno::INVAL) => Ok(Some(&[])),
        Err(Errno::NOENT) => Ok(None),
        Err(other) => Err(other),
    }
}

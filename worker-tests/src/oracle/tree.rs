//! The tree for the oracle: one `readlink` or `lstat` per question, nothing remembered.
//!
//! Knows nothing of specs.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use super::spec::{Parts, parts};

/// The most links that the kernel follows on one path.
const MOST_LINKS: usize = 40;

/// (device and inode of a directory, a name in it).
pub type Location = (u64, u64, Vec<u8>);

/// Why a path leads to nothing.
#[derive(Debug, PartialEq)]
pub enum Lost {
    /// Something on the way is not there.
    Missing,
    /// A symlink loop, or more than 40 symlinks.
    SymlinkLoop,
}

/// A source, after staging.
#[derive(Clone)]
pub struct Found {
    /// The directories that the source was looked up from, one for each staging link and the first.
    pub roots: Vec<PathBuf>,
    /// Where the source's entry was at each staging link that stood for the whole source.
    pub staging: Vec<Location>,
    pub home: Entry,
    /// How many links lie on the way from the last root to the home's directory.
    pub linked_directories: usize,
}

/// A name in a directory that is reached without links.
#[derive(Clone)]
pub struct Entry {
    pub directory: PathBuf,
    pub name: Vec<u8>,
}

/// Where the links at an entry lead through.
pub struct Trail {
    pub locations: Vec<Location>,
    /// Nothing is there at the end.
    pub leads_nowhere: bool,
}

impl Entry {
    /// `None` if `stat` of the directory fails.
    pub fn location(&self) -> Option<Location> {
        let directory = fs::symlink_metadata(&self.directory).ok()?;
        Some((directory.dev(), directory.ino(), self.name.clone()))
    }

    /// The text of the link that it is.
    pub fn link(&self) -> Option<Vec<u8>> {
        let text = fs::read_link(self.path()).ok()?;
        Some(text.into_os_string().into_encoded_bytes())
    }

    fn is_there(&self) -> bool {
        fs::symlink_metadata(self.path()).is_ok()
    }

    fn path(&self) -> PathBuf {
        self.directory.join(OsStr::from_bytes(&self.name))
    }
}

/// Finds `source` below `root`, a directory that is reached without links.
pub fn find(root: &Path, source: &[u8]) -> Result<Found, Lost> {
    let from_root = source.first() == Some(&b'/');
    let mut wanted = parts(source);
    let mut roots = vec![if from_root { "/".into() } else { root.to_owned() }];
    let mut staging = Vec::new();
    while roots.len() <= MOST_LINKS + 1 {
        let root = &roots[roots.len() - 1];
        match look(root, &wanted, !from_root)? {
            Look::Home(home, linked_directories) => {
                return Ok(Found { roots, staging, home, linked_directories });
            }
            Look::Staged { at, root } => {
                staging.extend(at.and_then(|entry| entry.location()));
                roots.push(root);
                // Where a link stands for the source, it is found below the root without these.
                wanted = without_leading_ups(&wanted).to_vec();
            }
        }
    }
    Err(Lost::SymlinkLoop)
}

enum Look {
    Home(Entry, usize),
    /// A staging link leads to another root; `at` is the source's entry where the link stood for
    /// the whole source.
    Staged {
        at: Option<Entry>,
        root: PathBuf,
    },
}

/// `path` without `..` at its head, which do not count for staging.
pub fn without_leading_ups(path: &[Vec<u8>]) -> &[Vec<u8>] {
    let ups = path.iter().take_while(|part| *part == b"..").count();
    &path[ups..]
}

fn look(root: &Path, wanted: &Parts, may_be_staged: bool) -> Result<Look, Lost> {
    let (last, above) = wanted.split_last().ok_or(Lost::Missing)?;
    let mut directory = root.to_owned();
    let mut links = 0;
    for (index, name) in above.iter().enumerate() {
        let entry = Entry { directory: directory.clone(), name: name.clone() };
        if may_be_staged && let Some(root) = staged_root(&entry, &wanted[..=index])? {
            return Ok(Look::Staged { at: None, root });
        }
        directory = enter(&directory, std::slice::from_ref(name), &mut links)?;
    }
    let entry = Entry { directory, name: last.clone() };
    if !entry.is_there() {
        return Err(Lost::Missing);
    }
    match may_be_staged {
        true => match staged_root(&entry, wanted)? {
            Some(root) => Ok(Look::Staged { at: Some(entry), root }),
            None => Ok(Look::Home(entry, links)),
        },
        false => Ok(Look::Home(entry, links)),
    }
}

/// Where an absolute link whose target ends in `/` + `path` moves the root to; leading `..` of the path do
/// not count.
fn staged_root(entry: &Entry, path: &[Vec<u8>]) -> Result<Option<PathBuf>, Lost> {
    let Some(text) = entry.link().filter(|text| text[0] == b'/') else {
        return Ok(None);
    };
    match parts(&text).strip_suffix(without_leading_ups(path)) {
        Some(root) => enter(Path::new("/"), root, &mut 0).map(Some),
        None => Ok(None),
    }
}

/// The location of the directory that `path` names below `root`; none for the root itself.
pub fn directory_entry(root: &Path, path: &[Vec<u8>]) -> Option<Entry> {
    let (name, above) = path.split_last()?;
    let directory = enter(root, above, &mut 0).ok()?;
    Some(Entry { directory, name: name.clone() })
}

/// Follows the links at `entry`, for a request with the root `root`.
pub fn follow(entry: &Entry, root: &Path) -> Result<Trail, Lost> {
    let mut trail = Trail { locations: Vec::new(), leads_nowhere: false };
    let mut at = entry.clone();
    while let Some(text) = at.link() {
        if trail.locations.len() == MOST_LINKS {
            return Err(Lost::SymlinkLoop);
        }
        match step(&at, &text, root) {
            Ok(Some(next)) => at = next,
            Ok(None) => return Ok(trail),
            Err(Lost::SymlinkLoop) => return Err(Lost::SymlinkLoop),
            Err(Lost::Missing) => {
                trail.leads_nowhere = true;
                return Ok(trail);
            }
        }
        trail.locations.extend(at.location());
    }
    trail.leads_nowhere = !at.is_there();
    Ok(trail)
}

/// Where one link leads; `None` for `/` and for the request's root.
fn step(entry: &Entry, text: &[u8], root: &Path) -> Result<Option<Entry>, Lost> {
    let start = start_of(text, &entry.directory);
    let wanted = parts(text);
    match wanted.split_last() {
        Some((last, above)) if last != b".." => {
            Ok(Some(Entry { directory: enter(start, above, &mut 0)?, name: last.clone() }))
        }
        _ => {
            let directory = enter(start, &wanted, &mut 0)?;
            let (Some(above), Some(name)) = (directory.parent(), directory.file_name()) else {
                return Ok(None);
            };
            Ok((directory != root)
                .then(|| Entry { directory: above.to_owned(), name: name.as_bytes().to_vec() }))
        }
    }
}

/// The directory, reached without links, that `path` leads to from such a directory `from`. Counts links.
fn enter(from: &Path, path: &[Vec<u8>], links: &mut usize) -> Result<PathBuf, Lost> {
    let mut directory = from.to_owned();
    for name in path {
        if name == b".." {
            directory = directory.parent().unwrap_or(Path::new("/")).to_owned();
            continue;
        }
        let inner = directory.join(OsStr::from_bytes(name));
        directory = match fs::read_link(&inner) {
            Ok(text) => {
                *links += 1;
                if *links > MOST_LINKS {
                    return Err(Lost::SymlinkLoop);
                }
                let text = text.into_os_string().into_encoded_bytes();
                enter(start_of(&text, &directory), &parts(&text), links)?
            }
            Err(_) => match fs::symlink_metadata(&inner) {
                Ok(entry) if entry.is_dir() => inner,
                _ => return Err(Lost::Missing),
            },
        };
    }
    Ok(directory)
}

fn start_of<'p>(text: &[u8], directory: &'p Path) -> &'p Path {
    match text.first() {
        Some(b'/') => Path::new("/"),
        _ => directory,
    }
}

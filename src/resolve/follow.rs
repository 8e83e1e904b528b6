//! Following links: from a link's text to the location that it names, and from there on.
//!
//! Follows them as the kernel does (path_resolution(7)), one component at a time.

use super::tree::{Directory, Entered, Entry, Stopped, Tree};
use crate::path;

/// How many links the kernel follows on one path before it gives up with `ELOOP`.
pub const MOST_LINKS: u32 = 40;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    /// To a location, whatever is there.
    Location(Directory, Vec<u8>),
    /// To a directory, by `..` or `/`.
    Directory(Directory),
    /// Through a directory that is not there.
    Nowhere,
    /// Through a directory that cannot be searched.
    Unreadable,
    /// Through more links than the kernel follows.
    SymlinkLoop,
}

/// Where `text` leads from `directory`: to the location of its last part, which is not followed.
/// Adds the number of links on the way to `followed`.
pub(super) fn land(
    tree: &mut impl Tree,
    directory: Directory,
    text: &[u8],
    followed: &mut u32,
) -> Result<Landing, Stopped> {
    walk(tree, directory, text, followed, false)
}

/// The directory that `text` leads to from `directory`: `Landing::Location` is not an answer.
pub(super) fn land_in(
    tree: &mut impl Tree,
    directory: Directory,
    text: &[u8],
    followed: &mut u32,
) -> Result<Landing, Stopped> {
    walk(tree, directory, text, followed, true)
}

fn walk(
    tree: &mut impl Tree,
    from: Directory,
    text: &[u8],
    followed: &mut u32,
    follow_last: bool,
) -> Result<Landing, Stopped> {
    // Most links lead to a name beside them.
    if !follow_last && !text.is_empty() && !text.contains(&b'/') && !matches!(text, b"." | b"..") {
        return Ok(Landing::Location(from, text.to_vec()));
    }
    let mut links = 0;
    let mut directory = from;
    // The parts still to go, the next one last.
    let mut rest: Vec<Vec<u8>> = Vec::new();
    let mut next = Some(text.to_vec());
    loop {
        if let Some(text) = next.take() {
            rest.extend(path::parts(&text).rev().map(<[u8]>::to_vec));
            if text.starts_with(b"/") {
                match tree.top()? {
                    Entered::Directory(top) => directory = top,
                    Entered::NotADirectory => return Ok(Landing::Nowhere),
                    Entered::Unreadable => return Ok(Landing::Unreadable),
                }
            }
        }
        let Some(part) = rest.pop() else {
            return Ok(Landing::Directory(directory));
        };
        if part == b".." {
            match tree.above(directory)? {
                Entered::Directory(above) => directory = above,
                Entered::NotADirectory => return Ok(Landing::Nowhere),
                Entered::Unreadable => return Ok(Landing::Unreadable),
            }
            continue;
        }
        if rest.is_empty() && !follow_last {
            return Ok(Landing::Location(directory, part));
        }
        match tree.entry(directory, &part)? {
            Entry::Absent => return Ok(Landing::Nowhere),
            Entry::Unreadable => return Ok(Landing::Unreadable),
            Entry::Plain(()) => match tree.enter(directory, &part)? {
                Entered::Directory(inner) => directory = inner,
                Entered::NotADirectory => return Ok(Landing::Nowhere),
                Entered::Unreadable => return Ok(Landing::Unreadable),
            },
            Entry::Symlink(text) => {
                next = Some(text.to_vec());
                *followed += 1;
                links += 1;
                if links > MOST_LINKS {
                    return Ok(Landing::SymlinkLoop);
                }
            }
        }
    }
}

/// What is at the end of a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Something that is no link.
    Somewhere,
    /// Nothing: the links lead nowhere.
    Nowhere,
    /// That is not known: a directory on the way cannot be searched.
    Unreadable,
}

/// The locations that the links at one location lead through, in order, without that location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trail {
    /// The locations.
    pub hops: Vec<(Directory, Box<[u8]>)>,
    /// What is at the last.
    pub end: End,
}

/// The trail of the link at `name` in `directory`. `None` if there is a symlink loop, or more than
/// `MOST_LINKS` (design rule 9).
pub(super) fn trail(
    tree: &mut impl Tree,
    directory: Directory,
    name: &[u8],
) -> Result<Option<Trail>, Stopped> {
    let mut hops: Vec<(Directory, Box<[u8]>)> = Vec::new();
    loop {
        let (directory, name) = match hops.last() {
            Some((directory, name)) => (*directory, &name[..]),
            None => (directory, name),
        };
        let text = match tree.entry(directory, name)? {
            Entry::Absent => {
                return Ok(Some(Trail { hops, end: End::Nowhere }));
            }
            Entry::Unreadable => {
                return Ok(Some(Trail { hops, end: End::Unreadable }));
            }
            Entry::Plain(()) => {
                return Ok(Some(Trail { hops, end: End::Somewhere }));
            }
            Entry::Symlink(_) if hops.len() as u32 == MOST_LINKS => return Ok(None),
            Entry::Symlink(text) => text.to_vec(),
        };
        match land(tree, directory, &text, &mut 0)? {
            Landing::Location(directory, name) => hops.push((directory, name.into())),
            Landing::Directory(directory) => {
                if let Some((parent, name)) = tree.location(directory) {
                    hops.push((parent, name.into()));
                }
                return Ok(Some(Trail { hops, end: End::Somewhere }));
            }
            Landing::Nowhere => {
                return Ok(Some(Trail { hops, end: End::Nowhere }));
            }
            Landing::Unreadable => {
                return Ok(Some(Trail { hops, end: End::Unreadable }));
            }
            Landing::SymlinkLoop => return Ok(None),
        }
    }
}

/// The texts of the links that begin at `name` in `directory`, until they end, loop, or are more
/// than `MOST_LINKS`.
pub(super) fn texts(
    tree: &mut impl Tree,
    directory: Directory,
    name: &[u8],
) -> Result<Vec<Vec<u8>>, Stopped> {
    let mut texts = Vec::new();
    let mut visited = vec![(directory, name.to_vec())];
    loop {
        let (directory, name) = visited[visited.len() - 1].clone();
        let Entry::Symlink(text) = tree.entry(directory, &name)? else {
            return Ok(texts);
        };
        texts.push(text.to_vec());
        let landing = land(tree, directory, &texts[texts.len() - 1], &mut 0)?;
        match landing {
            Landing::Location(directory, name)
                if visited.len() as u32 <= MOST_LINKS
                    && !visited.contains(&(directory, name.clone())) =>
            {
                visited.push((directory, name));
            }
            _ => return Ok(texts),
        }
    }
}

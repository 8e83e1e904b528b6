//! Directories that are one symlink in the tree, and become one link (design rule 6).
//!
//! A directory link never makes a symlink loop with another link. A target's location comes later on the
//! trail than the directory's own, so directory links alone cannot make a symlink loop; and a target whose rows were
//! reached through more linked directories than the directory's is refused, since rule 1 would link those
//! rows back.

use hashbrown::{HashMap, HashSet};

use super::ArchiveFacts;
use super::archive::{Archive, RowId};
use super::below_links::BelowLinks;
use super::collapse::Collapse;
use super::follow::{self, Trail};
use super::homes::{Homes, LinkedDirectory};
use super::locations::Locations;
use super::outcome::DirectoryLink;
use super::tree::{Directory, Entry, Stopped, Tree};
use crate::path;

/// An archive directory that may become a link, by what its first row says.
pub(super) struct Candidate<'s> {
    pub path: &'s [u8],
    pub linked: LinkedDirectory<'s>,
    pub first: RowId,
    /// The archive path of `first` below `path`.
    pub remainder: &'s [u8],
    pub author: Vec<u8>,
    pub trail: Trail,
}

/// The archive directories that may become links.
#[derive(Default)]
pub(super) struct Candidates<'s> {
    outermost_first: Vec<Candidate<'s>>,
}

impl<'s> Candidates<'s> {
    /// The directories of the archive that stand for a linked directory of the tree.
    pub(super) fn find(
        archive: &Archive<'s>,
        homes: &Homes<'s>,
        tree: &mut impl Tree,
    ) -> Result<Self, Stopped> {
        let mut found: HashMap<&[u8], (LinkedDirectory<'s>, RowId, &[u8])> = HashMap::new();
        for row in archive.own().filter(|&row| homes.of(row).linked > 0) {
            let (path, source) = (archive.path(row), archive.source(row));
            for linked in homes.linked_directories(row) {
                let Some(remainder) = path::below(source, linked.path) else {
                    continue;
                };
                match path::without(path, remainder) {
                    Some(directory) if !directory.is_empty() => {
                        found.entry(directory).or_insert((linked, row, remainder));
                    }
                    _ => break,
                }
            }
        }
        let mut outermost_first = Vec::with_capacity(found.len());
        for (path, (linked, first, remainder)) in found {
            let name = path::split(linked.path).1;
            let author = match tree.entry(linked.directory, name)? {
                Entry::Symlink(text) => text.to_vec(),
                _ => continue,
            };
            if let Some(trail) = follow::trail(tree, linked.directory, name)? {
                outermost_first.push(Candidate { path, linked, first, remainder, author, trail });
            }
        }
        outermost_first.sort_unstable_by_key(|candidate| depth(candidate.path));
        Ok(Self { outermost_first })
    }

    /// Notes the locations that `collapse` will need.
    pub(super) fn note(&self, archive: &Archive<'s>, homes: &Homes<'s>, locations: &mut Locations) {
        for candidate in &self.outermost_first {
            let name = path::split(archive.source(candidate.first)).1;
            locations.note(homes.of(candidate.first).directory, name);
        }
    }

    /// The location and the trail of the linked directory that an archive directory stands for.
    pub(super) fn trail(&self, path: &[u8]) -> Option<(Directory, &'s [u8], &Trail)> {
        let candidates = &self.outermost_first;
        let at = candidates.binary_search_by_key(&depth(path), |one| depth(one.path)).ok()?;
        let candidate = &candidates[at];
        let LinkedDirectory { directory, path } = candidate.linked;
        Some((directory, path::split(path).1, &candidate.trail))
    }

    /// The directories that become links.
    pub(super) fn collapse(
        &self,
        facts: ArchiveFacts<'_, 's>,
        below_links: &BelowLinks<'s>,
    ) -> Vec<DirectoryLink> {
        let mut links: Vec<DirectoryLink> = Vec::new();
        if self.outermost_first.is_empty() {
            return links;
        }
        let collapse = Collapse::new(facts, below_links);
        let mut linked: HashSet<&[u8]> = HashSet::new();
        for candidate in &self.outermost_first {
            if !path::upwards(candidate.path).any(|above| linked.contains(above))
                && let Some(link) = collapse.directory(candidate)
            {
                linked.insert(candidate.path);
                links.push(link);
            }
        }
        links
    }
}

/// How deep a directory lies, then its path: the order in which directories become links.
fn depth(path: &[u8]) -> (usize, &[u8]) {
    (memchr::memchr_iter(b'/', path).count(), path)
}

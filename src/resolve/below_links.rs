//! Link rows above other rows (design rule 10): where the rows below them may be unpacked.
//!
//! A row below a link row has several positions: its archive path, and each path that it has once the outermost
//! link above it is followed, and the next, and so on. Which of them an unpacker takes is not known.
//!
//! Knows archive paths and the texts of links; must not know how rows are decided.

use std::cell::RefCell;

use hashbrown::{HashMap, HashSet};

use super::archive::{Archive, RowId};
use super::conflicts;
use super::follow::MOST_LINKS;
use super::homes::Homes;
use super::path_filter::PathFilter;
use crate::mtree::Kind;
use crate::path;

/// The link rows of an archive, if other rows are below one of them.
pub(super) struct BelowLinks<'s> {
    /// By archive path. `None` where the text is not known. Of several links at one path the last put in
    /// counts.
    texts: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// The archive paths with a link, or a row that may become one, and rows below.
    above: HashSet<&'s [u8]>,
    /// The positions of rows other than their archive paths, sorted.
    positions: Vec<(Vec<u8>, RowId)>,
    /// By position: whether all rows that may be there are one.
    agreed: RefCell<HashMap<Vec<u8>, bool>>,
}

impl<'s> BelowLinks<'s> {
    /// Looks for rows below link rows, and below those of `may_become_links`.
    pub(super) fn find(
        archive: &Archive<'s>,
        may_become_links: impl Iterator<Item = RowId>,
    ) -> Self {
        let links = archive.rows().filter(|(.., row)| row.kind() == Kind::Link);
        let links = links.map(|(_, spec, row)| spec.path(row));
        let links: HashSet<_> =
            links.chain(may_become_links.map(|row| archive.path(row))).collect();
        Self {
            texts: HashMap::new(),
            above: if links.is_empty() { HashSet::new() } else { above_rows(archive, &links) },
            positions: Vec::new(),
            agreed: RefCell::default(),
        }
    }

    /// Whether any row is below a link, or below a row that may become one.
    pub(super) fn is_needed(&self) -> bool {
        !self.above.is_empty()
    }

    /// Whether rows are below the row at `path`, which is a link or may become one.
    pub(super) fn is_above_rows(&self, path: &[u8]) -> bool {
        self.above.contains(path)
    }

    /// Notes the link at `path`.
    pub(super) fn put(&mut self, path: &[u8], text: Option<Vec<u8>>) {
        self.texts.insert(path.to_vec(), text);
    }

    /// The innermost link row above `path`.
    pub(super) fn link_above<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        path::upwards(path::split(path).0).find(|above| self.texts.contains_key(*above))
    }

    /// The text of the link row at `path`, if it is known.
    pub(super) fn text(&self, path: &[u8]) -> Option<&[u8]> {
        self.texts.get(path)?.as_deref()
    }

    /// `path`, then what it is with the outermost link above it followed, and so on, each once.
    pub(super) fn positions(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let mut positions = vec![path.to_vec()];
        if self.texts.is_empty() {
            return positions;
        }
        for _ in 0..MOST_LINKS {
            let position = &positions[positions.len() - 1];
            let ends = memchr::memchr_iter(b'/', position);
            let link = ends.filter_map(|end| Some((end, self.texts.get(&position[..end])?))).next();
            let Some((end, Some(text))) = link else {
                break;
            };
            let mut next = path::joined(path::split(&position[..end]).0, text);
            for part in path::parts(&position[end..]) {
                path::push(&mut next, part);
            }
            if positions.contains(&next) {
                break;
            }
            positions.push(next);
        }
        positions
    }

    /// How many directories a text at `path` may climb so that it stays below every link row above
    /// one of its positions; `None` if there is none.
    pub(super) fn room(&self, path: &[u8]) -> Option<usize> {
        if self.texts.is_empty() {
            return None;
        }
        let room = |position: &Vec<u8>| {
            let link = self.link_above(position)?;
            Some(memchr::memchr_iter(b'/', &position[link.len() + 1..]).count())
        };
        self.positions(path).iter().filter_map(room).min()
    }

    /// Whether a text at `path` climbs above a link row there.
    pub(super) fn forbids(&self, path: &[u8], text: &[u8]) -> bool {
        !text.starts_with(b"/")
            && self.room(path).is_some_and(|room| path::climbs_above(room, text))
    }

    /// Finds the positions of all rows again.
    pub(super) fn find_positions(&mut self, archive: &Archive<'_>) {
        self.agreed.borrow_mut().clear();
        self.positions.clear();
        for row in archive.all() {
            let path = archive.path(row);
            if self.link_above(path).is_some() {
                let positions = self.positions(path).into_iter().skip(1);
                self.positions.extend(positions.map(|position| (position, row)));
            }
        }
        self.positions.sort_unstable();
    }

    /// Whether any row has a position other than its archive path.
    pub(super) fn has_positions(&self) -> bool {
        !self.positions.is_empty()
    }

    /// The rows with a position at or below `path`, other than their archive paths, each with that position.
    pub(super) fn at_or_below(&self, path: &[u8]) -> impl Iterator<Item = (&[u8], RowId)> {
        let start = self.positions.partition_point(|(position, _)| &position[..] < path);
        let path = path.to_vec();
        self.positions[start..]
            .iter()
            .map(|(position, row)| (&position[..], *row))
            // `path-x` comes between `path` and what lies below it.
            .take_while({
                let path = path.clone();
                move |(position, _)| position.starts_with(&path)
            })
            .filter(move |(position, _)| {
                path.is_empty() || position.len() == path.len() || position[path.len()] == b'/'
            })
    }

    /// Whether all rows that may be unpacked at one position with those at `path` are the same.
    pub(super) fn agree(
        &self,
        archive: &Archive<'_>,
        homes: &Homes<'_>,
        by_path: &ByPosition<'_>,
        path: &[u8],
    ) -> bool {
        if self.positions.is_empty() {
            return true;
        }
        self.positions(path).into_iter().all(|position| {
            if let Some(&known) = self.agreed.borrow().get(&position) {
                return known;
            }
            let agree = self.agree_at(archive, homes, by_path, &position);
            self.agreed.borrow_mut().insert(position, agree);
            agree
        })
    }

    fn agree_at(
        &self,
        archive: &Archive<'_>,
        homes: &Homes<'_>,
        by_path: &ByPosition<'_>,
        position: &[u8],
    ) -> bool {
        let start = self.positions.partition_point(|(known, _)| &known[..] < position);
        let there = self.positions[start..].iter().take_while(|(known, _)| known == position);
        let mut there = there.map(|(_, row)| *row).peekable();
        if there.peek().is_none() {
            // All have one archive path.
            return true;
        }
        let mut rows = there.chain(by_path.at(position).iter().copied());
        let Some(first) = rows.next() else {
            return true;
        };
        let is_directory = |row: RowId| archive.get(row).1.kind() == Kind::Directory;
        match is_directory(first) {
            true => rows.all(is_directory),
            false => rows.all(|row| conflicts::same(archive, homes, first, row)),
        }
    }

    /// Which of `paths` have a row at or below them.
    pub(super) fn stood_at(
        &self,
        archive: &Archive<'_>,
        paths: &HashSet<Vec<u8>>,
    ) -> HashSet<Vec<u8>> {
        let mut found = HashSet::new();
        let mut last: &[u8] = b"";
        for row in archive.all() {
            let path = archive.path(row);
            for above in path::upwards(path) {
                if above == last || path::below(last, above).is_some() {
                    break;
                }
                if paths.contains(above) {
                    found.insert(above.to_vec());
                }
            }
            last = path;
        }
        for (position, _) in &self.positions {
            let above = path::upwards(position).filter(|above| paths.contains(*above));
            found.extend(above.map(<[u8]>::to_vec));
        }
        if paths.contains(&b""[..]) {
            found.insert(Vec::new());
        }
        found
    }
}

/// The rows of an archive by archive path.
pub(super) struct ByPosition<'s> {
    rows: HashMap<&'s [u8], Vec<RowId>>,
}

impl<'s> ByPosition<'s> {
    pub(super) fn new(archive: &Archive<'s>) -> Self {
        let mut rows: HashMap<&[u8], Vec<RowId>> = HashMap::new();
        for row in archive.all() {
            rows.entry(archive.path(row)).or_default().push(row);
        }
        Self { rows }
    }

    /// The rows at `path`.
    fn at(&self, path: &[u8]) -> &[RowId] {
        self.rows.get(path).map_or(&[], |rows| rows)
    }
}

/// Those of `paths` that have rows below them.
fn above_rows<'s>(archive: &Archive<'s>, paths: &HashSet<&[u8]>) -> HashSet<&'s [u8]> {
    let mut found = HashSet::new();
    let filter = PathFilter::new(paths.iter().copied());
    let mut last: &[u8] = b"";
    for (_, spec, row) in archive.rows().filter(|(.., row)| !row.is_beside_last()) {
        let directory = path::split(spec.path(row)).0;
        // Rows of one directory are mostly consecutive, and follow those of the directory above.
        let mut above = directory;
        while !above.is_empty() && above != last && path::below(last, above).is_none() {
            if filter.may_have(above) && paths.contains(above) {
                found.insert(above);
            }
            above = path::split(above).0;
        }
        last = directory;
    }
    found
}

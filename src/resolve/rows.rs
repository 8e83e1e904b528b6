//! Rows that are reached through links, or are links (design rules 1 to 4).
//!
//! Knows homes, trails and the rows at locations; must not know directories that become one link, but for the
//! rows that go with them.

use hashbrown::HashSet;

use super::archive::{Archive, RowId};
use super::below_links::BelowLinks;
use super::follow::{self, Trail};
use super::homes::{AtHome, Homes};
use super::locations::Locations;
use super::outcome::{Decisions, RowOutcome};
use super::tree::{Entry, Stopped, Tree};
use super::verdict::{RowDecider, SymlinkVerdict, Verdict};
use super::without_target::{NotKept, decide_without_target, without_target};
use super::{ArchiveFacts, Options, ResolveError};
use crate::mtree::Kind;
use crate::path;

/// The rows of the spec that may become links.
pub(super) struct Linked {
    /// Rows whose home is a symlink, with its trail, in the order of rows.
    pub(super) links: Vec<(RowId, Trail)>,
    /// Rows whose home is not a symlink, but was reached through more symlinked directories than that of some other row
    /// in the same directory.
    indirect: Vec<RowId>,
}

impl Linked {
    /// Looks for them, and follows the symlinks. A symlink loop is an error.
    pub(super) fn find(
        archive: &Archive<'_>,
        homes: &Homes<'_>,
        tree: &mut impl Tree,
    ) -> Result<Self, ResolveError> {
        let mut links = Vec::new();
        let mut most = 0;
        for row in archive.all() {
            let home = homes.of(row);
            match home.at_home {
                AtHome::Symlink if archive.is_own(row) => {
                    let name = path::split(archive.source(row)).1;
                    match follow::trail(tree, home.directory, name)? {
                        Some(trail) => links.push((row, trail)),
                        None => return Err(symlink_loop(archive, homes, tree, row)?),
                    }
                }
                AtHome::SymlinkLoop if archive.is_own(row) => {
                    return Err(symlink_loop(archive, homes, tree, row)?);
                }
                AtHome::NotASymlink => most = most.max(home.linked),
                _ => {}
            }
        }
        let indirect = if most > 0 { indirect(archive, homes) } else { Vec::new() };
        Ok(Self { links, indirect })
    }

    /// The trail of a row whose home is a symlink.
    pub(super) fn trail(&self, row: RowId) -> Option<&Trail> {
        let at = self.links.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        Some(&self.links[at].1)
    }

    /// Notes the locations that `decide` will need.
    pub(super) fn note(&self, archive: &Archive<'_>, homes: &Homes<'_>, locations: &mut Locations) {
        for (directory, name) in self.links.iter().flat_map(|(_, trail)| &trail.hops) {
            locations.note(*directory, name);
        }
        for &row in &self.indirect {
            locations.note(homes.of(row).directory, path::split(archive.source(row)).1);
        }
    }

    /// The rows that may become links.
    pub(super) fn rows(&self) -> impl Iterator<Item = RowId> + '_ {
        self.links.iter().map(|(row, _)| *row).chain(self.indirect.iter().copied())
    }

    /// Decides for the rows above others, the outermost first, and notes all link rows, since what becomes of the rows
    /// below depends on them (design rule 10).
    pub(super) fn decide_above_rows(
        &self,
        facts: ArchiveFacts<'_, '_>,
        options: Options,
        tree: &mut impl Tree,
        below_links: &mut BelowLinks<'_>,
    ) -> Result<Vec<(RowId, Verdict)>, ResolveError> {
        note_link_rows(facts, tree, below_links)?;
        let archive = facts.archive;
        let is_declared = |row: RowId| archive.get(row).1.kind() == Kind::Link;
        let links = self.links.iter().enumerate().map(|(number, (row, _))| (*row, Some(number)));
        let mut rows: Vec<_> = links
            .chain(self.indirect.iter().map(|row| (*row, None)))
            .filter(|(row, _)| is_declared(*row) || below_links.is_above_rows(archive.path(*row)))
            .collect();
        rows.sort_by_key(|(row, _)| (memchr::memchr_iter(b'/', archive.path(*row)).count(), *row));
        let mut decided = Vec::new();
        let mut next = rows.into_iter().peekable();
        while let Some((row, _)) = next.peek() {
            // No row is above another of the same depth.
            let depth = memchr::memchr_iter(b'/', archive.path(*row)).count();
            let deciding = RowDecider::new(facts, self, below_links);
            let mut of_one_depth = Vec::new();
            while let Some((row, number)) = next
                .next_if(|(row, _)| memchr::memchr_iter(b'/', archive.path(*row)).count() == depth)
            {
                let verdict = match number {
                    Some(number) => deciding.symlink(number, tree)?,
                    None => deciding.indirect(row).map(SymlinkVerdict::Decided),
                };
                of_one_depth.extend(verdict.map(|verdict| (row, verdict)));
            }
            for (row, verdict) in of_one_depth {
                let path = archive.path(row);
                let is_above = below_links.is_above_rows(path);
                let verdict = match verdict {
                    SymlinkVerdict::Decided(verdict) => verdict,
                    // `decide` decides it, once all links are known.
                    SymlinkVerdict::WithoutTarget(..) if !is_above => continue,
                    SymlinkVerdict::WithoutTarget(author, end) => {
                        let kept = Err(NotKept::RowsBelow);
                        without_target(facts, tree, row, author, end, options, kept)?
                    }
                };
                if let Verdict::Link(text, _) = &verdict {
                    below_links.put(path, Some(text.clone()));
                }
                if is_above {
                    decided.push((row, verdict));
                }
            }
        }
        below_links.find_positions(archive);
        Ok(decided)
    }

    /// Decides what becomes of the rows that are not removed, with what was decided `before`.
    pub(super) fn decide(
        &self,
        facts: ArchiveFacts<'_, '_>,
        options: Options,
        tree: &mut impl Tree,
        below_links: &mut BelowLinks<'_>,
        before: Vec<(RowId, Verdict)>,
        decisions: &mut Decisions,
    ) -> Result<(), ResolveError> {
        let mut without_target = Vec::new();
        let set = |row, verdict, decisions: &mut Decisions| match verdict {
            Verdict::Link(text, reason) => decisions.set_link(row, text, reason),
            Verdict::Unchanged(why) => decisions.set_unchanged(row, why),
        };
        let is_removed =
            |row, decisions: &Decisions| matches!(decisions.of(row), Some(RowOutcome::Removed(_)));
        let decided: HashSet<RowId> = before.iter().map(|(row, _)| *row).collect();
        for (row, verdict) in before {
            if !is_removed(row, decisions) {
                set(row, verdict, decisions);
            }
        }
        let deciding = RowDecider::new(facts, self, below_links);
        for number in 0..self.links.len() {
            let row = self.links[number].0;
            if !is_removed(row, decisions)
                && !decided.contains(&row)
                && let Some(verdict) = deciding.symlink(number, tree)?
            {
                match verdict {
                    SymlinkVerdict::Decided(verdict) => set(row, verdict, decisions),
                    SymlinkVerdict::WithoutTarget(author, end) => {
                        without_target.push((row, author, end));
                    }
                }
            }
        }
        for &row in &self.indirect {
            if !is_removed(row, decisions)
                && !decided.contains(&row)
                && let Some(verdict) = deciding.indirect(row)
            {
                set(row, verdict, decisions);
            }
        }
        drop(deciding);
        decide_without_target(facts, options, tree, below_links, without_target, decisions)
    }
}

/// Notes the rows that are links already, or that the build declared.
pub(super) fn note_link_rows(
    ArchiveFacts { archive, homes, .. }: ArchiveFacts<'_, '_>,
    tree: &mut impl Tree,
    below_links: &mut BelowLinks<'_>,
) -> Result<(), Stopped> {
    let (own, others): (Vec<_>, Vec<_>) = archive
        .all()
        .filter(|&row| archive.get(row).1.kind() == Kind::Link)
        .partition(|&row| archive.is_own(row));
    for row in others.into_iter().chain(own) {
        let (spec, found) = archive.get(row);
        let text = match homes.of(row) {
            _ if !found.takes_part() => spec.link(found),
            home if home.is_known() => match tree.entry(home.directory, name(archive, row))? {
                Entry::Symlink(text) => Some(text.to_vec()),
                _ => None,
            },
            _ => None,
        };
        below_links.put(archive.path(row), text);
    }
    Ok(())
}

/// The rows of the spec whose home is no symlink, and was reached through more symlinked directories than that of another
/// row in the same directory (design rule 1).
fn indirect(archive: &Archive<'_>, homes: &Homes<'_>) -> Vec<RowId> {
    let plain = |row: &RowId| homes.of(*row).at_home == AtHome::NotASymlink;
    let mut fewest: Vec<u32> = Vec::new();
    for home in archive.all().filter(plain).map(|row| homes.of(row)) {
        let directory = home.directory.0 as usize;
        fewest.resize(fewest.len().max(directory + 1), u32::MAX);
        fewest[directory] = fewest[directory].min(home.linked);
    }
    let more = |row: &RowId| homes.of(*row).linked > fewest[homes.of(*row).directory.0 as usize];
    archive.own().filter(plain).filter(more).collect()
}

pub(super) fn name<'s>(archive: &Archive<'s>, row: RowId) -> &'s [u8] {
    path::split(archive.source(row)).1
}

fn symlink_loop(
    archive: &Archive<'_>,
    homes: &Homes<'_>,
    tree: &mut impl Tree,
    row: RowId,
) -> Result<ResolveError, Stopped> {
    let trail = trail_texts(archive, homes, tree, row)?;
    Ok(ResolveError::SymlinkLoop { path: archive.path(row).to_vec(), trail })
}

/// The source of a row, and the texts of the symlinks from its home on.
pub(super) fn trail_texts(
    archive: &Archive<'_>,
    homes: &Homes<'_>,
    tree: &mut impl Tree,
    row: RowId,
) -> Result<Vec<Vec<u8>>, Stopped> {
    let mut texts = vec![archive.source(row).to_vec()];
    if homes.of(row).at_home == AtHome::Symlink {
        texts.extend(follow::texts(tree, homes.of(row).directory, name(archive, row))?);
    }
    Ok(texts)
}

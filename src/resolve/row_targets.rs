//! Which rows links may lead to (design rules 1, 2 and 10).
//!
//! Knows the rows at locations, and which of them are refused; must not know which row becomes a link.

use std::cell::OnceCell;

use hashbrown::HashMap;

use super::ArchiveFacts;
use super::archive::RowId;
use super::below_links::{BelowLinks, ByPosition};
use super::conflicts::Conflicts;
use super::targets::Targets;
use super::tree::Directory;

/// The rows at a location that were reached through the fewest symlinked directories.
pub(super) struct MostDirect<'s> {
    /// How many symlinked directories those are.
    pub(super) fewest: u32,
    /// Their archive paths.
    pub(super) targets: Targets<'s>,
    /// Where else they may be unpacked: by position the archive path, or `None` for several.
    pub(super) positions: HashMap<Vec<u8>, Option<&'s [u8]>>,
}

/// The rows that links may lead to. Thousands of links may lead to one location with thousands of rows: what
/// is the same for all of them is computed once.
pub(super) struct RowTargets<'a, 's> {
    facts: ArchiveFacts<'a, 's>,
    pub(super) conflicts: Conflicts<'s>,
    below_links: &'a BelowLinks<'s>,
    by_position: OnceCell<ByPosition<'s>>,
    /// By the number of a location: the rows there.
    targets: Vec<OnceCell<Targets<'s>>>,
}

impl<'a, 's> RowTargets<'a, 's> {
    pub(super) fn new(
        facts: ArchiveFacts<'a, 's>,
        conflicts: Conflicts<'s>,
        below_links: &'a BelowLinks<'s>,
    ) -> Self {
        let count = facts.locations.count();
        let targets = std::iter::repeat_with(OnceCell::new).take(count).collect();
        Self { facts, conflicts, below_links, by_position: OnceCell::new(), targets }
    }

    /// The rows at a location that links may lead to (design rule 2).
    pub(super) fn at(&self, directory: Directory, name: &[u8]) -> Option<&Targets<'s>> {
        let ArchiveFacts { archive, locations, .. } = self.facts;
        let number = locations.number(directory, name)?;
        Some(self.targets[number].get_or_init(|| {
            let rows = self.may_be_led_to(number).filter(|row| self.is_one_below_links(*row));
            Targets::new(rows.map(|row| archive.path(row)).collect())
        }))
    }

    /// Through how few linked directories a row at the location with this number, which is in `directory`,
    /// was reached, and the rows that were reached so (design rule 1).
    pub(super) fn most_direct(&self, number: usize, directory: Directory) -> MostDirect<'s> {
        let ArchiveFacts { archive, homes, .. } = self.facts;
        // One that is only staged there has another home.
        let at_home = |row: &RowId| homes.of(*row).directory == directory;
        let rows: Vec<_> = self.may_be_led_to(number).filter(at_home).collect();
        let linked = rows.iter().map(|row| homes.of(*row).linked);
        let fewest = linked.min().unwrap_or(u32::MAX);
        let direct = rows.into_iter().filter(|row| homes.of(*row).linked == fewest);
        let direct: Vec<_> = direct.collect();
        let mut positions: HashMap<Vec<u8>, Option<&'s [u8]>> = HashMap::new();
        if self.below_links.has_positions() {
            for path in direct.iter().map(|row| archive.path(*row)) {
                for position in self.below_links.positions(path) {
                    let known = positions.entry(position).or_insert(Some(path));
                    *known = known.filter(|known| *known == path);
                }
            }
        }
        let targets = direct.into_iter().filter(|row| self.is_one_below_links(*row));
        let targets = Targets::new(targets.map(|row| archive.path(row)).collect());
        MostDirect { fewest, targets, positions }
    }

    /// The rows at the location with this number that links may lead to.
    fn may_be_led_to(&self, number: usize) -> impl Iterator<Item = RowId> + '_ {
        let ArchiveFacts { archive, locations, .. } = self.facts;
        let rows = locations.rows_at(number).iter().copied();
        rows.filter(move |row| self.conflicts.can_be_target(archive, *row))
    }

    /// Whether no other file may be unpacked where `row` may be (design rule 10).
    fn is_one_below_links(&self, row: RowId) -> bool {
        let ArchiveFacts { archive, homes, .. } = self.facts;
        !self.below_links.has_positions() || {
            let by_position = self.by_position.get_or_init(|| ByPosition::new(archive));
            self.below_links.agree(archive, homes, by_position, archive.path(row))
        }
    }
}

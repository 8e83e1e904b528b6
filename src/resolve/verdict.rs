//! What becomes of one row that may become a link (design rules 1, 2, 4, 5 and 10). Rule 3 is in `without_target`.
//!
//! Knows the rows at locations and below links; must not know what is decided for other rows.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use hashbrown::HashMap;

use super::archive::RowId;
use super::below_links::BelowLinks;
use super::conflicts::Conflicts;
use super::follow::{End, Trail};
use super::mirrored::MirroredDirectories;
use super::outcome::{Reason, Unchanged};
use super::row_targets::{MostDirect, RowTargets};
use super::rows::{Linked, name};
use super::targets::Choice;
use super::tree::{Entry, Tree};
use super::{ArchiveFacts, ResolveError};
use crate::mtree::Kind;
use crate::path;

/// What is decided for a row.
pub(super) enum Verdict {
    Link(Vec<u8>, Reason),
    Unchanged(Unchanged),
}

/// What is known of a symlink before the links of the archive are.
pub(super) enum SymlinkVerdict {
    Decided(Verdict),
    /// Nothing on its trail is in the archive, and the build did not declare it. `without_target` decides: its author's
    /// text may be kept.
    WithoutTarget(Vec<u8>, End),
}

/// Decides for single rows of a spec that may become links (design rules 1, 2, 4, 5 and 10).
pub(super) struct RowDecider<'a, 's> {
    facts: ArchiveFacts<'a, 's>,
    linked: &'a Linked,
    below_links: &'a BelowLinks<'s>,
    known: RowTargets<'a, 's>,
    /// Found only where no row is on a trail.
    mirrored: OnceCell<MirroredDirectories<'s>>,
    most_direct: RefCell<HashMap<usize, Rc<MostDirect<'s>>>>,
}

impl<'a, 's> RowDecider<'a, 's> {
    pub(super) fn new(
        facts: ArchiveFacts<'a, 's>,
        linked: &'a Linked,
        below_links: &'a BelowLinks<'s>,
    ) -> Self {
        let ArchiveFacts { archive, homes, locations } = facts;
        let conflicts = Conflicts::find(archive, homes, linked.rows().chain(locations.rows()));
        let known = RowTargets::new(facts, conflicts, below_links);
        let (mirrored, most_direct) = (OnceCell::new(), RefCell::default());
        Self { facts, linked, below_links, known, mirrored, most_direct }
    }

    /// What becomes of the row with this number in `linked.links`.
    pub(super) fn symlink(
        &self,
        number: usize,
        tree: &mut impl Tree,
    ) -> Result<Option<SymlinkVerdict>, ResolveError> {
        let decided = |verdict| Ok(Some(SymlinkVerdict::Decided(verdict)));
        let ArchiveFacts { archive, homes, .. } = self.facts;
        let (row, trail) = &self.linked.links[number];
        let row = *row;
        if !self.may_change(row) {
            return Ok(None);
        }
        let author = match tree.entry(homes.of(row).directory, name(archive, row))? {
            Entry::Symlink(text) => text.to_vec(),
            _ => return Ok(None),
        };
        // Rule 2: the first location on its trail that the archive has.
        let room = self.below_links.room(archive.path(row));
        let target = self
            .on_the_trail(row, &author, room, trail)
            .or_else(|| self.mirrored_on_the_trail(row, &author, room, trail));
        if let Some((text, reason)) = target {
            return decided(Verdict::Link(text, reason));
        }
        // Rule 4: a link that the build declared keeps its text.
        if archive.get(row).1.kind() == Kind::Link {
            let leads_outside = path::climbs_out(path::split(archive.path(row)).0, &author);
            return decided(Verdict::Link(author, Reason::Declared { leads_outside }));
        }
        if room.is_some() && self.has_targets(row, trail) {
            return decided(Verdict::Unchanged(Unchanged::BelowLink));
        }
        Ok(Some(SymlinkVerdict::WithoutTarget(author, trail.end)))
    }

    /// Rule 1: a row whose home is not a symlink becomes a link to one that was reached through fewer
    /// symlinked directories.
    pub(super) fn indirect(&self, row: RowId) -> Option<Verdict> {
        let ArchiveFacts { archive, homes, locations } = self.facts;
        if !self.may_change(row) {
            return None;
        }
        let home = homes.of(row);
        let number = locations.number(home.directory, name(archive, row))?;
        let known = self.most_direct.borrow().get(&number).cloned();
        let most_direct = known.unwrap_or_else(|| {
            let found = Rc::new(self.known.most_direct(number, home.directory));
            self.most_direct.borrow_mut().insert(number, found.clone());
            found
        });
        if most_direct.fewest >= home.linked {
            return None;
        }
        let path = archive.path(row);
        let room = self.below_links.room(path);
        if !most_direct.positions.is_empty() {
            let is_another = |position| {
                let there = most_direct.positions.get(position);
                there.is_some_and(|there| there.is_none_or(|there| there != path))
            };
            if self.below_links.positions(path).iter().any(is_another) {
                return Some(Verdict::Unchanged(Unchanged::BelowLink));
            }
        }
        let is_other = |target: &[u8]| (target != path).into();
        match most_direct.targets.choose(path, None, room, is_other) {
            Some(text) => Some(Verdict::Link(text, Reason::Indirect)),
            None if room.is_some() && most_direct.targets.any(|target| target != path) => {
                Some(Verdict::Unchanged(Unchanged::BelowLink))
            }
            None => None,
        }
    }

    fn may_change(&self, row: RowId) -> bool {
        self.known.conflicts.can_be_link(self.facts.archive, row)
            && !self.facts.archive.get(row).1.is_below_set_source()
    }

    /// Rule 2: the first location on the trail that is another row's.
    fn on_the_trail(
        &self,
        row: RowId,
        author: &[u8],
        room: Option<usize>,
        trail: &Trail,
    ) -> Option<(Vec<u8>, Reason)> {
        let path = self.facts.archive.path(row);
        trail.hops.iter().enumerate().find_map(|(hop, (directory, name))| {
            let targets = self.known.at(*directory, name)?;
            let is_other = |target: &[u8]| (target != path).into();
            Some((targets.choose(path, Some(author), room, is_other)?, Reason::Hop(hop)))
        })
    }

    /// Rule 2, where no row is on the trail: the first location on it at which the archive mirrors a
    /// directory.
    fn mirrored_on_the_trail(
        &self,
        row: RowId,
        author: &[u8],
        room: Option<usize>,
        trail: &Trail,
    ) -> Option<(Vec<u8>, Reason)> {
        let path = self.facts.archive.path(row);
        trail.hops.iter().enumerate().find_map(|(hop, (directory, name))| {
            let targets = self.mirrored().at(*directory, name)?;
            let text = targets.choose(path, Some(author), room, |_| Choice::This)?;
            Some((text, Reason::Directory(hop)))
        })
    }

    /// Whether anything on the trail of `row` is in the archive, wherever a text would lead.
    fn has_targets(&self, row: RowId, trail: &Trail) -> bool {
        let path = self.facts.archive.path(row);
        trail.hops.iter().any(|(directory, name)| {
            let rows = self.known.at(*directory, name);
            rows.is_some_and(|rows| rows.any(|target| target != path))
                || self.mirrored().at(*directory, name).is_some_and(|mirrors| mirrors.any(|_| true))
        })
    }

    fn mirrored(&self) -> &MirroredDirectories<'s> {
        self.mirrored.get_or_init(|| {
            let ArchiveFacts { archive, homes, .. } = self.facts;
            let trails = self.linked.links.iter().map(|(_, trail)| trail);
            MirroredDirectories::find(archive, homes, trails)
        })
    }
}

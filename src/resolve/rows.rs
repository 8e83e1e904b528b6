//! Rows that are reached through links, or are links (design rules 1 to 4).
//!
//! Knows homes, trails and the rows at locations; must not know directories that become one link, but for the
//! rows that go with them.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use super::archive::{Archive, RowId};
use super::below_links::BelowLinks;
use super::conflicts::Conflicts;
use super::follow::{self, End, Trail};
use super::homes::{AtHome, Homes};
use super::locations::Locations;
use super::mirrored::MirroredDirectories;
use super::outcome::{Decisions, Reason, RowOutcome, Unchanged};
use super::row_targets::{RowTargets, Straightest};
use super::targets::Choice;
use super::tree::{Entry, Stopped, Tree};
use super::{Facts, MissingTarget, Options, ResolveError};
use crate::mtree::Kind;
use crate::path;

/// The rows of the spec that may become links.
pub(super) struct Linked {
    /// Rows whose home is a link, with its trail, in the order of rows.
    links: Vec<(RowId, Trail)>,
    /// Rows whose home is none, but was reached through more linked directories than some other row
    /// whose home is in the same directory.
    indirect: Vec<RowId>,
}

impl Linked {
    /// Looks for them, and follows the links. A symlink loop is an error.
    pub(super) fn find(
        archive: &Archive<'_>,
        homes: &Homes<'_>,
        tree: &mut impl Tree,
    ) -> Result<Self, ResolveError> {
        let mut links = Vec::new();
        let mut most = 0;
        for row in archive.all() {
            let home = homes.of(row);
            match home.stands {
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

    /// The trail of a row whose home is a link.
    pub(super) fn trail(&self, row: RowId) -> Option<&Trail> {
        let at = self.links.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        Some(&self.links[at].1)
    }

    /// Notes the locations that `decide` will ask for.
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
}

/// What is decided for a row.
pub(super) enum Verdict {
    Link(Vec<u8>, Reason),
    Unchanged(Unchanged),
    /// Nothing on its trail is in the archive, and the build did not declare it: the author's text may be kept.
    WithoutTarget(Vec<u8>, End),
}

/// What decides for the rows of a spec that may become links (design rules 1 to 5 and 10).
pub(super) struct Rows<'a, 's> {
    facts: Facts<'a, 's>,
    linked: &'a Linked,
    below_links: &'a BelowLinks<'s>,
    known: RowTargets<'a, 's>,
    /// Found only where no row is on a trail.
    mirrored: OnceCell<MirroredDirectories<'s>>,
    straightest: RefCell<HashMap<usize, Rc<Straightest<'s>>>>,
}

impl<'a, 's> Rows<'a, 's> {
    pub(super) fn new(
        facts: Facts<'a, 's>,
        linked: &'a Linked,
        below_links: &'a BelowLinks<'s>,
    ) -> Self {
        let Facts { archive, homes, locations } = facts;
        let conflicts = Conflicts::find(archive, homes, linked.rows().chain(locations.rows()));
        let known = RowTargets::new(facts, conflicts, below_links);
        let (mirrored, straightest) = (OnceCell::new(), RefCell::default());
        Self { facts, linked, below_links, known, mirrored, straightest }
    }

    /// What becomes of the row with this number in `linked.links`.
    pub(super) fn symlink(
        &self,
        number: usize,
        tree: &mut impl Tree,
    ) -> Result<Option<Verdict>, ResolveError> {
        let Facts { archive, homes, .. } = self.facts;
        let (row, trail) = &self.linked.links[number];
        let row = *row;
        if !self.may_change(row) {
            return Ok(None);
        }
        let author = match tree.entry(homes.of(row).directory, name(archive, row))? {
            Entry::Symlink(text) => text.to_vec(),
            _ => return Ok(None),
        };
        let room = self.below_links.room(archive.path(row));
        let target = self
            .on_the_trail(row, &author, room, trail)
            .or_else(|| self.mirrored_on_the_trail(row, &author, room, trail));
        if let Some((text, reason)) = target {
            return Ok(Some(Verdict::Link(text, reason)));
        }
        if archive.get(row).1.kind() == Kind::Link {
            let leads_outside = path::climbs_out(path::split(archive.path(row)).0, &author);
            return Ok(Some(Verdict::Link(author, Reason::Declared { leads_outside })));
        }
        if room.is_some() && self.has_targets(row, trail) {
            return Ok(Some(Verdict::Unchanged(Unchanged::BelowLink)));
        }
        Ok(Some(Verdict::WithoutTarget(author, trail.end)))
    }

    /// Rule 1: a row whose home is not a symlink becomes a link to one that was reached through fewer
    /// symlinked directories.
    pub(super) fn indirect(&self, row: RowId) -> Option<Verdict> {
        let Facts { archive, homes, locations } = self.facts;
        if !self.may_change(row) {
            return None;
        }
        let home = homes.of(row);
        let number = locations.number(home.directory, name(archive, row))?;
        let known = self.straightest.borrow().get(&number).cloned();
        let straightest = known.unwrap_or_else(|| {
            let found = Rc::new(self.known.straightest(number, home.directory));
            self.straightest.borrow_mut().insert(number, found.clone());
            found
        });
        if straightest.fewest >= home.linked {
            return None;
        }
        let path = archive.path(row);
        let room = self.below_links.room(path);
        if !straightest.positions.is_empty() {
            let is_another = |position| {
                let there = straightest.positions.get(position);
                there.is_some_and(|there| there.is_none_or(|there| there != path))
            };
            if self.below_links.positions(path).iter().any(is_another) {
                return Some(Verdict::Unchanged(Unchanged::BelowLink));
            }
        }
        let ask = |target: &[u8]| (target != path).into();
        match straightest.targets.choose(path, None, room, ask) {
            Some(text) => Some(Verdict::Link(text, Reason::Indirect)),
            None if room.is_some() && straightest.targets.any(|target| target != path) => {
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
            let ask = |target: &[u8]| (target != path).into();
            Some((targets.choose(path, Some(author), room, ask)?, Reason::Hop(hop)))
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
            let Facts { archive, homes, .. } = self.facts;
            let trails = self.linked.links.iter().map(|(_, trail)| trail);
            MirroredDirectories::find(archive, homes, trails)
        })
    }
}

impl Linked {
    /// Decides for the rows that stand above others, the outermost first, and notes all link rows: what
    /// becomes of the rows below depends on them (design rule 10).
    pub(super) fn decide_above_rows(
        &self,
        facts: Facts<'_, '_>,
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
            // Rows of one depth do not stand above each other.
            let depth = memchr::memchr_iter(b'/', archive.path(*row)).count();
            let deciding = Rows::new(facts, self, below_links);
            let mut of_one_depth = Vec::new();
            while let Some((row, number)) = next
                .next_if(|(row, _)| memchr::memchr_iter(b'/', archive.path(*row)).count() == depth)
            {
                let verdict = match number {
                    Some(number) => deciding.symlink(number, tree)?,
                    None => deciding.indirect(row),
                };
                of_one_depth.extend(verdict.map(|verdict| (row, verdict)));
            }
            for (row, verdict) in of_one_depth {
                let path = archive.path(row);
                let is_above = below_links.is_above_rows(path);
                let verdict = match verdict {
                    Verdict::WithoutTarget(author, end) if is_above => {
                        // With rows below it, it is no link that leads nowhere.
                        let is_kept = false;
                        without_target(facts, tree, row, author, end, options, is_kept)?
                    }
                    verdict => verdict,
                };
                if let Verdict::Link(text, _) = &verdict {
                    below_links.put(path, Some(text.clone()));
                }
                if is_above {
                    decided.push((row, verdict));
                }
            }
        }
        below_links.find_places(archive);
        Ok(decided)
    }

    /// Decides what becomes of the rows that are not removed, with what was decided `before`.
    pub(super) fn decide(
        &self,
        facts: Facts<'_, '_>,
        options: Options,
        tree: &mut impl Tree,
        below_links: &mut BelowLinks<'_>,
        before: Vec<(RowId, Verdict)>,
        decisions: &mut Decisions,
    ) -> Result<(), ResolveError> {
        let mut without = Vec::new();
        let mut set = |row, verdict, decisions: &mut Decisions| match verdict {
            Verdict::Link(text, reason) => decisions.set_link(row, text, reason),
            Verdict::Unchanged(why) => decisions.set_unchanged(row, why),
            Verdict::WithoutTarget(author, end) => without.push((row, author, end)),
        };
        let is_removed =
            |row, decisions: &Decisions| matches!(decisions.of(row), Some(RowOutcome::Removed(_)));
        let decided: HashSet<RowId> = before.iter().map(|(row, _)| *row).collect();
        for (row, verdict) in before {
            if !is_removed(row, decisions) {
                set(row, verdict, decisions);
            }
        }
        let deciding = Rows::new(facts, self, below_links);
        for number in 0..self.links.len() {
            let row = self.links[number].0;
            if !is_removed(row, decisions)
                && !decided.contains(&row)
                && let Some(verdict) = deciding.symlink(number, tree)?
            {
                set(row, verdict, decisions);
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
        self.decide_without_target(facts, options, tree, below_links, without, decisions)
    }

    /// Rule 3: what becomes of rows of which nothing on the trail is in the archive. Whether an author's text
    /// names another row depends on all links that are made.
    fn decide_without_target(
        &self,
        facts: Facts<'_, '_>,
        options: Options,
        tree: &mut impl Tree,
        below_links: &mut BelowLinks<'_>,
        rows: Vec<(RowId, Vec<u8>, End)>,
        decisions: &mut Decisions,
    ) -> Result<(), ResolveError> {
        let archive = facts.archive;
        let directory = |row| path::split(archive.path(row)).0;
        let may_be_kept = |(row, author, end): &(RowId, Vec<u8>, End)| {
            (*end == End::Nowhere || options.missing_target == MissingTarget::Keep)
                && !author.starts_with(b"/")
                && !path::climbs_out(directory(*row), author)
        };
        let mut named: HashMap<RowId, Vec<Vec<u8>>> = HashMap::new();
        if rows.iter().any(may_be_kept) {
            if !below_links.is_needed() {
                note_link_rows(facts, tree, below_links)?;
            }
            for link in decisions.directory_links() {
                below_links.put(&link.path, Some(link.text.clone()));
            }
            for link in decisions.links() {
                below_links.put(archive.path(link.row), Some(link.text.clone()));
            }
            if below_links.is_needed() {
                below_links.find_places(archive);
            }
            for (row, author, _) in rows.iter().filter(|row| may_be_kept(row)) {
                if !below_links.forbids(archive.path(*row), author) {
                    let path = path::joined(directory(*row), author);
                    named.insert(*row, below_links.positions(&path));
                }
            }
        }
        let paths = named.values().flatten().cloned().collect();
        let stood_at = match named.is_empty() {
            true => HashSet::new(),
            false => below_links.stood_at(archive, &paths),
        };
        for (row, author, end) in rows {
            let named = named.get(&row);
            let is_kept = named.is_some_and(|positions| {
                !positions.iter().any(|position| stood_at.contains(position))
            });
            match without_target(facts, tree, row, author, end, options, is_kept)? {
                Verdict::Link(text, reason) => decisions.set_link(row, text, reason),
                Verdict::Unchanged(Unchanged::NamesAnother { is_dangling }) if named.is_none() => {
                    let below = Unchanged::TextAboveLink { is_dangling };
                    decisions.set_unchanged(row, below);
                }
                Verdict::Unchanged(why) => decisions.set_unchanged(row, why),
                Verdict::WithoutTarget(..) => {}
            }
        }
        Ok(())
    }
}

/// Notes the rows that are links already, or that the build declared.
fn note_link_rows(
    Facts { archive, homes, .. }: Facts<'_, '_>,
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

/// Rule 3, where nothing on the trail of `row` is in the archive, and the author's text is or is not one
/// that may be kept.
fn without_target(
    Facts { archive, homes, .. }: Facts<'_, '_>,
    tree: &mut impl Tree,
    row: RowId,
    author: Vec<u8>,
    end: End,
    options: Options,
    is_kept: bool,
) -> Result<Verdict, ResolveError> {
    let is_relative = !author.starts_with(b"/");
    let leads_outside = path::climbs_out(path::split(archive.path(row)).0, &author);
    let is_dangling = is_relative && end == End::Nowhere;
    if is_dangling || options.missing_target == MissingTarget::Keep && is_relative {
        return Ok(match (is_dangling, is_kept) {
            (true, true) => Verdict::Link(author, Reason::Dangling),
            (false, true) => Verdict::Link(author, Reason::Kept),
            (true, false) if leads_outside => Verdict::Unchanged(Unchanged::DanglingOutside),
            (false, false) if leads_outside => Verdict::Unchanged(Unchanged::Inlined),
            (_, false) => Verdict::Unchanged(Unchanged::NamesAnother { is_dangling }),
        });
    }
    match options.missing_target {
        MissingTarget::Keep | MissingTarget::Inline if end == End::Nowhere => {
            Ok(Verdict::Unchanged(Unchanged::DanglingAbsolute))
        }
        MissingTarget::Keep | MissingTarget::Inline => Ok(Verdict::Unchanged(Unchanged::Inlined)),
        MissingTarget::Fail => {
            let trail = trail_texts(archive, homes, tree, row)?;
            Err(ResolveError::MissingTarget { path: archive.path(row).to_vec(), trail })
        }
    }
}

/// The rows of the spec whose home is no link, and that were reached through more linked directories
/// than another row with a home in the same directory (design rule 1).
fn indirect(archive: &Archive<'_>, homes: &Homes<'_>) -> Vec<RowId> {
    let plain = |row: &RowId| homes.of(*row).stands == AtHome::NotASymlink;
    let mut fewest: Vec<u32> = Vec::new();
    for home in archive.all().filter(plain).map(|row| homes.of(row)) {
        let directory = home.directory.0 as usize;
        fewest.resize(fewest.len().max(directory + 1), u32::MAX);
        fewest[directory] = fewest[directory].min(home.linked);
    }
    let more = |row: &RowId| homes.of(*row).linked > fewest[homes.of(*row).directory.0 as usize];
    archive.own().filter(plain).filter(more).collect()
}

fn name<'s>(archive: &Archive<'s>, row: RowId) -> &'s [u8] {
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

/// The source of a row, and the texts of the links from its home on.
fn trail_texts(
    archive: &Archive<'_>,
    homes: &Homes<'_>,
    tree: &mut impl Tree,
    row: RowId,
) -> Result<Vec<Vec<u8>>, Stopped> {
    let mut texts = vec![archive.source(row).to_vec()];
    if homes.of(row).stands == AtHome::Symlink {
        texts.extend(follow::texts(tree, homes.of(row).directory, name(archive, row))?);
    }
    Ok(texts)
}

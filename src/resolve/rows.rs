//! Rows that are reached through links, or are links (DESIGN rules 1 to 4).
//!
//! Knows homes, trails and what stands where; must not know directories that become one link, but for the
//! rows that go with them.

use std::cell::OnceCell;

use hashbrown::HashMap;

use super::archive::{Archive, RowId};
use super::conflicts::Conflicts;
use super::follow::{self, End, Trail};
use super::homes::{AtHome, Homes};
use super::locations::Locations;
use super::mirrored::MirroredDirectories;
use super::outcome::{Decisions, Reason, RowOutcome, Unchanged};
use super::targets::{Choice, Targets};
use super::tree::{Directory, Entry, Stopped, Tree};
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
    /// Looks for them, and follows the links. An error if they go round.
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

    /// Decides what becomes of the rows that nothing is decided for.
    pub(super) fn decide(
        &self,
        facts: Facts<'_, '_>,
        options: Options,
        tree: &mut impl Tree,
        decisions: &mut Decisions,
    ) -> Result<(), ResolveError> {
        let Facts { archive, homes, locations } = facts;
        let rows = self.links.iter().map(|(row, _)| *row).chain(self.indirect.iter().copied());
        let conflicts = Conflicts::find(archive, homes, rows.chain(locations.rows()));
        let known = RowTargets::new(facts, &conflicts);
        let may_change = |row: RowId, decisions: &Decisions| {
            !matches!(decisions.of(row), Some(RowOutcome::Removed(_)))
                && conflicts.can_be_link(archive, row)
        };

        // Found only where no row is on a trail.
        let mirrored = OnceCell::new();
        let mirrored = || {
            mirrored.get_or_init(|| {
                let trails = self.links.iter().map(|(_, trail)| trail);
                MirroredDirectories::find(archive, homes, trails)
            })
        };
        for (row, trail) in &self.links {
            let row = *row;
            if !may_change(row, decisions) {
                continue;
            }
            let author = match tree.entry(homes.of(row).directory, name(archive, row))? {
                Entry::Symlink(text) => text.to_vec(),
                _ => continue,
            };
            let target = on_the_trail(&known, row, &author, trail)
                .or_else(|| mirrored_on_the_trail(archive, mirrored(), row, &author, trail));
            if let Some((text, reason)) = target {
                decisions.set_link(row, text, reason);
                continue;
            }
            match without_target(archive, row, author, trail.end, options) {
                WithoutTarget::Link(text, reason) => decisions.set_link(row, text, reason),
                WithoutTarget::Unchanged(why) => decisions.set_unchanged(row, why),
                WithoutTarget::Error => {
                    let trail = trail_texts(archive, homes, tree, row)?;
                    let path = archive.path(row).to_vec();
                    return Err(ResolveError::MissingTarget { path, trail });
                }
            }
        }
        self.decide_indirect(facts, &known, may_change, decisions);
        Ok(())
    }

    /// Rule 1: a row whose home is not a symlink becomes a link to one that was reached through fewer
    /// symlinked directories.
    fn decide_indirect(
        &self,
        Facts { archive, homes, locations }: Facts<'_, '_>,
        known: &RowTargets<'_, '_>,
        may_change: impl Fn(RowId, &Decisions) -> bool,
        decisions: &mut Decisions,
    ) {
        let mut straightest = HashMap::new();
        for &row in &self.indirect {
            if !may_change(row, decisions) {
                continue;
            }
            let home = homes.of(row);
            let Some(number) = locations.number(home.directory, name(archive, row)) else {
                continue;
            };
            let (fewest, targets) = straightest
                .entry(number)
                .or_insert_with(|| known.straightest(number, home.directory));
            let path = archive.path(row);
            if *fewest < home.linked
                && let Some(text) = targets.choose(path, None, |target| (target != path).into())
            {
                decisions.set_link(row, text, Reason::Indirect);
            }
        }
    }
}

/// Rule 2: the first location on the trail that is another row's.
fn on_the_trail(
    known: &RowTargets<'_, '_>,
    row: RowId,
    author: &[u8],
    trail: &Trail,
) -> Option<(Vec<u8>, Reason)> {
    trail.hops.iter().enumerate().find_map(|(hop, (directory, name))| {
        Some((known.link(row, author, *directory, name)?, Reason::Hop(hop)))
    })
}

/// Rule 2, where no row is on the trail: the first location on it at which the archive mirrors a directory.
fn mirrored_on_the_trail(
    archive: &Archive<'_>,
    mirrored: &MirroredDirectories<'_>,
    row: RowId,
    author: &[u8],
    trail: &Trail,
) -> Option<(Vec<u8>, Reason)> {
    trail.hops.iter().enumerate().find_map(|(hop, (directory, name))| {
        let targets = mirrored.at(*directory, name)?;
        let text = targets.choose(archive.path(row), Some(author), |_| Choice::This)?;
        Some((text, Reason::Directory(hop)))
    })
}

/// What becomes of a row that is a symlink, and whose trail is not in the archive.
enum WithoutTarget {
    Link(Vec<u8>, Reason),
    Unchanged(Unchanged),
    Error,
}

/// Rules 3 and 4, where nothing on the trail of `row` is in the archive.
fn without_target(
    archive: &Archive<'_>,
    row: RowId,
    author: Vec<u8>,
    end: End,
    options: Options,
) -> WithoutTarget {
    let is_relative = !author.starts_with(b"/");
    let leads_outside = path::climbs_out(path::split(archive.path(row)).0, &author);
    if archive.get(row).1.kind() == Kind::Link {
        return WithoutTarget::Link(author, Reason::Declared { leads_outside });
    }
    if end == End::Nowhere && leads_outside {
        return WithoutTarget::Unchanged(Unchanged::DanglingOutside);
    }
    if end == End::Nowhere && is_relative {
        return WithoutTarget::Link(author, Reason::Dangling);
    }
    match options.missing_target {
        MissingTarget::Keep if is_relative && !leads_outside => {
            WithoutTarget::Link(author, Reason::Kept)
        }
        MissingTarget::Keep | MissingTarget::Inline => WithoutTarget::Unchanged(Unchanged::Inlined),
        MissingTarget::Fail => WithoutTarget::Error,
    }
}

/// Where links may lead. Thousands of them may lead to one location with thousands of rows: what may
/// be said for all of them is found out once.
struct RowTargets<'a, 's> {
    facts: Facts<'a, 's>,
    conflicts: &'a Conflicts<'s>,
    /// By the number of a location: the rows there.
    targets: Vec<OnceCell<Targets<'s>>>,
}

impl<'a, 's> RowTargets<'a, 's> {
    fn new(facts: Facts<'a, 's>, conflicts: &'a Conflicts<'s>) -> Self {
        let count = facts.locations.count();
        let targets = std::iter::repeat_with(OnceCell::new).take(count).collect();
        Self { facts, conflicts, targets }
    }

    /// The text that leads the link `row` to a row at a location on its trail (DESIGN rule 2).
    fn link(
        &self,
        row: RowId,
        author: &[u8],
        directory: Directory,
        name: &[u8],
    ) -> Option<Vec<u8>> {
        let Facts { archive, locations, .. } = self.facts;
        let number = locations.number(directory, name)?;
        let targets = self.targets[number].get_or_init(|| {
            let rows = self.may_be_led_to(number);
            Targets::new(rows.map(|row| archive.path(row)).collect())
        });
        let path = archive.path(row);
        targets.choose(path, Some(author), |target| (target != path).into())
    }

    /// Through how few linked directories a row at the location with this number, which is in `directory`,
    /// was reached, and the rows that were reached so (DESIGN rule 1).
    fn straightest(&self, number: usize, directory: Directory) -> (u32, Targets<'s>) {
        let Facts { archive, homes, .. } = self.facts;
        // One that is only staged there has another home.
        let at_home = |row: &RowId| homes.of(*row).directory == directory;
        let rows: Vec<_> = self.may_be_led_to(number).filter(at_home).collect();
        let linked = rows.iter().map(|row| homes.of(*row).linked);
        let fewest = linked.min().unwrap_or(u32::MAX);
        let straight = rows.into_iter().filter(|row| homes.of(*row).linked == fewest);
        (fewest, Targets::new(straight.map(|row| archive.path(row)).collect()))
    }

    /// The rows at the location with this number that links may lead to.
    fn may_be_led_to(&self, number: usize) -> impl Iterator<Item = RowId> + '_ {
        let Facts { archive, locations, .. } = self.facts;
        let rows = locations.rows_at(number).iter().copied();
        rows.filter(move |row| self.conflicts.can_be_target(archive, *row))
    }
}

/// The rows of the spec whose home is no link, and that were reached through more linked directories
/// than another row with a home in the same directory (DESIGN rule 1).
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

//! Rows that are reached through links, or are links (DESIGN rules 1 to 4).
//!
//! Knows homes, trails and what stands where; must not know directories that become one link, but for the
//! rows that go with them.

use std::cell::OnceCell;

use hashbrown::HashMap;

use super::archive::{Archive, RowId};
use super::contested::Contested;
use super::follow::{self, End, Trail};
use super::homes::{Homes, Stands};
use super::mirrored::MirroredDirectories;
use super::places::Places;
use super::targets::{Choice, Targets};
use super::tree::{Directory, Entry, Stopped, Tree};
use super::{Decisions, Facts, MissingTarget, Options, Reason, ResolveError};
use crate::mtree::Kind;
use crate::path;

/// The rows of the spec that may become links.
pub struct Linked {
    /// Rows whose home is a link, with its trail, in the order of rows.
    links: Vec<(RowId, Trail)>,
    /// Rows whose home is none, but was reached through more linked directories than some other row
    /// whose home is in the same directory.
    indirect: Vec<RowId>,
}

impl Linked {
    /// Looks for them, and follows the links. An error if they go round.
    pub fn find(
        archive: &Archive<'_>,
        homes: &Homes<'_>,
        tree: &mut impl Tree,
    ) -> Result<Self, ResolveError> {
        let mut links = Vec::new();
        let mut most = 0;
        for row in archive.all() {
            let home = homes.of(row);
            match home.stands {
                Stands::Link if archive.is_own(row) => {
                    let name = path::split(archive.source(row)).1;
                    match follow::trail(tree, home.directory, name)? {
                        Some(trail) => links.push((row, trail)),
                        None => return Err(symlink_loop(archive, homes, tree, row)?),
                    }
                }
                Stands::SymlinkLoop if archive.is_own(row) => {
                    return Err(symlink_loop(archive, homes, tree, row)?);
                }
                Stands::Plain => most = most.max(home.linked),
                _ => {}
            }
        }
        let indirect = if most > 0 { indirect(archive, homes) } else { Vec::new() };
        Ok(Self { links, indirect })
    }

    /// The trail of a row whose home is a link.
    pub fn trail(&self, row: RowId) -> Option<&Trail> {
        let at = self.links.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        Some(&self.links[at].1)
    }

    /// RequestRecorder the locations that `decide` will ask for.
    pub fn note(&self, archive: &Archive<'_>, homes: &Homes<'_>, places: &mut Places) {
        for (directory, name) in self.links.iter().flat_map(|(_, trail)| &trail.hops) {
            places.note(*directory, name);
        }
        for &row in &self.indirect {
            places.note(homes.of(row).directory, path::split(archive.source(row)).1);
        }
    }

    /// Decides what becomes of the rows that are not `gone`.
    pub fn decide(
        &self,
        facts: Facts<'_, '_>,
        options: Options,
        tree: &mut impl Tree,
        gone: &impl Fn(RowId) -> bool,
        decisions: &mut Decisions,
    ) -> Result<(), ResolveError> {
        let Facts { archive, homes, places } = facts;
        let rows = self.links.iter().map(|(row, _)| *row).chain(self.indirect.iter().copied());
        let contested = Contested::find(archive, homes, rows.chain(places.rows()));
        let may_turn = |row: RowId| !gone(row) && contested.can_be_link(archive, row);
        let known = Known::new(facts, &contested);

        // Only rows that no other is on the trail of pay for it.
        let mut mirrored = None;
        for (row, trail) in self.links.iter().filter(|(row, _)| may_turn(*row)) {
            let row = *row;
            let author = match tree.entry(homes.of(row).directory, name(archive, row))? {
                Entry::Link(text) => text.to_vec(),
                _ => continue,
            };
            let mut hops = trail.hops.iter().enumerate();
            let mut found = hops.find_map(|(hop, (directory, name))| {
                Some((known.link(row, &author, *directory, name)?, Reason::Hop(hop)))
            });
            if found.is_none() {
                let mirrored = mirrored.get_or_insert_with(|| {
                    let trails = self.links.iter().map(|(_, trail)| trail);
                    MirroredDirectories::find(archive, homes, trails)
                });
                let mut hops = trail.hops.iter().enumerate();
                found = hops.find_map(|(hop, (directory, name))| {
                    let directories = mirrored.at(*directory, name)?;
                    let text =
                        directories.choose(archive.path(row), Some(&author), |_| Choice::This)?;
                    Some((text, Reason::Directory(hop)))
                });
            }
            let relative = !author.starts_with(b"/");
            let climbs_out = || path::climbs_out(path::split(archive.path(row)).0, &author);
            let declared = archive.get(row).1.kind() == Kind::Link;
            let number = row.0 as usize;
            if let Some((text, reason)) = found {
                decisions.link(number, text, reason);
            } else if declared {
                if climbs_out() {
                    decisions.declared_outside.push(number);
                }
                decisions.link(number, author, Reason::Declared);
            } else if trail.end == End::Nowhere && climbs_out() {
                decisions.kept_inside.push(number);
            } else if relative && trail.end == End::Nowhere {
                decisions.link(number, author, Reason::Nowhere);
            } else {
                match options.missing_target {
                    MissingTarget::Keep if relative && !climbs_out() => {
                        decisions.link(number, author, Reason::Kept);
                    }
                    MissingTarget::Keep | MissingTarget::Inline => {
                        decisions.without_target.push(number);
                    }
                    MissingTarget::Fail => {
                        let trail = trail_texts(archive, homes, tree, row)?;
                        let path = archive.path(row).to_vec();
                        return Err(ResolveError::MissingTarget { path, trail });
                    }
                }
            }
        }

        let mut straightest = HashMap::new();
        for &row in self.indirect.iter().filter(|row| may_turn(**row)) {
            let home = homes.of(row);
            let Some(number) = places.number(home.directory, name(archive, row)) else {
                continue;
            };
            let (fewest, targets) = straightest
                .entry(number)
                .or_insert_with(|| known.straightest(number, home.directory));
            let path = archive.path(row);
            if *fewest < home.linked
                && let Some(text) = targets.choose(path, None, |target| (target != path).into())
            {
                decisions.link(row.0 as usize, text, Reason::Indirect);
            }
        }
        Ok(())
    }
}

/// Where links may lead. Thousands of them may lead to one location with thousands of rows: what may
/// be said for all of them is found out once.
struct Known<'a, 's> {
    facts: Facts<'a, 's>,
    contested: &'a Contested<'s>,
    /// By the number of a location: the rows there.
    targets: Vec<OnceCell<Targets<'s>>>,
}

impl<'a, 's> Known<'a, 's> {
    fn new(facts: Facts<'a, 's>, contested: &'a Contested<'s>) -> Self {
        let count = facts.places.count();
        let targets = std::iter::repeat_with(OnceCell::new).take(count).collect();
        Self { facts, contested, targets }
    }

    /// The text that leads the link `row` to a row at a location on its trail (DESIGN rule 2).
    fn link(
        &self,
        row: RowId,
        author: &[u8],
        directory: Directory,
        name: &[u8],
    ) -> Option<Vec<u8>> {
        let Facts { archive, places, .. } = self.facts;
        let number = places.number(directory, name)?;
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
        let Facts { archive, places, .. } = self.facts;
        let rows = places.rows_at(number).iter().copied();
        rows.filter(move |row| self.contested.can_be_target(archive, *row))
    }
}

/// The rows of the spec whose home is no link, and that were reached through more linked directories
/// than another row with a home in the same directory (DESIGN rule 1).
fn indirect(archive: &Archive<'_>, homes: &Homes<'_>) -> Vec<RowId> {
    let plain = |row: &RowId| homes.of(*row).stands == Stands::Plain;
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
    if homes.of(row).stands == Stands::Link {
        texts.extend(follow::texts(tree, homes.of(row).directory, name(archive, row))?);
    }
    Ok(texts)
}

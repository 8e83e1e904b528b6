//! Which rows are known at a location: those that have their home there, and those that are staged there.
//!
//! Knows locations and rows; must not know what needs them.

use hashbrown::{Equivalent, HashMap};

use super::archive::{Archive, RowId};
use super::homes::Homes;
use super::tree::Directory;
use crate::path;

/// The rows at the locations that were noted. First every location is noted, then all rows
/// are visited once: most rows are at no location that a link leads to.
#[derive(Default)]
pub(super) struct Locations {
    numbers: HashMap<Location, usize>,
    /// By the number of a location.
    rows: Vec<Vec<RowId>>,
    /// By directory: whether a location in it is noted.
    directories: Vec<bool>,
}

/// A location, as the key of a map.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Location(pub Directory, pub Box<[u8]>);

/// A location that is looked up in a map.
#[derive(Hash)]
pub(super) struct LocationRef<'n>(pub Directory, pub &'n [u8]);

impl Equivalent<Location> for LocationRef<'_> {
    fn equivalent(&self, location: &Location) -> bool {
        self.0 == location.0 && *self.1 == *location.1
    }
}

impl Locations {
    /// Notes a location.
    pub(super) fn note(&mut self, directory: Directory, name: &[u8]) {
        let number = directory.0 as usize;
        if self.directories.len() <= number {
            self.directories.resize(number + 1, false);
        }
        self.directories[number] = true;
        if !self.numbers.contains_key(&LocationRef(directory, name)) {
            self.numbers.insert(Location(directory, name.into()), self.rows.len());
            self.rows.push(Vec::new());
        }
    }

    /// Finds the rows at the locations noted, in the order of rows.
    pub(super) fn fill(&mut self, archive: &Archive<'_>, homes: &Homes<'_>) {
        if self.rows.is_empty() {
            return;
        }
        for row in archive.all() {
            let home = homes.of(row);
            if home.is_known() {
                self.add(archive, row, home.directory);
            }
        }
        for (row, directory) in homes.stagings() {
            if homes.of(row).is_known() {
                self.add(archive, row, directory);
            }
        }
    }

    fn add(&mut self, archive: &Archive<'_>, row: RowId, directory: Directory) {
        if self.directories.get(directory.0 as usize) != Some(&true) {
            return;
        }
        let name = path::split(archive.source(row)).1;
        if let Some(number) = self.number(directory, name) {
            self.rows[number].push(row);
        }
    }

    /// How many locations were noted.
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// The number of a location, if it was noted: they are counted from 0.
    pub(super) fn number(&self, directory: Directory, name: &[u8]) -> Option<usize> {
        self.numbers.get(&LocationRef(directory, name)).copied()
    }

    /// The rows at all locations that were noted.
    pub(super) fn rows(&self) -> impl Iterator<Item = RowId> + '_ {
        self.rows.iter().flatten().copied()
    }

    /// The rows at the location with a number.
    pub(super) fn rows_at(&self, number: usize) -> &[RowId] {
        &self.rows[number]
    }

    /// The rows at a location.
    pub(super) fn at(&self, directory: Directory, name: &[u8]) -> &[RowId] {
        self.number(directory, name).map_or(&[], |number| self.rows_at(number))
    }
}

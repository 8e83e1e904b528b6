//! Which rows are known at a location: those that live there, and those that are staged there.

use hashbrown::{Equivalent, HashMap};

use super::archive::{Archive, RowId};
use super::homes::Homes;
use super::tree::Folder;
use crate::path;

/// The rows at the locations that somebody asks for. First every location is noted, then all rows
/// are gone through once: most rows are at no location that a link leads to.
#[derive(Default)]
pub struct Places {
    rows: HashMap<Location, Vec<RowId>>,
    /// By folder: whether a location in it is noted.
    folders: Vec<bool>,
}

#[derive(PartialEq, Eq, Hash)]
struct Location(Folder, Box<[u8]>);

#[derive(Hash)]
struct Asked<'n>(Folder, &'n [u8]);

impl Equivalent<Location> for Asked<'_> {
    fn equivalent(&self, location: &Location) -> bool {
        self.0 == location.0 && *self.1 == *location.1
    }
}

impl Places {
    /// Notes a location.
    pub fn note(&mut self, folder: Folder, name: &[u8]) {
        let number = folder.0 as usize;
        if self.folders.len() <= number {
            self.folders.resize(number + 1, false);
        }
        self.folders[number] = true;
        if !self.rows.contains_key(&Asked(folder, name)) {
            self.rows.insert(Location(folder, name.into()), Vec::new());
        }
    }

    /// Finds the rows at the locations noted, in the order of rows.
    pub fn fill(&mut self, archive: &Archive<'_>, homes: &Homes<'_>) {
        if self.rows.is_empty() {
            return;
        }
        for row in archive.all() {
            let home = homes.of(row);
            if home.is_known() {
                self.add(archive, row, home.folder);
            }
        }
        for (row, folder) in homes.stagings() {
            if homes.of(row).is_known() {
                self.add(archive, row, folder);
            }
        }
    }

    fn add(&mut self, archive: &Archive<'_>, row: RowId, folder: Folder) {
        if self.folders.get(folder.0 as usize) != Some(&true) {
            return;
        }
        let name = path::split(archive.source(row)).1;
        if let Some(rows) = self.rows.get_mut(&Asked(folder, name)) {
            rows.push(row);
        }
    }

    /// The rows at all locations that were noted.
    pub fn rows(&self) -> impl Iterator<Item = RowId> + '_ {
        self.rows.values().flatten().copied()
    }

    /// The rows at a location that was noted.
    pub fn at(&self, folder: Folder, name: &[u8]) -> &[RowId] {
        self.rows.get(&Asked(folder, name)).map_or(&[], |rows| rows)
    }
}

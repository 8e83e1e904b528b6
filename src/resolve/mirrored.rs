//! Directories of the tree that the archive mirrors, for rows that are links to one (design rule 2).
//!
//! A build may list a link to a directory as one file. No row is the directory that it leads to, but rows
//! below it may be below a directory of the archive.

use hashbrown::{HashMap, HashSet};

use super::archive::{Archive, ByPath};
use super::follow::Trail;
use super::homes::Homes;
use super::locations::{Location, LocationRef};
use super::targets::Targets;
use super::tree::Directory;
use crate::path;

/// The archive directories below which a row has the same remainder as its source below a directory of the tree.
pub(super) struct MirroredDirectories<'s> {
    targets: HashMap<Location, Targets<'s>>,
}

impl<'s> MirroredDirectories<'s> {
    /// Looks for the directories that `trails` lead to.
    pub(super) fn find<'t>(
        archive: &Archive<'s>,
        homes: &Homes<'s>,
        trails: impl Iterator<Item = &'t Trail>,
    ) -> Self {
        let mut wanted: HashMap<&[u8], HashSet<Directory>> = HashMap::new();
        for (directory, name) in trails.flat_map(|trail| &trail.hops) {
            wanted.entry(name).or_default().insert(*directory);
        }
        let mut paths: HashMap<(Directory, &[u8]), HashSet<&[u8]>> = HashMap::new();
        for row in archive.all().filter(|&row| homes.of(row).is_known()) {
            let (mut path, mut source) = (archive.path(row), archive.source(row));
            for up in 0.. {
                let ((above, name), (source_above, same)) =
                    (path::split(path), path::split(source));
                if name != same || above.is_empty() {
                    break;
                }
                (path, source) = (above, source_above);
                let name = path::split(source).1;
                let Some(directories) = wanted.get(name) else {
                    continue;
                };
                for directory in
                    homes.directory_locations(row, up).filter(|at| directories.contains(at))
                {
                    paths.entry((directory, name)).or_default().insert(path);
                }
            }
        }
        if !paths.is_empty() {
            let by_path = ByPath::new(archive);
            let is_directory = |path: &&[u8]| {
                path::upwards(path).all(|directory| by_path.is_directory(archive, directory))
            };
            paths.values_mut().for_each(|paths| paths.retain(is_directory));
        }
        let targets = |((directory, name), paths): ((_, &[u8]), HashSet<_>)| {
            (Location(directory, name.into()), Targets::new(paths.into_iter().collect()))
        };
        Self { targets: paths.into_iter().map(targets).collect() }
    }

    /// The archive directories that mirror the directory at a location.
    pub(super) fn at(&self, directory: Directory, name: &[u8]) -> Option<&Targets<'s>> {
        self.targets.get(&LocationRef(directory, name))
    }
}

//! Folders of the tree that the archive mirrors, for rows that are links to one (DESIGN rule 2).
//!
//! A build may list a link to a folder as one file. No row is the folder that it leads to, but rows
//! below it may stand below a folder of the archive.

use hashbrown::{HashMap, HashSet};

use super::archive::{Archive, ByPath};
use super::follow::Trail;
use super::homes::Homes;
use super::places::{Asked, Location};
use super::targets::Targets;
use super::tree::Folder;
use crate::path;

/// The archive folders at which a row stands as its source stands below a folder of the tree.
pub struct MirroredFolders<'s> {
    targets: HashMap<Location, Targets<'s>>,
}

impl<'s> MirroredFolders<'s> {
    /// Looks for the folders that `trails` lead to.
    pub fn find<'t>(
        archive: &Archive<'s>,
        homes: &Homes<'s>,
        trails: impl Iterator<Item = &'t Trail>,
    ) -> Self {
        let mut wanted: HashMap<&[u8], HashSet<Folder>> = HashMap::new();
        for (folder, name) in trails.flat_map(|trail| &trail.hops) {
            wanted.entry(name).or_default().insert(*folder);
        }
        let mut paths: HashMap<(Folder, &[u8]), HashSet<&[u8]>> = HashMap::new();
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
                let Some(folders) = wanted.get(name) else {
                    continue;
                };
                for folder in homes.folder_places(row, up).filter(|at| folders.contains(at)) {
                    paths.entry((folder, name)).or_default().insert(path);
                }
            }
        }
        if !paths.is_empty() {
            let by_path = ByPath::new(archive);
            let is_folder =
                |path: &&[u8]| path::upwards(path).all(|folder| by_path.is_folder(archive, folder));
            paths.values_mut().for_each(|paths| paths.retain(is_folder));
        }
        let targets = |((folder, name), paths): ((_, &[u8]), HashSet<_>)| {
            (Location(folder, name.into()), Targets::new(paths.into_iter().collect()))
        };
        Self { targets: paths.into_iter().map(targets).collect() }
    }

    /// The archive folders that mirror the folder at a location.
    pub fn at(&self, folder: Folder, name: &[u8]) -> Option<&Targets<'s>> {
        self.targets.get(&Asked(folder, name))
    }
}

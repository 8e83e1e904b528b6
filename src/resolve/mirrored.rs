//! Folders of the tree that the archive mirrors, for rows that are links to one (DESIGN rule 2).
//!
//! A build may list a link to a folder as one file. No row is the folder that it leads to, but rows
//! below it may stand below a folder of the archive.

use hashbrown::{HashMap, HashSet};

use super::archive::{Archive, ByPath};
use super::follow::Trail;
use super::homes::Homes;
use super::tree::Folder;
use crate::path;

/// The archive folders at which a row stands as its source stands below a folder of the tree.
pub struct MirroredFolders<'s> {
    paths: HashMap<(Folder, &'s [u8]), HashSet<&'s [u8]>>,
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
        let mut paths: HashMap<_, HashSet<&[u8]>> = HashMap::new();
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
            let is_folder = |mut path| {
                while !path::split(path).0.is_empty() && by_path.is_folder(archive, path) {
                    path = path::split(path).0;
                }
                by_path.is_folder(archive, path)
            };
            paths.values_mut().for_each(|paths| paths.retain(|path| is_folder(*path)));
        }
        Self { paths }
    }

    /// The archive folders that mirror the folder at a location, in no order.
    pub fn at(&self, folder: Folder, name: &[u8]) -> Vec<&'s [u8]> {
        self.paths.get(&(folder, name)).into_iter().flatten().copied().collect()
    }
}

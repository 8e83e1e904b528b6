//! A large tree to measure on: folders in folders, with the same number of files in each.
//!
//! It looks as a toolchain does under Bazel: files below `external/tool`, few links among them, each
//! to a file beside it.

use std::fmt::Write;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};

/// How many folders stand in one.
const BRANCHES: usize = 20;
/// One folder in so many has a link, to its first file.
const FOLDERS_A_LINK: usize = 20;

/// Where the tree begins, relative to the folder that sources are relative to.
pub const TOP: &str = "external/tool";

/// A tree that was planted, by its measures.
#[derive(Clone, Copy, Debug)]
pub struct Forest {
    folders: usize,
    files: usize,
}

/// Plants `folders` folders of `files` files each below `root`. In one folder of twenty the last
/// file is a link.
pub fn plant(root: &Path, folders: usize, files: usize) -> io::Result<Forest> {
    let forest = Forest { folders, files };
    for folder in 0..folders {
        let path = root.join(forest.folder(folder));
        // Folders are numbered so that each comes after the one that it is in.
        match folder {
            0 => fs::create_dir_all(&path)?,
            _ => fs::create_dir(&path)?,
        }
        for file in 0..files {
            let path = path.join(name(file));
            match forest.is_link(folder, file) {
                true => symlink(name(0), path)?,
                false => drop(File::create(path)?),
            }
        }
    }
    Ok(forest)
}

impl Forest {
    /// How many folders there are, the top one included.
    pub fn folders(&self) -> usize {
        self.folders
    }

    /// How many rows the spec has: one a file.
    pub fn rows(&self) -> usize {
        self.folders * self.files
    }

    /// How many of the files are links.
    pub fn links(&self) -> usize {
        (0..self.folders).filter(|&folder| self.is_link(folder, self.files - 1)).count()
    }

    /// The path of every folder, as sources spell it.
    pub fn folder_paths(&self) -> impl Iterator<Item = String> {
        (0..self.folders).map(|folder| self.folder(folder))
    }

    /// The source of every row.
    pub fn sources(&self) -> impl Iterator<Item = String> {
        (0..self.folders).flat_map(move |folder| {
            let path = self.folder(folder);
            (0..self.files).map(move |file| format!("{path}/{}", name(file)))
        })
    }

    /// The spec of the whole tree, as tar.bzl writes one.
    pub fn spec(&self) -> Vec<u8> {
        let mut spec = String::new();
        for source in self.sources() {
            let place = source.strip_prefix("external/").unwrap_or(&source);
            writeln!(
                spec,
                "./opt/{place} uid=0 gid=0 time=1672560000 mode=0755 type=file content={source}"
            )
            .expect("a String");
        }
        spec.into_bytes()
    }

    /// Stages every file in a sandbox at `sandbox`: real folders, and for every source one absolute
    /// link to it below `root`.
    pub fn stage(&self, root: &Path, sandbox: &Path) -> io::Result<()> {
        for folder in self.folder_paths() {
            let (real, staged) = (root.join(&folder), sandbox.join(&folder));
            fs::create_dir_all(&staged)?;
            for file in 0..self.files {
                symlink(real.join(name(file)), staged.join(name(file)))?;
            }
        }
        Ok(())
    }

    /// Makes a sandbox as if it had been staged just now: nobody has read a link of it since, no
    /// folder is as it was, and its links are in memory.
    pub fn renew(&self, sandbox: &Path) -> io::Result<()> {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let now = Timestamps { last_access: now, last_modification: now };
        let touch = |path: &Path| utimensat(CWD, path, &now, AtFlags::SYMLINK_NOFOLLOW);
        for folder in self.folder_paths().map(|folder| sandbox.join(folder)) {
            for file in 0..self.files {
                let link = folder.join(name(file));
                link.read_link()?;
                touch(&link)?;
            }
            touch(&folder)?;
        }
        Ok(())
    }

    fn folder(&self, mut number: usize) -> String {
        let mut parts = Vec::new();
        while number > 0 {
            parts.push(format!("/folder_{:02}", (number - 1) % BRANCHES));
            number = (number - 1) / BRANCHES;
        }
        parts.push(TOP.to_owned());
        parts.into_iter().rev().collect()
    }

    fn is_link(&self, folder: usize, file: usize) -> bool {
        folder.is_multiple_of(FOLDERS_A_LINK) && file > 0 && file + 1 == self.files
    }
}

fn name(file: usize) -> String {
    format!("module_{file}.py")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forest_has_the_measures_that_it_was_planted_with() {
        let root = tempfile::tempdir().unwrap();
        let forest = plant(root.path(), 500, 5).unwrap();
        assert_eq!((forest.folders(), forest.rows(), forest.links()), (500, 2500, 25));
        assert_eq!(forest.spec().split_inclusive(|&byte| byte == b'\n').count(), 2500);
        let links = forest.sources().filter(|source| root.path().join(source).is_symlink());
        assert_eq!(links.count(), 25);
        assert!(forest.sources().all(|source| root.path().join(source).exists()));
        assert_eq!(forest.folder_paths().collect::<std::collections::HashSet<_>>().len(), 500);
    }

    #[test]
    fn a_staged_forest_has_a_link_for_every_source() {
        let root = tempfile::tempdir().unwrap();
        let forest = plant(root.path(), 30, 3).unwrap();
        let sandbox = root.path().join("sandbox");
        forest.stage(root.path(), &sandbox).unwrap();
        for source in forest.sources() {
            assert_eq!(sandbox.join(&source).read_link().unwrap(), root.path().join(&source));
        }
    }
}

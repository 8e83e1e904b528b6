//! A large tree to measure on: directories in directories, with the same number of files in each.
//!
//! It looks like a toolchain under Bazel: files below `external/tool`, few links among them, each
//! to a file beside it.

use std::fmt::Write;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};

/// How many directories are in one.
const BRANCHES: usize = 20;
/// One directory in this many has a link, to its first file.
const DIRECTORIES_A_LINK: usize = 20;

/// Where the tree begins, relative to the directory that sources are relative to.
pub const TOP: &str = "external/tool";

/// The same for a tree whose sources are 150 bytes long on average, as in a repository of packages.
pub const LONG_TOP: &str = "external/rules_nodejs++node+nodejs_linux_amd64/bin/nodejs/lib/node_modules/npm/\
                            node_modules/cacache/utilities";

/// A tree that was planted, by its measures.
#[derive(Clone, Copy, Debug)]
pub struct Forest {
    top: &'static str,
    directories: usize,
    files: usize,
}

/// Plants `directories` directories of `files` files each below `root`. In one directory of twenty the last
/// file is a link.
pub fn plant(root: &Path, directories: usize, files: usize) -> io::Result<Forest> {
    plant_below(root, TOP, directories, files)
}

/// The same, with a tree that begins at `top`.
pub fn plant_below(
    root: &Path,
    top: &'static str,
    directories: usize,
    files: usize,
) -> io::Result<Forest> {
    let forest = Forest { top, directories, files };
    for directory in 0..directories {
        let path = root.join(forest.directory(directory));
        // Directories are numbered so that each comes after the one that it is in.
        match directory {
            0 => fs::create_dir_all(&path)?,
            _ => fs::create_dir(&path)?,
        }
        for file in 0..files {
            let path = path.join(name(file));
            match forest.is_link(directory, file) {
                true => symlink(name(0), path)?,
                false => drop(File::create(path)?),
            }
        }
    }
    Ok(forest)
}

impl Forest {
    /// Where it begins, relative to the directory that sources are relative to.
    pub fn top(&self) -> &'static str {
        self.top
    }

    /// How many directories there are, the top one included.
    pub fn directories(&self) -> usize {
        self.directories
    }

    /// How many rows the spec has: one per file.
    pub fn rows(&self) -> usize {
        self.directories * self.files
    }

    /// How many of the files are links.
    pub fn links(&self) -> usize {
        (0..self.directories).filter(|&directory| self.is_link(directory, self.files - 1)).count()
    }

    /// The path of every directory, as sources spell it.
    pub fn directory_paths(&self) -> impl Iterator<Item = String> {
        (0..self.directories).map(|directory| self.directory(directory))
    }

    /// The source of every row.
    pub fn sources(&self) -> impl Iterator<Item = String> {
        (0..self.directories).flat_map(move |directory| {
            let path = self.directory(directory);
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

    /// Stages every file in a sandbox at `sandbox`: real directories, and for every source one absolute
    /// link to it below `root`.
    pub fn stage(&self, root: &Path, sandbox: &Path) -> io::Result<()> {
        for directory in self.directory_paths() {
            let (real, staged) = (root.join(&directory), sandbox.join(&directory));
            fs::create_dir_all(&staged)?;
            for file in 0..self.files {
                symlink(real.join(name(file)), staged.join(name(file)))?;
            }
        }
        Ok(())
    }

    /// Makes a sandbox as if it had been staged just now: no link of it was read since, no
    /// directory is as it was, and its links are in memory.
    pub fn renew(&self, sandbox: &Path) -> io::Result<()> {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let now = Timestamps { last_access: now, last_modification: now };
        let touch = |path: &Path| utimensat(CWD, path, &now, AtFlags::SYMLINK_NOFOLLOW);
        for directory in self.directory_paths().map(|directory| sandbox.join(directory)) {
            for file in 0..self.files {
                let link = directory.join(name(file));
                link.read_link()?;
                touch(&link)?;
            }
            touch(&directory)?;
        }
        Ok(())
    }

    fn directory(&self, mut number: usize) -> String {
        let mut parts = Vec::new();
        while number > 0 {
            parts.push(format!("/branch_{:02}", (number - 1) % BRANCHES));
            number = (number - 1) / BRANCHES;
        }
        parts.push(self.top.to_owned());
        parts.into_iter().rev().collect()
    }

    fn is_link(&self, directory: usize, file: usize) -> bool {
        directory.is_multiple_of(DIRECTORIES_A_LINK) && file > 0 && file + 1 == self.files
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
        assert_eq!((forest.directories(), forest.rows(), forest.links()), (500, 2500, 25));
        assert_eq!(forest.spec().split_inclusive(|&byte| byte == b'\n').count(), 2500);
        let links = forest.sources().filter(|source| root.path().join(source).is_symlink());
        assert_eq!(links.count(), 25);
        assert!(forest.sources().all(|source| root.path().join(source).exists()));
        assert_eq!(forest.directory_paths().collect::<std::collections::HashSet<_>>().len(), 500);
    }

    #[test]
    fn the_sources_of_a_forest_with_a_long_top_are_150_bytes_long() {
        let forest = Forest { top: LONG_TOP, directories: 8_000, files: 5 };
        let bytes: usize = forest.sources().map(|source| source.len()).sum();
        assert_eq!(bytes / forest.rows(), 150);
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

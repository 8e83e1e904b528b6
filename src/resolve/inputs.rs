//! The files that a request lists: what is neither one of them nor below one is not looked up.
//!
//! Knows paths as text; must not know how a request lists them.

use std::ffi::OsString;
use std::hash::BuildHasher;
use std::iter;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use rayon::prelude::*;

use super::WORTH_SHARING;
use crate::path;

/// A set of paths. Kept as hashes alone: there are as many as rows, and to take a path for one of
/// them by chance (1 in 2^64, with a seed of its own in each set) would only let it be looked at.
pub struct Inputs {
    hashes: HashTable<u64>,
    hasher: RandomState,
}

impl Inputs {
    /// The set of `paths`, and of what `reading` makes of each, if that is something else.
    pub fn new<'p>(
        paths: impl Iterator<Item = &'p [u8]>,
        reading: impl Fn(&[u8]) -> Option<OsString> + Sync,
    ) -> Self {
        let hasher = RandomState::default();
        let hash = |path: &[u8]| hasher.hash_one(path);
        let both =
            |path: &&[u8]| (hash(path), reading(path).map(|read| hash(read.as_encoded_bytes())));
        // A directory may be listed with a slash at its end.
        let trimmed = |path: &'p [u8]| path.strip_suffix(b"/").unwrap_or(path);
        let paths: Vec<_> = paths.map(trimmed).collect();
        let hashed: Vec<_> = paths.par_iter().with_min_len(WORTH_SHARING).map(both).collect();
        let mut hashes = HashTable::with_capacity(hashed.len());
        for hash in hashed.into_iter().flat_map(|(path, read)| iter::once(path).chain(read)) {
            hashes.entry(hash, |known| *known == hash, |known| *known).or_insert(hash);
        }
        Self { hashes, hasher }
    }

    /// Whether a path is in the set, or below a directory that is.
    pub fn covers(&self, path: &[u8]) -> bool {
        path::upwards(path).any(|path| self.contains(path))
    }

    /// Whether a path is in the set.
    pub fn contains(&self, path: &[u8]) -> bool {
        let hash = self.hasher.hash_one(path);
        self.hashes.find(hash, |known| *known == hash).is_some()
    }
}

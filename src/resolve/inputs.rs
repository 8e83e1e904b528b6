//! The files that a request lists: what is not among them, nor below one, is not asked for.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// A set of paths. Kept as hashes alone: there are as many as rows, and to take a path for one of
/// them by chance (1 in 2^64, with a seed of its own in each set) would only let it be looked at.
pub struct Inputs {
    hashes: HashTable<u64>,
    hasher: RandomState,
}

impl Inputs {
    /// An empty set, with room for `capacity` paths.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { hashes: HashTable::with_capacity(capacity), hasher: RandomState::default() }
    }

    /// Adds a path.
    pub fn insert(&mut self, path: &[u8]) {
        let hash = self.hasher.hash_one(path);
        self.hashes.entry(hash, |known| *known == hash, |known| *known).or_insert(hash);
    }

    /// Whether a path is in the set.
    pub fn contains(&self, path: &[u8]) -> bool {
        let hash = self.hasher.hash_one(path);
        self.hashes.find(hash, |known| *known == hash).is_some()
    }
}

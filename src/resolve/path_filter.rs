//! A filter that rejects most paths that are not in a set, without hashing them.
//!
//! Knows the ends of paths; must not know what the paths are for.

/// The ends of the paths of a set, as bits of a table.
pub(super) struct PathFilter {
    table: Box<[u64]>,
}

/// How many bits of a hash number a bit of the table: 8 KiB.
const BITS: u32 = 16;

impl PathFilter {
    /// A filter of the set of `paths`.
    pub(super) fn new<'p>(paths: impl Iterator<Item = &'p [u8]>) -> Self {
        let mut table = vec![0; 1 << (BITS - u64::BITS.ilog2())].into_boxed_slice();
        for path in paths {
            let (word, bit) = place(path);
            table[word] |= bit;
        }
        Self { table }
    }

    /// Whether `path` may be in the set: always true if it is, and seldom if it is not.
    #[inline]
    pub(super) fn may_have(&self, path: &[u8]) -> bool {
        let (word, bit) = place(path);
        self.table[word] & bit != 0
    }
}

/// The word and the bit for all paths of one length that end alike.
#[inline]
fn place(path: &[u8]) -> (usize, u64) {
    let end = match path.last_chunk() {
        Some(end) => u64::from_le_bytes(*end),
        None => path.iter().fold(0, |end, &byte| end << 8 | u64::from(byte)),
    };
    // The golden ratio, as in Fibonacci hashing: the upper bits depend on all bytes.
    let hash = (end ^ path.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - BITS);
    ((hash / u64::from(u64::BITS)) as usize, 1 << (hash % u64::from(u64::BITS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_lets_through_its_paths_and_few_others() {
        let paths = |from: u32| (from..from + 500).map(|number| format!("a/{number}"));
        let own: Vec<_> = paths(0).chain([String::new(), "a".to_owned()]).collect();
        let filter = PathFilter::new(own.iter().map(String::as_bytes));
        assert!(own.iter().all(|path| filter.may_have(path.as_bytes())));
        let others = paths(1_000).filter(|path| filter.may_have(path.as_bytes()));
        assert!(others.count() < 50);
    }
}

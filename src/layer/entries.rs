//! The entries of a layer, in its order.
//!
//! Knows that an entry has a number; must not know what entries are made of.

use std::borrow::Cow;
use std::ops::Range;

use super::entry::TarEntry;
use super::plan::PlannedEntry;

/// The entries of a layer. An entry is made when it is needed and dropped afterwards: a million of them would take several
/// times the memory of their spec.
pub trait Entries: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// The entry `number`. It is the same at each call.
    fn entry(&self, number: usize) -> Cow<'_, TarEntry>;

    /// The entries `numbers`, in order. An implementation may make them with less work than one by one.
    fn range(&self, numbers: Range<usize>) -> Box<dyn Iterator<Item = Cow<'_, TarEntry>> + '_> {
        Box::new(numbers.map(|number| self.entry(number)))
    }

    /// The size and digest of the entry `number`, for the plan. An implementation may store them instead of making the
    /// entry again.
    fn planned(&self, number: usize) -> PlannedEntry {
        PlannedEntry::new(&self.entry(number), &mut Vec::new())
    }
}

impl Entries for Vec<TarEntry> {
    fn count(&self) -> usize {
        self.len()
    }

    fn entry(&self, number: usize) -> Cow<'_, TarEntry> {
        Cow::Borrowed(&self[number])
    }
}

impl dyn Entries + '_ {
    /// All entries, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, TarEntry>> {
        self.range(0..self.count())
    }
}

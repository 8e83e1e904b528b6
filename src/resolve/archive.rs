//! The rows of an archive: those of the spec that is resolved, then those of the other layers.
//!
//! Knows rows and archive paths; must not know the tree.

use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;

use crate::mtree::{Kind, Row, Spec};

pub(super) use crate::mtree::RowId;

/// The specs of an archive. Its rows are numbered: first those of the spec that is resolved, which so keep
/// their numbers, then those of each `--also` spec.
pub(super) struct Archive<'s> {
    specs: Vec<&'s Spec>,
    /// The number of the first row of each spec, and the number of all.
    starts: Vec<u32>,
}

impl<'s> Archive<'s> {
    /// `spec` is resolved; links may lead to what `also` holds.
    pub(super) fn new(spec: &'s Spec, also: &'s [Spec]) -> Self {
        let specs: Vec<_> = std::iter::once(spec).chain(also).collect();
        let mut starts = vec![0];
        for spec in &specs {
            starts.push(starts[starts.len() - 1] + spec.rows().len() as u32);
        }
        Self { specs, starts }
    }

    /// The rows of the spec that is resolved.
    pub(super) fn own(&self) -> impl Iterator<Item = RowId> + use<> {
        (0..self.starts[1]).map(RowId)
    }

    /// Whether a row is of the spec that is resolved.
    pub(super) fn is_own(&self, row: RowId) -> bool {
        row.0 < self.starts[1]
    }

    /// Every row.
    pub(super) fn all(&self) -> impl Iterator<Item = RowId> + use<> {
        (0..self.starts[self.specs.len()]).map(RowId)
    }

    /// Every row, in parallel.
    pub(super) fn all_in_parallel(&self) -> impl IndexedParallelIterator<Item = RowId> {
        (0..self.starts[self.specs.len()]).into_par_iter().map(RowId)
    }

    /// Every row, with its spec: in place of `all` and `get` where all rows are gone through.
    pub(super) fn rows(&self) -> impl Iterator<Item = (RowId, &'s Spec, &'s Row)> + use<'_, 's> {
        let rows =
            self.specs.iter().flat_map(|&spec| spec.rows().iter().map(move |row| (spec, row)));
        (0..).map(RowId).zip(rows).map(|(id, (spec, row))| (id, spec, row))
    }

    /// The spec of a row, and the row.
    #[inline]
    pub(super) fn get(&self, id: RowId) -> (&'s Spec, &'s Row) {
        if id.0 < self.starts[1] {
            return (self.specs[0], &self.specs[0].rows()[id.index()]);
        }
        let number = self.starts.partition_point(|&start| start <= id.0) - 1;
        let spec = self.specs[number];
        (spec, &spec.rows()[(id.0 - self.starts[number]) as usize])
    }

    /// The archive path of a row.
    pub(super) fn path(&self, id: RowId) -> &'s [u8] {
        let (spec, row) = self.get(id);
        spec.path(row)
    }

    /// The source of a row.
    pub(super) fn source(&self, id: RowId) -> &'s [u8] {
        let (spec, row) = self.get(id);
        spec.source(row)
    }

    /// Whether a row takes part in resolving.
    pub(super) fn takes_part(&self, id: RowId) -> bool {
        self.get(id).1.takes_part()
    }
}

/// Every row by archive path, so that all rows below a directory are consecutive.
pub(super) struct ByPath {
    rows: Vec<RowId>,
}

impl ByPath {
    /// Sorts the rows of `archive`; rows with one path keep their order.
    pub(super) fn new(archive: &Archive<'_>) -> Self {
        let mut rows: Vec<_> = archive.all().collect();
        rows.sort_by(|&one, &other| archive.path(one).cmp(archive.path(other)));
        Self { rows }
    }

    /// The rows at `path`.
    pub(super) fn at(&self, archive: &Archive<'_>, path: &[u8]) -> &[RowId] {
        &self.rows[self.range(archive, |row| row.cmp(path))]
    }

    /// The rows below `path`, in the order of their paths.
    pub(super) fn below(&self, archive: &Archive<'_>, path: &[u8]) -> &[RowId] {
        &self.rows[self.range(archive, |row| match row.strip_prefix(path) {
            Some([b'/', ..]) => Ordering::Equal,
            Some([]) => Ordering::Less,
            Some([next, ..]) => next.cmp(&b'/'),
            None => row.cmp(path),
        })]
    }

    /// Whether `path` has no row other than directory rows.
    pub(super) fn is_directory(&self, archive: &Archive<'_>, path: &[u8]) -> bool {
        self.at(archive, path).iter().all(|&row| archive.get(row).1.kind() == Kind::Directory)
    }

    fn range(&self, archive: &Archive<'_>, order: impl Fn(&[u8]) -> Ordering) -> Range<usize> {
        let start = self.rows.partition_point(|&row| order(archive.path(row)) == Ordering::Less);
        let length =
            self.rows[start..].partition_point(|&row| order(archive.path(row)) == Ordering::Equal);
        start..start + length
    }
}

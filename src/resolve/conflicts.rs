//! Archive paths that several rows with different homes use. Which of these rows an unpacker leaves there depends on
//! the unpacker, so none of them becomes a link, and no link leads to them.

use hashbrown::HashMap;
use rayon::prelude::*;

use super::WORTH_SHARING;
use super::archive::{Archive, RowId};
use super::homes::Homes;
use super::path_filter::PathFilter;
use crate::path;

/// Which archive paths of the rows that matter are in conflict.
pub(super) struct Conflicts<'s> {
    paths: HashMap<&'s [u8], Claim>,
}

struct Claim {
    row: RowId,
    /// Another row of any spec has this path and another source.
    conflicts: bool,
    /// So do two rows of the spec that is resolved.
    among_own: bool,
}

impl<'s> Conflicts<'s> {
    /// Looks at the archive paths of `rows`, all of which take part.
    pub(super) fn find(
        archive: &Archive<'s>,
        homes: &Homes<'s>,
        rows: impl Iterator<Item = RowId>,
    ) -> Self {
        let mut paths: HashMap<&[u8], Claim> = rows
            .map(|row| (archive.path(row), Claim { row, conflicts: false, among_own: false }))
            .collect();
        if paths.is_empty() {
            return Self { paths };
        }
        let filter = PathFilter::new(paths.keys().copied());
        let claims = |row: &RowId| {
            let path = archive.path(*row);
            filter.may_have(path) && paths.contains_key(path)
        };
        let all = archive.all_in_parallel().with_min_len(WORTH_SHARING);
        let claimants: Vec<_> = all.filter(claims).collect();
        let mut own: HashMap<&[u8], RowId> = HashMap::new();
        for row in claimants {
            let path = archive.path(row);
            let Some(claim) = paths.get_mut(path) else {
                continue;
            };
            claim.conflicts |= !same(archive, homes, claim.row, row);
            if archive.is_own(row) {
                let first = *own.entry(path).or_insert(row);
                claim.among_own |= !same(archive, homes, first, row);
            }
        }
        Self { paths }
    }

    /// Whether a link may lead to `row`.
    pub(super) fn can_be_target(&self, archive: &Archive<'s>, row: RowId) -> bool {
        self.paths.get(archive.path(row)).is_some_and(|claim| !claim.conflicts)
    }

    /// Whether `row`, which is one of the spec that is resolved, may become a link.
    pub(super) fn can_be_link(&self, archive: &Archive<'s>, row: RowId) -> bool {
        self.paths.get(archive.path(row)).is_some_and(|claim| !claim.among_own)
    }
}

/// Whether two rows stand for one file: they have one home.
pub(super) fn same(archive: &Archive<'_>, homes: &Homes<'_>, one: RowId, other: RowId) -> bool {
    let (here, there) = (homes.of(one), homes.of(other));
    one == other
        || here.is_known()
            && there.is_known()
            && here.directory == there.directory
            && path::split(archive.source(one)).1 == path::split(archive.source(other)).1
}

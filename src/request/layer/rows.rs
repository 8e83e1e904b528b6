//! The rows of a layer: those of the resolved spec, each with the rows that it was before.
//!
//! Knows the resolved spec, the one before, and the keywords that flags give; must not know contents or tar.

use std::hash::BuildHasher;
use std::path::Path;

use foldhash::fast::RandomState;
use hashbrown::HashSet;
use rayon::prelude::*;

use super::super::ResolveRequest;
use super::super::error::{LayerProblem, RequestError};
use super::super::run::Resolved;
use super::groups::GroupedRow;
use crate::layer::EntryKind;
use crate::layer::keywords::TarKeywords;
use crate::layer::rows::{self as tar_rows, Merged, SpecRow};
use crate::mtree::{Change, KeywordsText, Kind, Row, RowId, Spec};
use crate::path;
use crate::resolve::RowOutcome;

/// The rows of a resolved spec.
pub(super) struct LayerRows<'r> {
    /// The spec that resolving writes. `None` if it is the one before, parsed with the same flags.
    changed: Option<Spec>,
    before: &'r Resolved,
    /// By row of the resolved spec: the row before resolving, or the first of the rows that a link replaced.
    origins: Vec<RowId>,
    /// The keywords that flags give.
    change: &'r Change,
    /// Whether the archive paths are known to be unique. If `false`, they may be unique as well.
    are_paths_unique: bool,
    /// The rows that libarchive merges into an earlier one, in the order of the earlier ones.
    merged: Vec<Merged<RowId>>,
    /// The spec of the request, for messages.
    file: &'r Path,
}

/// What was parsed of a row. The next row mostly has the same text, which need not be parsed again.
pub(super) struct LastRow<'r> {
    text: KeywordsText<'r>,
    keywords: TarKeywords,
    link: Option<Box<[u8]>>,
}

/// The fewest rows for which waking another thread pays.
const WORTH_SHARING: usize = 1024;

/// The permissions of a directory row that `--package-dir` makes.
const MADE_MODE: u32 = 0o755;

impl<'r> LayerRows<'r> {
    pub(super) fn new(
        before: &'r Resolved,
        request: &'r ResolveRequest,
    ) -> Result<Self, RequestError> {
        let (file, change) = (request.mtree.as_path(), &request.options.change);
        let Resolved { spec, decisions, .. } = before;
        let is_unchanged = decisions.links().is_empty() && decisions.directory_links().is_empty();
        // If `link=` was parsed as the source, the texts of links must be parsed again.
        let changed = match is_unchanged && !request.options.link_is_source {
            true => None,
            false => {
                let mut text = Vec::with_capacity(spec.text().len());
                // Writing to a vector does not fail.
                let _ = decisions.edits(spec).write_to(&mut text);
                let resolved = spec.parse_changed(text, false);
                let resolved = resolved
                    .map_err(|error| RequestError::Spec { path: file.to_owned(), error })?;
                Some(resolved)
            }
        };
        let resolved = changed.as_ref().unwrap_or(spec);
        // The first of the rows that one link replaces has that link in the output.
        let links = decisions.directory_links().iter();
        let first: HashSet<_> = links.filter_map(|link| link.rows.iter().min()).collect();
        let is_removed = |row| matches!(decisions.of(row), Some(RowOutcome::Removed(_)));
        let is_written = |row: &RowId| !is_removed(*row) || first.contains(row);
        let origins: Vec<_> = spec.row_ids().filter(is_written).collect();
        debug_assert_eq!(
            origins.len(),
            resolved.rows().len(),
            "a row of the output is no row before"
        );
        let are_paths_unique = are_paths_unique(resolved);
        let mut merged = Vec::new();
        if !are_paths_unique {
            let rows = resolved.row_ids().map(|id| (id, resolved.row(id)));
            let mergeable = rows.filter(|(_, row)| !resolved.is_slashless(row));
            let paths = mergeable.map(|(id, row)| (id, resolved.spelled_path(row)));
            merged = tar_rows::same_paths(paths);
            merged.sort_by_key(|merged| (merged.into, merged.row));
        }
        Ok(Self { changed, before, origins, change, are_paths_unique, merged, file })
    }

    /// Whether the archive paths of the rows are known to be unique.
    pub(super) fn are_paths_unique(&self) -> bool {
        self.are_paths_unique
    }

    /// The rows that become entries: all except those that are merged into an earlier one.
    pub(super) fn written(&self) -> Vec<RowId> {
        let merged: HashSet<_> = self.merged.iter().map(|merged| merged.row).collect();
        self.resolved().row_ids().filter(|row| !merged.contains(row)).collect()
    }

    /// The rows that are merged into an earlier one, in the order of the earlier ones.
    pub(super) fn merged(&self) -> &[Merged<RowId>] {
        &self.merged
    }

    /// Checks that the keywords of `rows` can be read. If several cannot, returns the error of the first.
    pub(super) fn check(&self, rows: &[RowId]) -> Result<(), RequestError> {
        let tried: Vec<_> = rows.par_iter().map(|row| self.merged_row(*row).map(drop)).collect();
        tried.into_iter().collect()
    }

    /// The row for tar, with the rows that are merged into it. A link without a text has that of the symlink that is its
    /// source.
    pub(super) fn merged_row(&self, row: RowId) -> Result<SpecRow, RequestError> {
        self.merged_row_after(&mut None, row)
    }

    /// As [`LayerRows::merged_row`]. `last` is what was read of the row before, if anything was.
    pub(super) fn merged_row_after<'l>(
        &'l self,
        last: &mut Option<LastRow<'l>>,
        row: RowId,
    ) -> Result<SpecRow, RequestError> {
        let mut spec_row = self.spec_row(last, row)?;
        let start = self.merged.partition_point(|merged| merged.into < row);
        for merged in self.merged[start..].iter().take_while(|merged| merged.into == row) {
            spec_row.merge(self.spec_row(last, merged.row)?);
        }
        if spec_row.keywords.kind == Some(EntryKind::Symlink)
            && spec_row.link.is_none()
            && spec_row.source.is_some()
        {
            let text = self.before.link_texts.get(&self.origin(row));
            spec_row.link = text.map(|text| text[..].into());
        }
        Ok(spec_row)
    }

    fn resolved(&self) -> &Spec {
        self.changed.as_ref().unwrap_or(&self.before.spec)
    }

    /// The archive path of a row, in normal form.
    pub(super) fn archive_path(&self, row: RowId) -> &[u8] {
        self.resolved().path(self.row(row))
    }

    /// The row for tar, with the keywords that flags give.
    fn spec_row<'l>(
        &'l self,
        last: &mut Option<LastRow<'l>>,
        id: RowId,
    ) -> Result<SpecRow, RequestError> {
        let row = self.row(id);
        let resolved = self.resolved();
        let text = resolved.keywords_text(row);
        let (mut keywords, link, source) = match last {
            Some(last) if text == Some(last.text) => {
                (last.keywords.clone(), last.link.clone(), Some(resolved.source(row).into()))
            }
            _ => {
                let (keywords, link) = (self.keywords(id)?, resolved.link(row));
                let link = link.map(Box::from);
                if let Some(text) = text {
                    let (keywords, link) = (keywords.clone(), link.clone());
                    *last = Some(LastRow { text, keywords, link });
                }
                (keywords, link, resolved.content(row).map(Into::into))
            }
        };
        let is_made = keywords.kind == Some(EntryKind::Directory)
            && keywords.mode == Some(MADE_MODE)
            && keywords.time.is_some()
            && keywords.uname.is_none()
            && keywords.gname.is_none();
        let made_owner = (is_made && keywords.uid.is_none() && keywords.gid.is_none()).then_some(0);
        let lacks = keywords.uid.is_none()
            || keywords.gid.is_none()
            || keywords.mode.is_none()
            || keywords.time.is_none();
        if lacks {
            let supplied = self.supplied(id)?;
            keywords.uid = keywords.uid.or(supplied.uid).or(made_owner);
            keywords.gid = keywords.gid.or(supplied.gid).or(made_owner);
            keywords.mode = keywords.mode.or(supplied.mode);
            keywords.time = keywords.time.or(supplied.time);
        }
        // libarchive begins each entry as a file.
        keywords.kind = keywords.kind.or(Some(EntryKind::File));
        Ok(SpecRow {
            path: resolved.spelled_path(row).into(),
            is_relative: resolved.is_slashless(row),
            keywords,
            link,
            source,
        })
    }

    /// The keywords of a row, and those of `/set`.
    fn keywords(&self, row: RowId) -> Result<TarKeywords, RequestError> {
        let mut keywords = TarKeywords::default();
        for (keyword, value) in self.resolved().keywords(self.row(row)) {
            keywords
                .set(keyword, value)
                .map_err(|problem| self.error(row, LayerProblem::Keyword(problem)))?;
        }
        Ok(keywords)
    }

    /// The keywords that flags give a row that lacks them.
    fn supplied(&self, row: RowId) -> Result<TarKeywords, RequestError> {
        let change = self.change;
        let path_before = match self.before.origins.of(&self.before.spec, self.origin(row)) {
            Some((spec, row)) => spec.path(spec.row(row)),
            None => self.archive_path(row),
        };
        let values: [(&[u8], Option<&[u8]>); 4] = [
            (b"uid", change.owner.uid.as_deref()),
            (b"gid", change.owner.gid.as_deref()),
            (b"mode", change.mode_at(path_before)),
            (b"time", change.mtime.as_deref()),
        ];
        let mut supplied = TarKeywords::default();
        for (keyword, value) in values {
            if let Some(value) = value {
                supplied
                    .set(keyword, value)
                    .map_err(|problem| self.error(row, LayerProblem::Keyword(problem)))?;
            }
        }
        Ok(supplied)
    }

    /// The parts of a row that decide its group and its order.
    pub(super) fn grouped(&self, row: RowId) -> GroupedRow<'_> {
        GroupedRow {
            path: self.archive_path(row),
            source: self.source_before(row),
            is_directory: self.row(row).kind() == Kind::Directory,
        }
    }

    /// The source of a row before resolving. Of a directory that became a link, the source of the directory.
    fn source_before(&self, row: RowId) -> &[u8] {
        let (spec, origin) = (&self.before.spec, self.origin(row));
        let source = spec.source(spec.row(origin));
        match self.before.decisions.of(origin) {
            Some(RowOutcome::Removed(link)) => {
                let link = &self.before.decisions.directory_links()[link as usize];
                let rows = link.rows.iter().map(|row| spec.row(*row));
                let mut directories = rows.filter_map(|row| {
                    let remainder = path::below(spec.path(row), &link.path)?;
                    path::without(spec.source(row), remainder)
                });
                directories.next().unwrap_or(source)
            }
            _ => source,
        }
    }

    /// The sources of the row before resolving, and of all rows that it replaces.
    pub(super) fn sources(&self, row: RowId) -> impl Iterator<Item = &[u8]> {
        let (spec, origin) = (&self.before.spec, self.origin(row));
        let replaced = match self.before.decisions.of(origin) {
            Some(RowOutcome::Removed(link)) => {
                &self.before.decisions.directory_links()[link as usize].rows[..]
            }
            _ => &[],
        };
        let rows = replaced.iter().copied().chain([origin]);
        rows.map(|row| spec.source(spec.row(row))).filter(|source| !source.is_empty())
    }

    /// The sources of all rows of the request's spec, including the rows that flags drop.
    pub(super) fn all_sources(&self) -> impl Iterator<Item = &[u8]> {
        let spec = self.before.origins.file(&self.before.spec);
        spec.rows().iter().map(|row| spec.source(row)).filter(|source| !source.is_empty())
    }

    /// An error in a row, with its line in the spec of the request.
    pub(super) fn error(&self, row: RowId, problem: LayerProblem) -> RequestError {
        let origin = self.before.origins.of(&self.before.spec, self.origin(row));
        RequestError::LayerRow {
            file: self.file.to_owned(),
            line: origin.map(|(spec, row)| spec.line_number(spec.row(row))),
            path: self.archive_path(row).to_vec(),
            problem: Box::new(problem),
        }
    }

    /// The line of a row in the spec of the request. `None` for a row that `--package-dir` made.
    pub(super) fn line(&self, row: RowId) -> Option<usize> {
        let (spec, row) = self.before.origins.of(&self.before.spec, self.origin(row))?;
        Some(spec.line_number(spec.row(row)))
    }

    fn row(&self, id: RowId) -> &Row {
        self.resolved().row(id)
    }

    /// The row before resolving, or the first of the rows that a link replaced.
    fn origin(&self, row: RowId) -> RowId {
        self.origins[row.index()]
    }
}

/// Whether the archive paths of `spec` are unique. It compares hashes: if two paths have the same one, it returns `false`.
fn are_paths_unique(spec: &Spec) -> bool {
    let hasher = RandomState::default();
    let hash = |row: &Row| hasher.hash_one(spec.path(row));
    let rows = spec.rows().par_iter().with_min_len(WORTH_SHARING);
    let mut hashes: Vec<_> = rows.map(hash).collect();
    hashes.par_sort_unstable();
    hashes.windows(2).all(|two| two[0] != two[1])
}

//! The contents of a layer's rows: what their sources are on the disk, and what tells them apart.
//!
//! Knows sources and listed digests; must not know how a source is read, nor what tar makes of it.

use std::io;

use hashbrown::HashMap;
use rayon::prelude::*;

use super::super::error::{LayerProblem, RequestError};
use super::super::host::{Host, SourceQuery, SourceState};
use super::super::listed::Listing;
use super::entries::FoundRow;
use super::rows::LayerRows;
use crate::layer::rows::{FoundContent, Metadata, SpecRow, complete};
use crate::layer::{ContentError, ContentIdentity, Entries, EntryKind, Listed, PlannedRow};
use crate::mtree::RowId;

/// So many rows are looked at before the next ones are taken from the spec, since each takes some hundred bytes.
const ROWS_AT_ONCE: usize = 1 << 16;

/// Fewer rows than this are not worth waking another thread for.
const WORTH_SHARING: usize = 256;

/// How rows are looked at.
pub(super) struct Looking<'l> {
    /// Where what a row does not say comes from.
    pub metadata: Metadata,
    /// What the request lists.
    pub listing: Option<&'l Listing<'l>>,
    /// Whether [`FoundRow::on_disk`] is wanted.
    pub keeps_disk: bool,
}

/// Reads the state of each row's source, and checks that each row makes an entry. Optional rows whose source is missing
/// are left out. If several rows fail, returns the error of the first.
pub(super) fn find(
    ids: &[RowId],
    layer_rows: &LayerRows<'_>,
    looking: &Looking<'_>,
    host: &mut impl Host,
) -> Result<Vec<FoundRow>, RequestError> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(ROWS_AT_ONCE) {
        let rows = ids.par_iter().with_min_len(WORTH_SHARING);
        let read = |last: &mut _, &id: &_| layer_rows.merged_row_after(last, id);
        let rows: Vec<_> = rows.map_init(|| None, read).collect();
        let queries = rows.par_iter().with_min_len(WORTH_SHARING);
        let queries: Vec<_> =
            queries.map(|row| row.as_ref().map_or(Ok(None), |row| query(row, looking))).collect();
        let wanted: Vec<_> = queries.iter().flatten().flatten().collect();
        let mut states = host.sources(&wanted)?.into_iter();
        let answers: Vec<Answer> = queries
            .iter()
            .map(|query| match query {
                Ok(Some(_)) => Ok(states.next()),
                Ok(None) => Ok(None),
                Err(NotListed) => Err(NotListed),
            })
            .collect();
        drop(wanted);
        drop(queries);
        let looked_at: Vec<Result<_, RequestError>> = (ids, rows, answers)
            .into_par_iter()
            .with_min_len(WORTH_SHARING)
            .map_init(Vec::new, |text, (&id, row, answer)| {
                let error = |problem| layer_rows.error(id, problem);
                look_at(id, row?, answer, looking, text).map_err(error)
            })
            .collect();
        for row in looked_at {
            found.extend(row?);
        }
    }
    Ok(found)
}

/// The source of a row is not among the inputs of the request.
struct NotListed;

/// What the disk said to a row's query. `None` if it was not asked.
type Answer = Result<Option<io::Result<SourceState>>, NotListed>;

/// What to ask of the disk for a row.
fn query<'r>(
    row: &'r SpecRow,
    looking: &Looking<'_>,
) -> Result<Option<SourceQuery<'r>>, NotListed> {
    let keywords = &row.keywords;
    if let (Some(EntryKind::File), Some(source)) = (keywords.kind, &row.source) {
        let listed = match looking.listing {
            Some(listing) if !listing.paths.covers(source) => return Err(NotListed),
            Some(listing) => listing.digest(source),
            None => None,
        };
        return Ok(Some(SourceQuery { path: source, follows: true, listed }));
    }
    let lacks = keywords.uid.is_none()
        || keywords.gid.is_none()
        || keywords.mode.is_none()
        || keywords.time.is_none()
        || keywords.is_nochange;
    let follows = keywords.kind == Some(EntryKind::Directory);
    Ok((looking.metadata == Metadata::Disk && lacks).then_some(SourceQuery {
        path: row.source.as_deref().unwrap_or(&row.path),
        follows,
        listed: None,
    }))
}

/// What was found of a row. `None` for an optional one without a source. `text` is overwritten.
fn look_at(
    id: RowId,
    row: SpecRow,
    answer: Answer,
    looking: &Looking<'_>,
    text: &mut Vec<u8>,
) -> Result<Option<FoundRow>, LayerProblem> {
    let (is_optional, has_content) = (row.keywords.is_optional, row.has_content());
    let source = || row.source.clone().unwrap_or_default();
    let state = match answer {
        Ok(None) => None,
        Ok(Some(Ok(state))) => Some(state),
        Err(NotListed) if is_optional => return Ok(None),
        Err(NotListed) => return Err(LayerProblem::NotAnInput(source())),
        Ok(Some(Err(error))) if is_missing(&error) => match has_content {
            true if is_optional => return Ok(None),
            true => return Err(LayerProblem::Missing(source())),
            // `complete` says what the row lacks.
            false => None,
        },
        Ok(Some(Err(error))) => {
            return Err(ContentError::Read { source_path: source(), error }.into());
        }
    };
    if has_content && state.as_ref().is_some_and(|state| !state.is_file) {
        return Err(LayerProblem::NotAFile(source()));
    }
    if row.keywords.kind == Some(EntryKind::Symlink) && row.link.is_none() && row.source.is_some() {
        return if is_optional { Ok(None) } else { Err(LayerProblem::NotALink(source())) };
    }
    let content = state
        .as_ref()
        .filter(|_| has_content)
        .map(|state| FoundContent { size: state.on_disk.stamp.size, identity: state.identity });
    let on_disk = state.map(|state| state.on_disk);
    let entry = complete(row, looking.metadata, on_disk.as_ref(), content)?;
    let planned = Some(PlannedRow::new(&entry, text));
    let on_disk = on_disk.filter(|_| looking.keeps_disk).map(Box::new);
    Ok(Some(FoundRow { id, content, on_disk, planned }))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The numbers of the entries whose contents have to be read to compare them with others, in order: files that equal
/// another one in all but their bytes, unless digests of all of these are listed.
pub(super) fn alike(entries: &dyn Entries) -> Vec<usize> {
    let mut alike = HashMap::<_, Vec<(usize, bool)>>::new();
    for (number, entry) in entries.iter().enumerate() {
        if entry.data_len() > 0 {
            let identity = entry.content.as_ref().map(|content| content.identity);
            let is_listed = matches!(identity, Some(ContentIdentity::Listed(Listed::Long(_))));
            let like = (entry.size, entry.mode, entry.uid, entry.gid, entry.time);
            alike.entry(like).or_default().push((number, is_listed));
        }
    }
    let unlisted = alike
        .into_values()
        .filter(|files| files.len() > 1 && !files.iter().all(|(_, is_listed)| *is_listed));
    let mut unlisted: Vec<_> = unlisted.flatten().map(|(number, _)| number).collect();
    unlisted.sort_unstable();
    unlisted
}

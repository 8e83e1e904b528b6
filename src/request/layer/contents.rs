//! The contents of a layer's rows: the states of their sources on the disk, and their identities.
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
use crate::layer::{ContentError, ContentIdentity, Entries, EntryKind, Listed, PlannedEntry};
use crate::mtree::RowId;

/// How many rows are in memory at once: each takes some hundred bytes.
const ROWS_AT_ONCE: usize = 1 << 16;

/// The fewest rows for which waking another thread pays.
const WORTH_SHARING: usize = 256;

/// The options of [`find`].
pub(super) struct FindOptions<'l> {
    /// Where the owner, mode and time come from that a row does not have.
    pub metadata: Metadata,
    /// The inputs that the request lists.
    pub listing: Option<&'l Listing<'l>>,
    /// Whether [`FoundRow::on_disk`] is needed.
    pub keeps_disk: bool,
}

/// Reads the state of each row's source, and checks that each row makes an entry. Optional rows whose source is missing
/// are left out. If several rows fail, returns the error of the first.
pub(super) fn find(
    ids: &[RowId],
    layer_rows: &LayerRows<'_>,
    options: &FindOptions<'_>,
    host: &mut impl Host,
) -> Result<Vec<FoundRow>, RequestError> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(ROWS_AT_ONCE) {
        let rows = ids.par_iter().with_min_len(WORTH_SHARING);
        let read = |last: &mut _, &id: &_| layer_rows.merged_row_after(last, id);
        let rows: Vec<_> = rows.map_init(|| None, read).collect();
        let queries = rows.par_iter().with_min_len(WORTH_SHARING);
        let queries: Vec<_> =
            queries.map(|row| row.as_ref().map_or(Ok(None), |row| query(row, options))).collect();
        let sent: Vec<_> = queries.iter().flatten().flatten().collect();
        let mut states = host.sources(&sent)?.into_iter();
        let answers: Vec<Answer> = queries
            .iter()
            .map(|query| match query {
                Ok(Some(_)) => Ok(states.next()),
                Ok(None) => Ok(None),
                Err(NotListed) => Err(NotListed),
            })
            .collect();
        drop(sent);
        drop(queries);
        let rows: Vec<Result<_, RequestError>> = (ids, rows, answers)
            .into_par_iter()
            .with_min_len(WORTH_SHARING)
            .map_init(Vec::new, |text, (&id, row, answer)| {
                let error = |problem| layer_rows.error(id, problem);
                found_row(id, row?, answer, options, text).map_err(error)
            })
            .collect();
        for row in rows {
            found.extend(row?);
        }
    }
    Ok(found)
}

/// The source of a row is not among the inputs of the request.
struct NotListed;

/// The host's answer to a row's query. `None` if the row needs no query.
type Answer = Result<Option<io::Result<SourceState>>, NotListed>;

/// The query of a row's source. `None` if the row needs none.
fn query<'r>(
    row: &'r SpecRow,
    options: &FindOptions<'_>,
) -> Result<Option<SourceQuery<'r>>, NotListed> {
    let keywords = &row.keywords;
    if let (Some(EntryKind::File), Some(source)) = (keywords.kind, &row.source) {
        let listed = match options.listing {
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
    Ok((options.metadata == Metadata::Disk && lacks).then_some(SourceQuery {
        path: row.source.as_deref().unwrap_or(&row.path),
        follows,
        listed: None,
    }))
}

/// The row with the state of its source. `None` if it is optional and its source is missing. `text` is overwritten.
fn found_row(
    id: RowId,
    row: SpecRow,
    answer: Answer,
    options: &FindOptions<'_>,
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
            // `complete` returns the error, if the row lacks something.
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
    let entry = complete(row, options.metadata, on_disk.as_ref(), content)?;
    let planned = Some(PlannedEntry::new(&entry, text));
    let on_disk = on_disk.filter(|_| options.keeps_disk).map(Box::new);
    Ok(Some(FoundRow { id, content, on_disk, planned }))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The numbers of the entries whose contents must be read to compare them with others, in order: files that equal
/// another one in size, mode, owner and time, unless digests of all of these are listed.
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

//! The contents of a layer's rows: what their sources are on the disk, and what tells them apart.
//!
//! Knows sources and listed digests; must not know how a source is read, nor what tar makes of it.

use std::io;

use hashbrown::HashMap;

use super::super::error::{LayerProblem, RequestError};
use super::super::host::{Host, SourceQuery, SourceState};
use super::super::listed::Listing;
use super::rows::LayerRows;
use crate::layer::rows::{Metadata, SpecRow};
use crate::layer::{ContentIdentity, EntryKind, Listed, TarEntry};

/// What a row's source is. `None` for a row of which the disk is not asked.
pub(super) type Known = Option<SourceState>;

/// Finds out what the sources of `rows` are. Rows that are optional and have none are left out.
pub(super) fn find(
    rows: Vec<(usize, SpecRow)>,
    layer_rows: &LayerRows<'_>,
    metadata: Metadata,
    listing: Option<&Listing<'_>>,
    host: &mut impl Host,
) -> Result<Vec<(usize, SpecRow, Known)>, RequestError> {
    let queries = rows.iter().map(|(_, row)| query(row, metadata, listing));
    let queries: Vec<_> = queries.collect();
    let asked: Vec<_> = queries.iter().filter_map(|query| query.as_ref().ok()).flatten().collect();
    let mut states = host.sources(&asked)?.into_iter();
    let mut known = Vec::with_capacity(rows.len());
    let mut states_of = Vec::with_capacity(rows.len());
    for query in &queries {
        states_of.push(match query {
            Ok(Some(_)) => states.next().map(Ok),
            Ok(None) => None,
            Err(NotListed) => Some(Err(NotListed)),
        });
    }
    for ((number, row), state) in rows.into_iter().zip(states_of) {
        let source = || row.source.clone().unwrap_or_default();
        let error = |problem| layer_rows.error(number, problem);
        let has_content = row.keywords.kind == Some(EntryKind::File) && row.source.is_some();
        let state = match state {
            None => None,
            Some(Ok(Ok(state))) => Some(state),
            Some(Err(NotListed)) if row.keywords.is_optional => continue,
            Some(Err(NotListed)) => return Err(error(LayerProblem::NotAnInput(source()))),
            Some(Ok(Err(problem))) if is_missing(&problem) => {
                match has_content {
                    true if row.keywords.is_optional => continue,
                    true => return Err(error(LayerProblem::Missing(source()))),
                    // `complete` says what the row lacks.
                    false => None,
                }
            }
            Some(Ok(Err(problem))) => {
                return Err(error(LayerProblem::Unreadable { source_path: source(), problem }));
            }
        };
        if has_content && state.as_ref().is_some_and(|state| !state.is_file) {
            return Err(error(LayerProblem::NotAFile(source())));
        }
        known.push((number, row, state));
    }
    Ok(known)
}

/// The source of a row is not among the inputs of the request.
struct NotListed;

/// What to ask of the disk for a row.
fn query<'r>(
    row: &'r SpecRow,
    metadata: Metadata,
    listing: Option<&Listing<'_>>,
) -> Result<Option<SourceQuery<'r>>, NotListed> {
    let keywords = &row.keywords;
    if let (Some(EntryKind::File), Some(source)) = (keywords.kind, &row.source) {
        let listed = match listing {
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
    Ok((metadata == Metadata::Disk && lacks).then_some(SourceQuery {
        path: row.source.as_deref().unwrap_or(&row.path),
        follows,
        listed: None,
    }))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Has contents that may be equal told apart in one way: by what is listed for all of them, or else by their
/// bytes, which are read. Files that no other file is like but for its bytes stay as they are.
pub(super) fn tell_apart(
    entries: &mut [TarEntry],
    host: &mut impl Host,
) -> Result<Vec<(usize, io::Error)>, RequestError> {
    let mut alike = HashMap::<_, Vec<usize>>::new();
    for (number, entry) in entries.iter().enumerate() {
        if entry.data_len() > 0 {
            let like = (entry.size, entry.mode, entry.uid, entry.gid, entry.time);
            alike.entry(like).or_default().push(number);
        }
    }
    let is_listed = |entries: &[TarEntry], number: usize| {
        let identity = entries[number].content.as_ref().map(|content| content.identity);
        matches!(identity, Some(ContentIdentity::Listed(Listed::Long(_))))
    };
    let mut unlisted: Vec<usize> = alike
        .into_values()
        .filter(|numbers| {
            numbers.len() > 1 && !numbers.iter().all(|number| is_listed(entries, *number))
        })
        .flatten()
        .collect();
    unlisted.sort_unstable();
    let sources = unlisted.iter().filter_map(|number| entries[*number].content.as_ref());
    let sources: Vec<&[u8]> = sources.map(|content| &content.source[..]).collect();
    let hashes = host.hash_sources(&sources)?;
    let mut failed = Vec::new();
    for (number, hash) in unlisted.into_iter().zip(hashes) {
        match (hash, &mut entries[number].content) {
            (Ok(hash), Some(content)) => content.identity = ContentIdentity::Hashed(hash),
            (Ok(_), None) => {}
            (Err(error), _) => failed.push((number, error)),
        }
    }
    Ok(failed)
}

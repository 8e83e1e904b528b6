//! Writing the layer of a resolved spec (docs/design.md, "Layers").
//!
//! Knows the steps from rows to a layer; must not know how rows were resolved, nor how a tar is made
//! ([`crate::layer`]).

mod contents;
mod groups;
mod options;
mod order;
mod rows;
mod state;
mod unused;

use std::os::unix::ffi::OsStrExt;

use bytes::Bytes;
use hashbrown::{HashMap, HashSet};

use crate::display::Escaped;
use crate::layer::hard_links::{self, FileInode};
use crate::layer::rows::{self as tar_rows, Merged, Metadata, SpecRow};
use crate::layer::{ContentIdentity, EntryKind, LayerError, TarEntry};

use super::error::{LayerProblem, RequestError};
use super::host::{Content, Host, Purpose, WrittenLayer};
use super::listed::Listing;
use super::run::{Outputs, Resolved};
use super::{OutputError, OutputKind, ResolveRequest};
use contents::Known;
use groups::GroupedRow;
use rows::LayerRows;

pub(in crate::request) use groups::Groups;
pub use groups::GroupsError;
pub use options::{GroupChoice, HardLinks, LayerOptions, Order};
pub use state::LayerState;

/// A row with its number among those of the resolved spec.
type NumberedRow = (usize, SpecRow);

/// A layer that was written, and is not in its place yet.
pub(super) struct Written {
    pub layer: WrittenLayer,
    /// The warnings about it.
    pub warnings: Vec<String>,
}

/// Writes the layer of `resolved`, and what is said of it.
pub(super) fn write(
    request: &ResolveRequest,
    options: &LayerOptions,
    resolved: &Resolved,
    groups: Option<&Groups>,
    listing: Option<&Listing<'_>>,
    outputs: &Outputs,
    host: &mut impl Host,
) -> Result<Written, RequestError> {
    let layer_rows = LayerRows::new(resolved, &request.mtree)?;
    let mut warnings = Vec::new();
    let (rows, merged) = chosen_rows(request, options, &layer_rows, groups, &mut warnings)?;
    if let Some(handle) = outputs.get(OutputKind::UnusedInputs) {
        let written = rows.iter().map(|(number, _)| *number);
        let written = written.chain(merged.iter().map(|merged| merged.row));
        let inputs = match &options.inputs {
            Some(path) => host.read(path, Purpose::Inputs)?,
            None => Bytes::new(),
        };
        let files = [Some(&request.mtree), options.group.as_ref().map(|group| &group.file)];
        let read = files.into_iter().flatten().chain(&request.options.also);
        let read = read.map(|path| path.as_os_str().as_bytes());
        let unused = unused::inputs(&layer_rows, written, &inputs, read);
        host.write(handle, Content::Text(&unused))?;
    }
    let rows = link_texts(rows, resolved, &layer_rows)?;
    let rows = contents::find(rows, &layer_rows, options.metadata, listing, host)?;
    host.step_done("look at the contents");
    let (numbers, entries) = entries(rows, options, &layer_rows, host)?;
    host.check_cancelled()?;
    host.step_done("make entries");

    let Some(handle) = outputs.get(OutputKind::Layer) else {
        return Ok(Written { layer: WrittenLayer::default(), warnings });
    };
    let written = host.write_layer(handle, &entries, options.codec);
    let layer = written.map_err(|error| match error {
        LayerError::Cancelled => RequestError::Cancelled,
        LayerError::Content { entry, problem, .. } => {
            layer_rows.error(numbers[entry], LayerProblem::Content(problem))
        }
        LayerError::Write(source) => RequestError::Output(OutputError::Write {
            flag: OutputKind::Layer.flag(),
            path: request.out.clone(),
            source,
        }),
        LayerError::RecordedContent { entry, text } => {
            layer_rows.error(numbers[entry], LayerProblem::Recorded(text))
        }
        LayerError::Recorded(text) => RequestError::Recorded(text),
        LayerError::Codec(error) => RequestError::Codec(error),
    })?;
    if let (Some(handle), Some(descriptor)) =
        (outputs.get(OutputKind::Descriptor), &layer.descriptor)
    {
        host.write(handle, Content::Descriptor(descriptor))?;
    }
    host.step_done("write the layer");
    Ok(Written { layer, warnings })
}

/// The rows of the layer in its order, those of one path merged as libarchive merges them. Each has its number
/// among the rows of the resolved spec. Beside them, the rows that were merged into one of them.
fn chosen_rows(
    request: &ResolveRequest,
    options: &LayerOptions,
    layer_rows: &LayerRows<'_>,
    groups: Option<&Groups>,
    warnings: &mut Vec<String>,
) -> Result<(Vec<NumberedRow>, Vec<Merged>), RequestError> {
    let change = &request.options.change;
    let rows = (0..layer_rows.len()).map(|number| layer_rows.spec_row(number, change));
    let (mut rows, mut merged) = tar_rows::merge(rows.collect::<Result<_, _>>()?);
    if let Some(groups) = groups {
        let mut chosen = groups.choose(&grouped(&rows, layer_rows)).into_iter();
        rows.retain(|_| chosen.next() == Some(true));
        let numbers: HashSet<usize> = rows.iter().map(|(number, _)| *number).collect();
        merged.retain(|merged| numbers.contains(&merged.into));
        if rows.is_empty()
            && let Some(choice) = &options.group
        {
            warnings.extend(groups.warn_of_no_rows(&choice.file));
        }
    }
    if options.order == Order::StableFirst {
        let order = order::stable_first(&grouped(&rows, layer_rows));
        let mut unordered: Vec<_> = rows.into_iter().map(Some).collect();
        rows = order.into_iter().filter_map(|number| unordered[number].take()).collect();
    }
    warnings.extend(warn_of_duplicates(&rows, &merged, layer_rows));
    Ok((rows, merged))
}

/// The warning about rows that have the archive path of an earlier one.
fn warn_of_duplicates(
    rows: &[NumberedRow],
    merged: &[Merged],
    layer_rows: &LayerRows<'_>,
) -> Option<String> {
    let mut first = HashMap::with_capacity(rows.len());
    let mut duplicates: Vec<_> = merged.iter().map(|merged| (merged.row, merged.into)).collect();
    for (number, _) in rows {
        let earlier = first.entry(layer_rows.archive_path(*number)).or_insert(*number);
        if earlier != number {
            duplicates.push((*number, *earlier));
        }
    }
    let (row, earlier) = *duplicates.iter().min()?;
    let place = |row| match layer_rows.line(row) {
        Some(line) => format!("line {line}"),
        None => "--package-dir".to_owned(),
    };
    Some(format!(
        "rows with the archive path of an earlier row: {}, the first: {} ({}, after {}); those spelled \
         alike are merged, others are written twice, which images may not have; remove all but one",
        duplicates.len(),
        Escaped(layer_rows.archive_path(row)),
        place(row),
        place(earlier),
    ))
}

fn grouped<'r>(rows: &[NumberedRow], layer_rows: &'r LayerRows<'_>) -> Vec<GroupedRow<'r>> {
    rows.iter().map(|(number, _)| layer_rows.grouped(*number)).collect()
}

/// Gives rows that are links with a source the text of the symlink there.
fn link_texts(
    mut rows: Vec<NumberedRow>,
    resolved: &Resolved,
    layer_rows: &LayerRows<'_>,
) -> Result<Vec<NumberedRow>, RequestError> {
    let mut dropped = Vec::new();
    for (number, row) in &mut rows {
        let (Some(EntryKind::Symlink), None, Some(source)) =
            (row.keywords.kind, &row.link, &row.source)
        else {
            continue;
        };
        match resolved.link_texts.get(&layer_rows.origin(*number)) {
            Some(text) => row.link = Some(text.as_slice().into()),
            None if row.keywords.is_optional => dropped.push(*number),
            None => return Err(layer_rows.error(*number, LayerProblem::NotALink(source.clone()))),
        }
    }
    rows.retain(|(number, _)| !dropped.contains(number));
    Ok(rows)
}

/// The entries of `rows`, each with the number of its row.
fn entries(
    rows: Vec<(usize, SpecRow, Known)>,
    options: &LayerOptions,
    layer_rows: &LayerRows<'_>,
    host: &mut impl Host,
) -> Result<(Vec<usize>, Vec<TarEntry>), RequestError> {
    let (mut numbers, mut entries) =
        (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    let mut inodes = Vec::new();
    for (number, row, state) in rows {
        // `nochange` takes the disk's word here as well.
        let prefers_disk = row.keywords.is_nochange && options.metadata == Metadata::Disk;
        let nlink = row.keywords.nlink.filter(|_| !prefers_disk);
        let identity = state.as_ref().map_or(ContentIdentity::Unknown, |state| state.identity);
        let on_disk = state.as_ref().map(|state| &state.on_disk);
        let entry = tar_rows::complete(row, options.metadata, on_disk, identity)
            .map_err(|problem| layer_rows.error(number, LayerProblem::Row(problem)))?;
        if options.hard_links == HardLinks::Inode {
            inodes.push(on_disk.filter(|_| entry.content.is_some()).map(|disk| FileInode {
                device: disk.stamp.device,
                inode: disk.stamp.inode,
                links: nlink.unwrap_or(disk.links as u32),
            }));
        }
        numbers.push(number);
        entries.push(entry);
    }
    match options.hard_links {
        HardLinks::Never => {}
        HardLinks::Inode => hard_links::by_inode(&mut entries, &inodes),
        HardLinks::Content => {
            let failed = contents::tell_apart(&mut entries, host)?;
            if let Some((entry, problem)) = failed.into_iter().next() {
                let content = entries[entry].content.take();
                let source_path = content.map(|content| content.source).unwrap_or_default();
                let problem = LayerProblem::Unreadable { source_path, problem };
                return Err(layer_rows.error(numbers[entry], problem));
            }
            hard_links::by_content(&mut entries);
        }
    }
    Ok((numbers, entries))
}

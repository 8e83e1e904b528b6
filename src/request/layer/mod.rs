//! Writing the layer of a resolved spec (docs/design.md, "Layers").
//!
//! Knows the steps from rows to a layer; must not know how rows were resolved, nor how a tar is made
//! ([`crate::layer`]).

mod contents;
mod entries;
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
use crate::layer::LayerError;
use crate::layer::rows::Metadata;
use crate::mtree::RowId;

use super::error::{LayerProblem, RequestError};
use super::host::{Content, Host, Purpose, WrittenLayer};
use super::listed::Listing;
use super::run::{Outputs, Resolved};
use super::{OutputError, OutputKind, ResolveRequest};
use contents::FindOptions;
use entries::RowEntries;
use groups::GroupedRow;
use rows::LayerRows;

pub(in crate::request) use groups::Groups;
pub use groups::GroupsError;
pub use options::{GroupChoice, HardLinks, LayerOptions, Order};
pub use state::LayerState;

/// A layer that was written to its temporary file.
pub(super) struct LayerOutcome {
    pub layer: WrittenLayer,
    /// The warnings about it.
    pub warnings: Vec<String>,
}

/// Writes the layer of `resolved`, its descriptor, and the list of unused inputs.
pub(super) fn write(
    request: &ResolveRequest,
    options: &LayerOptions,
    resolved: &Resolved,
    groups: Option<&Groups>,
    listing: Option<&Listing<'_>>,
    outputs: &Outputs,
    host: &mut impl Host,
) -> Result<LayerOutcome, RequestError> {
    let layer_rows = LayerRows::new(resolved, request)?;
    host.step_done("read the rows");
    let mut warnings = Vec::new();
    let rows = chosen_rows(options, &layer_rows, groups, &mut warnings)?;
    if let Some(handle) = outputs.get(OutputKind::UnusedInputs) {
        let chosen: HashSet<_> = rows.iter().copied().collect();
        let merged = layer_rows.merged().iter().filter(|merged| chosen.contains(&merged.into));
        let written = rows.iter().copied().chain(merged.map(|merged| merged.row));
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
    let find_options = FindOptions {
        metadata: options.metadata,
        listing,
        keeps_disk: options.metadata == Metadata::Disk || options.hard_links == HardLinks::Inode,
    };
    let found = contents::find(&rows, &layer_rows, &find_options, host)?;
    drop(rows);
    host.step_done("look at the contents");
    let mut entries = RowEntries::new(&layer_rows, options.metadata, found);
    entries.link(options.hard_links, host)?;
    host.check_cancelled()?;
    host.step_done("find hard links");

    let Some(handle) = outputs.get(OutputKind::Layer) else {
        return Ok(LayerOutcome { layer: WrittenLayer::default(), warnings });
    };
    let written = host.write_layer(handle, &entries, options.codec);
    let layer = written.map_err(|error| match error {
        LayerError::Cancelled => RequestError::Cancelled,
        LayerError::Content { entry, problem, .. } => {
            entries.error(entry, LayerProblem::Content(problem))
        }
        LayerError::Write(source) => RequestError::Output(OutputError::Write {
            flag: OutputKind::Layer.flag(),
            path: request.out.clone(),
            source,
        }),
        LayerError::RecordedContent { entry, text } => {
            entries.error(entry, LayerProblem::Recorded(text))
        }
        LayerError::Recorded(text) => RequestError::Recorded(text),
        error @ (LayerError::TooLargeToCompare { .. }
        | LayerError::Codec(_)
        | LayerError::Thread(_)) => RequestError::Layer(error),
    })?;
    if let (Some(handle), Some(descriptor)) =
        (outputs.get(OutputKind::Descriptor), &layer.descriptor)
    {
        host.write(handle, Content::Descriptor(descriptor))?;
    }
    host.step_done("write the layer");
    Ok(LayerOutcome { layer, warnings })
}

/// The rows of the resolved spec that become entries, in the order of the layer.
fn chosen_rows(
    options: &LayerOptions,
    layer_rows: &LayerRows<'_>,
    groups: Option<&Groups>,
    warnings: &mut Vec<String>,
) -> Result<Vec<RowId>, RequestError> {
    let mut rows = layer_rows.written();
    if let Some(groups) = groups {
        // The rows of other groups are checked, too: each layer of the spec fails for the same reasons.
        layer_rows.check(&rows)?;
        let mut chosen = groups.choose(&grouped(&rows, layer_rows)).into_iter();
        rows.retain(|_| chosen.next() == Some(true));
        if rows.is_empty()
            && let Some(choice) = &options.group
        {
            warnings.extend(groups.warn_of_no_rows(&choice.file));
        }
    }
    if options.order == Order::StableFirst {
        let order = order::stable_first(&grouped(&rows, layer_rows));
        rows = order.into_iter().map(|index| rows[index]).collect();
    }
    warnings.extend(warn_of_duplicates(&rows, layer_rows));
    Ok(rows)
}

/// The warning about rows that have the archive path of an earlier one.
fn warn_of_duplicates(rows: &[RowId], layer_rows: &LayerRows<'_>) -> Option<String> {
    if layer_rows.are_paths_unique() {
        return None;
    }
    let mut first = HashMap::with_capacity(rows.len());
    let mut duplicates = Vec::new();
    for row in rows {
        let earlier = first.entry(layer_rows.archive_path(*row)).or_insert(*row);
        if earlier != row {
            duplicates.push((*row, *earlier));
        }
    }
    let is_chosen = |row: RowId| first.contains_key(layer_rows.archive_path(row));
    let merged = layer_rows.merged().iter().filter(|merged| is_chosen(merged.into));
    duplicates.extend(merged.map(|merged| (merged.row, merged.into)));
    let (row, earlier) = *duplicates.iter().min()?;
    let describe = |row| match layer_rows.line(row) {
        Some(line) => format!("line {line}"),
        None => "--package-dir".to_owned(),
    };
    Some(format!(
        "rows with the archive path of an earlier row: {}, the first: {} ({}, after {}); those spelled \
         alike are merged, others are written twice, which images may not have; remove all but one",
        duplicates.len(),
        Escaped(layer_rows.archive_path(row)),
        describe(row),
        describe(earlier),
    ))
}

fn grouped<'r>(rows: &[RowId], layer_rows: &'r LayerRows<'_>) -> Vec<GroupedRow<'r>> {
    rows.iter().map(|row| layer_rows.grouped(*row)).collect()
}

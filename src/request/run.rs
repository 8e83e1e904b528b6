//! The steps of one request, in order.
//!
//! Must not know how rows are resolved, nor how a host reads and writes.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tracing::debug;

use super::error::RequestError;
use super::host::{Content, Host, ObservedTree, OutputKind, Purpose};
use super::report::Report;
use super::{ResolveOptions, ResolveRequest, warnings};
use crate::layer::sizes;
use crate::mtree::{Kind, Spec};
use crate::resolve::{self, Decisions, Inputs};

/// The result of a request whose outputs are in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The warnings, one sentence each.
    pub warnings: Vec<String>,
    /// The numbers of the run.
    pub report: Report,
}

/// The specs of a request.
pub struct Specs {
    /// The one that is resolved.
    pub spec: Spec,
    /// The specs of other layers.
    pub also: Vec<Spec>,
}

impl Specs {
    /// Reads the spec at `mtree`, changes its rows, and reads the specs of other layers.
    pub fn read(
        mtree: &Path,
        options: &ResolveOptions,
        host: &mut impl Host,
    ) -> Result<Self, RequestError> {
        let link_is_source = options.link_is_source;
        let mut spec = read(mtree, link_is_source, host)?;
        host.step_done("read the spec");
        if !options.change.is_nothing() {
            let changed = options.change.apply(&spec);
            spec = parse_changed(&spec, mtree, changed, link_is_source)?;
            host.step_done("change its rows");
        }
        if options.change.sort {
            spec = parse_changed(&spec, mtree, spec.sorted(), link_is_source)?;
            host.step_done("sort its rows");
        }
        let also = options.also.iter().map(|path| read(path, link_is_source, host));
        let also = also.collect::<Result<Vec<_>, _>>()?;
        if !also.is_empty() {
            host.step_done("read the other specs");
        }
        Ok(Self { spec, also })
    }
}

/// Runs a request on a host. With `inputs`, a source that is neither one of them nor below one counts
/// as absent (design rule 8).
pub fn run(
    request: &ResolveRequest,
    inputs: Option<&Inputs>,
    host: &mut impl Host,
) -> Result<Outcome, RequestError> {
    let ResolveRequest { mtree, out, report, options } = request;
    let Specs { spec, also } = Specs::read(mtree, options, host)?;
    let rows_of_others = also.iter().map(|spec| spec.rows().len()).sum::<usize>();
    debug!(spec = ?mtree, rows = spec.rows().len(), rows_of_others, "read");
    let mut read: Vec<PathBuf> = options.also.iter().chain([mtree]).cloned().collect();
    let out_handle = host.create(OutputKind::Spec, out, &read)?;
    let report_handle = match report {
        Some(path) => {
            read.push(out.clone());
            Some(host.create(OutputKind::Report, path, &read)?)
        }
        None => None,
    };

    let mut tree = host.tree()?;
    let decisions = match options.no_resolve {
        true => Decisions::default(),
        false => resolve::resolve(&spec, &also, options.resolve, inputs, &mut tree)?,
    };
    let observations = tree.observations();
    drop(tree);
    debug!(
        links = decisions.links().len(),
        directory_links = decisions.directory_links().len(),
        "decided"
    );
    host.step_done("resolve");

    host.write(&out_handle, Content::Patched(&spec, decisions.edits(&spec).into_patch()))?;
    let mut outcome = Outcome {
        warnings: warnings::of(&spec, &decisions, &observations, host.is_sandbox()),
        report: Report::new(&spec, &decisions, &observations),
    };
    if let Some(handle) = &report_handle {
        outcome.report.bytes_saved = Some(bytes_saved(&spec, &decisions, host));
        host.write(handle, Content::Report(&outcome.report))?;
    }
    host.check_cancelled()?;
    if let Some(handle) = report_handle {
        host.commit(handle)?;
    }
    host.commit(out_handle)?;
    host.step_done("write");
    Ok(outcome)
}

fn read(path: &Path, link_is_source: bool, host: &mut impl Host) -> Result<Spec, RequestError> {
    parse(path, host.read(path, Purpose::Spec)?, link_is_source)
}

fn parse(path: &Path, text: Bytes, link_is_source: bool) -> Result<Spec, RequestError> {
    Spec::parse(text, link_is_source)
        .map_err(|error| RequestError::Spec { path: path.to_owned(), error })
}

/// Parses the text that `spec` was changed to.
fn parse_changed(
    spec: &Spec,
    path: &Path,
    text: Vec<u8>,
    link_is_source: bool,
) -> Result<Spec, RequestError> {
    spec.parse_changed(text, link_is_source)
        .map_err(|error| RequestError::Spec { path: path.to_owned(), error })
}

/// The content bytes that links save.
fn bytes_saved(spec: &Spec, decisions: &Decisions, host: &mut impl Host) -> u64 {
    let rows = decisions.replaced().map(|row| spec.row(row));
    let files = rows.filter(|row| row.kind() == Kind::File);
    sizes::content_saved(files.map(|row| host.file_size(spec.source(row))))
}

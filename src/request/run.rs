//! The steps of one request, in order.
//!
//! Must not know how rows are resolved, nor how a host reads and writes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tracing::debug;

use super::error::RequestError;
use super::host::{Content, Host, ObservedTree, OutputHandle, OutputKind, Purpose};
use super::layer::{self, Groups};
use super::listed::Listing;
use super::report::Report;
use super::{ResolveOptions, ResolveRequest, warnings};
use crate::fs::Observations;
use crate::layer::sizes;
use crate::mtree::{Changed, Kind, RowId, Spec};
use crate::resolve::{self, Decisions, Inputs};

/// The result of a request whose outputs are in place.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Which row of the file each row of `spec` was.
    pub(super) origins: Origins,
}

/// Which row of a file each row of a spec was, before its rows were changed.
#[derive(Default)]
pub(super) struct Origins {
    /// The spec in the file. `None` if it was not changed.
    file: Option<Spec>,
    /// By row of the changed spec. `None` for one that was made.
    rows: Vec<Option<RowId>>,
}

impl Origins {
    /// Takes one more change of the spec `before`, to one with `rows`.
    fn add(&mut self, before: Spec, rows: Vec<Option<RowId>>) {
        match self.file {
            None => (self.file, self.rows) = (Some(before), rows),
            Some(_) => {
                let first = |row: Option<RowId>| self.rows[row?.index()];
                self.rows = rows.into_iter().map(first).collect();
            }
        }
    }

    /// The row of the file that `row` of `spec` was, with the spec in that file.
    pub(super) fn of<'s>(&'s self, spec: &'s Spec, row: RowId) -> Option<(&'s Spec, RowId)> {
        match &self.file {
            None => Some((spec, row)),
            Some(file) => Some((file, self.rows.get(row.index()).copied()??)),
        }
    }

    /// The spec in the file: `spec`, if that was not changed.
    pub(super) fn file<'s>(&'s self, spec: &'s Spec) -> &'s Spec {
        self.file.as_ref().unwrap_or(spec)
    }
}

impl From<Spec> for Specs {
    /// One spec, its rows as they are.
    fn from(spec: Spec) -> Self {
        Self { spec, also: Vec::new(), origins: Origins::default() }
    }
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
        let mut origins = Origins::default();
        host.step_done("read the spec");
        let mut replace = |spec: &mut Spec, Changed { text, rows }| {
            let changed = parse_changed(spec, mtree, text, link_is_source)?;
            origins.add(std::mem::replace(spec, changed), rows);
            Ok::<_, RequestError>(())
        };
        if !options.change.is_nothing() {
            let changed = options.change.apply(&spec);
            replace(&mut spec, changed)?;
            host.step_done("change its rows");
        }
        if options.change.sort {
            let sorted = spec.sorted();
            replace(&mut spec, sorted)?;
            host.step_done("sort its rows");
        }
        let also = options.also.iter().map(|path| read(path, link_is_source, host));
        let also = also.collect::<Result<Vec<_>, _>>()?;
        if !also.is_empty() {
            host.step_done("read the other specs");
        }
        Ok(Self { spec, also, origins })
    }
}

/// The outputs of a request, created and not committed.
pub(super) struct Outputs(Vec<OutputHandle>);

impl Outputs {
    /// Creates every output that `request` asks for. None may be one of `inputs`, nor another output.
    fn create(
        request: &ResolveRequest,
        mut inputs: Vec<PathBuf>,
        host: &mut impl Host,
    ) -> Result<Self, RequestError> {
        let mut outputs = Vec::new();
        let layer = request.layer.as_deref();
        let kind = if layer.is_some() { OutputKind::Layer } else { OutputKind::Spec };
        let descriptor = layer.and_then(|layer| layer.descriptor.as_ref());
        let unused_inputs = layer.and_then(|layer| layer.unused_inputs.as_ref());
        for (kind, path) in [
            (kind, Some(&request.out)),
            (OutputKind::Descriptor, descriptor),
            (OutputKind::UnusedInputs, unused_inputs),
            (OutputKind::Report, request.report.as_ref()),
        ] {
            if let Some(path) = path {
                outputs.push(host.create(kind, path, &inputs)?);
                inputs.push(path.clone());
            }
        }
        Ok(Self(outputs))
    }

    /// The output of a kind, if there is one.
    pub(super) fn get(&self, kind: OutputKind) -> Option<&OutputHandle> {
        self.0.iter().find(|handle| handle.kind() == kind)
    }

    /// Commits all outputs: the spec or the layer first, then those that describe it. If the first one fails, all are
    /// as before. If another fails, it is absent, and the rest is in place: nothing describes a layer that is not there.
    fn commit(self, host: &mut impl Host) -> Result<(), RequestError> {
        let mut outputs = self.0.into_iter();
        outputs.next().map_or(Ok(()), |first| host.commit(first))?;
        let committed: Vec<_> = outputs.map(|handle| host.commit(handle)).collect();
        committed.into_iter().collect()
    }
}

/// A spec, and what becomes of its rows.
pub(super) struct Resolved {
    /// The spec, its rows changed.
    pub spec: Spec,
    /// Which rows of the file these were.
    pub origins: Origins,
    /// What becomes of them.
    pub decisions: Decisions,
    /// What was seen of the tree.
    observations: Observations,
    /// For a layer: the text of the symlink at each link row that resolving left alone.
    pub link_texts: HashMap<RowId, Vec<u8>>,
}

impl Resolved {
    fn new(
        request: &ResolveRequest,
        Specs { spec, also, origins }: Specs,
        inputs: Option<&Inputs>,
        host: &mut impl Host,
    ) -> Result<Self, RequestError> {
        let options = &request.options;
        let mut tree = host.tree()?;
        let decisions = match options.no_resolve {
            true => Decisions::default(),
            false => resolve::resolve(&spec, &also, options.resolve, inputs, &mut tree)?,
        };
        let link_texts = match request.layer {
            Some(_) => resolve::link_texts(&spec, &decisions, inputs, &mut tree)?,
            None => HashMap::new(),
        };
        let observations = tree.observations();
        drop(tree);
        debug!(
            links = decisions.links().len(),
            directory_links = decisions.directory_links().len(),
            "decided"
        );
        host.step_done("resolve");
        Ok(Self { spec, origins, decisions, observations, link_texts })
    }
}

/// Runs a request on a host. With a `listing`, a source that is neither one of its inputs nor below one counts
/// as absent (design rule 8).
pub fn run(
    request: &ResolveRequest,
    listing: Option<&Listing<'_>>,
    host: &mut impl Host,
) -> Result<Outcome, RequestError> {
    let specs = Specs::read(&request.mtree, &request.options, host)?;
    run_on_specs(request, specs, listing, host)
}

/// Runs a request whose specs are read.
pub fn run_on_specs(
    request: &ResolveRequest,
    specs: Specs,
    listing: Option<&Listing<'_>>,
    host: &mut impl Host,
) -> Result<Outcome, RequestError> {
    let ResolveRequest { mtree, options, layer, .. } = request;
    let rows_of_others = specs.also.iter().map(|spec| spec.rows().len()).sum::<usize>();
    debug!(spec = ?mtree, rows = specs.spec.rows().len(), rows_of_others, "read");
    let mut read: Vec<PathBuf> = options.also.iter().chain([mtree]).cloned().collect();
    let groups = match layer.as_deref().and_then(|layer| layer.group.as_ref()) {
        Some(choice) => {
            read.push(choice.file.clone());
            Some(Groups::read(&host.read(&choice.file, Purpose::Groups)?, choice)?)
        }
        None => None,
    };
    read.extend(layer.as_deref().and_then(|layer| layer.inputs.clone()));
    let outputs = Outputs::create(request, read, host)?;

    let inputs = listing.map(|listing| &listing.paths);
    let resolved = Resolved::new(request, specs, inputs, host)?;
    let Resolved { spec, decisions, observations, .. } = &resolved;
    let tally = decisions.tally();
    let mut outcome = Outcome {
        warnings: warnings::of(spec, decisions, &tally, observations, host.is_sandbox()),
        report: Report::new(spec, decisions, &tally, observations),
    };
    if let Some(handle) = outputs.get(OutputKind::Spec) {
        host.write(handle, Content::Patched(spec, decisions.edits(spec).into_patch()))?;
    }
    if let Some(options) = layer {
        host.resolved(spec, decisions);
        let written =
            layer::write(request, options, &resolved, groups.as_ref(), listing, &outputs, host)?;
        outcome.warnings.extend(written.warnings);
        outcome.report.layer = written.layer.counts;
    }
    if let Some(handle) = outputs.get(OutputKind::Report) {
        outcome.report.bytes_saved = Some(bytes_saved(spec, decisions, host));
        host.write(handle, Content::Report(&outcome.report))?;
    }
    host.check_cancelled()?;
    outputs.commit(host)?;
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

/// The content bytes that links save, without those of files whose size cannot be read.
fn bytes_saved(spec: &Spec, decisions: &Decisions, host: &mut impl Host) -> u64 {
    let rows = decisions.replaced().map(|row| spec.row(row));
    let files = rows.filter(|row| row.kind() == Kind::File);
    sizes::sum_of_known(files.map(|row| host.file_size(spec.source(row))))
}

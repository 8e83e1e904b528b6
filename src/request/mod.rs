//! One request: reads a spec, changes and resolves its rows, and writes the result.
//!
//! Knows the order of the steps, and everything that is read and written ([`Host`]). Must not know
//! clap, Bazel, captures, or whether a worker runs it.

mod atomic_file;
mod disk;
mod error;
mod host;
mod layer;
mod listed;
mod report;
mod run;
mod sources;
mod warnings;
mod whole_file;

use std::path::PathBuf;

use crate::mtree::Change;
use crate::resolve;

pub use atomic_file::{AtomicFile, OutputError, remove_unfinished};
pub use disk::{Context, Disk, Table, assemble_to};
pub use error::{LayerProblem, RequestError};
pub use host::{
    Content, Host, ObservedTree, OutputHandle, OutputKind, Purpose, SourceQuery, SourceState,
    WrittenLayer,
};
pub use layer::{GroupChoice, GroupsError, HardLinks, LayerOptions, LayerState, Order};
pub use listed::Listing;
pub use report::Report;
pub use run::{Outcome, Specs, run, run_on_specs};
pub use warnings::{is_probably_a_source, leads_into_exec_root};

/// One request.
#[derive(Clone, Debug)]
pub struct ResolveRequest {
    /// The spec to read.
    pub mtree: PathBuf,
    /// The spec to write.
    pub out: PathBuf,
    /// Where to write the numbers of the run, if anywhere.
    pub report: Option<PathBuf>,
    /// How rows are changed and resolved.
    pub options: ResolveOptions,
    /// How the layer is written, if not the spec is.
    pub layer: Option<Box<LayerOptions>>,
}

/// How rows are changed and resolved.
#[derive(Clone, Debug, Default)]
pub struct ResolveOptions {
    /// The specs of other layers of the image.
    pub also: Vec<PathBuf>,
    /// How rows are changed, before they are resolved.
    pub change: Change,
    /// `link=` holds the path of the symlink itself (design rule 4).
    pub link_is_source: bool,
    /// Rows are only changed.
    pub no_resolve: bool,
    /// How rows are resolved.
    pub resolve: resolve::Options,
}

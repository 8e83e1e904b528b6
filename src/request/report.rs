//! The numbers of a run, as `--report` writes them.

use serde::{Deserialize, Serialize};

use crate::fs::Observations;
use crate::layer::LayerCounts;
use crate::mtree::{Kind, RowId, Spec};
use crate::resolve::{Decisions, Tally, Unchanged};

/// The numbers of one run of `resolve`. The names in JSON are those of version 0.1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Rows of the spec, after its rows were changed.
    pub rows: usize,
    /// Rows that are files in the output.
    pub files: usize,
    /// Rows that became links.
    pub links: usize,
    /// Directories that became links.
    #[serde(rename = "folder_links")]
    pub directory_links: usize,
    /// Rows that are symlinks in the tree and stay files, since nothing on their trails is in the
    /// archive (design rule 3).
    #[serde(rename = "left_for_want_of_a_target")]
    pub without_target: usize,
    /// Rows whose source does not exist, or is not an input (design rule 8).
    pub unstaged: usize,
    /// The content bytes that links save (`crate::layer::sizes`). `None` without `--report`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_saved: Option<u64>,
    /// Directories that were read.
    #[serde(rename = "folders_listed")]
    pub directories_listed: usize,
    /// Directories that were used from the cache.
    #[serde(rename = "folders_reused")]
    pub directories_reused: usize,
    /// The numbers of the layer, if one was written.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerCounts>,
}

impl Report {
    /// All numbers but `bytes_saved`, which takes a stat(2) of every replaced file.
    pub fn new(
        spec: &Spec,
        decisions: &Decisions,
        tally: &Tally,
        observations: &Observations,
    ) -> Self {
        let is_file = |row: &RowId| spec.row(*row).kind() == Kind::File;
        let replaced = decisions.replaced().filter(is_file).count();
        let files = spec.rows().iter().filter(|row| row.kind() == Kind::File).count();
        Self {
            rows: spec.rows().len(),
            files: files - replaced,
            links: decisions.links().len(),
            directory_links: decisions.directory_links().len(),
            without_target: tally.without_target(),
            unstaged: tally.count(Unchanged::Absent)
                + tally.count(Unchanged::DanglingStaging)
                + tally.count(Unchanged::Unreadable),
            bytes_saved: None,
            directories_listed: observations.counts.listed,
            directories_reused: observations.counts.reused,
            layer: None,
        }
    }
}

//! What a run came to, in numbers.
//!
//! Knows what `--report` holds; must not know how any of it was found out.

use serde::{Deserialize, Serialize};

/// The numbers of one run of `resolve`. The names in JSON are those of version 0.1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Rows of the spec, after its rows were changed.
    pub rows: usize,
    /// Rows that are files in the output.
    pub files: usize,
    /// Rows that were turned into links.
    pub links: usize,
    /// Directories that were turned into links.
    #[serde(rename = "folder_links")]
    pub directory_links: usize,
    /// Rows that are links and stay files, since nothing that they lead to is in the archive.
    pub left_for_want_of_a_target: usize,
    /// Rows whose source is not there.
    pub unstaged: usize,
    /// What the files weigh that links stand for now, in bytes.
    pub bytes_saved: u64,
    /// Directories that were read.
    #[serde(rename = "folders_listed")]
    pub directories_listed: usize,
    /// Directories that were known from an earlier request.
    #[serde(rename = "folders_reused")]
    pub directories_reused: usize,
}

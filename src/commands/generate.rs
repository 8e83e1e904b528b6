//! `mtree-worker generate`: man pages, and the completions of shells.

use std::path::Path;

use super::error::CommandError;
use crate::args;

/// Writes them below `directory`.
pub(crate) fn generate(directory: &Path) -> Result<(), CommandError> {
    args::generate(directory)
        .map_err(|source| CommandError::Generate { path: directory.to_owned(), source })
}

//! Where entries of a capture come from.
//!
//! Knows which entries to explain; must not know the rules: `explain` knows which decided.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::compare::Comparison;
use super::error::DiffError;
use super::side::{DiffSide, SideKind};
use crate::commands::error::CommandError;
use crate::commands::explain::{self, Explanation};

/// By escaped archive path: the explanation of an entry.
pub(super) type Provenance = HashMap<String, Explanation>;

/// Explains the entries of a side that differ. Only a capture has explanations.
pub(super) fn explain(
    side: &DiffSide,
    file: &Path,
    comparison: &Comparison<'_>,
) -> Result<Provenance, CommandError> {
    let SideKind::Capture(capture) = &side.of else {
        return Ok(Provenance::new());
    };
    let paths = comparison.differences.iter().map(|difference| difference.path);
    let paths: HashSet<&[u8]> = paths.collect();
    let mut provenance = Provenance::new();
    if paths.is_empty() {
        return Ok(provenance);
    }
    let mut length = 0;
    let chosen = |path: &[u8]| paths.contains(path);
    explain::explain_capture(capture, file, Some(&chosen), &mut |mut explanation| {
        // Rows on a trail may be thousands, and are not printed.
        explanation.trail = Vec::new();
        explanation.staging = Vec::new();
        let because = explanation.because.iter().map(String::len).sum::<usize>();
        length += explanation.path.len() + explanation.source.len() + because;
        length += explanation.becomes.len() + explanation.home.as_ref().map_or(0, String::len);
        if length > explain::MOST {
            return Err(DiffError::Long(explain::MOST).into());
        }
        // A directory comes before the rows that it replaces, one of which may have its path.
        provenance.entry(explanation.path.clone()).or_insert(explanation);
        Ok(())
    })?;
    Ok(provenance)
}

//! The texts of symlinks that the build declared and resolving left alone.
//!
//! Knows homes; must not know why a row was left alone.

use std::collections::HashMap;

use super::archive::Archive;
use super::homes::{AtHome, Homes};
use super::tree::{Entry, Tree};
use super::{Decisions, Inputs, ResolveError, RowOutcome};
use crate::mtree::{Kind, RowId, Spec};
use crate::path;

/// By row: the text of the symlink at the home of each `type=link` row with a source that `decisions` leave as it is. A
/// row whose home is no symlink is not among them.
pub fn link_texts(
    spec: &Spec,
    decisions: &Decisions,
    inputs: Option<&Inputs>,
    tree: &mut impl Tree,
) -> Result<HashMap<RowId, Vec<u8>>, ResolveError> {
    let is_left_alone =
        |row: RowId| matches!(decisions.of(row), None | Some(RowOutcome::Unchanged(_)));
    let is_wanted = |row: &RowId| {
        let (id, row) = (*row, spec.row(*row));
        row.kind() == Kind::Link && row.takes_part() && is_left_alone(id)
    };
    let wanted: Vec<RowId> = spec.row_ids().filter(is_wanted).collect();
    let mut texts = HashMap::new();
    if wanted.is_empty() {
        return Ok(texts);
    }
    let archive = Archive::new(spec, &[]);
    let homes = Homes::find(&archive, inputs, tree)?;
    for row in wanted {
        let home = homes.of(row);
        let name = path::split(spec.source(spec.row(row))).1;
        if home.at_home == AtHome::Symlink
            && let Entry::Symlink(text) = tree.entry(home.directory, name)?
        {
            texts.insert(row, text.to_vec());
        }
    }
    Ok(texts)
}

//! Rows of which nothing on the trail is in the archive (design rule 3).
//!
//! Knows the links that are made; must not know how they were decided.

use hashbrown::{HashMap, HashSet};

use super::archive::RowId;
use super::below_links::BelowLinks;
use super::follow::End;
use super::outcome::{Decisions, Reason, Unchanged};
use super::rows::{note_link_rows, trail_texts};
use super::tree::Tree;
use super::verdict::Verdict;
use super::{Facts, MissingTarget, Options, ResolveError};
use crate::path;

/// Rule 3: what becomes of rows of which nothing on the trail is in the archive. Whether an author's text
/// names another row depends on all links that are made.
pub(super) fn decide_without_target(
    facts: Facts<'_, '_>,
    options: Options,
    tree: &mut impl Tree,
    below_links: &mut BelowLinks<'_>,
    rows: Vec<(RowId, Vec<u8>, End)>,
    decisions: &mut Decisions,
) -> Result<(), ResolveError> {
    let archive = facts.archive;
    let directory = |row| path::split(archive.path(row)).0;
    let may_be_kept = |(row, author, end): &(RowId, Vec<u8>, End)| {
        (*end == End::Nowhere || options.missing_target == MissingTarget::Keep)
            && !author.starts_with(b"/")
            && !path::climbs_out(directory(*row), author)
    };
    let mut named: HashMap<RowId, Vec<Vec<u8>>> = HashMap::new();
    if rows.iter().any(may_be_kept) {
        if !below_links.is_needed() {
            note_link_rows(facts, tree, below_links)?;
        }
        for link in decisions.directory_links() {
            below_links.put(&link.path, Some(link.text.clone()));
        }
        for link in decisions.links() {
            below_links.put(archive.path(link.row), Some(link.text.clone()));
        }
        if below_links.is_needed() {
            below_links.find_positions(archive);
        }
        for (row, author, _) in rows.iter().filter(|row| may_be_kept(row)) {
            if !below_links.forbids(archive.path(*row), author) {
                let path = path::joined(directory(*row), author);
                named.insert(*row, below_links.positions(&path));
            }
        }
    }
    let paths = named.values().flatten().cloned().collect();
    let stood_at = match named.is_empty() {
        true => HashSet::new(),
        false => below_links.stood_at(archive, &paths),
    };
    for (row, author, end) in rows {
        let named = named.get(&row);
        let is_kept = named
            .is_some_and(|positions| !positions.iter().any(|position| stood_at.contains(position)));
        match without_target(facts, tree, row, author, end, options, is_kept)? {
            Verdict::Link(text, reason) => decisions.set_link(row, text, reason),
            Verdict::Unchanged(Unchanged::NamesAnother { is_dangling }) if named.is_none() => {
                let below = Unchanged::TextAboveLink { is_dangling };
                decisions.set_unchanged(row, below);
            }
            Verdict::Unchanged(why) => decisions.set_unchanged(row, why),
            Verdict::WithoutTarget(..) => {}
        }
    }
    Ok(())
}

/// Rule 3, where nothing on the trail of `row` is in the archive, and the author's text is or is not one
/// that may be kept.
pub(super) fn without_target(
    Facts { archive, homes, .. }: Facts<'_, '_>,
    tree: &mut impl Tree,
    row: RowId,
    author: Vec<u8>,
    end: End,
    options: Options,
    is_kept: bool,
) -> Result<Verdict, ResolveError> {
    let is_relative = !author.starts_with(b"/");
    let leads_outside = path::climbs_out(path::split(archive.path(row)).0, &author);
    let is_dangling = is_relative && end == End::Nowhere;
    if is_dangling || options.missing_target == MissingTarget::Keep && is_relative {
        return Ok(match (is_dangling, is_kept) {
            (true, true) => Verdict::Link(author, Reason::Dangling),
            (false, true) => Verdict::Link(author, Reason::Kept),
            (true, false) if leads_outside => Verdict::Unchanged(Unchanged::DanglingOutside),
            (false, false) if leads_outside => Verdict::Unchanged(Unchanged::Inlined),
            (_, false) => Verdict::Unchanged(Unchanged::NamesAnother { is_dangling }),
        });
    }
    match options.missing_target {
        MissingTarget::Keep | MissingTarget::Inline if end == End::Nowhere => {
            Ok(Verdict::Unchanged(Unchanged::DanglingAbsolute))
        }
        MissingTarget::Keep | MissingTarget::Inline => Ok(Verdict::Unchanged(Unchanged::Inlined)),
        MissingTarget::Fail => {
            let trail = trail_texts(archive, homes, tree, row)?;
            Err(ResolveError::MissingTarget { path: archive.path(row).to_vec(), trail })
        }
    }
}

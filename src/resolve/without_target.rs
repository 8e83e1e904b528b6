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
use super::{ArchiveFacts, MissingTarget, Options, ResolveError};
use crate::path;

/// Why an author's text is not kept, though it leads into the archive.
#[derive(Clone, Copy)]
pub(super) enum NotKept {
    /// It would name another row.
    NamesAnother,
    /// It climbs above a link row.
    AboveLink,
    /// Rows are below its row, which a link would hide.
    RowsBelow,
}

/// Rule 3: what becomes of rows of which nothing on the trail is in the archive. Whether an author's text
/// names another row depends on all links that are made.
pub(super) fn decide_without_target(
    facts: ArchiveFacts<'_, '_>,
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
        let kept = match named {
            None => Err(NotKept::AboveLink),
            Some(positions) if positions.iter().any(|position| stood_at.contains(position)) => {
                Err(NotKept::NamesAnother)
            }
            Some(_) => Ok(()),
        };
        match without_target(facts, tree, row, author, end, options, kept)? {
            Verdict::Link(text, reason) => decisions.set_link(row, text, reason),
            Verdict::Unchanged(why) => decisions.set_unchanged(row, why),
        }
    }
    Ok(())
}

/// Rule 3, where nothing on the trail of `row` is in the archive. `kept` says whether the author's text may be kept, if
/// it leads into the archive.
pub(super) fn without_target(
    ArchiveFacts { archive, homes, .. }: ArchiveFacts<'_, '_>,
    tree: &mut impl Tree,
    row: RowId,
    author: Vec<u8>,
    end: End,
    options: Options,
    kept: Result<(), NotKept>,
) -> Result<Verdict, ResolveError> {
    let is_relative = !author.starts_with(b"/");
    let leads_outside = path::climbs_out(path::split(archive.path(row)).0, &author);
    let is_dangling = is_relative && end == End::Nowhere;
    if is_dangling || options.missing_target == MissingTarget::Keep && is_relative {
        let why = match kept {
            Ok(()) if is_dangling => return Ok(Verdict::Link(author, Reason::Dangling)),
            Ok(()) => return Ok(Verdict::Link(author, Reason::Kept)),
            Err(_) if leads_outside && is_dangling => Unchanged::DanglingOutside,
            Err(_) if leads_outside => Unchanged::Inlined,
            Err(NotKept::NamesAnother) => Unchanged::NamesAnother { is_dangling },
            Err(NotKept::AboveLink) => Unchanged::TextAboveLink { is_dangling },
            Err(NotKept::RowsBelow) => Unchanged::RowsBelow { is_dangling },
        };
        return Ok(Verdict::Unchanged(why));
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

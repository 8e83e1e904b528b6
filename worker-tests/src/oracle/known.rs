//! A row, with what the tree says of its source.

use std::path::Path;

use super::{
    Options, Wrong,
    spec::{self, Row},
    tree::{self, Found, Location, Lost, Trail},
};

/// A row and what the tree says of its source.
pub(super) struct Known<'l> {
    pub(super) row: &'l Row,
    /// Its line in this spec; `None` in an also-spec.
    pub(super) line: Option<usize>,
    /// Its source, if it takes part.
    pub(super) source: Option<Vec<u8>>,
    /// Its home, if its source is there.
    pub(super) found: Option<Found>,
    /// The text and the trail of the link at its home.
    pub(super) link: Option<(Vec<u8>, Trail)>,
}

impl<'l> Known<'l> {
    pub(super) fn new(
        row: &'l Row,
        line: Option<usize>,
        options: &Options,
        root: &Path,
    ) -> Result<Known<'l>, Wrong> {
        let mut known = Known { row, line, source: source(row, options)?, found: None, link: None };
        let Some(source) = &known.source else {
            return Ok(known);
        };
        // A symlink loop is an error in this spec; of an also-spec's row nothing is known then.
        let symlink_loop = || Wrong::SymlinkLoop { row: row.path.join(&b'/') };
        known.found = match tree::find(root, source) {
            Ok(found) => Some(found),
            Err(Lost::SymlinkLoop) if line.is_some() => return Err(symlink_loop()),
            Err(_) => None,
        };
        let Some(home) = known.found.as_ref().map(|found| &found.home) else {
            return Ok(known);
        };
        if let Some(text) = home.link() {
            known.link = match tree::follow(home, root) {
                Ok(trail) => Some((text, trail)),
                Err(_) if line.is_some() => return Err(symlink_loop()),
                Err(_) => None,
            };
        }
        Ok(known)
    }

    pub(super) fn home(&self) -> Option<Location> {
        self.found.as_ref()?.home.location()
    }

    pub(super) fn linked_directories(&self) -> usize {
        self.found.as_ref().map_or(0, |found| found.linked_directories)
    }

    /// Whether its home or one of its staging locations is `location`.
    pub(super) fn is_known_at(&self, location: &Location) -> bool {
        self.home().as_ref() == Some(location)
            || self.found.as_ref().is_some_and(|found| found.staging.contains(location))
    }

    /// The text of a row that is a link already, as far as it is known.
    pub(super) fn text_of_link_row(&self) -> Option<Vec<u8>> {
        match &self.source {
            Some(_) => self.found.as_ref()?.home.link(),
            None => spec::unescape(self.row.keywords().get(&b"link"[..])?.as_deref()?),
        }
    }

    /// Design rule 4: the build declared it as a link.
    pub(super) fn is_declared(&self) -> bool {
        self.row.kind().as_deref() == Some(b"link")
    }
}

/// The source of a row that takes part.
fn source(row: &Row, options: &Options) -> Result<Option<Vec<u8>>, Wrong> {
    let Some(written) = row.source(options.link_is_source) else {
        return Ok(None);
    };
    let bad = |why| Wrong::Line { number: row.number, why };
    let source = spec::unescape(written).ok_or(bad("a stray escape in the source"))?;
    if source.contains(&0) {
        return Err(bad("a NUL in the source"));
    }
    let takes_part = !row.path.is_empty() && !row.path.iter().any(|part| part == b"..");
    Ok(takes_part.then_some(source))
}

/// Whether all rows are directories, or all have one home.
pub(super) fn are_one(rows: &[&Known]) -> bool {
    rows.iter().all(|row| row.row.is_directory())
        || rows.iter().all(|row| row.home().is_some() && row.home() == rows[0].home())
}

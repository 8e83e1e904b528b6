//! Design rules 1 to 4 for the oracle: what one row becomes.

use super::{
    Archive, Decision, MissingTarget, Wrong, below_links, known::Known, spec::Parts,
    text::climbs_out,
};

impl Archive<'_> {
    /// Design rules 1, 2, 4, 5 and 10 for the row at a line of this spec.
    pub(super) fn decide(&self, line: usize) -> Result<Decision, Wrong> {
        let row = self.row_at(line);
        if row.source.is_none() {
            return Ok(Decision::Stays);
        }
        let Some(home) = row.home() else {
            self.count("rule 8: not there");
            return Ok(Decision::Stays);
        };
        if !row.row.set_sources.is_empty() {
            // As a link it would have the source of the `/set` line.
            self.count("left alone below a /set of the source");
            return Ok(Decision::Stays);
        }
        if !self.agree(&row.row.path, |other| other.line.is_some()) {
            self.count("duplicates left alone");
            return Ok(Decision::Stays);
        }
        let Some((text, trail)) = &row.link else {
            let fewest = self
                .rows
                .iter()
                .filter(|other| other.home().as_ref() == Some(&home))
                .filter(|other| self.agree(&other.row.path, |_| true))
                .map(Known::linked_directories)
                .min();
            // A row at the same path that passes fewer is no target, but then no other target is better.
            let is_nearest = |other: &Known| {
                other.home().as_ref() == Some(&home)
                    && other.linked_directories() < row.linked_directories()
                    && Some(other.linked_directories()) == fewest
            };
            let mut all = self.rows.iter().filter(|other| is_nearest(other));
            if all.any(|other| {
                other.row.path != row.row.path
                    && self.agree(&other.row.path, |_| true)
                    && self.may_be_one_entry(&row.row.path, &other.row.path)
            }) {
                self.count("rule 10: the other row may be this one");
                return Ok(Decision::Stays);
            }
            let nearest = self.targets(row, is_nearest);
            let nearest = nearest.iter().map(|other| &other.row.path);
            return Ok(match self.choose(&row.row.path, nearest, None) {
                Some(text) => {
                    self.count("rule 1: through more linked directories");
                    Decision::Link(text)
                }
                None => Decision::Stays,
            });
        };
        let mut is_forbidden = false;
        for (hop, location) in trail.locations.iter().enumerate() {
            let targets = self.targets(row, |other| other.is_known_at(location));
            let targets = targets.iter().map(|other| &other.row.path);
            if let Some(text) = self.choose(&row.row.path, targets.clone(), Some(text)) {
                self.count(match (row.is_declared(), hop) {
                    (true, _) => "rule 4: declared and mapped",
                    (false, 0) => "rule 2: the first hop",
                    (false, _) => "rule 2: a later hop",
                });
                return Ok(Decision::Link(text));
            }
            is_forbidden |= targets.count() > 0;
        }
        for location in &trail.locations {
            let directories = self.directories_at(location);
            if let Some(text) = self.choose(&row.row.path, directories.iter(), Some(text)) {
                self.count("rule 2: a directory");
                return Ok(Decision::Link(text));
            }
            is_forbidden |= !directories.is_empty();
        }
        if row.is_declared() {
            self.count("rule 4: declared and kept");
            return Ok(Decision::Link(text.clone()));
        }
        if is_forbidden {
            self.count("rule 10: no text that stays below the link");
            return Ok(Decision::Stays);
        }
        Ok(Decision::Unmapped)
    }

    /// Design rule 3 for a row whose trail is not in the archive.
    pub(super) fn decide_unmapped(&self, line: usize, may_keep: bool) -> Result<Decision, Wrong> {
        let row = self.row_at(line);
        let path = &row.row.path;
        let (text, trail) = row.link.as_ref().expect("its home is a link");
        let relative = text[0] != b'/';
        let is_kept = may_keep
            && relative
            && !climbs_out(path, text)
            && !self.links.forbid(path, text)
            && !self.names_a_row(path, text);
        if relative && trail.leads_nowhere {
            if !is_kept {
                self.count("rule 3: leads nowhere, and the text is not kept");
                return Ok(Decision::Stays);
            }
            self.count("rule 3: leads nowhere");
            return Ok(Decision::Link(text.clone()));
        }
        match self.options.missing_target {
            MissingTarget::Fail => Err(Wrong::NoTarget { row: path.join(&b'/') }),
            MissingTarget::Keep if is_kept => {
                self.count("rule 3: kept");
                Ok(Decision::Link(text.clone()))
            }
            MissingTarget::Keep if relative && !climbs_out(path, text) => {
                self.count("rule 3: kept, it would name another row or climb above a link");
                Ok(Decision::Stays)
            }
            MissingTarget::Keep | MissingTarget::Inline => {
                self.count("rule 3: inlined");
                Ok(Decision::Stays)
            }
        }
    }

    /// Whether a row may stand where a relative text leads from `from`, or below.
    fn names_a_row(&self, from: &Parts, text: &[u8]) -> bool {
        let named = below_links::joined(&from[..from.len() - 1], text);
        let named = self.links.positions(&named);
        self.rows
            .iter()
            .flat_map(|row| self.links.positions(&row.row.path))
            .any(|position| named.iter().any(|named| position.starts_with(named)))
    }
}

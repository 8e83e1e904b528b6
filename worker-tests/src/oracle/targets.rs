//! Design rules 5 and 10 for the oracle: the rows that a link may point to, and its text.

use super::{
    Archive,
    known::{Known, are_one},
    spec::Parts,
    text::{named, relative_path},
};

impl Archive<'_> {
    /// The rows other than `row` that fit and that a link may point to.
    pub(super) fn targets(&self, row: &Known, fits: impl Fn(&Known) -> bool) -> Vec<&Known<'_>> {
        self.rows
            .iter()
            .filter(|other| other.row.path != row.row.path && fits(other))
            .filter(|other| self.agree(&other.row.path, |_| true))
            .filter(|other| {
                self.agree_below_links(&other.row.path)
                    && !self.may_be_one_entry(&row.row.path, &other.row.path)
            })
            .collect()
    }

    /// Whether all rows at `path` that `count` are directories, or all have one home.
    pub(super) fn agree(&self, path: &Parts, count: impl Fn(&Known) -> bool) -> bool {
        let here: Vec<&Known> =
            self.rows.iter().filter(|row| row.row.path == *path && count(row)).collect();
        here.len() == 1 || are_one(&here)
    }

    /// Whether all rows that may be unpacked at one position with the row at `path` are the same.
    fn agree_below_links(&self, path: &Parts) -> bool {
        let positions = self.links.positions(path);
        let rows = self.rows.iter().zip(&self.positions);
        let here: Vec<&Known> = rows
            .filter(|(row, theirs)| {
                row.row.path == *path || theirs.iter().any(|position| positions.contains(position))
            })
            .map(|(row, _)| row)
            .collect();
        here.iter().all(|row| row.row.path == *path) || are_one(&here)
    }

    /// Whether the rows at these paths may be unpacked at one position.
    pub(super) fn may_be_one_entry(&self, one: &Parts, other: &Parts) -> bool {
        let positions = self.links.positions(one);
        !self.positions.is_empty()
            && self.links.positions(other).iter().any(|position| positions.contains(position))
    }

    /// Design rules 5 and 10: the text of a link from the row at `from` to one of `targets`, but for texts
    /// that climb above a link row.
    pub(super) fn choose<'p>(
        &self,
        from: &Parts,
        targets: impl Iterator<Item = &'p Parts>,
        author_text: Option<&[u8]>,
    ) -> Option<Vec<u8>> {
        let targets: Vec<&Parts> = targets.collect();
        let mut written: Vec<(&Parts, Vec<u8>)> =
            targets.iter().map(|target| (*target, relative_path(from, target))).collect();
        written.retain(|(_, text)| !self.links.forbid(from, text));
        if written.len() < targets.len() {
            self.count("rule 10: a text that is not written");
        }
        let (target, text) = written.iter().min_by_key(|(target, text)| {
            let slashes = text.iter().filter(|byte| **byte == b'/').count();
            (slashes, text.len(), target.join(&b'/'))
        })?;
        if written.iter().any(|(other, _)| other != target) {
            self.count("rule 5: several targets");
        }
        if let Some(author_text) = author_text
            && let Some(named) = named(from, author_text)
            && written.iter().any(|(target, _)| **target == named)
            && !self.links.forbid(from, author_text)
        {
            self.count("rule 5: the author's text");
            return Some(author_text.to_vec());
        }
        self.count("rule 5: a made text");
        Some(text.clone())
    }
}

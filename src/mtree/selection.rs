//! Which rows of a spec stay, by their archive paths and sources (docs/design.md, "Changing rows").
//!
//! Knows the rows of one spec; must not know how they are changed.

use std::collections::HashSet;

use super::field::Kind;
use super::pattern::Pattern;
use super::{Row, Spec};
use crate::path;

/// Which rows stay: those that a pattern includes, if there is one that does, without those that one
/// excludes. A directory row above a row that stays is kept.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// By archive path.
    pub include: Vec<Pattern>,
    /// By archive path.
    pub exclude: Vec<Pattern>,
    /// By source.
    pub include_source: Vec<Pattern>,
    /// By source.
    pub exclude_source: Vec<Pattern>,
}

impl Selection {
    /// Whether every row stays.
    pub fn is_everything(&self) -> bool {
        self.includes_all() && self.exclude.is_empty() && self.exclude_source.is_empty()
    }

    fn includes_all(&self) -> bool {
        self.include.is_empty() && self.include_source.is_empty()
    }

    /// By row: whether it stays.
    pub(super) fn stays(&self, spec: &Spec) -> Vec<bool> {
        let mut stays: Vec<bool> = spec.rows.iter().map(|row| self.takes(spec, row)).collect();
        if self.includes_all() {
            return stays;
        }
        let mut above: HashSet<&[u8]> = HashSet::new();
        let chosen = spec.rows.iter().zip(&stays).filter(|(_, stays)| **stays);
        let mut any = false;
        for (row, _) in chosen {
            any = true;
            for directory in path::upwards(spec.path(row)) {
                if !above.insert(directory) {
                    break;
                }
            }
        }
        for (row, stays) in spec.rows.iter().zip(&mut stays) {
            let path = spec.path(row);
            *stays |=
                row.kind == Kind::Directory && (above.contains(path) || any && path.is_empty());
        }
        stays
    }

    fn takes(&self, spec: &Spec, row: &Row) -> bool {
        let (path, source) = (spec.path(row), spec.source(row));
        let by_path = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(path));
        let by_source = |patterns: &[Pattern]| {
            !source.is_empty() && patterns.iter().any(|pattern| pattern.matches(source))
        };
        (self.includes_all() || by_path(&self.include) || by_source(&self.include_source))
            && !by_path(&self.exclude)
            && !by_source(&self.exclude_source)
    }
}

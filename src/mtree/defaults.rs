//! The keywords that `/set` and `/unset` give to the rows after them.
//!
//! Knows keywords and the rows in which they are in force; must not know rows.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use super::field::{self, Kind};
use super::form::RowForm;

/// The keywords in force, by version. Each `/set` and `/unset` line begins a version, and a row stores its version.
/// In version 0 no keyword is in force.
///
/// Each value is stored once, with the version from which on it is in force. So thousands of `/set` lines, each
/// with one more keyword, take no more memory than their text.
pub(super) struct Defaults {
    /// By keyword, its assignments in order.
    assignments: BTreeMap<Vec<u8>, Vec<Assignment>>,
    /// The versions that begin with `/unset all`: no earlier assignment is in force from there on.
    cleared: Vec<u32>,
    /// By version, the kind that `/set type=` gives.
    kinds: Vec<Option<Kind>>,
    /// The sources that are given, each with the number from which on they are.
    sources: Vec<(u32, SetSources)>,
}

/// The sources that `/set` lines give: for each spelling its value, the one set last at the end.
pub(super) type SetSources = Vec<(&'static [u8], Vec<u8>)>;

/// An assignment to a keyword.
struct Assignment {
    /// The version from which on it is in force.
    since: u32,
    /// `None` if `/unset` removed the keyword.
    value: Option<SetValue>,
}

/// The value of a keyword. `None` for a keyword without one, such as `optional`.
type SetValue = Option<Vec<u8>>;

/// The line of a row, and where its name is.
#[derive(Clone, Copy)]
pub(super) struct RowLine<'l> {
    pub text: &'l [u8],
    pub form: RowForm,
}

impl<'l> RowLine<'l> {
    pub(super) fn keywords(self) -> impl Iterator<Item = (&'l [u8], Option<&'l [u8]>)> {
        field::keywords(self.text, self.form).map(|field| field::keyword(field.text))
    }
}

/// Keywords with their values, as rows and `/set` lines give them together.
type EffectiveKeywords<'a> = BTreeMap<&'a [u8], Option<&'a [u8]>>;

impl Default for Defaults {
    fn default() -> Self {
        Self {
            assignments: BTreeMap::new(),
            cleared: Vec::new(),
            kinds: vec![None],
            sources: Vec::new(),
        }
    }
}

impl Defaults {
    /// Whether no keyword was ever given.
    pub(super) fn is_empty(&self) -> bool {
        self.assignments.is_empty()
    }

    /// The version at the end of the lines read so far.
    pub(super) fn now(&self) -> u32 {
        (self.kinds.len() - 1) as u32
    }

    /// The kind that `/set type=` gives to rows of a version that have none.
    pub(super) fn kind(&self, version: u32) -> Option<Kind> {
        self.kinds[version as usize]
    }

    /// Begins the version of a `/set` or `/unset` line.
    pub(super) fn begin(&mut self) {
        self.kinds.push(self.kind(self.now()));
    }

    /// `/set`: `keyword` gets `value`. `kind` is that of the value if the keyword is `type`.
    pub(super) fn set(&mut self, keyword: &[u8], value: Option<&[u8]>, kind: Option<Kind>) {
        self.assign(keyword, Some(value.map(<[u8]>::to_vec)));
        if let (Some(spelling), Some(value)) = (field::source_spelling(keyword), value) {
            self.change_sources(|sources| {
                sources.retain(|(known, _)| *known != spelling);
                sources.push((spelling, value.to_vec()));
            });
        }
        if kind.is_some() {
            self.set_kind(kind);
        }
    }

    /// `/unset`: removes `keyword`, or all of them if it is `all`.
    pub(super) fn unset(&mut self, keyword: &[u8]) {
        if keyword == b"all" || field::is_source(keyword) {
            self.change_sources(|sources| {
                sources.retain(|(known, _)| keyword != b"all" && *known != keyword);
            });
        }
        if keyword == b"all" {
            self.cleared.push(self.now());
            self.set_kind(None);
        } else if self.assignments.contains_key(keyword) {
            self.assign(keyword, None);
            if keyword == b"type" {
                self.set_kind(None);
            }
        }
    }

    /// The sources that `/set` gives in `version`.
    pub(super) fn sources(&self, version: u32) -> &[(&'static [u8], Vec<u8>)] {
        let until = self.sources.partition_point(|(since, _)| *since <= version);
        self.sources[..until].last().map_or(&[], |(_, sources)| sources)
    }

    fn change_sources(&mut self, change: impl FnOnce(&mut SetSources)) {
        let now = self.now();
        let mut sources = self.sources(now).to_vec();
        change(&mut sources);
        match self.sources.last_mut() {
            Some((since, known)) if *since == now => *known = sources,
            None if sources.is_empty() => {}
            _ => self.sources.push((now, sources)),
        }
    }

    fn assign(&mut self, keyword: &[u8], value: Option<SetValue>) {
        let since = self.now();
        // The last assignment of a line counts.
        match self.assignments.get_mut(keyword) {
            Some(assignments) => match assignments.last_mut() {
                Some(last) if last.since == since => last.value = value,
                _ => assignments.push(Assignment { since, value }),
            },
            None => {
                drop(self.assignments.insert(keyword.to_vec(), vec![Assignment { since, value }]))
            }
        }
    }

    fn set_kind(&mut self, kind: Option<Kind>) {
        let now = self.kinds.len() - 1;
        self.kinds[now] = kind;
    }

    /// The keywords that `/set` gives in `version`.
    fn given(&self, version: u32) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let until = |versions: &[u32]| versions.partition_point(|&since| since <= version);
        let cleared = self.cleared[..until(&self.cleared)].last().copied().unwrap_or_default();
        self.assignments.iter().filter_map(move |(keyword, assignments)| {
            let until = assignments.partition_point(|assignment| assignment.since <= version);
            let last =
                assignments[..until].last().filter(|assignment| assignment.since >= cleared)?;
            Some((&keyword[..], last.value.as_ref()?.as_deref()))
        })
    }

    /// The keywords that `/set` gives in `version` to a row with `line`, without those that the row has
    /// itself.
    pub(super) fn inherited<'a>(
        &'a self,
        line: RowLine<'_>,
        version: u32,
    ) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let own: BTreeSet<&[u8]> = line.keywords().map(|(keyword, _)| keyword).collect();
        self.given(version).filter(move |(keyword, _)| !own.contains(keyword))
    }

    /// The value that `/set` gives to `keyword` in `version`.
    pub(super) fn value(&self, keyword: &[u8], version: u32) -> Option<&[u8]> {
        self.given(version).find(|(known, _)| *known == keyword)?.1
    }

    /// The keywords of a row with `line` in `version`, except type and source.
    fn effective<'a>(&'a self, line: RowLine<'a>, version: u32) -> EffectiveKeywords<'a> {
        let mut keywords: EffectiveKeywords<'a> = self.given(version).collect();
        keywords.extend(line.keywords());
        keywords.retain(|keyword, _| {
            *keyword != b"type" && *keyword != b"link" && !field::is_source(keyword)
        });
        keywords
    }

    /// Hashes these keywords. Rows with the same keywords have the same hash.
    pub(super) fn hash_keywords(&self, line: RowLine<'_>, version: u32, hasher: &mut impl Hasher) {
        self.effective(line, version).hash(hasher);
    }

    /// The fields to add to a row with `line` that moves from version `from` to version `to`, so that its keywords
    /// stay the same.
    pub(super) fn difference(&self, line: RowLine<'_>, from: u32, to: u32) -> Vec<Vec<u8>> {
        if from == to {
            return Vec::new();
        }
        let here = self.effective(line, to);
        self.effective(line, from)
            .into_iter()
            .filter(|(keyword, value)| here.get(keyword) != Some(value))
            .map(|(keyword, value)| match value {
                Some(value) => [keyword, b"=", value].concat(),
                None => keyword.to_vec(),
            })
            .collect()
    }
}

/// Whether two rows have the same keywords. Each row is a line with its defaults and their version.
pub(super) fn same_keywords(
    one: (RowLine<'_>, &Defaults, u32),
    other: (RowLine<'_>, &Defaults, u32),
) -> bool {
    let same_defaults = std::ptr::eq(one.1, other.1) && one.2 == other.2;
    if same_defaults && other_keywords(one.0).eq(other_keywords(other.0)) {
        return true;
    }
    one.1.effective(one.0, one.2) == other.1.effective(other.0, other.2)
}

/// The fields of a line except its name, type and source.
fn other_keywords(line: RowLine<'_>) -> impl Iterator<Item = &[u8]> {
    field::keywords(line.text, line.form).map(|field| field.text).filter(|item| {
        let keyword = field::keyword(item).0;
        keyword != b"type" && keyword != b"link" && !field::is_source(keyword)
    })
}

//! What `/set` and `/unset` say of the rows below them.
//!
//! Knows keywords and where they hold; must not know rows.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use super::field::{self, Kind};

/// The keywords in force, by the number that a row keeps. Number 0: none.
///
/// What is said is kept once, with the number from which on it holds: thousands of `/set` lines, each
/// with a keyword more, take no more memory than their text.
pub(super) struct Defaults {
    /// By keyword, what was said of it, in order.
    said: BTreeMap<Vec<u8>, Vec<Said>>,
    /// The numbers from which on nothing said before holds: `/unset all`.
    cleared: Vec<u32>,
    /// By number.
    kinds: Vec<Option<Kind>>,
    /// The sources that are given, each with the number from which on they are.
    sources: Vec<(u32, SetSources)>,
}

/// The sources that `/set` lines give: for each spelling its value, what was set last at the end.
pub(super) type SetSources = Vec<(&'static [u8], Vec<u8>)>;

/// What was said of a keyword.
struct Said {
    /// The number from which on it holds.
    since: u32,
    /// `None` where the keyword is no longer given.
    value: Option<Value>,
}

/// The value of a keyword: `None` for one that stands alone.
type Value = Option<Vec<u8>>;

/// Keywords with their values.
type Keywords<'a> = BTreeMap<&'a [u8], Option<&'a [u8]>>;

impl Default for Defaults {
    fn default() -> Self {
        let sources = Vec::new();
        Self { said: BTreeMap::new(), cleared: Vec::new(), kinds: vec![None], sources }
    }
}

impl Defaults {
    /// The number of the keywords in force at the end of what was read.
    pub(super) fn now(&self) -> u32 {
        (self.kinds.len() - 1) as u32
    }

    /// The kind that `/set type=` gives to rows without one.
    pub(super) fn kind(&self, number: u32) -> Option<Kind> {
        self.kinds[number as usize]
    }

    /// Begins a `/set` or `/unset` line: what it says holds from here on.
    pub(super) fn begin(&mut self) {
        self.kinds.push(self.kind(self.now()));
    }

    /// `/set`: `keyword` gets `value`; `kind` where the keyword is `type`.
    pub(super) fn set(&mut self, keyword: &[u8], value: Option<&[u8]>, kind: Option<Kind>) {
        self.say(keyword, Some(value.map(<[u8]>::to_vec)));
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

    /// `/unset`: `keyword` is no longer given; `all` stands for every one.
    pub(super) fn unset(&mut self, keyword: &[u8]) {
        if keyword == b"all" || field::is_source(keyword) {
            self.change_sources(|sources| {
                sources.retain(|(known, _)| keyword != b"all" && *known != keyword);
            });
        }
        if keyword == b"all" {
            self.cleared.push(self.now());
            self.set_kind(None);
        } else if self.said.contains_key(keyword) {
            self.say(keyword, None);
            if keyword == b"type" {
                self.set_kind(None);
            }
        }
    }

    /// The sources that `/set` gives where the number is `number`.
    pub(super) fn sources(&self, number: u32) -> &[(&'static [u8], Vec<u8>)] {
        let until = self.sources.partition_point(|(since, _)| *since <= number);
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

    fn say(&mut self, keyword: &[u8], value: Option<Value>) {
        let since = self.now();
        // Of one line, what it says last holds.
        match self.said.get_mut(keyword) {
            Some(said) => match said.last_mut() {
                Some(last) if last.since == since => last.value = value,
                _ => said.push(Said { since, value }),
            },
            None => drop(self.said.insert(keyword.to_vec(), vec![Said { since, value }])),
        }
    }

    fn set_kind(&mut self, kind: Option<Kind>) {
        let now = self.kinds.len() - 1;
        self.kinds[now] = kind;
    }

    /// What `/set` gives where the number is `number`.
    fn given(&self, number: u32) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let until = |numbers: &[u32]| numbers.partition_point(|&since| since <= number);
        let cleared = self.cleared[..until(&self.cleared)].last().copied().unwrap_or_default();
        self.said.iter().filter_map(move |(keyword, said)| {
            let until = said.partition_point(|said| said.since <= number);
            let last = said[..until].last().filter(|said| said.since >= cleared)?;
            Some((&keyword[..], last.value.as_ref()?.as_deref()))
        })
    }

    /// What `/set` gives to a row with `line` where the number is `number`, but for what the row says itself.
    pub(super) fn unsaid<'a>(
        &'a self,
        line: &[u8],
        number: u32,
    ) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let said = field::fields(line).skip(1).map(|item| field::keyword(item).0);
        let said: BTreeSet<&[u8]> = said.collect();
        self.given(number).filter(move |(keyword, _)| !said.contains(keyword))
    }

    /// The value that `/set` gives to `keyword` where the number is `number`.
    pub(super) fn value(&self, keyword: &[u8], number: u32) -> Option<&[u8]> {
        self.given(number).find(|(known, _)| *known == keyword)?.1
    }

    /// The keywords of a row with `line` under the defaults `number`, but for type and source.
    fn effective<'a>(&'a self, line: &'a [u8], number: u32) -> Keywords<'a> {
        let mut keywords: Keywords<'a> = self.given(number).collect();
        keywords.extend(field::fields(line).skip(1).map(field::keyword));
        keywords.retain(|keyword, _| {
            *keyword != b"type" && *keyword != b"link" && !field::is_source(keyword)
        });
        keywords
    }

    /// Hashes those keywords: rows of which `same_keywords` is true have one hash.
    pub(super) fn hash_keywords(&self, line: &[u8], number: u32, hasher: &mut impl Hasher) {
        self.effective(line, number).hash(hasher);
    }

    /// Fields to add to a row with `line` that moves from the defaults `from` to the defaults `to`,
    /// so that it still asks for the same.
    pub(super) fn difference(&self, line: &[u8], from: u32, to: u32) -> Vec<Vec<u8>> {
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

/// Whether two rows, each a line with the defaults in force there, ask for the same keywords.
pub(super) fn same_keywords(one: (&[u8], &Defaults, u32), other: (&[u8], &Defaults, u32)) -> bool {
    let same_defaults = std::ptr::eq(one.1, other.1) && one.2 == other.2;
    if same_defaults && other_keywords(one.0).eq(other_keywords(other.0)) {
        return true;
    }
    one.1.effective(one.0, one.2) == other.1.effective(other.0, other.2)
}

/// The fields of a line that tell more than its name, type and source.
fn other_keywords(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    field::fields(line).skip(1).filter(|item| {
        let keyword = field::keyword(item).0;
        keyword != b"type" && keyword != b"link" && !field::is_source(keyword)
    })
}

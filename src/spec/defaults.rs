//! What `/set` and `/unset` say of the rows below them.

use std::collections::BTreeMap;

use super::field::{self, Kind};

/// The keywords in force, by the number that a row keeps. Number 0: none.
pub struct Defaults {
    states: Vec<State>,
}

type Keywords = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

#[derive(Clone, Default)]
struct State {
    keywords: Keywords,
    kind: Option<Kind>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { states: vec![State::default()] }
    }
}

impl Defaults {
    /// The number of the keywords in force at the end of what was read.
    pub fn now(&self) -> u32 {
        (self.states.len() - 1) as u32
    }

    /// The kind that `/set type=` gives to rows without one.
    pub fn kind(&self, number: u32) -> Option<Kind> {
        self.states[number as usize].kind
    }

    /// Begins a `/set` or `/unset` line: what it says holds from here on.
    pub fn begin(&mut self) {
        self.states.push(self.last().clone());
    }

    /// `/set`: `keyword` gets `value`; `kind` where the keyword is `type`.
    pub fn set(&mut self, keyword: &[u8], value: Option<&[u8]>, kind: Option<Kind>) {
        let state = self.last_mut();
        state.keywords.insert(keyword.to_vec(), value.map(<[u8]>::to_vec));
        state.kind = kind.or(state.kind);
    }

    /// `/unset`: `keyword` is no longer given; `all` stands for every one.
    pub fn unset(&mut self, keyword: &[u8]) {
        let state = self.last_mut();
        if keyword == b"all" {
            *state = State::default();
        } else {
            state.keywords.remove(keyword);
            if keyword == b"type" {
                state.kind = None;
            }
        }
    }

    fn last(&self) -> &State {
        &self.states[self.states.len() - 1]
    }

    fn last_mut(&mut self) -> &mut State {
        let end = self.states.len() - 1;
        &mut self.states[end]
    }

    /// The keywords of a row with `line` under the defaults `number`, but for type and source.
    fn effective(&self, line: &[u8], number: u32) -> Keywords {
        let mut keywords = self.states[number as usize].keywords.clone();
        for item in field::fields(line).skip(1) {
            let (keyword, value) = field::keyword(item);
            keywords.insert(keyword.to_vec(), value.map(<[u8]>::to_vec));
        }
        keywords.retain(|keyword, _| {
            keyword != b"type" && keyword != b"link" && !field::is_source(keyword)
        });
        keywords
    }

    /// Fields to add to a row with `line` that moves from the defaults `from` to the defaults `to`,
    /// so that it still asks for the same.
    pub fn difference(&self, line: &[u8], from: u32, to: u32) -> Vec<Vec<u8>> {
        if from == to {
            return Vec::new();
        }
        let here = self.effective(line, to);
        self.effective(line, from)
            .into_iter()
            .filter(|(keyword, value)| here.get(keyword) != Some(value))
            .map(|(mut field, value)| {
                if let Some(value) = value {
                    field.push(b'=');
                    field.extend_from_slice(&value);
                }
                field
            })
            .collect()
    }
}

/// Whether two rows, each a line with the defaults in force there, ask for the same keywords.
pub fn same_keywords(one: (&[u8], &Defaults, u32), other: (&[u8], &Defaults, u32)) -> bool {
    let same_defaults = std::ptr::eq(one.1, other.1) && one.2 == other.2;
    if same_defaults && told(one.0).eq(told(other.0)) {
        return true;
    }
    one.1.effective(one.0, one.2) == other.1.effective(other.0, other.2)
}

/// The fields of a line that tell more than its name, type and source.
fn told(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    field::fields(line).skip(1).filter(|item| {
        let keyword = field::keyword(item).0;
        keyword != b"type" && keyword != b"link" && !field::is_source(keyword)
    })
}

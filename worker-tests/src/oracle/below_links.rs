//! Design rule 10 for the oracle: link rows above other rows.
//!
//! A row below a link row has several positions: its archive path, and each path that it has once the
//! outermost link above it is followed, and the next, and so on. Which of them an unpacker takes is not known.
//!
//! Knows archive paths and texts of links alone.

use std::collections::BTreeMap;

use super::spec::{Parts, parts};

/// At most this many links are followed above one row.
const MOST_LINKS: usize = 40;

/// The link rows of an archive by archive path. The text is `None` where it is not known.
#[derive(Clone, Default)]
pub struct LinkRows {
    texts: BTreeMap<Parts, Option<Vec<u8>>>,
}

impl LinkRows {
    /// Of several links at one path the last that is put in counts.
    pub fn put(&mut self, path: &Parts, text: Option<Vec<u8>>) {
        self.texts.insert(path.clone(), text);
    }

    fn innermost_above(&self, path: &[Vec<u8>]) -> Option<usize> {
        (1..path.len()).rev().find(|length| self.texts.contains_key(&path[..*length]))
    }

    /// `path`, then what it is with the outermost link above it followed, and so on, each once.
    pub fn positions(&self, path: &[Vec<u8>]) -> Vec<Parts> {
        let mut positions = vec![path.to_vec()];
        for _ in 0..MOST_LINKS {
            let position = &positions[positions.len() - 1];
            let Some(length) =
                (1..position.len()).find(|end| self.texts.contains_key(&position[..*end]))
            else {
                break;
            };
            let Some(Some(text)) = self.texts.get(&position[..length]) else {
                break;
            };
            let mut next = joined(&position[..length - 1], text);
            next.extend_from_slice(&position[length..]);
            if positions.contains(&next) {
                break;
            }
            positions.push(next);
        }
        positions
    }

    /// How many directories a text at `path` may climb so that it stays below every link row above
    /// one of its positions; `None` if there is none.
    pub fn room(&self, path: &[Vec<u8>]) -> Option<usize> {
        let room = |position: &Parts| Some(position.len() - 1 - self.innermost_above(position)?);
        self.positions(path).iter().filter_map(room).min()
    }

    /// Whether a text at `path` climbs above a link row there.
    pub fn forbid(&self, path: &[Vec<u8>], text: &[u8]) -> bool {
        let Some(mut left) = self.room(path).filter(|_| text[0] != b'/') else {
            return false;
        };
        for part in parts(text) {
            if part != b".." {
                left += 1;
            } else if left == 0 {
                return true;
            } else {
                left -= 1;
            }
        }
        false
    }
}

/// The archive path that `text` names from `directory`, by its parts alone. Nothing is above the archive's root.
pub fn joined(directory: &[Vec<u8>], text: &[u8]) -> Parts {
    let mut path = if text.first() == Some(&b'/') { Parts::new() } else { directory.to_vec() };
    for part in parts(text) {
        match part.as_slice() {
            b".." => drop(path.pop()),
            _ => path.push(part),
        }
    }
    path
}

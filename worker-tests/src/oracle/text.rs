//! The texts of links, from archive paths alone.

use super::spec::{self, Parts};

/// Whether a relative text, read part by part, has more `..` than the row at `from` has directories above
/// it and names before them.
pub fn climbs_out(from: &Parts, text: &[u8]) -> bool {
    let mut depth = from.len() as isize - 1;
    spec::parts(text).iter().any(|part| {
        depth += if part == b".." { -1 } else { 1 };
        depth < 0
    })
}

/// The archive path that a link's text names from the row at `from`, if the text is relative and
/// `..` stands only at its head.
pub fn named(from: &Parts, text: &[u8]) -> Option<Parts> {
    if text[0] == b'/' {
        return None;
    }
    let (_, mut path) = from.split_last().map(|(name, above)| (name, above.to_vec()))?;
    let mut names_begun = false;
    for part in spec::parts(text) {
        if part != b".." {
            names_begun = true;
            path.push(part);
        } else if names_begun || path.pop().is_none() {
            return None;
        }
    }
    Some(path)
}

/// The way from the directory of the row at `from` to `target`.
pub fn relative_path(from: &Parts, target: &Parts) -> Vec<u8> {
    let above = &from[..from.len() - 1];
    let common = above.iter().zip(target).take_while(|(a, b)| a == b).count();
    let mut way: Parts = vec![b"..".to_vec(); above.len() - common];
    way.extend_from_slice(&target[common..]);
    if way.is_empty() {
        way.push(b".".to_vec());
    }
    way.join(&b'/')
}

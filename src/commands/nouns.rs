//! Nouns in the number that a sentence needs, for `diff`, `replay` and `report`.
//!
//! Must not know how a number is written.

/// `one`, or its plural: `byte` or `bytes`, `entry` or `entries`.
pub(super) fn noun(number: u64, one: &str) -> String {
    match (number, one.strip_suffix('y')) {
        (1, _) => one.to_owned(),
        (_, Some(stem)) => format!("{stem}ies"),
        (_, None) => format!("{one}s"),
    }
}

//! Numbers with their nouns, in singular or plural, for `diff`, `replay` and `report`.
//!
//! Must not know what is counted.

/// A number with its noun, of which `one` is the singular.
pub(super) fn count(number: impl TryInto<u64>, one: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{number} {}", noun(number, one))
}

/// `one`, or its plural: `byte` or `bytes`, `entry` or `entries`.
pub(super) fn noun(number: u64, one: &str) -> String {
    match (number, one.strip_suffix('y')) {
        (1, _) => one.to_owned(),
        (_, Some(stem)) => format!("{stem}ies"),
        (_, None) => format!("{one}s"),
    }
}

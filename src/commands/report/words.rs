//! Numbers in sentences.
//!
//! Must not know what is counted.

use crate::commands::nouns::noun;

/// Bytes in decimal units, as the page shows them: 1 MB is 1,000,000 bytes.
pub(super) fn bytes(bytes: u64) -> String {
    let amount = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", amount / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", amount / 1e6),
        _ => format!("{:.3} GB", amount / 1e9),
    }
}

/// A number with commas: `46,540`.
pub(super) fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun: `1 file`, `2 files`.
pub(super) fn count(number_of: usize, one: &str) -> String {
    format!("{} {}", number(number_of), noun(number_of as u64, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_in_decimal_units() {
        let sizes = [0, 999, 1_000, 1_250_000, 1_500_000_000].map(bytes);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "1.2 MB", "1.500 GB"]);
    }

    #[test]
    fn numbers_have_commas_and_nouns() {
        assert_eq!(
            [1, 999, 1_000, 46_540, 1_234_567].map(number).join(" "),
            "1 999 1,000 46,540 1,234,567"
        );
        assert_eq!([count(1, "file"), count(0, "file")], ["1 file", "0 files"]);
    }
}

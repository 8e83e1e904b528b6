//! The records of an extended header: `LENGTH KEYWORD=VALUE\n`.
//!
//! Knows the form of records; must not know what keywords mean.

use super::member::MemberTime;

/// The records of an extended header, in order. `None` for text that is not a record.
pub(super) fn records(mut text: &[u8]) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let record = first(text);
        text = match record {
            Some((_, _, rest)) => rest,
            None => b"",
        };
        Some(record.map(|(keyword, value, _)| (keyword, value)))
    })
}

/// The keyword and value of the first record, and the text behind it.
fn first(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = text.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(unsigned(&text[..blank])?).ok()?;
    let (record, rest) = text.split_at_checked(length)?;
    let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = memchr::memchr(b'=', record)?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

/// A decimal number without a sign.
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// A decimal number that may have a sign.
pub(super) fn signed(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Seconds with a fraction, of which nine digits count.
pub(super) fn time(text: &[u8]) -> Option<MemberTime> {
    let dot = memchr::memchr(b'.', text);
    let (seconds, fraction) = match dot {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let nanoseconds = digits.fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    Some(MemberTime { seconds: signed(seconds)?, nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_any_byte() {
        let text = b"13 path=a\nb\n\n11 size=10\n";
        let found: Vec<_> = records(text).collect();
        assert_eq!(found, [Some((&b"path"[..], &b"a\nb\n"[..])), Some((b"size", b"10"))]);
    }

    #[test]
    fn what_is_no_record_is_said_once() {
        for text in
            [&b"5 a\n"[..], b"99 a=b\n", b"x a=b\n", b"2 a=b\n", b"6 a=bc", b"0 =\n", b"-6 a=b\n"]
        {
            assert_eq!(records(text).collect::<Vec<_>>(), [None], "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_time_has_nine_digits_of_a_fraction() {
        let time_of = |seconds, nanoseconds| Some(MemberTime { seconds, nanoseconds });
        assert_eq!(time(b"1.5"), time_of(1, 500_000_000));
        assert_eq!(time(b"-1.0000000059"), time_of(-1, 5));
        assert_eq!(time(b"7"), time_of(7, 0));
        assert_eq!(time(b"1.x"), None);
    }
}

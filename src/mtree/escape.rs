//! vis(3) as mtree(5) uses it: a backslash and three octal digits for a byte, or a C letter.
//!
//! Knows bytes; must not know whether they are a name or a value.

use memchr::memchr;

/// A backslash that does not begin an escape of mtree(5). Holds up to four bytes from the backslash on.
#[derive(Debug, PartialEq, Eq)]
pub struct Stray(pub Vec<u8>);

/// Appends `text`, unescaped, to `out`.
pub fn unescape(text: &[u8], out: &mut Vec<u8>) -> Result<(), Stray> {
    let mut rest = text;
    while let Some(backslash) = memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..backslash]);
        rest = &rest[backslash..];
        let (byte, length) = one(rest).ok_or_else(|| Stray(rest[..rest.len().min(4)].to_vec()))?;
        out.push(byte);
        rest = &rest[length..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// The byte that the escape at the head of `text` encodes, and the length of the escape.
fn one(text: &[u8]) -> Option<(u8, usize)> {
    let octal = |at: usize| {
        let digit = text.get(at)?.wrapping_sub(b'0');
        (digit < 8).then_some(digit)
    };
    let letter = match *text.get(1)? {
        b'0'..=b'3' => return Some((octal(1)? << 6 | octal(2)? << 3 | octal(3)?, 4)),
        b'a' => 0x07,
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 0x0b,
        b'f' => 0x0c,
        b'r' => b'\r',
        b's' => b' ',
        same @ (b'\\' | b'#') => same,
        _ => return None,
    };
    Some((letter, 2))
}

/// Appends `bytes` to `out`, escaped as design rule 7 requires: a byte that is not printable ASCII, and space `\` `#`
/// `=`, becomes a backslash and three octal digits.
pub fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        if byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'=') {
            out.push(byte);
        } else {
            let digit = |shift: u8| b'0' + (byte >> shift & 7);
            out.extend_from_slice(&[b'\\', digit(6), digit(3), digit(0)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(text: &[u8]) -> Result<Vec<u8>, Stray> {
        let mut out = Vec::new();
        unescape(text, &mut out).map(|()| out)
    }

    #[test]
    fn every_byte_survives_escape_and_unescape() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        escape(&all, &mut text);
        assert!(text.iter().all(u8::is_ascii_graphic));
        assert_eq!(unescaped(&text).unwrap(), all);
    }

    #[test]
    fn letters_and_octal_digits_are_unescaped() {
        assert_eq!(unescaped(br"a\sb\\c\#\303\251\n").unwrap(), b"a b\\c#\xc3\xa9\n");
    }

    #[test]
    fn a_stray_backslash_is_an_error() {
        for stray in [&br"a\"[..], br"\q", br"\09", br"\400", br"\1"] {
            assert!(unescaped(stray).is_err(), "{stray:?}");
        }
    }
}

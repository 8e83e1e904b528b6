//! Text in UTF-8, as libarchive accepts it (`archive_string.c`).
//!
//! Knows UTF-8 and surrogates; must not know what a text is for.

use std::borrow::Cow;

/// The length of a surrogate in CESU-8, in bytes.
const SURROGATE: usize = 3;

/// `text` as UTF-8, or `None` if it cannot be converted. A pair of surrogates in CESU-8, three bytes each, becomes the
/// one character that it stands for.
pub(super) fn to_utf8(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if text.is_ascii() || str::from_utf8(text).is_ok() {
        return Some(Cow::Borrowed(text));
    }
    let mut converted = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let valid = match str::from_utf8(rest) {
            Ok(valid) => valid.len(),
            Err(error) => error.valid_up_to(),
        };
        converted.extend_from_slice(&rest[..valid]);
        rest = &rest[valid..];
        if let Some((character, behind)) = surrogate_pair(rest) {
            converted.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = behind;
        } else if !rest.is_empty() {
            return None;
        }
    }
    Some(Cow::Owned(converted))
}

/// The character that the pair of surrogates at the head of `text` stands for, and the rest of `text`.
fn surrogate_pair(text: &[u8]) -> Option<(char, &[u8])> {
    let units =
        [surrogate(text.get(..SURROGATE)?)?, surrogate(text.get(SURROGATE..2 * SURROGATE)?)?];
    let character = char::decode_utf16(units).next()?.ok()?;
    Some((character, &text[2 * SURROGATE..]))
}

fn surrogate(bytes: &[u8]) -> Option<u16> {
    match *bytes {
        [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf] => {
            Some(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::to_utf8;

    #[test]
    fn utf8_stays_as_it_is() {
        assert_eq!(to_utf8("caf\u{e9}".as_bytes()).as_deref(), Some("caf\u{e9}".as_bytes()));
    }

    #[test]
    fn a_pair_of_surrogates_becomes_one_character() {
        let pair = b"a\xed\xa0\xbd\xed\xb8\x80b";
        assert_eq!(to_utf8(pair).as_deref(), Some("a\u{1f600}b".as_bytes()));
    }

    #[test]
    fn what_is_no_character_is_not_converted() {
        for text in [
            &b"\xff"[..],
            b"\xed\xa0\xbd",
            b"\xed\xb8\x80\xed\xa0\xbd",
            b"\xc3",
            b"\xf4\x90\x80\x80",
        ] {
            assert_eq!(to_utf8(text), None);
        }
    }
}

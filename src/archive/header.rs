//! The header of a member: one block of fields.
//!
//! Knows ustar, its predecessor and GNU's variant; must not know extension headers.

use super::member::HeaderForm;

/// The size of a block of a tar, in bytes.
pub(super) const BLOCK: usize = 512;

/// A block with a correct checksum.
pub(super) struct Header<'b>(&'b [u8; BLOCK]);

impl<'b> Header<'b> {
    /// `None` if the checksum is wrong.
    pub(super) fn new(block: &'b [u8; BLOCK]) -> Option<Self> {
        let stored = number(&block[148..156])?;
        let blank = |at: usize, byte: u8| if (148..156).contains(&at) { b' ' } else { byte };
        let bytes = || block.iter().enumerate().map(|(at, byte)| blank(at, *byte));
        // Some old programs added signed bytes.
        let unsigned: i64 = bytes().map(i64::from).sum();
        let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
        (stored == unsigned || stored == signed).then_some(Self(block))
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[156]
    }

    pub(super) fn form(&self) -> HeaderForm {
        match &self.0[257..265] {
            b"ustar  \0" => HeaderForm::Gnu,
            magic if magic.starts_with(b"ustar") => HeaderForm::Ustar,
            _ => HeaderForm::V7,
        }
    }

    /// The name, with the prefix, which has a field of its own.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = text(&self.0[..100]);
        let prefix = match self.form() {
            // star keeps times behind a shorter prefix.
            HeaderForm::Ustar if &self.0[508..] == b"tar\0" => text(&self.0[345..476]),
            HeaderForm::Ustar => text(&self.0[345..500]),
            _ => b"",
        };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(super) fn link(&self) -> &'b [u8] {
        text(&self.0[157..257])
    }

    pub(super) fn mode(&self) -> Option<u32> {
        Some(number(&self.0[100..108])? as u32 & 0o7777)
    }

    pub(super) fn uid(&self) -> Option<i64> {
        number(&self.0[108..116])
    }

    pub(super) fn gid(&self) -> Option<i64> {
        number(&self.0[116..124])
    }

    pub(super) fn size(&self) -> Option<u64> {
        number(&self.0[124..136])?.try_into().ok()
    }

    pub(super) fn seconds(&self) -> Option<i64> {
        number(&self.0[136..148])
    }

    pub(super) fn uname(&self) -> &'b [u8] {
        if self.form() == HeaderForm::V7 { b"" } else { text(&self.0[265..297]) }
    }

    pub(super) fn gname(&self) -> &'b [u8] {
        if self.form() == HeaderForm::V7 { b"" } else { text(&self.0[297..329]) }
    }

    pub(super) fn device(&self) -> Option<(u32, u32)> {
        if self.form() == HeaderForm::V7 {
            return Some((0, 0));
        }
        Some((number(&self.0[329..337])? as u32, number(&self.0[337..345])? as u32))
    }

    /// Of a sparse file of GNU tar: its size with its holes.
    pub(super) fn real_size(&self) -> Option<u64> {
        number(&self.0[483..495])?.try_into().ok()
    }

    /// Whether a block with more of the map of a sparse file follows.
    pub(super) fn has_more_map(&self) -> bool {
        self.0[482] != 0
    }
}

/// Whether a block of the map of a sparse file is followed by another.
pub(super) fn is_map_continued(block: &[u8; BLOCK]) -> bool {
    block[504] != 0
}

/// The text of a field: up to its first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    &field[..memchr::memchr(0, field).unwrap_or(field.len())]
}

/// The number in a field: octal digits between blanks, or binary if the highest bit is set. An empty field is 0.
fn number(field: &[u8]) -> Option<i64> {
    match field {
        [first, rest @ ..] if first & 0x80 != 0 => {
            // GNU: the second highest bit is the sign.
            let head = if first & 0x40 != 0 {
                i128::from(first.cast_signed())
            } else {
                i128::from(first & 0x3f)
            };
            let value = rest.iter().try_fold(head, |value, byte| {
                value.checked_mul(256)?.checked_add(i128::from(*byte))
            });
            value?.try_into().ok()
        }
        _ => {
            // Like libarchive, this ends at the first byte that is not a digit: writers end numbers differently.
            let digits = field.trim_ascii_start().iter().map(|byte| byte.wrapping_sub(b'0'));
            let mut digits = digits.take_while(|digit| *digit < 8).map(i64::from);
            digits.try_fold(0_i64, |value, digit| value.checked_mul(8)?.checked_add(digit))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_octal_or_binary_or_absent() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"\x80\0\0\0\0\0\x01\0"), Some(256));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xfe"), Some(-2));
        assert_eq!(number(b"12x"), Some(0o12));
        assert_eq!(number(b"7777777777777777777777777"), None);
        assert_eq!(number(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }

    #[test]
    fn a_block_with_another_checksum_is_no_header() {
        let mut block = [0; BLOCK];
        block[0] = b'a';
        block[148..156].copy_from_slice(b"000541\0 ");
        assert!(Header::new(&block).is_some());
        block[0] = b'b';
        assert!(Header::new(&block).is_none());
    }
}

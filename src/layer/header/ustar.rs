//! The block of a ustar header.
//!
//! Knows the fields of the block and how libarchive fills them; must not know pax records.

use super::{BLOCK, LARGE_ID, LONGEST_NAME};
use crate::layer::entry::Device;

/// The longest name of directories in the prefix field, in bytes.
const LONGEST_PREFIX: usize = 155;
/// The size of the uname and gname fields, in bytes. A name that fills its field has no zero after it.
const OWNER: usize = 32;

/// The block of one header. A number that does not fit its octal digits overwrites their terminators, or is written in
/// base 256, as GNU tar does.
pub(super) struct Block<'a> {
    pub name: &'a [u8],
    pub link: &'a [u8],
    pub typeflag: u8,
    pub mode: u32,
    pub uid: i64,
    pub gid: i64,
    /// In bytes.
    pub size: u64,
    pub seconds: i64,
    pub uname: &'a [u8],
    pub gname: &'a [u8],
    /// Of devices alone.
    pub device: Option<Device>,
}

/// The slash at which a ustar name is split: the bytes before it are the prefix, those after it the name.
/// `None` if the name fits the name field, `Some(None)` if it cannot be split.
fn split(name: &[u8]) -> Option<Option<usize>> {
    let first = name.len().checked_sub(LONGEST_NAME + 1)?;
    let slash_from = |from: usize| memchr::memchr(b'/', &name[from..]).map(|at| from + at);
    let mut slash = slash_from(first);
    // A prefix is never empty.
    if slash == Some(0) {
        slash = slash_from(1);
    }
    Some(slash.filter(|&slash| slash + 1 < name.len() && slash <= LONGEST_PREFIX))
}

/// Whether a ustar header can hold `name`.
pub(super) fn fits(name: &[u8]) -> bool {
    split(name) != Some(None)
}

impl<'a> Block<'a> {
    /// The block of this one's pax header. It has the name `name`, `size` bytes, this one's owner clipped
    /// to what ustar can hold, its permissions without setuid, setgid and sticky, and its time clipped to
    /// 0 to `latest`.
    pub(super) fn of_pax_header<'n>(
        &'n self,
        name: &'n [u8],
        size: usize,
        latest: i64,
    ) -> Block<'n> {
        Block {
            name,
            link: b"",
            typeflag: b'x',
            mode: self.mode & 0o777,
            uid: self.uid.clamp(0, LARGE_ID - 1),
            gid: self.gid.clamp(0, LARGE_ID - 1),
            size: size as u64,
            seconds: self.seconds.clamp(0, latest),
            uname: self.uname,
            gname: self.gname,
            device: None,
        }
    }

    /// Appends the 512 bytes to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + BLOCK, 0);
        let block = &mut out[start..];
        let (prefix, name) = match split(self.name) {
            None => (&b""[..], self.name),
            Some(Some(slash)) => (&self.name[..slash], &self.name[slash + 1..]),
            // The name is in the pax header alone.
            Some(None) => (&b""[..], &b""[..]),
        };
        put(&mut block[..100], name);
        number(&mut block[100..108], 6, 8, i64::from(self.mode & 0o7777));
        number(&mut block[108..116], 6, 8, self.uid);
        number(&mut block[116..124], 6, 8, self.gid);
        // No file has more than i64::MAX bytes: its size is a signed number.
        number(&mut block[124..136], 11, 12, i64::try_from(self.size).unwrap_or(i64::MAX));
        number(&mut block[136..148], 11, 11, self.seconds);
        block[148..156].fill(b' ');
        block[156] = self.typeflag;
        put(&mut block[157..257], self.link);
        put(&mut block[257..265], b"ustar\x0000");
        put(&mut block[265..265 + OWNER], self.uname);
        put(&mut block[297..297 + OWNER], self.gname);
        let device = self.device.unwrap_or_default();
        number(&mut block[329..337], 6, 8, i64::from(device.major));
        number(&mut block[337..345], 6, 8, i64::from(device.minor));
        put(&mut block[345..500], prefix);
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        octal(&mut block[148..154], i64::from(sum));
        block[154] = 0;
    }
}

/// Writes `text` to the head of `field`, truncated to its size.
fn put(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

/// Writes `value` in `digits` octal digits, or in up to `most` of them if it needs more, or else in base 256,
/// highest byte first, with the highest bit set. What is left of the field is a space, or a space and a zero.
fn number(field: &mut [u8], digits: usize, most: usize, value: i64) {
    if field.len() > digits {
        field[digits] = b' ';
    }
    let fits = |&digits: &usize| value >= 0 && value < 1 << (3 * digits);
    if let Some(digits) = (digits..=most).find(fits) {
        return octal(&mut field[..digits], value);
    }
    let mut rest = value;
    for byte in field[..most].iter_mut().rev() {
        *byte = rest as u8;
        rest >>= 8;
    }
    field[0] |= 0x80;
}

fn octal(field: &mut [u8], value: i64) {
    let mut rest = value;
    for byte in field.iter_mut().rev() {
        *byte = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
}

//! Keywords of a row, with their values as libarchive reads them.
//!
//! Knows the names and values of mtree(5)'s keywords, as far as tar keeps them; must not know the text of
//! a spec around them (`archive_read_support_format_mtree.c`, `parse_keyword`).

use std::sync::Arc;

use super::device;
use super::entry::{Device, EntryKind, Time};
use crate::display::Escaped;

/// The keywords of a row, those of `/set` included. `None` is a keyword that is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TarKeywords {
    /// `type=`.
    pub kind: Option<EntryKind>,
    /// `uid=`.
    pub uid: Option<i64>,
    /// `gid=`.
    pub gid: Option<i64>,
    /// As the spec spells it: libarchive resolves no escapes in it.
    pub uname: Option<Arc<[u8]>>,
    /// As `uname`.
    pub gname: Option<Arc<[u8]>>,
    /// The twelve bits of the permissions.
    pub mode: Option<u32>,
    /// `time=`.
    pub time: Option<Time>,
    /// `device=`.
    pub device: Option<Device>,
    /// As the spec spells it.
    pub flags: Option<Arc<[u8]>>,
    /// `nlink=`.
    pub nlink: Option<u32>,
    /// In bytes.
    pub size: Option<u64>,
    /// `optional`: the row is left out if its source is missing.
    pub is_optional: bool,
    /// `nochange`: bsdtar prefers the metadata of the source to those of the row.
    pub is_nochange: bool,
}

/// A value that libarchive does not read, so that bsdtar stops at its row.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}={}: {what}", Escaped(keyword), Escaped(value))]
pub struct KeywordError {
    keyword: Box<[u8]>,
    value: Box<[u8]>,
    what: &'static str,
}

impl TarKeywords {
    /// Sets a keyword of the row. Those that tar does not keep change nothing: digests, `cksum`, `tags`,
    /// `inode`, `resdevice`, `ignore`, and unknown ones. Neither do `link` and `content`, whose escapes are not resolved
    /// here.
    pub fn set(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), KeywordError> {
        let fails = |what| KeywordError { keyword: keyword.into(), value: value.into(), what };
        match keyword {
            b"optional" => self.is_optional = true,
            b"nochange" => self.is_nochange = true,
            b"uid" => self.uid = Some(number(&mut &*value, 10)),
            b"gid" => self.gid = Some(number(&mut &*value, 10)),
            b"uname" => self.uname = Some(value.into()),
            b"gname" => self.gname = Some(value.into()),
            b"flags" => self.flags = Some(value.into()),
            // libarchive keeps the lowest 32 bits.
            b"nlink" => self.nlink = Some(number(&mut &*value, 10) as u32),
            b"size" => self.size = Some(number(&mut &*value, 10).max(0).cast_unsigned()),
            b"time" => self.time = Some(time(value)),
            b"mode" => {
                if !matches!(value.first(), Some(b'0'..=b'7')) {
                    return Err(fails("a mode in octal is needed"));
                }
                self.mode = Some(number(&mut &*value, 8) as u32 & 0o7777);
            }
            b"device" => self.device = Some(device::parse(value).map_err(fails)?),
            b"type" => {
                self.kind = Some(match value {
                    b"file" => EntryKind::File,
                    b"dir" => EntryKind::Directory,
                    b"link" => EntryKind::Symlink,
                    b"char" => EntryKind::Character,
                    b"block" => EntryKind::Block,
                    b"fifo" => EntryKind::Fifo,
                    b"socket" => return Err(fails("tar has no sockets: take the row out")),
                    _ => return Err(fails("there is no such type")),
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Merges the keywords of a later row of the same path, which override.
    pub fn merge(&mut self, later: Self) {
        fn take<T>(field: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *field = later;
            }
        }
        take(&mut self.kind, later.kind);
        take(&mut self.uid, later.uid);
        take(&mut self.gid, later.gid);
        take(&mut self.uname, later.uname);
        take(&mut self.gname, later.gname);
        take(&mut self.mode, later.mode);
        take(&mut self.time, later.time);
        take(&mut self.device, later.device);
        take(&mut self.flags, later.flags);
        take(&mut self.nlink, later.nlink);
        take(&mut self.size, later.size);
        self.is_optional |= later.is_optional;
        self.is_nochange |= later.is_nochange;
    }
}

/// Reads seconds, and after a dot nanoseconds: as a number, not as a fraction, so that `1.5` is 1 s and 5 ns.
fn time(value: &[u8]) -> Time {
    let mut rest = value;
    let seconds = number(&mut rest, 10);
    let nanoseconds = match rest {
        [b'.', rest @ ..] => number(&mut &*rest, 10).clamp(0, 999_999_999) as u32,
        _ => 0,
    };
    Time { seconds, nanoseconds }
}

/// Reads a number of `base` at the head of `text`, and advances `text` past it: an optional minus, then any count of digits,
/// also 0. A number out of range is `i64::MAX` or `i64::MIN`.
/// Base 0 is that of strtol(3): 16 after `0x`, 8 after `0`, else 10.
pub fn number(text: &mut &[u8], base: u32) -> i64 {
    let mut base = base;
    if base == 0 {
        (base, *text) = match text {
            [b'0', b'x' | b'X', rest @ ..] => (16, rest),
            [b'0', ..] => (8, *text),
            _ => (10, *text),
        };
    }
    let is_negative = text.first() == Some(&b'-');
    if is_negative {
        *text = &text[1..];
    }
    let mut value = 0_i64;
    while let Some((&byte, rest)) = text.split_first()
        && let Some(digit) = char::from(byte).to_digit(base)
    {
        let digit = i64::from(digit);
        let next = value.checked_mul(base.into());
        let next = next.and_then(|next| {
            if is_negative { next.checked_sub(digit) } else { next.checked_add(digit) }
        });
        let Some(next) = next else {
            return if is_negative { i64::MIN } else { i64::MAX };
        };
        value = next;
        *text = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keywords(pairs: &[(&str, &str)]) -> TarKeywords {
        let mut keywords = TarKeywords::default();
        for (keyword, value) in pairs {
            keywords.set(keyword.as_bytes(), value.as_bytes()).unwrap();
        }
        keywords
    }

    #[test]
    fn nanoseconds_are_a_number_behind_the_dot() {
        assert_eq!(time(b"1.5"), Time { seconds: 1, nanoseconds: 5 });
        assert_eq!(time(b"-1.500000000"), Time { seconds: -1, nanoseconds: 500_000_000 });
        assert_eq!(time(b"1.-5"), Time { seconds: 1, nanoseconds: 0 });
        assert_eq!(time(b"1.9999999999"), Time { seconds: 1, nanoseconds: 999_999_999 });
        assert_eq!(time(b"99999999999999999999").seconds, i64::MAX);
    }

    #[test]
    fn a_number_ends_where_its_digits_do() {
        assert_eq!(keywords(&[("uid", "12a")]).uid, Some(12));
        assert_eq!(keywords(&[("uid", "")]).uid, Some(0));
        assert_eq!(keywords(&[("mode", "0100755")]).mode, Some(0o755));
    }

    #[test]
    fn what_bsdtar_stops_at_is_an_error() {
        for (keyword, value) in
            [("mode", "u+x"), ("type", "socket"), ("type", "door"), ("device", "vms,1,2")]
        {
            assert!(TarKeywords::default().set(keyword.as_bytes(), value.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_later_row_overrides_what_it_says_alone() {
        let mut merged = keywords(&[("type", "file"), ("uid", "1"), ("mode", "644")]);
        merged.merge(keywords(&[("uid", "2"), ("optional", "")]));
        assert_eq!(
            merged,
            keywords(&[("type", "file"), ("uid", "2"), ("mode", "644"), ("optional", "")])
        );
    }
}

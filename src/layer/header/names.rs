//! Names for ustar fields where the whole name is in a pax record.
//!
//! Knows how libarchive shortens a name (`build_ustar_entry_name`); must not know entries.

use super::LONGEST_NAME;

/// The most bytes of a shortened name before the slash at which it may be split.
const PREFIX: usize = 154;
/// The most bytes after that slash.
const SUFFIX: usize = 98;
/// The directory in the name of a pax header, before the last part of the entry's name.
const PAX_HEADER: &[u8] = b"PaxHeader";

/// `name`, shortened so that it fits a ustar header in most cases, with `insert` as a directory before
/// its last part.
///
/// The result has four parts: directories for the prefix field, further ones for the name field, `insert`,
/// and the beginning of the last part. A slash at the end stays.
pub(super) fn shortened(name: &[u8], insert: Option<&[u8]>) -> Vec<u8> {
    if name.len() < LONGEST_NAME && insert.is_none() {
        return name.to_vec();
    }
    let end = trimmed(name);
    if end == 0 {
        return b"/".to_vec();
    }
    let needs_slash = end < name.len();
    let mut room = SUFFIX - usize::from(needs_slash);
    room -= insert.map_or(0, |insert| insert.len() + 2);
    let last = memchr::memrchr(b'/', &name[..end]).map_or(0, |slash| slash + 1);
    let last_end = end.min(last + room);
    room -= last_end - last;
    let prefix_end = behind_slash(name, 0, PREFIX.min(last), last);
    let suffix_end = behind_slash(name, prefix_end, (prefix_end + room).min(last), last);
    let mut short = name[..suffix_end].to_vec();
    if let Some(insert) = insert {
        short.extend_from_slice(insert);
        short.push(b'/');
    }
    short.extend_from_slice(&name[last..last_end]);
    if needs_slash {
        short.push(b'/');
    }
    short
}

/// The index after the last slash between `from` and `to`, at most `end`; `from` if there is none.
fn behind_slash(name: &[u8], from: usize, to: usize, end: usize) -> usize {
    let at = memchr::memrchr(b'/', &name[from + 1..=to.max(from)]).map_or(from, |at| from + 1 + at);
    if at < end && name[at] == b'/' { at + 1 } else { at }
}

/// The name of the pax header of an entry called `name` in its ustar header.
pub(super) fn of_pax_header(name: &[u8]) -> Vec<u8> {
    if name.is_empty() {
        return b"PaxHeader/blank".to_vec();
    }
    match &name[..trimmed(name)] {
        b"" => b"/PaxHeader/rootdir".to_vec(),
        b"." => b"PaxHeader/currentdir".to_vec(),
        name => shortened(name, Some(PAX_HEADER)),
    }
}

/// The length of `name` without slashes and `/.` at its end.
fn trimmed(name: &[u8]) -> usize {
    let mut rest = name;
    while let [head @ .., b'/'] | [head @ .., b'/', b'.'] = rest {
        rest = head;
    }
    rest.len()
}

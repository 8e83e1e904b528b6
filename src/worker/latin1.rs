//! What older Bazel makes of names that are not ASCII.
//!
//! It keeps each byte of a name as a character of its own (Latin-1), and writes that in UTF-8: `é`,
//! which is two bytes on the disk, comes as four. Nothing in a request says so, but what is on the
//! disk does: if a path as sent is not there, and as read back it is, the request is written so.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::server::Request;

/// How many inputs are looked at: all are written in one way.
const ENOUGH: usize = 8;

/// What `sent` stands for if older Bazel wrote it. `None` for what cannot be of its making, or reads
/// the same.
pub(super) fn decode(sent: &[u8]) -> Option<OsString> {
    if sent.is_ascii() {
        return None;
    }
    let text = str::from_utf8(sent).ok()?;
    let bytes: Result<Vec<u8>, _> =
        text.chars().map(|letter| u8::try_from(u32::from(letter))).collect();
    bytes.ok().map(OsString::from_vec)
}

/// The arguments of a request, as they were before an older Bazel wrote them. Paths are relative to
/// `root`.
pub(super) fn arguments(root: &Path, request: &Request) -> Vec<OsString> {
    let sent = || request.arguments.iter().map(|argument| OsString::from_vec(argument.clone()));
    if request.arguments.iter().all(|argument| argument.is_ascii()) {
        return sent().collect();
    }
    let of_arguments = request.arguments.iter().map(|argument| path_in(argument));
    let of_inputs = request.inputs.iter().filter(|path| !path.is_ascii()).take(ENOUGH);
    if of_arguments.chain(of_inputs).any(|path| shows_older_bazel(root, path)) {
        sent().map(|argument| decode(argument.as_bytes()).unwrap_or(argument)).collect()
    } else {
        sent().collect()
    }
}

/// The path in an argument such as `--mtree=PATH`, `@PATH` or `PATH`.
fn path_in(argument: &[u8]) -> &[u8] {
    let value = match argument {
        [b'-', b'-', ..] => argument.splitn(2, |&byte| byte == b'=').nth(1).unwrap_or_default(),
        [b'@', path @ ..] => path,
        _ => argument,
    };
    if value.is_ascii() { &[] } else { value }
}

/// Whether `path`, or the directory that it would be written in, is there only as read back.
fn shows_older_bazel(root: &Path, path: &[u8]) -> bool {
    let Some(read) = decode(path) else {
        return false;
    };
    let (sent, read) = (root.join(OsStr::from_bytes(path)), root.join(read));
    match (sent.exists(), read.exists()) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => match (sent.parent(), read.parent()) {
            (Some(sent), Some(read)) => !sent.exists() && read.exists(),
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bytes_that_came_as_four_are_two_again() {
        let sent = "caf\u{c3}\u{a9}".as_bytes();
        assert_eq!(decode(sent).unwrap().as_bytes(), "caf\u{e9}".as_bytes());
        assert_eq!(decode("\u{4e2d}".as_bytes()), None);
        assert_eq!(decode(b"cafe"), None);
        assert_eq!(decode(b"\xff"), None);
    }
}

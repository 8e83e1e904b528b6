//! Names that are not ASCII, as Bazel before version 9 sends them.
//!
//! Such a Bazel decodes each byte of a name as a Latin-1 character, and encodes that in UTF-8: `é`, two
//! bytes on the disk, arrives as four. Nothing in a request says whether it is encoded so. It is, if a
//! path as sent does not exist, and the decoded path does.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::server::Request;

/// How many inputs are checked: all of a request are encoded alike.
const CHECKED_INPUTS: usize = 8;

/// Decodes a name that an older Bazel sent. `None` if it is ASCII, or if no older Bazel sends it.
pub(super) fn decode(sent: &[u8]) -> Option<OsString> {
    if sent.is_ascii() {
        return None;
    }
    let text = str::from_utf8(sent).ok()?;
    let bytes: Result<Vec<u8>, _> =
        text.chars().map(|letter| u8::try_from(u32::from(letter))).collect();
    bytes.ok().map(OsString::from_vec)
}

/// The arguments of a request, decoded if an older Bazel sent them. Paths are relative to `root`.
pub(super) fn arguments(root: &Path, request: &Request) -> Vec<OsString> {
    let sent = || request.arguments.iter().map(|argument| OsString::from_vec(argument.clone()));
    if request.arguments.iter().all(|argument| argument.is_ascii()) {
        return sent().collect();
    }
    let of_arguments = request.arguments.iter().map(|argument| path_in(argument));
    let of_inputs = request.inputs.paths().filter(|path| !path.is_ascii()).take(CHECKED_INPUTS);
    if of_arguments.chain(of_inputs).any(|path| exists_only_decoded(root, path)) {
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

/// Whether `path`, or else its parent, does not exist as it was sent, but exists decoded.
fn exists_only_decoded(root: &Path, path: &[u8]) -> bool {
    let Some(decoded) = decode(path) else {
        return false;
    };
    let (sent, decoded) = (root.join(OsStr::from_bytes(path)), root.join(decoded));
    match (sent.exists(), decoded.exists()) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => match (sent.parent(), decoded.parent()) {
            (Some(sent), Some(decoded)) => !sent.exists() && decoded.exists(),
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_two_bytes_that_arrived_as_four_is_decoded() {
        let sent = "caf\u{c3}\u{a9}".as_bytes();
        assert_eq!(decode(sent).unwrap().as_bytes(), "caf\u{e9}".as_bytes());
        assert_eq!(decode("\u{4e2d}".as_bytes()), None);
        assert_eq!(decode(b"cafe"), None);
        assert_eq!(decode(b"\xff"), None);
    }
}

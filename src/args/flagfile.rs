//! Flag files: `@FILE` and `--flagfile=FILE` are replaced with the lines of FILE
//! (docs/design.md, "The worker").
//!
//! Knows lines and `@@`; must not know what an argument means.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::error::{ArgsError, MOST_FLAGFILES};

/// Replaces each `@FILE` and `--flagfile=FILE` with the lines of FILE, which `read` reads. Lines may name
/// further files. An argument that begins with `@@` loses its first `@`.
pub fn expand(
    arguments: impl IntoIterator<Item = OsString>,
    mut read: impl FnMut(&Path) -> Result<Bytes, ArgsError>,
) -> Result<Vec<OsString>, ArgsError> {
    let mut expanded = Vec::new();
    let mut files = 0;
    // The arguments that remain, in reverse.
    let mut rest: Vec<OsString> = arguments.into_iter().collect();
    rest.reverse();
    while let Some(argument) = rest.pop() {
        let bytes = argument.as_bytes();
        let file = match bytes.strip_prefix(b"@") {
            Some(escaped @ [b'@', ..]) => {
                expanded.push(OsString::from_vec(escaped.to_vec()));
                continue;
            }
            Some(file) => file,
            None => match bytes.strip_prefix(b"--flagfile=") {
                Some(file) => file,
                None => {
                    expanded.push(argument);
                    continue;
                }
            },
        };
        let path = PathBuf::from(OsString::from_vec(file.to_vec()));
        files += 1;
        if files > MOST_FLAGFILES {
            return Err(ArgsError::FlagfileLoop(path));
        }
        let text = read(&path)?;
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        if !text.is_empty() {
            let lines = text.split(|&byte| byte == b'\n');
            rest.extend(lines.rev().map(|line| OsString::from_vec(line.to_vec())));
        }
    }
    Ok(expanded)
}

//! Patterns that choose rows by a path: globs in which `*` stays in one component and `**` does not.
//!
//! Knows one path at a time; must not know whether it is an archive path or a source.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

/// A glob. It matches what is below a directory that it matches, and the path that it is itself, byte for
/// byte: `app/[id].js`.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    glob: GlobMatcher,
}

impl Pattern {
    /// A glob on archive paths; `./` or `/` at its head and `/` at its end do not count.
    pub fn of_archive_path(text: &str) -> Result<Self, globset::Error> {
        Self::new(normal(text).trim_start_matches('/'))
    }

    /// A glob on sources; `./` at its head and `/` at its end do not count.
    pub fn of_source(text: &str) -> Result<Self, globset::Error> {
        Self::new(normal(text))
    }

    fn new(text: &str) -> Result<Self, globset::Error> {
        let glob = GlobBuilder::new(text).literal_separator(true).build()?.compile_matcher();
        Ok(Self { text: text.to_owned(), glob })
    }

    /// Whether it matches `path`, or a directory above it. One that is empty or `.` matches every path.
    pub fn matches(&self, path: &[u8]) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let ends = memchr::memchr_iter(b'/', path).filter(|&end| end > 0);
        !path.is_empty()
            && ends.chain([path.len()]).any(|end| {
                let path = &path[..end];
                path == self.text.as_bytes()
                    || self.glob.is_match(Path::new(OsStr::from_bytes(path)))
            })
    }
}

fn normal(text: &str) -> &str {
    let mut text = text;
    while let Some(rest) = text.strip_prefix("./") {
        text = rest.trim_start_matches('/');
    }
    match text.trim_end_matches('/') {
        "." => "",
        text => text,
    }
}

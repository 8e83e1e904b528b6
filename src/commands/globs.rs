//! Globs that select archive paths, for `explain` and `diff`.
//!
//! Knows archive paths as bytes; must not know what is selected.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use super::error::CommandError;
use crate::display::Escaped;

/// Globs, any of which selects a path.
pub(super) struct PathGlobs(Vec<PathGlob>);

struct PathGlob {
    /// Escaped.
    text: String,
    matcher: GlobMatcher,
}

impl PathGlobs {
    /// `None` if there are no globs.
    pub(super) fn new(globs: &[OsString]) -> Result<Option<Self>, CommandError> {
        let globs = globs.iter().map(|glob| PathGlob::new(glob));
        let globs = globs.collect::<Result<Vec<_>, _>>()?;
        Ok((!globs.is_empty()).then_some(Self(globs)))
    }

    pub(super) fn matches(&self, path: &[u8]) -> bool {
        self.0.iter().any(|glob| glob.matches(path))
    }

    /// The globs, as messages show them.
    pub(super) fn texts(&self) -> Vec<String> {
        self.0.iter().map(|glob| glob.text.clone()).collect()
    }
}

impl PathGlob {
    fn new(glob: &OsStr) -> Result<Self, CommandError> {
        let text =
            glob.to_str().ok_or_else(|| CommandError::GlobNotUtf8(glob.as_bytes().to_vec()))?;
        // Archive paths begin with neither `./` nor `/`.
        let text = text.trim_start_matches("./").trim_start_matches('/').trim_end_matches('/');
        let matcher = GlobBuilder::new(text).literal_separator(true).build()?.compile_matcher();
        Ok(Self { text: Escaped(text.as_bytes()).to_string(), matcher })
    }

    /// Whether the glob matches `path`, or is `path` itself, verbatim or escaped: a file may be called
    /// `app/[id].js`.
    fn matches(&self, path: &[u8]) -> bool {
        self.text.as_bytes() == path
            || self.matcher.is_match(Path::new(OsStr::from_bytes(path)))
            || self.text == Escaped(path).to_string()
    }
}

//! The options of the oracle, and the flags of the program for the same.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use super::change::{Changes, Mode};

/// The options of `resolve`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub missing_target: MissingTarget,
    pub directory_links: DirectoryLinks,
    pub link_is_source: bool,
    pub no_resolve: bool,
    pub changes: Changes,
}

impl Options {
    /// The same options as flags of the program.
    pub fn arguments(&self) -> Vec<OsString> {
        let changes = &self.changes;
        let flags = [
            (self.missing_target == MissingTarget::Keep).then_some("--missing-target=keep"),
            (self.missing_target == MissingTarget::Fail).then_some("--missing-target=fail"),
            (self.directory_links == DirectoryLinks::Expand).then_some("--directory-links=expand"),
            self.link_is_source.then_some("--link-is-source"),
            self.no_resolve.then_some("--no-resolve"),
            changes.sort.then_some("--sort"),
        ];
        let paths =
            [("--strip-prefix=", &changes.strip_prefix), ("--package-dir=", &changes.package_dir)];
        let words = [
            ("--mtime=", &changes.mtime),
            ("--owner=", &changes.owner),
            ("--ownername=", &changes.ownername),
            ("--group=", &changes.group),
            ("--groupname=", &changes.groupname),
        ];
        let flags = flags.into_iter().flatten().map(OsString::from);
        let paths = paths.into_iter().filter_map(|(flag, path)| {
            let path = path.as_ref()?;
            Some(OsString::from_vec([flag.as_bytes(), path].concat()))
        });
        let words = words.into_iter().filter_map(|(flag, word)| {
            let word = word.as_ref()?;
            Some(OsString::from(format!("{flag}{word}")))
        });
        let choice = &changes.choice;
        let patterns = [
            ("--include=", &choice.include),
            ("--exclude=", &choice.exclude),
            ("--include-source=", &choice.include_source),
            ("--exclude-source=", &choice.exclude_source),
        ];
        let patterns = patterns.into_iter().flat_map(|(flag, patterns)| {
            patterns.iter().map(move |pattern| OsString::from(format!("{flag}{pattern}")))
        });
        let modes = changes.modes.iter().map(|Mode { pattern, mode }| {
            OsString::from(match pattern {
                Some(pattern) => format!("--mode={pattern}={mode}"),
                None => format!("--mode={mode}"),
            })
        });
        flags.chain(paths).chain(words).chain(patterns).chain(modes).collect()
    }
}

/// Design rule 3.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum MissingTarget {
    #[default]
    Inline,
    Keep,
    Fail,
}

/// Design rule 6.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum DirectoryLinks {
    #[default]
    Collapse,
    Expand,
}

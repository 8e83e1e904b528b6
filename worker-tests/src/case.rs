//! The case format of `worker-tests/cases`: a txtar file with a comment that says why, then sections.
//!
//! ```text
//! -- tree --        what is on the disk (see `plant`)
//! -- cwd --         where the command runs, below $ROOT (default: execroot/_main)
//! -- args --        further arguments of `resolve`, one per line
//! -- spec.mtree --  the spec to resolve (also, as NAME.mtree, any other spec that args name)
//! -- want.mtree --  what it must write, byte for byte
//! -- fails --       instead of want.mtree: the words that the error on stderr must name
//! ```
//!
//! This module knows the format only; `tests/cases.rs` runs cases.

use std::{fs, io, path::Path};

/// One case file.
pub struct Case {
    sections: Vec<(String, Vec<u8>)>,
}

/// What a case expects of the command.
pub enum Want {
    /// The spec that it writes, byte for byte.
    Spec(Vec<u8>),
    /// That it exits non-zero, names each of these words on stderr, and leaves no output file.
    Failure(Vec<String>),
}

impl Case {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> io::Result<Case> {
        let mut sections: Vec<(String, Vec<u8>)> = Vec::new();
        for line in fs::read(path)?.split_inclusive(|byte| *byte == b'\n') {
            if let Some(name) = section_name(line) {
                sections.push((name, Vec::new()));
            } else if let Some((_, body)) = sections.last_mut() {
                body.extend_from_slice(line);
            }
        }
        Ok(Case { sections })
    }

    /// The tree to plant.
    pub fn tree(&self) -> &[u8] {
        self.section("tree").unwrap_or_default()
    }

    /// Where the command runs, below the case's directory; `None` stands for the exec root.
    pub fn cwd(&self) -> Option<String> {
        let text = String::from_utf8_lossy(self.section("cwd")?).into_owned();
        Some(text.trim().to_owned())
    }

    /// The further arguments of `resolve`.
    pub fn arguments(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(self.section("args").unwrap_or_default()).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    /// Every spec that the command reads, by file name, with `root` for `$ROOT`.
    pub fn specs(&self, root: &Path) -> Vec<(&str, Vec<u8>)> {
        self.sections
            .iter()
            .filter(|(name, _)| name.ends_with(".mtree") && name != "want.mtree")
            .map(|(name, body)| (name.as_str(), with_root(body, root)))
            .collect()
    }

    /// What the command must do, with `root` for `$ROOT`.
    pub fn want(&self, root: &Path) -> Want {
        if let Some(words) = self.section("fails") {
            let words = String::from_utf8_lossy(words);
            return Want::Failure(words.split_whitespace().map(str::to_owned).collect());
        }
        Want::Spec(with_root(self.section("want.mtree").unwrap_or_default(), root))
    }

    fn section(&self, wanted: &str) -> Option<&[u8]> {
        let (_, body) = self.sections.iter().find(|(name, _)| name == wanted)?;
        Some(body)
    }
}

fn section_name(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?;
    let name = line.strip_prefix("-- ")?.strip_suffix(" --\n")?;
    (!name.is_empty() && !name.contains(char::is_whitespace)).then(|| name.to_owned())
}

/// `text` with the directory `root` in place of every `$ROOT`.
pub fn with_root(text: &[u8], root: &Path) -> Vec<u8> {
    replace(text, b"$ROOT", root.as_os_str().as_encoded_bytes())
}

fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(old.len()).position(|window| window == old) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    out.extend_from_slice(rest);
    out
}

//! Groups: which rows of a spec go into which layer (docs/design.md, "Groups").
//!
//! Knows patterns, archive paths and sources; must not know how rows are resolved or written.

use std::path::Path;

use hashbrown::{HashMap, HashSet};
use serde::Deserialize;

use super::super::error::RequestError;
use super::GroupChoice;
use crate::display::Escaped;
use crate::mtree::Pattern;
use crate::path;

/// The group of rows that no other group takes. It comes last.
const REST: &str = "app";

/// The prefix of a pattern that is matched against sources.
const SOURCE: &str = "source:";

/// Ordered groups, and the one that is chosen.
pub(in crate::request) struct Groups {
    groups: Vec<Group>,
    /// The index of the chosen one. For the rest, it is the number of groups.
    chosen: usize,
}

struct Group {
    name: String,
    paths: Vec<Pattern>,
    sources: Vec<Pattern>,
}

/// A group as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupText {
    name: String,
    patterns: Vec<String>,
}

/// What is wrong with a file of groups.
#[derive(Debug, thiserror::Error)]
pub enum GroupsError {
    /// It is not the JSON of groups.
    #[error("the groups cannot be read; write a list of {{\"name\": …, \"patterns\": […]}}")]
    Form(#[source] serde_json::Error),
    /// A group has the name of the rest, which is no group.
    #[error(
        "no group can be called {REST:?}, which is the layer of the rows that no group takes; rename it"
    )]
    NamedRest,
    /// A group without a name.
    #[error("a group has no name; give it one")]
    Unnamed,
    /// Two groups of one name.
    #[error("two groups are called {0:?}; rename one")]
    Twice(String),
    /// A pattern is no glob.
    #[error("the pattern {pattern:?} of the group {group:?} cannot be read")]
    Pattern {
        /// The name of the group.
        group: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        #[source]
        problem: globset::Error,
    },
    /// No group has the chosen name.
    #[error("--only: no group is called {name:?}; the groups are {known}")]
    Unknown {
        /// The chosen name.
        name: String,
        /// The names that there are.
        known: String,
    },
}

/// The parts of a row that decide its group and its order.
pub(super) struct GroupedRow<'r> {
    /// Its archive path.
    pub path: &'r [u8],
    /// The path of its source before resolving. Empty for a row without one.
    pub source: &'r [u8],
    pub is_directory: bool,
}

impl Groups {
    /// Reads the groups in `text`, and chooses one.
    pub(in crate::request) fn read(
        text: &[u8],
        choice: &GroupChoice,
    ) -> Result<Self, RequestError> {
        Self::parse(text, &choice.name).map_err(|problem| RequestError::Groups {
            path: choice.file.clone(),
            problem: Box::new(problem),
        })
    }

    fn parse(text: &[u8], chosen: &str) -> Result<Self, GroupsError> {
        let texts: Vec<GroupText> = serde_json::from_slice(text).map_err(GroupsError::Form)?;
        let mut groups = Vec::<Group>::with_capacity(texts.len());
        for text in texts {
            match &*text.name {
                REST => return Err(GroupsError::NamedRest),
                "" => return Err(GroupsError::Unnamed),
                name if groups.iter().any(|known| known.name == name) => {
                    return Err(GroupsError::Twice(text.name));
                }
                _ => groups.push(Group::parse(text)?),
            }
        }
        let number = groups.iter().position(|group| group.name == chosen);
        let chosen = match number {
            Some(number) => number,
            None if chosen == REST => groups.len(),
            None => {
                let names = groups.iter().map(|group| &*group.name).chain([REST]);
                let known = names.collect::<Vec<_>>().join(", ");
                return Err(GroupsError::Unknown { name: chosen.to_owned(), known });
            }
        };
        Ok(Self { groups, chosen })
    }

    /// For each of `rows`, whether the chosen group has it. Rows of one path are in one group, that of the
    /// first. A directory row is in each group that has a row below it. If no row is below it, its own path decides.
    pub(super) fn choose(&self, rows: &[GroupedRow<'_>]) -> Vec<bool> {
        let parents = parents(rows.iter().map(|row| row.path));
        let is_parent = |row: &GroupedRow<'_>| row.is_directory && parents.contains(row.path);
        let mut decided = HashMap::<&[u8], bool>::new();
        let mut chosen: Vec<bool> = rows
            .iter()
            .map(|row| {
                !is_parent(row)
                    && *decided.entry(row.path).or_insert_with(|| self.group_of(row) == self.chosen)
            })
            .collect();
        let of_chosen = rows.iter().zip(&chosen).filter(|(_, chosen)| **chosen);
        let above = self::parents(of_chosen.map(|(row, _)| row.path));
        for (row, chosen) in rows.iter().zip(&mut chosen) {
            *chosen |= is_parent(row) && above.contains(row.path);
        }
        chosen
    }

    /// The warning about a layer of the chosen group without rows.
    pub(super) fn warn_of_no_rows(&self, file: &Path) -> Option<String> {
        let group = self.groups.get(self.chosen)?;
        let file = Escaped::path(file);
        Some(format!(
            "{file}: no row is in the group {:?}, whose layer is empty; change its patterns, or remove it",
            group.name
        ))
    }

    fn group_of(&self, row: &GroupedRow<'_>) -> usize {
        self.groups.iter().position(|group| group.has(row)).unwrap_or(self.groups.len())
    }
}

impl Group {
    fn parse(text: GroupText) -> Result<Self, GroupsError> {
        let mut group = Self { name: text.name, paths: Vec::new(), sources: Vec::new() };
        for pattern in text.patterns {
            let (patterns, parsed) = match pattern.strip_prefix(SOURCE) {
                Some(source) => (&mut group.sources, Pattern::of_source(source)),
                None => (&mut group.paths, Pattern::of_archive_path(&pattern)),
            };
            match parsed {
                Ok(parsed) => patterns.push(parsed),
                Err(problem) => {
                    return Err(GroupsError::Pattern { group: group.name, pattern, problem });
                }
            }
        }
        Ok(group)
    }

    fn has(&self, row: &GroupedRow<'_>) -> bool {
        self.paths.iter().any(|pattern| pattern.matches(row.path))
            || !row.source.is_empty()
                && self.sources.iter().any(|pattern| pattern.matches(row.source))
    }
}

/// The directories above some paths.
pub(super) fn parents<'p>(paths: impl Iterator<Item = &'p [u8]>) -> HashSet<&'p [u8]> {
    let mut parents = HashSet::new();
    for path in paths {
        // The directories above a known one are known.
        let mut above = path::upwards(path).skip(1);
        while above.next().is_some_and(|directory| parents.insert(directory)) {}
        if !path.is_empty() {
            parents.insert(&b""[..]);
        }
    }
    parents
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = r#"[
        {"name": "interpreter", "patterns": ["source:external/python*/**"]},
        {"name": "packages", "patterns": ["**/site-packages", "empty"]}
    ]"#;

    fn row<'r>(path: &'r str, source: &'r str) -> GroupedRow<'r> {
        let is_directory = path.ends_with('/');
        let path = path.trim_end_matches('/').as_bytes();
        GroupedRow { path, source: source.as_bytes(), is_directory }
    }

    fn chosen(name: &str, rows: &[GroupedRow<'_>]) -> Vec<String> {
        let chosen = Groups::parse(GROUPS.as_bytes(), name).unwrap().choose(rows);
        let paths = rows.iter().zip(chosen).filter(|(_, chosen)| *chosen);
        paths.map(|(row, _)| String::from_utf8(row.path.to_vec()).unwrap()).collect()
    }

    #[test]
    fn each_row_is_in_one_group_and_directories_where_something_is_below() {
        let rows = [
            row("lib/", ""),
            row("lib/python", "external/python3/bin/python"),
            row("lib/site-packages/", ""),
            row("lib/site-packages/a.py", "bazel-out/a.py"),
            row("lib/site-packages/b.py", "external/python3/b.py"),
            row("empty/", ""),
            row("main.py", "app/main.py"),
            row("main.py", "external/python3/main.py"),
        ];
        assert_eq!(
            chosen("interpreter", &rows),
            ["lib", "lib/python", "lib/site-packages", "lib/site-packages/b.py"]
        );
        assert_eq!(
            chosen("packages", &rows),
            ["lib", "lib/site-packages", "lib/site-packages/a.py", "empty"]
        );
        assert_eq!(chosen("app", &rows), ["main.py", "main.py"]);
    }

    #[test]
    fn what_is_wrong_with_groups_is_said() {
        let error = |text: &str, chosen| match Groups::parse(text.as_bytes(), chosen) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert!(error("{}", "a").contains("cannot be read"));
        assert!(error(r#"[{"name":"app","patterns":[]}]"#, "app").contains("rename it"));
        assert!(error(r#"[{"name":"","patterns":[]}]"#, "a").contains("no name"));
        let twice = r#"[{"name":"a","patterns":[]},{"name":"a","patterns":[]}]"#;
        assert!(error(twice, "a").contains("two groups"));
        assert!(error(r#"[{"name":"a","patterns":["[z"]}]"#, "a").contains("\"[z\""));
        assert!(error(GROUPS, "base").ends_with("the groups are interpreter, packages, app"));
    }
}

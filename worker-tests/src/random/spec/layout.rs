//! Layouts: the sources below one directory, put below one archive directory.

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::{Index, select},
};

use super::row::{Row, RowKind, above, is_below};
use crate::random::tree::{Planted, SourceKind};

/// All sources below one directory, put below one archive directory.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The directory of the sources; `None` for all sources.
    pub(super) base: Option<Index>,
    pub(super) to: &'static str,
    pub(super) owner: &'static str,
    pub(super) directory_rows: bool,
    /// Whether links are rows of their own: those to directories then are not entered.
    pub(super) links: Links,
    /// In an also-spec.
    pub(super) also: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Links {
    Followed,
    Declared,
    AsFiles,
}

pub(super) fn layout() -> impl Strategy<Value = Layout> {
    (
        prop_oneof![2 => Just(None), 3 => any::<Index>().prop_map(Some)],
        select(vec!["", "app", "app", "opt/py", "usr", "app/v1"]),
        prop_oneof![6 => Just("0"), 1 => Just("7")],
        any::<bool>(),
        prop_oneof![8 => Just(Links::Followed), 1 => Just(Links::Declared), 1 => Just(Links::AsFiles)],
        prop_oneof![5 => Just(false), 1 => Just(true)],
    )
        .prop_map(|(base, to, owner, directory_rows, links, also)| Layout {
            base,
            to,
            owner,
            directory_rows,
            links,
            also,
        })
}

/// One directory many times, as a layer with many programs holds their interpreter: the target of a directory
/// link has many archive paths, not all with the same rows.
pub(super) fn copies() -> impl Strategy<Value = Vec<Layout>> {
    let to = select(vec![
        "app",
        "app/one",
        "app/two",
        "app/two/one",
        "app/v1",
        "layer",
        "opt/one",
        "opt/py",
        "usr",
        "usr/one",
    ]);
    let owner = prop_oneof![4 => Just("0"), 1 => Just("7")];
    let directory_rows = prop_oneof![4 => Just(true), 1 => Just(false)];
    (layout(), vec((to, owner, directory_rows), 5..10)).prop_map(|(layout, copies)| {
        let copies = copies.into_iter();
        copies
            .map(|(to, owner, directory_rows)| {
                let directory_rows = layout.directory_rows && directory_rows;
                Layout { to, owner, directory_rows, ..layout.clone() }
            })
            .collect()
    })
}

impl Layout {
    pub(super) fn rows(&self, planted: &Planted) -> Vec<Row> {
        let base: &[u8] = match &self.base {
            Some(index) if !planted.directories.is_empty() => &index.get(&planted.directories)[..],
            _ => b"",
        };
        let mut rows = Vec::new();
        let mut links: Vec<&Vec<u8>> = Vec::new();
        let mut directories: Vec<Vec<u8>> = Vec::new();
        for source in &planted.sources {
            if !is_below(&source.path, base)
                || links.iter().any(|link| is_below(&source.path, link))
            {
                continue;
            }
            if source.kind == SourceKind::LinkToDirectory {
                if self.links == Links::Followed {
                    continue;
                }
                links.push(&source.path);
            }
            let rest = source.path[base.len()..].strip_prefix(b"/").unwrap_or(&source.path);
            let path = match self.to {
                "" => rest.to_vec(),
                to => [to.as_bytes(), b"/", rest].concat(),
            };
            directories.extend(
                above(&path)
                    .filter(|directory| !directories.contains(directory))
                    .collect::<Vec<_>>(),
            );
            let is_link = source.kind != SourceKind::File;
            rows.push(Row {
                path,
                what: match self.links == Links::Declared && is_link {
                    true => RowKind::Declared(source.path.clone()),
                    false => RowKind::File(source.path.clone()),
                },
                ..Row::directory(self.owner, self.also)
            });
        }
        if self.directory_rows {
            let mut all: Vec<Row> = directories
                .into_iter()
                .map(|path| Row { path, ..Row::directory(self.owner, self.also) })
                .collect();
            all.append(&mut rows);
            rows = all;
        }
        rows
    }
}

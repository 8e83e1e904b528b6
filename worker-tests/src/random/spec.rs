//! Random specs over the sources of a tree: layouts of whole directories, rows left out, rows added,
//! and every way to write them.

mod extra;
mod layout;
mod options;
mod row;
mod style;
mod writing;

use std::os::unix::ffi::OsStringExt;

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::Index,
};

use super::tree::{Planted, SourceKind};
use crate::{
    oracle::{Changes, MissingTarget, Options},
    plant::below,
};
use extra::{Extra, ExtraKind, extra};
use layout::{Layout, Links, copies, layout};
use options::options;
use row::{Row, RowKind, is_below};
use style::{Escapes, Form, Oddity, Style, oddity, style};

/// What proptest draws.
#[derive(Clone, Debug)]
pub struct SpecPlan {
    layouts: Vec<Layout>,
    lacking: Vec<Index>,
    extras: Vec<Extra>,
    style: Style,
    oddities: Vec<(Index, Oddity)>,
    pub options: Options,
}

/// Specs of every kind.
pub fn spec() -> impl Strategy<Value = SpecPlan> {
    (
        prop_oneof![4 => vec(layout(), 1..4), 1 => copies()],
        prop_oneof![3 => Just(0..1usize), 2 => Just(0..4usize)]
            .prop_flat_map(|count| vec(any::<Index>(), count)),
        prop_oneof![1 => Just(0..1usize), 1 => Just(0..5usize)]
            .prop_flat_map(|count| vec(extra(), count)),
        style(),
        prop_oneof![1 => Just(0..1usize), 1 => Just(0..6usize)]
            .prop_flat_map(|count| vec((any::<Index>(), oddity()), count)),
        options(),
    )
        .prop_map(|(layouts, lacking, extras, mut style, oddities, options)| {
            if options.changes.moves() || options.changes.sort {
                // No rule says how a name without slashes is spelled as a full path.
                style.escapes = Escapes::Octal;
            }
            if style.form == Form::NameLast && style.head.is_empty() {
                // In this form, a name needs a slash.
                style.head = "./";
            }
            SpecPlan { layouts, lacking, extras, style, oddities, options }
        })
}

/// Specs that can be packed: every row is a directory or a file whose bytes exist, no two rows
/// have one path, and libarchive reads every line.
pub fn packable_spec() -> impl Strategy<Value = SpecPlan> {
    spec().prop_map(|mut plan| {
        for layout in &mut plan.layouts {
            layout.links = Links::Followed;
            if layout.to.is_empty() {
                // libarchive compares the row of a link with the disk at its path.
                layout.to = "layer";
            }
        }
        plan.extras.retain(|extra| {
            matches!(extra.kind, ExtraKind::Beside { .. } | ExtraKind::Directory { .. })
        });
        plan.style.escapes = Escapes::Octal;
        // libarchive ignores a last line without a newline.
        plan.style.ends_with_newline = true;
        plan.style.head = plan.style.head.trim_start_matches('/');
        if plan.style.form == Form::NameLast {
            // There, libarchive reads only a path with a slash as a name.
            plan.style.head = "./";
        }
        // Nor does it accept an optional link that is not on the disk, or a wrong digest.
        plan.oddities.retain(|(_, oddity)| {
            !matches!(oddity, Oddity::OtherHead | Oddity::Digests | Oddity::Flag)
        });
        plan.options.missing_target = MissingTarget::Inline;
        plan.options.link_is_source = false;
        plan.options.changes = Changes::default();
        plan
    })
}

/// The same, with the names first.
pub fn packable_spec_with_names_first() -> impl Strategy<Value = SpecPlan> {
    packable_spec().prop_map(|mut plan| {
        if plan.style.form == Form::NameLast {
            plan.style.form = Form::FullPaths;
        }
        plan
    })
}

/// Specs as bytes.
pub struct Written {
    pub spec: Vec<u8>,
    pub also: Vec<u8>,
    /// The sources of both.
    pub sources: Vec<Vec<u8>>,
    /// How many rows the spec has.
    pub rows: usize,
}

impl SpecPlan {
    /// Writes the spec and the also-spec over what was planted.
    pub fn write(&self, planted: &Planted) -> Written {
        self.write_rows(self.rows(planted))
    }

    /// Like `write`, without the rows that cannot be packed.
    pub fn write_packable(&self, planted: &Planted) -> Written {
        let mut rows = self.rows(planted);
        let holds_bytes = |source: &Vec<u8>| {
            let kind = planted.sources.iter().find(|other| other.path == *source).map(|s| s.kind);
            matches!(kind, Some(SourceKind::File | SourceKind::LinkToFile))
        };
        rows.retain(|row| match &row.what {
            RowKind::File(source) => holds_bytes(source),
            RowKind::Directory => true,
            _ => false,
        });
        let mut files: Vec<Vec<u8>> = Vec::new();
        rows.retain(|row| {
            let clashes = files.iter().any(|other| {
                *other == row.path || is_below(other, &row.path) || is_below(&row.path, other)
            });
            let stays = row.what == RowKind::Directory || !clashes;
            if stays && row.what != RowKind::Directory {
                files.push(row.path.clone());
            }
            stays
        });
        rows.retain(|row| {
            row.what != RowKind::Directory
                || !files.iter().any(|file| *file == row.path || is_below(&row.path, file))
        });
        self.write_rows(rows)
    }

    fn rows(&self, planted: &Planted) -> Vec<Row> {
        let mut rows: Vec<Row> =
            self.layouts.iter().flat_map(|layout| layout.rows(planted)).collect();
        for lacking in &self.lacking {
            if !rows.is_empty() {
                rows.remove(lacking.index(rows.len()));
            }
        }
        for extra in &self.extras {
            if !rows.is_empty() && !planted.sources.is_empty() {
                let row = extra.row(extra.of.get(&rows), &planted.sources);
                rows.push(row);
            }
        }
        for (of, oddity) in &self.oddities {
            if !rows.is_empty() {
                let index = of.index(rows.len());
                let row = &mut rows[index];
                row.oddities.push(*oddity);
                if let (RowKind::File(source), Oddity::AbsoluteSource) = (&mut row.what, oddity) {
                    *source = below(&planted.exec_root, source).into_os_string().into_vec();
                }
                if let (RowKind::File(source) | RowKind::Declared(source), Oddity::SiblingSource) =
                    (&mut row.what, oddity)
                    && let Some(rest) = source.strip_prefix(b"external/py/")
                {
                    *source = [b"../py/", rest].concat();
                }
            }
        }
        // What is staged as a link cannot be a directory that holds staged links too.
        let sources = self.sources(&rows);
        rows.retain(|row| {
            let hides = |source: &Vec<u8>| sources.iter().any(|other| is_below(other, source));
            !self.source(row).is_some_and(|source| hides(&source))
        });
        rows.retain(|row| !row.path.is_empty());
        rows
    }

    /// The sources of rows, as the rules read them.
    fn sources(&self, rows: &[Row]) -> Vec<Vec<u8>> {
        rows.iter().filter_map(|row| self.source(row)).collect()
    }

    /// The source of a row. With `--link-is-source`, the text of a finished link is one too.
    fn source(&self, row: &Row) -> Option<Vec<u8>> {
        match row.what {
            RowKind::Finished(text) if self.options.link_is_source => {
                Some(text.as_bytes().to_vec())
            }
            _ => row.source().cloned(),
        }
    }
}

//! Random specs over the sources of a tree: layouts of whole directories, rows left out, rows added,
//! and every way to write them.

use std::{collections::BTreeMap, os::unix::ffi::OsStringExt};

use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::{Index, select},
};

use super::{
    name,
    tree::{Planted, Source, SourceKind},
};
use crate::{
    oracle::{Changes, Choice, DirectoryLinks, MissingTarget, Mode, Options},
    plant::below,
};

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

/// All sources below one directory, put below one archive directory.
#[derive(Clone, Debug)]
struct Layout {
    /// The directory of the sources; `None` for all there are.
    base: Option<Index>,
    to: &'static str,
    owner: &'static str,
    directory_rows: bool,
    /// Whether links are rows of their own: those to directories then are not entered.
    links: Links,
    /// In an also-spec.
    also: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Links {
    Followed,
    Declared,
    AsFiles,
}

/// A row beside those of the layouts, placed by one of them.
#[derive(Clone, Debug)]
struct Extra {
    of: Index,
    kind: ExtraKind,
    also: bool,
}

#[derive(Clone, Debug)]
enum ExtraKind {
    /// The same archive path, for another source or the same one.
    Again { source: Option<Index> },
    /// In the same archive directory, for another source.
    Beside { name: Vec<u8>, source: Index },
    /// For a source that is not there.
    Gone { name: Vec<u8> },
    /// Without a source.
    Made { name: Vec<u8> },
    /// A link that is finished.
    Finished { name: Vec<u8> },
    /// A row for the directory above.
    Directory { mode: &'static str },
    /// A file where the directory above is.
    AtDirectory { source: Index },
    /// A link where a directory above is: other rows stand below it.
    LinkAbove { directory: Index, text: &'static str },
    /// A link that the build declared, where a directory above is.
    DeclaredAbove { directory: Index, source: Index },
}

#[derive(Clone, Debug)]
struct Style {
    form: Form,
    head: &'static str,
    escapes: Escapes,
    order: Order,
    defaults: Defaults,
    ends_with_newline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    FullPaths,
    SlashLess,
    /// As NetBSD's `mtree -D` writes it.
    NameLast,
}

#[derive(Clone, Copy, Debug)]
enum Escapes {
    Octal,
    Letters,
    /// Bytes from 0x80 stand for themselves.
    Raw,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Layouts,
    Sorted,
    Backwards,
}

/// What a `/set` line at the head says instead of the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Defaults {
    None,
    Type,
    Owner,
}

/// A way to write one row otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Oddity {
    Digests,
    OtherOwner,
    Flag,
    Blanks,
    Continued,
    SourceFirst,
    OtherSpelling,
    DottedSource,
    AbsoluteSource,
    /// As with `--experimental_sibling_repository_layout`.
    SiblingSource,
    /// The source in one spelling, then another in the other.
    BothSpellings,
    DottedName,
    OtherHead,
    FullPath,
    RemarkBefore,
    SetBefore,
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
                // A name without a slash is none there.
                style.head = "./";
            }
            SpecPlan { layouts, lacking, extras, style, oddities, options }
        })
}

/// Specs that can be packed: every row is a directory or a file whose bytes are there, no two rows
/// stand at one path, and libarchive reads every line.
pub fn packable_spec() -> impl Strategy<Value = SpecPlan> {
    spec().prop_map(|mut plan| {
        for layout in &mut plan.layouts {
            layout.links = Links::Followed;
            if layout.to.is_empty() {
                // libarchive holds a link's row against what lies at its path on the disk.
                layout.to = "layer";
            }
        }
        plan.extras.retain(|extra| {
            matches!(extra.kind, ExtraKind::Beside { .. } | ExtraKind::Directory { .. })
        });
        plan.style.escapes = Escapes::Octal;
        // libarchive passes over a last line that does not end.
        plan.style.ends_with_newline = true;
        plan.style.head = plan.style.head.trim_start_matches('/');
        if plan.style.form == Form::NameLast {
            // libarchive takes only a path with a slash for a name there.
            plan.style.head = "./";
        }
        // Nor does it take an optional link that is not on the disk, or a digest that is not true.
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

fn layout() -> impl Strategy<Value = Layout> {
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

/// One directory many times, as a layer with many programs holds their interpreter: what a directory link may
/// lead to stands at many archive paths, not all of them alike.
fn copies() -> impl Strategy<Value = Vec<Layout>> {
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

/// The texts of links that stand above other rows.
const LINKS_ABOVE: &[&str] =
    &["usr", "app", "../usr", "v1", "lib", "../lib", "opt/py", "/app", "../app/v1", "a", "nowhere"];

fn extra() -> impl Strategy<Value = Extra> {
    let kind = prop_oneof![
        3 => option::of(any::<Index>()).prop_map(|source| ExtraKind::Again { source }),
        4 => (name(), any::<Index>()).prop_map(|(name, source)| ExtraKind::Beside { name, source }),
        2 => name().prop_map(|name| ExtraKind::Gone { name }),
        1 => name().prop_map(|name| ExtraKind::Made { name }),
        1 => name().prop_map(|name| ExtraKind::Finished { name }),
        2 => select(vec!["0755", "0700"]).prop_map(|mode| ExtraKind::Directory { mode }),
        1 => any::<Index>().prop_map(|source| ExtraKind::AtDirectory { source }),
        2 => (any::<Index>(), select(LINKS_ABOVE))
            .prop_map(|(directory, text)| ExtraKind::LinkAbove { directory, text }),
        1 => (any::<Index>(), any::<Index>())
            .prop_map(|(directory, source)| ExtraKind::DeclaredAbove { directory, source }),
    ];
    (any::<Index>(), kind, prop_oneof![4 => Just(false), 1 => Just(true)])
        .prop_map(|(of, kind, also)| Extra { of, kind, also })
}

fn style() -> impl Strategy<Value = Style> {
    (
        prop_oneof![
            6 => Just(Form::FullPaths),
            2 => Just(Form::SlashLess),
            1 => Just(Form::NameLast),
        ],
        select(vec!["", "", "./", "./", "/"]),
        select(vec![Escapes::Octal, Escapes::Letters, Escapes::Raw]),
        prop_oneof![2 => Just(Order::Layouts), 1 => Just(Order::Sorted), 1 => Just(Order::Backwards)],
        prop_oneof![3 => Just(Defaults::None), 1 => Just(Defaults::Type), 1 => Just(Defaults::Owner)],
        prop_oneof![3 => Just(true), 1 => Just(false)],
    )
        .prop_map(
            |(form, head, escapes, order, defaults, ends_with_newline)| Style {
                form,
                head,
                escapes,
                order,
                defaults,
                ends_with_newline,
            },
        )
}

fn oddity() -> impl Strategy<Value = Oddity> {
    select(vec![
        Oddity::Digests,
        Oddity::OtherOwner,
        Oddity::Flag,
        Oddity::Blanks,
        Oddity::Continued,
        Oddity::SourceFirst,
        Oddity::OtherSpelling,
        Oddity::DottedSource,
        Oddity::AbsoluteSource,
        Oddity::SiblingSource,
        Oddity::SiblingSource,
        Oddity::BothSpellings,
        Oddity::DottedName,
        Oddity::OtherHead,
        Oddity::FullPath,
        Oddity::RemarkBefore,
        Oddity::SetBefore,
    ])
}

fn options() -> impl Strategy<Value = Options> {
    (
        prop_oneof![
            8 => Just(MissingTarget::Inline),
            3 => Just(MissingTarget::Keep),
            1 => Just(MissingTarget::Fail),
        ],
        prop_oneof![3 => Just(DirectoryLinks::Collapse), 1 => Just(DirectoryLinks::Expand)],
        prop_oneof![5 => Just(false), 1 => Just(true)],
        prop_oneof![5 => Just(Changes::default()), 1 => changes()],
    )
        .prop_map(|(missing_target, directory_links, link_is_source, changes)| Options {
            missing_target,
            directory_links,
            link_is_source,
            no_resolve: false,
            changes,
        })
}

fn changes() -> impl Strategy<Value = Changes> {
    (
        option::of(select(vec!["app", "app/v1", "opt", "nowhere", "/"])),
        option::of(select(vec!["srv", "app", "opt/x y"])),
        option::of(Just("99".to_owned())),
        option::of(Just("5".to_owned())),
        option::of(Just("them".to_owned())),
        vec(mode(), 0..3),
        choice(),
        any::<bool>(),
    )
        .prop_map(
            |(strip_prefix, package_dir, mtime, owner, groupname, modes, choice, sort)| Changes {
                strip_prefix: strip_prefix.map(|prefix| prefix.as_bytes().to_vec()),
                package_dir: package_dir.map(|directory| directory.as_bytes().to_vec()),
                mtime,
                owner: owner.clone(),
                ownername: None,
                group: owner,
                groupname,
                modes,
                choice,
                sort,
            },
        )
}

fn mode() -> impl Strategy<Value = Mode> {
    let pattern = option::of(select(vec!["app", "**/lib", "**/*.so", "./app/{a,b}/**"]));
    (pattern, select(vec!["0644", "0700"])).prop_map(|(pattern, mode)| Mode {
        pattern: pattern.map(str::to_owned),
        mode: mode.to_owned(),
    })
}

fn choice() -> impl Strategy<Value = Choice> {
    let paths =
        || select(vec!["app", "**/lib", "app/?", "**/[ab]", "usr/**", "opt/*/**/a", "**/{bin,c}/"]);
    let sources =
        || select(vec!["external", "external/py/**/lib", "./bazel-out/", "**/a", "*/kept/*"]);
    let some = |strategy| prop_oneof![3 => Just(Vec::new()), 1 => vec(strategy, 1..3)];
    let owned = |patterns: Vec<&str>| patterns.into_iter().map(str::to_owned).collect();
    (some(paths()), some(paths()), some(sources()), some(sources())).prop_map(
        move |(include, exclude, include_source, exclude_source)| Choice {
            include: owned(include),
            exclude: owned(exclude),
            include_source: owned(include_source),
            exclude_source: owned(exclude_source),
        },
    )
}

/// A row before it is written.
#[derive(Clone, Debug)]
struct Row {
    path: Vec<u8>,
    what: What,
    owner: &'static str,
    mode: &'static str,
    also: bool,
    oddities: Vec<Oddity>,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    File(Vec<u8>),
    Declared(Vec<u8>),
    Made,
    /// With this text.
    Finished(&'static str),
    Directory,
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
            What::File(source) => holds_bytes(source),
            What::Directory => true,
            _ => false,
        });
        let mut files: Vec<Vec<u8>> = Vec::new();
        rows.retain(|row| {
            let clashes = files.iter().any(|other| {
                *other == row.path || is_below(other, &row.path) || is_below(&row.path, other)
            });
            let stays = row.what == What::Directory || !clashes;
            if stays && row.what != What::Directory {
                files.push(row.path.clone());
            }
            stays
        });
        rows.retain(|row| {
            row.what != What::Directory
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
                if let (What::File(source), Oddity::AbsoluteSource) = (&mut row.what, oddity) {
                    *source = below(&planted.exec_root, source).into_os_string().into_vec();
                }
                if let (What::File(source) | What::Declared(source), Oddity::SiblingSource) =
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
            What::Finished(text) if self.options.link_is_source => Some(text.as_bytes().to_vec()),
            _ => row.source().cloned(),
        }
    }

    fn write_rows(&self, mut rows: Vec<Row>) -> Written {
        match self.style.order {
            Order::Layouts => {}
            Order::Sorted => rows.sort_by(|a, b| a.path.cmp(&b.path)),
            Order::Backwards => rows.reverse(),
        }
        let sources = self.sources(&rows);
        let (also, own): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.also);
        let mut spec = match self.style.defaults {
            Defaults::None => b"#mtree\n".to_vec(),
            Defaults::Type => b"/set type=file\n".to_vec(),
            Defaults::Owner => b"/set uid=0 gid=0\n".to_vec(),
        };
        match self.style.form {
            Form::FullPaths | Form::NameLast => {
                own.iter().for_each(|row| self.write_row(row, false, &mut spec))
            }
            Form::SlashLess => self.write_directory(&own, b"", &mut spec),
        }
        let mut also_spec = Vec::new();
        let plain = SpecPlan {
            style: Style { defaults: Defaults::None, ..self.style.clone() },
            ..self.clone()
        };
        also.iter().for_each(|row| plain.write_row(row, false, &mut also_spec));
        if !self.style.ends_with_newline {
            spec.truncate(spec.trim_ascii_end().len());
        }
        Written { spec, also: also_spec, sources, rows: own.len() }
    }

    /// The slash-less form: a directory's rows stand between its own row and `..`.
    fn write_directory(&self, rows: &[Row], directory: &[u8], spec: &mut Vec<u8>) {
        let mut inner: BTreeMap<Vec<u8>, Vec<Row>> = BTreeMap::new();
        for row in rows {
            let rest = match directory {
                b"" => row.path.as_slice(),
                _ => &row.path[directory.len() + 1..],
            };
            match rest.iter().position(|byte| *byte == b'/') {
                Some(end) => {
                    let length = row.path.len() - rest.len() + end;
                    inner.entry(row.path[..length].to_vec()).or_default().push(row.clone());
                }
                None if row.what == What::Directory => {
                    inner.entry(row.path.clone()).or_default();
                }
                None => self.write_row(row, !row.oddities.contains(&Oddity::FullPath), spec),
            }
        }
        for (path, rows_below) in inner {
            let own = rows.iter().find(|row| row.path == path && row.what == What::Directory);
            let row = own
                .cloned()
                .unwrap_or_else(|| Row { path: path.clone(), ..Row::directory("0", false) });
            self.write_row(&row, true, spec);
            self.write_directory(&rows_below, &path, spec);
            spec.extend(b"..\n");
        }
    }

    fn write_row(&self, row: &Row, slash_less: bool, spec: &mut Vec<u8>) {
        let has = |oddity| row.oddities.contains(&oddity);
        let is_name_last = self.style.form == Form::NameLast;
        // The first three rows decide the form, and none of them may go on in another line.
        let is_behind_others =
            spec.split(|byte| *byte == b'\n').filter(|line| line.contains(&b'=')).count() > 5;
        let escape = |text: &[u8]| self.style.escapes.write(text);
        if has(Oddity::RemarkBefore) {
            spec.extend(b"  # a remark \\\n\n");
        }
        if has(Oddity::SetBefore) {
            spec.extend(b"/set uid=3 nlink=1\n");
        }
        let head = match (has(Oddity::OtherHead), self.style.head) {
            (true, "./") => "/",
            (true, _) => "./",
            (false, head) => head,
        };
        let last = row.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let mut name = match slash_less {
            true => escape(last),
            false => [head.as_bytes(), &escape(&row.path)].concat(),
        };
        if row.what == What::Directory && !slash_less && !name.contains(&b'/') {
            name.push(b'/');
        }
        if has(Oddity::DottedName) && !self.options.changes.moves() {
            name = name.split(|byte| *byte == b'/').collect::<Vec<_>>().join(&b"/.//"[..]);
        }
        let mut fields = vec![name];
        let mut say = |field: String| fields.push(field.into_bytes());
        if self.style.defaults != Defaults::Owner || row.owner != "0" {
            say(format!("uid={} gid=0", row.owner));
        }
        if has(Oddity::OtherOwner) {
            say("gname=them".to_owned());
        }
        say(format!("time=1672560000 mode={}", row.mode));
        if has(Oddity::Flag) {
            say("optional".to_owned());
        }
        if has(Oddity::Digests) {
            say("size=3 sha256digest=00ff".to_owned());
        }
        let kind = match row.what {
            What::Directory => "type=dir",
            What::Declared(_) | What::Finished(_) => "type=link",
            _ if self.style.defaults == Defaults::Type => "",
            _ => "type=file",
        };
        let source_keyword = match &row.what {
            What::Declared(_) if self.options.link_is_source => "link",
            _ if has(Oddity::OtherSpelling) => "contents",
            _ => "content",
        };
        let source = match &row.what {
            What::Finished(text) => [b"link=", text.as_bytes()].concat(),
            What::Directory | What::Made => Vec::new(),
            What::File(source) | What::Declared(source) => {
                let dots = if has(Oddity::DottedSource) { "./" } else { "" };
                [format!("{source_keyword}={dots}").into_bytes(), escape(source)].concat()
            }
        };
        fields.extend([kind.as_bytes().to_vec(), source]);
        let length = fields.len();
        if has(Oddity::SourceFirst) {
            fields[1..].rotate_right(1);
        }
        match source_keyword {
            "content" if has(Oddity::BothSpellings) && row.source().is_some() => {
                fields.push(b"contents=external/py/gone/y".to_vec());
            }
            "contents" if has(Oddity::BothSpellings) && row.source().is_some() => {
                fields.push(b"content=external/py/gone/y".to_vec());
            }
            _ => {}
        }
        fields.retain(|field| !field.is_empty());
        if is_name_last {
            fields.rotate_left(1);
        }
        let between: &[u8] = match (has(Oddity::Blanks), has(Oddity::Continued)) {
            (true, _) => b" \t ",
            (_, true) if length > 2 && (!is_name_last || is_behind_others) => b" \\\n    ",
            _ => b" ",
        };
        if has(Oddity::Blanks) {
            spec.extend(b"  ");
        }
        spec.extend(fields.join(between));
        spec.push(b'\n');
    }
}

impl Layout {
    fn rows(&self, planted: &Planted) -> Vec<Row> {
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
                    true => What::Declared(source.path.clone()),
                    false => What::File(source.path.clone()),
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

impl Extra {
    fn row(&self, of: &Row, sources: &[Source]) -> Row {
        let directory = above(&of.path).last().unwrap_or_default();
        let inner = |name: &[u8]| match directory.as_slice() {
            b"" => name.to_vec(),
            directory => [directory, b"/", name].concat(),
        };
        let from = |source: &Index| What::File(source.get(sources).path.clone());
        let (path, what, mode) = match &self.kind {
            ExtraKind::Again { source: None } => (of.path.clone(), of.what.clone(), of.mode),
            ExtraKind::Again { source: Some(source) } => (of.path.clone(), from(source), "0755"),
            ExtraKind::Beside { name, source } => (inner(name), from(source), "0755"),
            ExtraKind::Gone { name } => {
                (inner(name), What::File(b"external/py/gone/x".to_vec()), "0755")
            }
            ExtraKind::Made { name } => (inner(name), What::Made, "0755"),
            ExtraKind::Finished { name } => {
                (inner(name), What::Finished("finished/already"), "0755")
            }
            ExtraKind::Directory { mode } => (directory, What::Directory, *mode),
            ExtraKind::AtDirectory { source } => (directory, from(source), "0755"),
            ExtraKind::LinkAbove { directory, text } => {
                (one_above(&of.path, directory), What::Finished(text), "0755")
            }
            ExtraKind::DeclaredAbove { directory, source } => {
                let source = source.get(sources).path.clone();
                (one_above(&of.path, directory), What::Declared(source), "0755")
            }
        };
        Row { path, what, mode, ..Row::directory(of.owner, self.also) }
    }
}

impl Row {
    /// A directory's row, for a path to be named.
    fn directory(owner: &'static str, also: bool) -> Row {
        Row {
            path: Vec::new(),
            what: What::Directory,
            owner,
            mode: "0755",
            also,
            oddities: Vec::new(),
        }
    }

    fn source(&self) -> Option<&Vec<u8>> {
        match &self.what {
            What::File(source) | What::Declared(source) => Some(source),
            _ => None,
        }
    }
}

impl Escapes {
    fn write(self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in text {
            match (self, byte) {
                (_, b'!'..=b'~') if !b"\\#=".contains(byte) => out.push(*byte),
                (Escapes::Raw, 0x80..) => out.push(*byte),
                (Escapes::Letters, b' ') => out.extend(b"\\s"),
                (Escapes::Letters, b'\n') => out.extend(b"\\n"),
                (Escapes::Letters, b'\t') => out.extend(b"\\t"),
                (Escapes::Letters, 7) => out.extend(b"\\a"),
                (Escapes::Letters, b'\\') => out.extend(b"\\\\"),
                (Escapes::Letters, b'#') => out.extend(b"\\#"),
                _ => out.extend(format!("\\{byte:03o}").bytes()),
            }
        }
        out
    }
}

/// Whether `path` is below `directory`; everything is below the empty path.
fn is_below(path: &[u8], directory: &[u8]) -> bool {
    directory.is_empty()
        || path.strip_prefix(directory).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// One of the directories above `path`; the empty path if there is none.
fn one_above(path: &[u8], which: &Index) -> Vec<u8> {
    let above: Vec<_> = above(path).collect();
    if above.is_empty() { Vec::new() } else { which.get(&above).clone() }
}

/// The directories above `path`, outermost first.
fn above(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| path[..end].to_vec())
}

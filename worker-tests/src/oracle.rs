//! The rules of DESIGN once more, slow and obvious: every question is asked of the file system
//! again, nothing is remembered. Written from DESIGN alone; the program's code is not used here.

mod change;
mod collapse;
mod spec;
mod tree;

use std::{
    cell::RefCell, collections::BTreeMap, ffi::OsString, os::unix::ffi::OsStringExt, path::Path,
};

pub use change::Changes;
use spec::{BadLine, Line, Parts, Row};
use tree::{Found, Location, Lost, Trail};

/// What `resolve` is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub missing_target: MissingTarget,
    pub directory_links: DirectoryLinks,
    pub link_is_source: bool,
    pub no_resolve: bool,
    pub changes: Changes,
}

impl Options {
    /// The flags that ask the program for the same.
    pub fn arguments(&self) -> Vec<OsString> {
        let changes = &self.changes;
        let flags = [
            (self.missing_target == MissingTarget::Keep).then_some("--missing-target=keep"),
            (self.missing_target == MissingTarget::Fail).then_some("--missing-target=fail"),
            (self.directory_links == DirectoryLinks::Expand).then_some("--directory-links=expand"),
            self.link_is_source.then_some("--link-is-source"),
            self.no_resolve.then_some("--no-resolve"),
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
        flags.chain(paths).chain(words).collect()
    }
}

/// DESIGN rule 3.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum MissingTarget {
    #[default]
    Inline,
    Keep,
    Fail,
}

/// DESIGN rule 6.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum DirectoryLinks {
    #[default]
    Collapse,
    Expand,
}

/// Why there is no output.
#[derive(Debug)]
pub enum Wrong {
    /// A line of a spec cannot be read.
    Line { number: usize, why: &'static str },
    /// Links go round on the way or the trail of the row at this archive path.
    Circle { row: Vec<u8> },
    /// Rule 3 with `--missing-target=fail`.
    NoTarget { row: Vec<u8> },
}

/// How often each rule decided, by what it did.
pub type Fired = BTreeMap<&'static str, usize>;

/// The output and how it came about.
#[derive(Debug)]
pub struct Resolved {
    pub spec: Vec<u8>,
    pub fired: Fired,
}

/// Resolves `spec` for the sources below `root`, with the specs `also` to link to.
pub fn resolve(
    spec: &[u8],
    also: &[&[u8]],
    options: &Options,
    root: &Path,
) -> Result<Resolved, Wrong> {
    let root = &root.canonicalize().expect("the root is there");
    let lines = spec::parse(spec)?;
    let changed = change::change(lines, &options.changes);
    if options.no_resolve {
        return Ok(Resolved { spec: changed, fired: Fired::new() });
    }
    let lines = spec::parse(&changed)?;
    let mut rows = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if let Line::Row(row) = line {
            rows.push(Known::new(row, Some(index), options, root)?);
        }
    }
    let also: Vec<Vec<Line>> =
        also.iter().map(|spec| spec::parse(spec)).collect::<Result<_, _>>()?;
    for line in also.iter().flatten() {
        if let Line::Row(row) = line {
            rows.push(Known::new(row, None, options, root)?);
        }
    }
    Archive { lines: &lines, rows, options, root, fired: RefCell::default() }.resolve()
}

impl From<BadLine> for Wrong {
    fn from(bad: BadLine) -> Wrong {
        Wrong::Line { number: bad.number, why: bad.why }
    }
}

/// A row and what the tree says of its source.
struct Known<'l> {
    row: &'l Row,
    /// Its line in this spec; `None` in an also-spec.
    line: Option<usize>,
    /// Its source, if it takes part.
    source: Option<Vec<u8>>,
    /// Its home, if its source is there.
    found: Option<Found>,
    /// The text and the trail of the link at its home.
    link: Option<(Vec<u8>, Trail)>,
}

impl<'l> Known<'l> {
    fn new(
        row: &'l Row,
        line: Option<usize>,
        options: &Options,
        root: &Path,
    ) -> Result<Known<'l>, Wrong> {
        let mut known = Known { row, line, source: source(row, options)?, found: None, link: None };
        let Some(source) = &known.source else {
            return Ok(known);
        };
        // Links that go round are an error in this spec; of an also-spec's row nothing is known then.
        let circle = || Wrong::Circle { row: row.path.join(&b'/') };
        known.found = match tree::find(root, source) {
            Ok(found) => Some(found),
            Err(Lost::Circle) if line.is_some() => return Err(circle()),
            Err(_) => None,
        };
        let Some(home) = known.found.as_ref().map(|found| &found.home) else {
            return Ok(known);
        };
        if let Some(text) = home.link() {
            known.link = match tree::follow(home, root) {
                Ok(trail) => Some((text, trail)),
                Err(_) if line.is_some() => return Err(circle()),
                Err(_) => None,
            };
        }
        Ok(known)
    }

    fn home(&self) -> Option<Location> {
        self.found.as_ref()?.home.location()
    }

    fn linked_directories(&self) -> usize {
        self.found.as_ref().map_or(0, |found| found.linked_directories)
    }

    /// Whether its home or one of its staging locations is `location`.
    fn is_known_at(&self, location: &Location) -> bool {
        self.home().as_ref() == Some(location)
            || self.found.as_ref().is_some_and(|found| found.staging.contains(location))
    }

    /// DESIGN rule 4: the build declared it as a link.
    fn is_declared(&self) -> bool {
        self.row.kind().as_deref() == Some(b"link")
    }
}

/// The source of a row that takes part.
fn source(row: &Row, options: &Options) -> Result<Option<Vec<u8>>, Wrong> {
    let content = row.value(&[b"content", b"contents"]);
    let link = row.value(&[b"link"]);
    let written = match row.kind().as_deref() {
        Some(b"file") => content,
        Some(b"link") if options.link_is_source => content.or(link),
        Some(b"link") if link.is_none() => content,
        _ => None,
    };
    let Some(written) = written else {
        return Ok(None);
    };
    let bad = |why| Wrong::Line { number: row.number, why };
    let source = spec::unescape(written).ok_or(bad("a stray escape in the source"))?;
    if source.contains(&0) {
        return Err(bad("a NUL in the source"));
    }
    let takes_part = !row.path.is_empty() && !row.path.iter().any(|part| part == b"..");
    Ok(takes_part.then_some(source))
}

/// This spec and the also-specs.
struct Archive<'l> {
    lines: &'l [Line],
    rows: Vec<Known<'l>>,
    options: &'l Options,
    root: &'l Path,
    fired: RefCell<Fired>,
}

/// What a row becomes.
enum Decision {
    Stays,
    /// A link with this text, unescaped.
    Link(Vec<u8>),
}

impl Archive<'_> {
    fn resolve(self) -> Result<Resolved, Wrong> {
        let collapses = match self.options.directory_links {
            DirectoryLinks::Collapse => self.collapses(),
            DirectoryLinks::Expand => Vec::new(),
        };
        let mut out = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            if let Some(collapse) = collapses.iter().find(|c| c.goes.contains(&index)) {
                if collapse.goes.first() == Some(&index) {
                    out.extend(&collapse.row);
                }
                continue;
            }
            match line {
                Line::Up { closes: Some(directory), .. }
                    if collapses.iter().any(|c| c.goes.contains(directory)) => {}
                Line::Row(row) => match self.decide(index)? {
                    Decision::Stays => out.extend(line.text()),
                    Decision::Link(text) => out.extend(turned(row, &text)),
                },
                _ => out.extend(line.text()),
            }
        }
        Ok(Resolved { spec: out, fired: self.fired.into_inner() })
    }

    /// DESIGN rules 1 to 5 for the row at a line of this spec.
    fn decide(&self, line: usize) -> Result<Decision, Wrong> {
        let row = self.row_at(line);
        if row.source.is_none() {
            return Ok(Decision::Stays);
        }
        let Some(home) = row.home() else {
            self.count("rule 8: not there");
            return Ok(Decision::Stays);
        };
        if !self.agree(&row.row.path, |other| other.line.is_some()) {
            self.count("duplicates left alone");
            return Ok(Decision::Stays);
        }
        let Some((text, trail)) = &row.link else {
            let fewest = self
                .rows
                .iter()
                .filter(|other| other.home().as_ref() == Some(&home))
                .filter(|other| self.agree(&other.row.path, |_| true))
                .map(Known::linked_directories)
                .min();
            // A row at the same path that passes fewer is no target, but no other is better then.
            let nearest = self.targets(row, |other| {
                other.home().as_ref() == Some(&home)
                    && other.linked_directories() < row.linked_directories()
                    && Some(other.linked_directories()) == fewest
            });
            let nearest = nearest.iter().map(|other| &other.row.path);
            return Ok(match self.choose(&row.row.path, nearest, None) {
                Some(text) => {
                    self.count("rule 1: through more linked directories");
                    Decision::Link(text)
                }
                None => Decision::Stays,
            });
        };
        for (hop, location) in trail.locations.iter().enumerate() {
            let targets = self.targets(row, |other| other.is_known_at(location));
            let targets = targets.iter().map(|other| &other.row.path);
            if let Some(text) = self.choose(&row.row.path, targets, Some(text)) {
                self.count(match (row.is_declared(), hop) {
                    (true, _) => "rule 4: declared and mapped",
                    (false, 0) => "rule 2: the first hop",
                    (false, _) => "rule 2: a later hop",
                });
                return Ok(Decision::Link(text));
            }
        }
        for location in &trail.locations {
            let directories = self.directories_at(location);
            if let Some(text) = self.choose(&row.row.path, directories.iter(), Some(text)) {
                self.count("rule 2: a directory");
                return Ok(Decision::Link(text));
            }
        }
        let relative = text[0] != b'/';
        if row.is_declared() {
            self.count("rule 4: declared and kept");
            return Ok(Decision::Link(text.clone()));
        }
        let climbs_out = relative && climbs_out(&row.row.path, text);
        if climbs_out && trail.leads_nowhere {
            self.count("rule 3: leads nowhere and out of the archive");
            return Ok(Decision::Stays);
        }
        if relative && trail.leads_nowhere {
            self.count("rule 3: leads nowhere");
            return Ok(Decision::Link(text.clone()));
        }
        match self.options.missing_target {
            MissingTarget::Fail => Err(Wrong::NoTarget { row: row.row.path.join(&b'/') }),
            MissingTarget::Keep if relative && !climbs_out => {
                self.count("rule 3: kept");
                Ok(Decision::Link(text.clone()))
            }
            MissingTarget::Keep | MissingTarget::Inline => {
                self.count("rule 3: inlined");
                Ok(Decision::Stays)
            }
        }
    }

    /// The rows other than `row` that fit and that a link may point to.
    fn targets(&self, row: &Known, fits: impl Fn(&Known) -> bool) -> Vec<&Known<'_>> {
        self.rows
            .iter()
            .filter(|other| other.row.path != row.row.path && fits(other))
            .filter(|other| self.agree(&other.row.path, |_| true))
            .collect()
    }

    /// Whether all rows at `path` that `count` are directories, or all have one home.
    fn agree(&self, path: &Parts, count: impl Fn(&Known) -> bool) -> bool {
        let here: Vec<&Known> =
            self.rows.iter().filter(|row| row.row.path == *path && count(row)).collect();
        here.len() == 1
            || here.iter().all(|row| row.row.is_directory())
            || here.iter().all(|row| row.home().is_some() && row.home() == here[0].home())
    }

    /// DESIGN rule 5: the text of a link from the row at `from` to one of `targets`.
    fn choose<'p>(
        &self,
        from: &Parts,
        targets: impl Iterator<Item = &'p Parts>,
        author_text: Option<&[u8]>,
    ) -> Option<Vec<u8>> {
        let targets: Vec<&Parts> = targets.collect();
        let (target, text) = targets
            .iter()
            .map(|target| (*target, relative_path(from, target)))
            .min_by_key(|(target, text)| {
                let slashes = text.iter().filter(|byte| **byte == b'/').count();
                (slashes, text.len(), target.join(&b'/'))
            })?;
        if targets.iter().any(|other| *other != target) {
            self.count("rule 5: several targets");
        }
        if let Some(author_text) = author_text
            && let Some(named) = named(from, author_text)
            && targets.contains(&&named)
        {
            self.count("rule 5: the author's text");
            return Some(author_text.to_vec());
        }
        self.count("rule 5: a made text");
        Some(text)
    }

    fn count(&self, rule: &'static str) {
        *self.fired.borrow_mut().entry(rule).or_default() += 1;
    }

    fn row_at(&self, line: usize) -> &Known<'_> {
        self.rows
            .iter()
            .find(|row| row.line == Some(line))
            .expect("every row of this spec is known")
    }
}

/// Whether a relative text, read part by part, has more `..` than the row at `from` has directories above
/// it and names before them.
fn climbs_out(from: &Parts, text: &[u8]) -> bool {
    let mut depth = from.len() as isize - 1;
    spec::parts(text).iter().any(|part| {
        depth += if part == b".." { -1 } else { 1 };
        depth < 0
    })
}

/// The archive path that a link's text names from the row at `from`, if the text is relative and
/// `..` stands only at its head.
fn named(from: &Parts, text: &[u8]) -> Option<Parts> {
    if text[0] == b'/' {
        return None;
    }
    let (_, mut path) = from.split_last().map(|(name, above)| (name, above.to_vec()))?;
    let mut names_begun = false;
    for part in spec::parts(text) {
        if part != b".." {
            names_begun = true;
            path.push(part);
        } else if names_begun || path.pop().is_none() {
            return None;
        }
    }
    Some(path)
}

/// The way from the directory of the row at `from` to `target`.
fn relative_path(from: &Parts, target: &Parts) -> Vec<u8> {
    let above = &from[..from.len() - 1];
    let common = above.iter().zip(target).take_while(|(a, b)| a == b).count();
    let mut way: Parts = vec![b"..".to_vec(); above.len() - common];
    way.extend_from_slice(&target[common..]);
    if way.is_empty() {
        way.push(b".".to_vec());
    }
    way.join(&b'/')
}

/// DESIGN rule 7: `row` as a link with this text.
fn turned(row: &Row, text: &[u8]) -> Vec<u8> {
    let link = [b"link=", spec::escape(text).as_slice()].concat();
    let has_type = row.value(&[b"type"]).is_some();
    let type_is_link = row.kind().as_deref() == Some(b"link");
    let (mut type_is_written, mut link_is_written) = (false, false);
    let mut fields = vec![row.fields.get(0).unwrap_or_default()];
    for field in row.fields.after_name() {
        match spec::cut_at_equals(field).0 {
            b"type" => {
                if !type_is_written {
                    fields.push(b"type=link");
                }
                type_is_written = true;
            }
            b"content" | b"contents" | b"link" => {
                if !link_is_written {
                    // A type from `/set` has to be said here where it is another.
                    if !has_type && !type_is_link {
                        fields.push(b"type=link");
                    }
                    fields.push(&link);
                }
                link_is_written = true;
            }
            keyword if describes_bytes(keyword) => {}
            _ => fields.push(field),
        }
    }
    let mut line = fields.join(&b' ');
    if line.ends_with(b"\\") {
        // Right before the newline it would join the next line.
        line.push(b' ');
    }
    line.extend_from_slice(row.fields.ending());
    line
}

/// Keywords that DESIGN rule 7 drops.
fn describes_bytes(keyword: &[u8]) -> bool {
    let keyword = keyword.strip_suffix(b"digest").unwrap_or(keyword);
    [&b"size"[..], b"cksum", b"md5", b"sha1", b"sha256", b"sha384", b"sha512", b"rmd160"]
        .contains(&keyword)
}

//! The rules of docs/design.md once more, slow and obvious: every question is asked of the file system
//! again, nothing is remembered. Written from the rules alone; the program's code is not used here.

mod below_links;
mod change;
mod collapse;
mod form;
mod glob;
mod options;
mod sort;
mod spec;
mod text;
mod tree;
mod turned;

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use below_links::LinkRows;
pub use change::{Changes, Choice, Mode};
use collapse::Collapse;
pub use options::{DirectoryLinks, MissingTarget, Options};
use spec::{BadLine, Line, Parts, Row};
use text::{climbs_out, named, relative_path};
use tree::{Found, Location, Lost, Trail};

/// Why there is no output.
#[derive(Debug)]
pub enum Wrong {
    /// A line of a spec cannot be read.
    Line { number: usize, why: &'static str },
    /// A symlink loop on the way or the trail of the row at this archive path.
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
    let name_last = form::names_are_last(spec);
    let lines = spec::parse(spec)?;
    let changed = change::change(lines, options, name_last)?;
    if options.no_resolve {
        return Ok(Resolved { spec: changed, fired: Fired::new() });
    }
    let lines = spec::parse_as(&changed, name_last)?;
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
    Archive {
        lines: &lines,
        rows,
        options,
        root,
        links: LinkRows::default(),
        places: Vec::new(),
        fired: RefCell::default(),
    }
    .resolve()
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
        // A symlink loop is an error in this spec; of an also-spec's row nothing is known then.
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

    /// The text of a row that is a link already, as far as it is known.
    fn text_of_link_row(&self) -> Option<Vec<u8>> {
        match &self.source {
            Some(_) => self.found.as_ref()?.home.link(),
            None => spec::unescape(self.row.keywords().get(&b"link"[..])?.as_deref()?),
        }
    }

    /// design rule 4: the build declared it as a link.
    fn is_declared(&self) -> bool {
        self.row.kind().as_deref() == Some(b"link")
    }
}

/// The source of a row that takes part.
fn source(row: &Row, options: &Options) -> Result<Option<Vec<u8>>, Wrong> {
    let Some(written) = row.source(options.link_is_source) else {
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
    /// The link rows that are known so far, those that these rules make among them.
    links: LinkRows,
    /// By row: where it may be unpacked. Empty while that is not known.
    places: Vec<Vec<Parts>>,
    fired: RefCell<Fired>,
}

/// What a row becomes.
#[derive(Clone)]
enum Decision {
    Stays,
    /// A link with this text, unescaped.
    Link(Vec<u8>),
    /// Nothing on its trail is in the archive: the author's text is kept where it can be.
    Unmapped,
}

impl Archive<'_> {
    fn resolve(mut self) -> Result<Resolved, Wrong> {
        let mut decided = self.decide_what_stands_above_rows()?;
        let collapses = match self.options.directory_links {
            DirectoryLinks::Collapse => self.collapses(),
            DirectoryLinks::Expand => Vec::new(),
        };
        for collapse in &collapses {
            self.links.put(&collapse.path, Some(collapse.text.clone()));
        }
        self.find_places();
        let gone = |line: &usize| collapses.iter().any(|c| c.goes.contains(line));
        let lines = 0..self.lines.len();
        let rows: Vec<usize> =
            lines.filter(|line| matches!(self.lines[*line], Line::Row(_)) && !gone(line)).collect();
        for line in &rows {
            if !decided.contains_key(line) {
                decided.insert(*line, self.decide(*line)?);
            }
        }
        // Whether an author's text names another row depends on the links that are made.
        for line in &rows {
            if let (Line::Row(row), Decision::Link(text)) = (&self.lines[*line], &decided[line]) {
                self.links.put(&row.path, Some(text.clone()));
            }
        }
        self.find_places();
        for line in &rows {
            if let Decision::Unmapped = decided[line] {
                decided.insert(*line, self.decide_unmapped(*line, true)?);
            }
        }
        Ok(Resolved { spec: self.write(&collapses, &decided), fired: self.fired.into_inner() })
    }

    fn write(&self, collapses: &[Collapse], decided: &BTreeMap<usize, Decision>) -> Vec<u8> {
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
                Line::Row(row) => match &decided[&index] {
                    Decision::Link(text) => out.extend(turned::turned(row, text)),
                    _ => out.extend(line.text()),
                },
                _ => out.extend(line.text()),
            }
        }
        out
    }

    /// Finds all link rows, and decides what stands above other rows: those are not looked at before.
    fn decide_what_stands_above_rows(&mut self) -> Result<BTreeMap<usize, Decision>, Wrong> {
        let is_above = |row: &Known| {
            self.rows.iter().any(|other| {
                other.row.path.starts_with(&row.row.path) && other.row.path != row.row.path
            })
        };
        let mut links = LinkRows::default();
        for row in self.rows.iter().filter(|row| row.line.is_none()).chain(&self.rows) {
            if row.row.kind().as_deref() == Some(b"link") {
                links.put(&row.row.path, row.text_of_link_row());
            }
        }
        let mut first: Vec<usize> = self
            .rows
            .iter()
            .filter(|row| row.source.is_some() && (row.is_declared() || is_above(row)))
            .filter_map(|row| row.line)
            .collect();
        first.sort_by_key(|line| self.row_at(*line).row.path.len());
        let above: Vec<bool> = first.iter().map(|line| is_above(self.row_at(*line))).collect();
        self.links = links;
        let mut decided = BTreeMap::new();
        for (line, is_above) in first.into_iter().zip(above) {
            let fired = self.fired.borrow().clone();
            let mut decision = self.decide(line)?;
            if let (Decision::Unmapped, true) = (&decision, is_above) {
                // With rows below it, it is no link that leads nowhere.
                decision = self.decide_unmapped(line, false)?;
            }
            if let Decision::Link(text) = &decision {
                let path = self.row_at(line).row.path.clone();
                self.links.put(&path, Some(text.clone()));
            }
            match is_above {
                true => drop(decided.insert(line, decision)),
                // It is decided again, once all places are known.
                false => self.fired = RefCell::new(fired),
            }
        }
        self.find_places();
        Ok(decided)
    }

    fn find_places(&mut self) {
        self.places = self.rows.iter().map(|row| self.links.places(&row.row.path)).collect();
    }

    /// design rules 1, 2, 4, 5 and 10 for the row at a line of this spec.
    fn decide(&self, line: usize) -> Result<Decision, Wrong> {
        let row = self.row_at(line);
        if row.source.is_none() {
            return Ok(Decision::Stays);
        }
        let Some(home) = row.home() else {
            self.count("rule 8: not there");
            return Ok(Decision::Stays);
        };
        if !row.row.set_sources.is_empty() {
            // As a link it would have the source of the `/set` line.
            self.count("left alone below a /set of the source");
            return Ok(Decision::Stays);
        }
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
            let is_nearest = |other: &Known| {
                other.home().as_ref() == Some(&home)
                    && other.linked_directories() < row.linked_directories()
                    && Some(other.linked_directories()) == fewest
            };
            let mut all = self.rows.iter().filter(|other| is_nearest(other));
            if all.any(|other| {
                other.row.path != row.row.path
                    && self.agree(&other.row.path, |_| true)
                    && self.may_be_one_entry(&row.row.path, &other.row.path)
            }) {
                self.count("rule 10: the other row may be this one");
                return Ok(Decision::Stays);
            }
            let nearest = self.targets(row, is_nearest);
            let nearest = nearest.iter().map(|other| &other.row.path);
            return Ok(match self.choose(&row.row.path, nearest, None) {
                Some(text) => {
                    self.count("rule 1: through more linked directories");
                    Decision::Link(text)
                }
                None => Decision::Stays,
            });
        };
        let mut is_forbidden = false;
        for (hop, location) in trail.locations.iter().enumerate() {
            let targets = self.targets(row, |other| other.is_known_at(location));
            let targets = targets.iter().map(|other| &other.row.path);
            if let Some(text) = self.choose(&row.row.path, targets.clone(), Some(text)) {
                self.count(match (row.is_declared(), hop) {
                    (true, _) => "rule 4: declared and mapped",
                    (false, 0) => "rule 2: the first hop",
                    (false, _) => "rule 2: a later hop",
                });
                return Ok(Decision::Link(text));
            }
            is_forbidden |= targets.count() > 0;
        }
        for location in &trail.locations {
            let directories = self.directories_at(location);
            if let Some(text) = self.choose(&row.row.path, directories.iter(), Some(text)) {
                self.count("rule 2: a directory");
                return Ok(Decision::Link(text));
            }
            is_forbidden |= !directories.is_empty();
        }
        if row.is_declared() {
            self.count("rule 4: declared and kept");
            return Ok(Decision::Link(text.clone()));
        }
        if is_forbidden {
            self.count("rule 10: no text that stays below the link");
            return Ok(Decision::Stays);
        }
        Ok(Decision::Unmapped)
    }

    /// design rule 3 for a row whose trail is not in the archive.
    fn decide_unmapped(&self, line: usize, may_keep: bool) -> Result<Decision, Wrong> {
        let row = self.row_at(line);
        let path = &row.row.path;
        let (text, trail) = row.link.as_ref().expect("its home is a link");
        let relative = text[0] != b'/';
        let is_kept = may_keep
            && relative
            && !climbs_out(path, text)
            && !self.links.forbid(path, text)
            && !self.names_a_row(path, text);
        if relative && trail.leads_nowhere {
            if !is_kept {
                self.count("rule 3: leads nowhere, and the text is not kept");
                return Ok(Decision::Stays);
            }
            self.count("rule 3: leads nowhere");
            return Ok(Decision::Link(text.clone()));
        }
        match self.options.missing_target {
            MissingTarget::Fail => Err(Wrong::NoTarget { row: path.join(&b'/') }),
            MissingTarget::Keep if is_kept => {
                self.count("rule 3: kept");
                Ok(Decision::Link(text.clone()))
            }
            MissingTarget::Keep if relative && !climbs_out(path, text) => {
                self.count("rule 3: kept, it would name another row or climb above a link");
                Ok(Decision::Stays)
            }
            MissingTarget::Keep | MissingTarget::Inline => {
                self.count("rule 3: inlined");
                Ok(Decision::Stays)
            }
        }
    }

    /// Whether a row may stand where a relative text leads from `from`, or below.
    fn names_a_row(&self, from: &Parts, text: &[u8]) -> bool {
        let named = below_links::joined(&from[..from.len() - 1], text);
        let named = self.links.places(&named);
        self.rows
            .iter()
            .flat_map(|row| self.links.places(&row.row.path))
            .any(|place| named.iter().any(|named| place.starts_with(named)))
    }

    /// The rows other than `row` that fit and that a link may point to.
    fn targets(&self, row: &Known, fits: impl Fn(&Known) -> bool) -> Vec<&Known<'_>> {
        self.rows
            .iter()
            .filter(|other| other.row.path != row.row.path && fits(other))
            .filter(|other| self.agree(&other.row.path, |_| true))
            .filter(|other| {
                self.agree_below_links(&other.row.path)
                    && !self.may_be_one_entry(&row.row.path, &other.row.path)
            })
            .collect()
    }

    /// Whether all rows at `path` that `count` are directories, or all have one home.
    fn agree(&self, path: &Parts, count: impl Fn(&Known) -> bool) -> bool {
        let here: Vec<&Known> =
            self.rows.iter().filter(|row| row.row.path == *path && count(row)).collect();
        here.len() == 1 || are_one(&here)
    }

    /// Whether all rows that may be unpacked at one place with the row at `path` are the same.
    fn agree_below_links(&self, path: &Parts) -> bool {
        let places = self.links.places(path);
        let rows = self.rows.iter().zip(&self.places);
        let here: Vec<&Known> = rows
            .filter(|(row, theirs)| {
                row.row.path == *path || theirs.iter().any(|place| places.contains(place))
            })
            .map(|(row, _)| row)
            .collect();
        here.iter().all(|row| row.row.path == *path) || are_one(&here)
    }

    /// Whether the rows at these paths may be unpacked at one place.
    fn may_be_one_entry(&self, one: &Parts, other: &Parts) -> bool {
        let places = self.links.places(one);
        !self.places.is_empty()
            && self.links.places(other).iter().any(|place| places.contains(place))
    }

    /// design rules 5 and 10: the text of a link from the row at `from` to one of `targets`, but for texts
    /// that climb above a link row.
    fn choose<'p>(
        &self,
        from: &Parts,
        targets: impl Iterator<Item = &'p Parts>,
        author_text: Option<&[u8]>,
    ) -> Option<Vec<u8>> {
        let targets: Vec<&Parts> = targets.collect();
        let mut written: Vec<(&Parts, Vec<u8>)> =
            targets.iter().map(|target| (*target, relative_path(from, target))).collect();
        written.retain(|(_, text)| !self.links.forbid(from, text));
        if written.len() < targets.len() {
            self.count("rule 10: a text that is not written");
        }
        let (target, text) = written.iter().min_by_key(|(target, text)| {
            let slashes = text.iter().filter(|byte| **byte == b'/').count();
            (slashes, text.len(), target.join(&b'/'))
        })?;
        if written.iter().any(|(other, _)| other != target) {
            self.count("rule 5: several targets");
        }
        if let Some(author_text) = author_text
            && let Some(named) = named(from, author_text)
            && written.iter().any(|(target, _)| **target == named)
            && !self.links.forbid(from, author_text)
        {
            self.count("rule 5: the author's text");
            return Some(author_text.to_vec());
        }
        self.count("rule 5: a made text");
        Some(text.clone())
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

/// Whether all rows are directories, or all have one home.
fn are_one(rows: &[&Known]) -> bool {
    rows.iter().all(|row| row.row.is_directory())
        || rows.iter().all(|row| row.home().is_some() && row.home() == rows[0].home())
}

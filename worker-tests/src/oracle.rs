//! The rules of docs/design.md, implemented a second time, slowly and simply: every question goes to the file system
//! again, and nothing is cached. Written from the rules alone, without the program's code.

mod below_links;
mod change;
mod collapse;
mod decide;
mod form;
mod glob;
mod known;
mod options;
mod sort;
mod spec;
mod targets;
mod text;
mod tree;
mod turned;

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use below_links::LinkRows;
pub use change::{Changes, Choice, Mode};
use collapse::Collapse;
use known::Known;
pub use options::{DirectoryLinks, MissingTarget, Options};
use spec::{BadLine, Line, Parts};

/// Why there is no output.
#[derive(Debug)]
pub enum Wrong {
    /// A line of a spec cannot be read.
    Line { number: usize, why: &'static str },
    /// A symlink loop on the way or the trail of the row at this archive path.
    SymlinkLoop { row: Vec<u8> },
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
        positions: Vec::new(),
        fired: RefCell::default(),
    }
    .resolve()
}

impl From<BadLine> for Wrong {
    fn from(bad: BadLine) -> Wrong {
        Wrong::Line { number: bad.number, why: bad.why }
    }
}

/// This spec and the also-specs.
struct Archive<'l> {
    lines: &'l [Line],
    rows: Vec<Known<'l>>,
    options: &'l Options,
    root: &'l Path,
    /// The link rows that are known so far, including those that these rules make.
    links: LinkRows,
    /// By row: where it may be unpacked. Empty while that is not known.
    positions: Vec<Vec<Parts>>,
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
        let mut decided = self.decide_above_rows()?;
        let collapses = match self.options.directory_links {
            DirectoryLinks::Collapse => self.collapses(),
            DirectoryLinks::Expand => Vec::new(),
        };
        for collapse in &collapses {
            self.links.put(&collapse.path, Some(collapse.text.clone()));
        }
        self.find_positions();
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
        self.find_positions();
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

    /// Finds all link rows, and decides for the rows above other rows, before the rows below them.
    fn decide_above_rows(&mut self) -> Result<BTreeMap<usize, Decision>, Wrong> {
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
                // A row with rows below it does not become a dangling link.
                decision = self.decide_unmapped(line, false)?;
            }
            if let Decision::Link(text) = &decision {
                let path = self.row_at(line).row.path.clone();
                self.links.put(&path, Some(text.clone()));
            }
            match is_above {
                true => drop(decided.insert(line, decision)),
                // It is decided again, once all positions are known.
                false => self.fired = RefCell::new(fired),
            }
        }
        self.find_positions();
        Ok(decided)
    }

    fn find_positions(&mut self) {
        self.positions = self.rows.iter().map(|row| self.links.positions(&row.row.path)).collect();
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

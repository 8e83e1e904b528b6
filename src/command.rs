//! Commands: arguments in, files and a report out. One run of `resolve` is one request.
//!
//! Knows the order of things, from reading specs to putting outputs in their places. Must not know
//! whether a worker asks, nor which world it runs in: that is a [`Site`]'s business.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tracing::debug;

use crate::cli::{self, ResolveArgs};
use crate::error::Error;
use crate::flagfile;
use crate::report::Report;
use crate::resolve::{self, Decisions, Inputs};
use crate::show::Shown;
use crate::site::{Content, Disk, OUT, Purpose, REPORT, Site, Watched};
use crate::spec::{Edits, Kind, Spec};
use crate::tree::{Cache, Noticed};

/// What a request runs in.
pub struct Context<'c> {
    /// The directory that every path of the request is relative to.
    pub root: &'c Path,
    /// Whether that directory is a sandbox: made for this request, and what it has are links.
    pub is_sandbox: bool,
    /// What earlier requests have read.
    pub cache: &'c Cache,
    /// What the request may look at, if it says so (DESIGN rule 8).
    pub inputs: Option<&'c Inputs>,
    /// Whether the request is to stop: asked before every directory that is read, and
    /// before the outputs are put in their places.
    pub cancelled: &'c (dyn Fn() -> bool + Sync),
}

impl<'c> Context<'c> {
    /// A request that nobody cancels.
    pub fn new(root: &'c Path, cache: &'c Cache) -> Self {
        Self { root, is_sandbox: false, cache, inputs: None, cancelled: &|| false }
    }
}

/// What a request came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A sentence each.
    pub warnings: Vec<String>,
    /// The numbers.
    pub report: Report,
}

/// What a request came to, for whoever asked: an exit code, and what the user is to be told.
pub fn answer(outcome: &Result<Outcome, Error>) -> (i32, String) {
    match outcome {
        Ok(outcome) => {
            let warnings = outcome.warnings.iter();
            (0, warnings.map(|warning| format!("mtree-worker: warning: {warning}\n")).collect())
        }
        Err(error) => (1, format!("mtree-worker: {error}\n")),
    }
}

/// Runs a request on the disk: the arguments `resolve --mtree … --out …`, as on the command line.
pub fn run(arguments: &[OsString], context: &Context<'_>) -> Result<Outcome, Error> {
    run_on(&mut Disk::new(context), arguments, context.inputs)
}

/// Runs a request on a site. `inputs` holds what the request may look at, if it says so.
pub fn run_on(
    site: &mut impl Site,
    arguments: &[OsString],
    inputs: Option<&Inputs>,
) -> Result<Outcome, Error> {
    let args = arguments_of(site, arguments)?;
    resolve(&args, inputs, site)
}

/// What the arguments of a request say, with those from files.
pub fn arguments_of(
    site: &mut impl Site,
    arguments: &[OsString],
) -> Result<Box<ResolveArgs>, Error> {
    let read = |path: &Path| site.read(path, Purpose::Arguments);
    cli::parse_request(flagfile::expand(arguments.iter().cloned(), read)?)
}

/// The specs of an archive.
pub struct Specs {
    /// The one that is resolved.
    pub spec: Spec,
    /// Those of other layers.
    pub also: Vec<Spec>,
}

impl Specs {
    /// Reads those that `args` name, and changes the first as `args` say.
    pub fn read(args: &ResolveArgs, site: &mut impl Site) -> Result<Self, Error> {
        let link_is_source = args.how.link_is_source;
        let mut spec = read(&args.mtree, link_is_source, site)?;
        site.done("read the spec");
        let change = args.how.change();
        if !change.is_nothing() {
            let changed = change.apply(&spec);
            spec = parse(&args.mtree, changed, link_is_source)?;
            site.done("change its rows");
        }
        let also = args.how.also.iter().map(|path| read(path, link_is_source, site));
        let also = also.collect::<Result<Vec<_>, _>>()?;
        if !also.is_empty() {
            site.done("read the other specs");
        }
        Ok(Self { spec, also })
    }
}

/// `mtree-worker resolve`.
pub fn resolve(
    args: &ResolveArgs,
    listed: Option<&Inputs>,
    site: &mut impl Site,
) -> Result<Outcome, Error> {
    let Specs { spec, also } = Specs::read(args, site)?;
    let rows_of_others = also.iter().map(|spec| spec.rows().len()).sum::<usize>();
    debug!(spec = ?args.mtree, rows = spec.rows().len(), rows_of_others, "read");
    let inputs: Vec<PathBuf> = args.how.also.iter().chain([&args.mtree]).cloned().collect();
    site.begin(OUT, &args.out, &inputs)?;
    if let Some(path) = &args.report {
        let inputs: Vec<_> = inputs.iter().cloned().chain([args.out.clone()]).collect();
        site.begin(REPORT, path, &inputs)?;
    }

    let mut tree = site.tree()?;
    let decisions = match args.how.no_resolve {
        true => Decisions::default(),
        false => resolve::resolve(&spec, &also, args.how.options(), listed, &mut tree)?,
    };
    let noticed = tree.noticed();
    drop(tree);
    debug!(
        links = decisions.links.len(),
        directory_links = decisions.directory_links.len(),
        without_target = decisions.without_target.len(),
        absent = decisions.absent.len(),
        unknown = decisions.unknown.len(),
        "decided"
    );
    site.done("resolve");

    site.write(OUT, Content::Patched(&spec, edits(&spec, &decisions).into_patch()))?;
    let mut outcome = Outcome {
        warnings: warnings(&spec, &decisions, &noticed),
        report: numbers(&spec, &decisions, &noticed),
    };
    if args.report.is_some() {
        outcome.report.bytes_saved = saved(&spec, &decisions, site);
        site.write(REPORT, Content::Report(&outcome.report))?;
    }
    site.go_on()?;
    site.commit(REPORT)?;
    site.commit(OUT)?;
    site.done("write");
    Ok(outcome)
}

/// The edits that carry out what was decided.
pub fn edits<'s>(spec: &'s Spec, decisions: &Decisions) -> Edits<'s> {
    let mut edits = Edits::new(spec);
    for (row, text) in &decisions.links {
        edits.link(*row, text);
    }
    for link in &decisions.directory_links {
        edits.directory_link(&link.rows, link.keywords, &link.path, &link.text);
    }
    edits
}

fn read(path: &Path, link_is_source: bool, site: &mut impl Site) -> Result<Spec, Error> {
    parse(path, site.read(path, Purpose::Spec)?, link_is_source)
}

fn parse(path: &Path, text: impl Into<Bytes>, link_is_source: bool) -> Result<Spec, Error> {
    Spec::parse(text, link_is_source).map_err(|wrong| Error::Spec { path: path.to_owned(), wrong })
}

/// The warnings of DESIGN rule 8, and of links that lead out of the archive.
fn warnings(spec: &Spec, decisions: &Decisions, noticed: &Noticed) -> Vec<String> {
    let mut warnings = Vec::new();
    let named = |row: usize| {
        let row = &spec.rows()[row];
        format!("{} ({})", Shown(spec.path(row)), Shown(spec.source(row)))
    };
    match decisions.absent[..] {
        [] => {}
        [row] => warnings.push(format!(
            "1 row was left alone, since its source is not there: {}; add it to srcs",
            named(row)
        )),
        [first, ..] => warnings.push(format!(
            "{} rows were left alone, since their sources are not there, the first: {}; add them \
             to srcs",
            decisions.absent.len(),
            named(first)
        )),
    }
    let first = |rows: &[usize]| rows.first().map(|&row| named(row)).unwrap_or_default();
    if !decisions.declared_outside.is_empty() {
        warnings.push(format!(
            "links that the build declared lead out of the archive: {}, the first: {}; declare them \
             with a target inside of it",
            decisions.declared_outside.len(),
            first(&decisions.declared_outside)
        ));
    }
    if !decisions.kept_inside.is_empty() {
        warnings.push(format!(
            "rows left alone, since their links lead nowhere and would climb out of the archive: {}, \
             the first: {}; take them out of srcs, or let the build declare them as links",
            decisions.kept_inside.len(),
            first(&decisions.kept_inside)
        ));
    }
    if let ([first, ..], Some(directory)) = (&decisions.unknown[..], &noticed.unreadable) {
        warnings.push(format!(
            "rows left alone, since a directory cannot be read: {}, the first {}; the directory is {}: \
             {}; let it be read, and add it to srcs",
            decisions.unknown.len(),
            named(*first),
            Shown(&directory.path),
            directory.reason
        ));
    }
    warnings
}

/// The numbers of a run.
pub fn numbers(spec: &Spec, decisions: &Decisions, noticed: &Noticed) -> Report {
    let is_file = |row: &usize| spec.rows()[*row].kind() == Kind::File;
    let turned = turned(decisions).filter(is_file).count();
    Report {
        rows: spec.rows().len(),
        files: spec.rows().iter().filter(|row| row.kind() == Kind::File).count() - turned,
        links: decisions.links.len(),
        directory_links: decisions.directory_links.len(),
        left_for_want_of_a_target: decisions.without_target.len() + decisions.kept_inside.len(),
        unstaged: decisions.absent.len() + decisions.unknown.len(),
        bytes_saved: 0,
        directories_listed: noticed.counts.listed,
        directories_reused: noticed.counts.reused,
    }
}

/// The rows that became links, or went since a directory became one.
pub fn turned(decisions: &Decisions) -> impl Iterator<Item = usize> + '_ {
    let went = decisions.directory_links.iter().flat_map(|link| &link.rows);
    decisions.links.iter().map(|(row, _)| row).chain(went).copied()
}

/// What the files weigh that links stand for now.
fn saved(spec: &Spec, decisions: &Decisions, site: &mut impl Site) -> u64 {
    let rows = turned(decisions).map(|row| &spec.rows()[row]);
    rows.filter(|row| row.kind() == Kind::File).map(|row| site.weigh(spec.source(row))).sum()
}

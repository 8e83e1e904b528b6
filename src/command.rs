//! Commands: arguments in, files and a report out. One run of `resolve` is one request.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tracing::debug;

use crate::cli::{self, ResolveArgs};
use crate::error::Error;
use crate::flagfile;
use crate::output::Output;
use crate::report::Report;
use crate::resolve::{self, Decisions, Inputs};
use crate::show::Shown;
use crate::spec::{Edits, Kind, Spec};
use crate::tree::{Cache, View};

/// What a request runs in.
pub struct Context<'c> {
    /// The folder that every path of the request is relative to.
    pub root: &'c Path,
    /// What earlier requests have read.
    pub cache: &'c Cache,
    /// What the request may look at, if it says so (DESIGN rule 8).
    pub inputs: Option<&'c Inputs>,
    /// Whether the request is to stop: asked before every folder that is read, and
    /// before the outputs are put in their places.
    pub cancelled: &'c (dyn Fn() -> bool + Sync),
}

impl<'c> Context<'c> {
    /// A request that nobody cancels.
    pub fn new(root: &'c Path, cache: &'c Cache) -> Self {
        Self { root, cache, inputs: None, cancelled: &|| false }
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

/// Runs a request: the arguments `resolve --mtree … --out …`, as on the command line.
pub fn run(arguments: &[OsString], context: &Context<'_>) -> Result<Outcome, Error> {
    let arguments = flagfile::expand(arguments.iter().cloned(), context.root)?;
    let args = cli::parse_request(arguments)?;
    resolve(&args, context)
}

/// `mtree-worker resolve`.
pub fn resolve(args: &ResolveArgs, context: &Context<'_>) -> Result<Outcome, Error> {
    let mut spec = read(&args.mtree, args.link_is_source, context)?;
    let change = args.change();
    if !change.is_nothing() {
        let changed = change.apply(&spec);
        spec = parse(&args.mtree, changed, args.link_is_source)?;
    }
    let also = args.also.iter().map(|path| read(path, args.link_is_source, context));
    let also: Vec<_> = also.collect::<Result<_, _>>()?;
    let rows_of_others = also.iter().map(|spec| spec.rows().len()).sum::<usize>();
    debug!(spec = ?args.mtree, rows = spec.rows().len(), rows_of_others, "read");
    let inputs: Vec<PathBuf> = args.also.iter().chain([&args.mtree]).cloned().collect();
    let mut out = Output::create("--out", context.root, &args.out, &inputs)?;
    let report_file = args.report.as_deref().map(|path| {
        let inputs: Vec<_> = inputs.iter().cloned().chain([args.out.clone()]).collect();
        Output::create("--report", context.root, path, &inputs)
    });
    let mut report_file = report_file.transpose()?;

    let mut view = View::new(context.root, context.cache, context.cancelled)
        .map_err(|source| Error::Root { path: context.root.to_owned(), source })?;
    let decisions = match args.no_resolve {
        true => Decisions::default(),
        false => resolve::resolve(&spec, &also, args.options(), context.inputs, &mut view)?,
    };
    debug!(
        links = decisions.links.len(),
        folder_links = decisions.folder_links.len(),
        without_target = decisions.without_target.len(),
        absent = decisions.absent.len(),
        unknown = decisions.unknown.len(),
        "decided"
    );
    let edits = edits(&spec, &decisions);
    out.write(|file| edits.write_to(file))?;

    let mut outcome = Outcome {
        warnings: warnings(&spec, &decisions, &view),
        report: numbers(&spec, &decisions, &view),
    };
    if let Some(file) = &mut report_file {
        outcome.report.bytes_saved = saved(&spec, &decisions, context.root);
        file.write(|file| {
            serde_json::to_writer_pretty(&mut *file, &outcome.report)?;
            file.write_all(b"\n")
        })?;
    }
    if (context.cancelled)() {
        return Err(Error::Cancelled);
    }
    report_file.map_or(Ok(()), Output::commit)?;
    out.commit()?;
    Ok(outcome)
}

/// The edits that carry out what was decided.
pub fn edits<'s>(spec: &'s Spec, decisions: &Decisions) -> Edits<'s> {
    let mut edits = Edits::new(spec);
    for (row, text) in &decisions.links {
        edits.link(*row, text);
    }
    for link in &decisions.folder_links {
        edits.folder_link(&link.rows, link.keywords, &link.path, &link.text);
    }
    edits
}

fn read(path: &Path, link_is_source: bool, context: &Context<'_>) -> Result<Spec, Error> {
    let text = std::fs::read(context.root.join(path))
        .map_err(|source| Error::Read { path: path.to_owned(), source })?;
    parse(path, text, link_is_source)
}

fn parse(path: &Path, text: Vec<u8>, link_is_source: bool) -> Result<Spec, Error> {
    Spec::parse(text, link_is_source).map_err(|wrong| Error::Spec { path: path.to_owned(), wrong })
}

/// The warnings of DESIGN rule 8.
fn warnings(spec: &Spec, decisions: &Decisions, view: &View<'_>) -> Vec<String> {
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
    if let ([first, ..], Some(folder)) = (&decisions.unknown[..], view.unreadable()) {
        warnings.push(format!(
            "rows left alone, since a folder cannot be read: {}, the first {}; the folder is {}: \
             {}; let it be read, and add it to srcs",
            decisions.unknown.len(),
            named(*first),
            Shown(&folder.path),
            folder.reason
        ));
    }
    warnings
}

fn numbers(spec: &Spec, decisions: &Decisions, view: &View<'_>) -> Report {
    let is_file = |row: &usize| spec.rows()[*row].kind() == Kind::File;
    let turned = turned(decisions).filter(is_file).count();
    Report {
        rows: spec.rows().len(),
        files: spec.rows().iter().filter(|row| row.kind() == Kind::File).count() - turned,
        links: decisions.links.len(),
        folder_links: decisions.folder_links.len(),
        left_for_want_of_a_target: decisions.without_target.len(),
        unstaged: decisions.absent.len() + decisions.unknown.len(),
        bytes_saved: 0,
        folders_listed: view.counts().listed,
        folders_reused: view.counts().reused,
    }
}

/// The rows that became links, or went since a folder became one.
pub fn turned(decisions: &Decisions) -> impl Iterator<Item = usize> + '_ {
    let went = decisions.folder_links.iter().flat_map(|link| &link.rows);
    decisions.links.iter().map(|(row, _)| row).chain(went).copied()
}

/// What the files weigh that links stand for now.
fn saved(spec: &Spec, decisions: &Decisions, root: &Path) -> u64 {
    let weight = |row: usize| {
        let row = &spec.rows()[row];
        let source = std::ffi::OsStr::from_bytes(spec.source(row));
        match root.join(source).metadata() {
            Ok(file) if row.kind() == Kind::File && file.is_file() => file.len(),
            _ => 0,
        }
    };
    turned(decisions).map(weight).sum()
}

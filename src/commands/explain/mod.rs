//! `mtree-worker explain`: why rows became what they became, hop by hop.
//!
//! Knows which rows to explain, and where the request comes from. Must not know the rules:
//! [`crate::resolve`] reports which of them decided.

mod explanation;
mod layer;
mod wording;

use std::fmt::Write as _;
use std::path::Path;

use super::error::CommandError;
use super::globs::PathGlobs;
use super::loading::{self, RecordedRequest};
use super::paint::Paint;
use crate::args::{Explain, Subject};
use crate::capture::Capture;
use crate::display::escaped;
use crate::fs::Cache;
use crate::request::{
    self, Context, Disk, Host, Listing, RequestError, ResolveOptions, ResolveRequest, Specs,
};
use crate::resolve::{self, Explained, Inputs};
pub(super) use explanation::Explanation;
use explanation::format_text;
use layer::RecordedLayer;
use wording::{Wording, explain_error, explain_row};

/// The most that is printed, in bytes. A small capture may have an explanation of many gigabytes.
pub(super) const MOST: usize = 1 << 30;

/// The explanations, formatted.
struct ExplainedRows {
    text: String,
    json: bool,
    paint: Paint,
    /// The layer that was recorded, if one was.
    layer: Option<RecordedLayer>,
}

impl ExplainedRows {
    fn push(&mut self, mut explanation: Explanation) -> Result<(), CommandError> {
        explanation.layer =
            self.layer.as_ref().and_then(|layer| layer.position_of(&explanation.path));
        match self.json {
            true => {
                let _ = writeln!(self.text, "{}", serde_json::json!(explanation));
            }
            false => self.text.push_str(&format_text(&explanation, self.paint)),
        }
        match self.text.len() > MOST {
            true => Err(CommandError::LongExplanation(MOST)),
            false => Ok(()),
        }
    }
}

/// Explains rows, and returns the text to print. Coloured if `colours`.
pub(crate) fn explain(args: &Explain, colours: bool) -> Result<String, CommandError> {
    let mut explained_rows =
        ExplainedRows { text: String::new(), json: args.json, paint: Paint(colours), layer: None };
    let globs = PathGlobs::new(&args.paths)?;
    let matches = |path: &[u8]| globs.as_ref().is_some_and(|globs| globs.matches(path));
    let chosen = globs.as_ref().map(|_| &matches as resolve::Chosen<'_>);
    match &args.subject {
        Subject::Spec(mtree, options) => {
            let cache = Cache::new(Cache::DEFAULT_LIMIT);
            let mut disk = Disk::new(Context::new(Path::new("."), &cache));
            let mut emit = |explanation: Explanation| explained_rows.push(explanation);
            explain_spec(mtree, options, None, &mut disk, chosen, &mut emit)?;
        }
        Subject::Capture(file) => {
            let capture = loading::read_capture(file)?;
            if capture.layer.is_some() {
                explained_rows.layer = recorded_layer(&capture, file)?;
            }
            let mut emit = |explanation: Explanation| explained_rows.push(explanation);
            explain_capture(&capture, file, chosen, &mut emit)?;
        }
    }
    if explained_rows.text.is_empty() {
        if let Some(globs) = &globs {
            return Err(CommandError::NoRow(globs.texts()));
        }
        if !args.json {
            explained_rows.text.push_str(
                "no row became a link, or stayed a file because nothing on its trail is in the archive\n",
            );
        }
    }
    Ok(explained_rows.text)
}

/// The layer in a capture. `None` if none was written, or if this program would cut it differently.
fn recorded_layer(capture: &Capture, file: &Path) -> Result<Option<RecordedLayer>, CommandError> {
    let mut host = loading::host(capture, file)?;
    let table = host.frames();
    let RecordedRequest { request, inputs } = RecordedRequest::new(capture, &mut host)?;
    // What failed is explained with the rows.
    let _ = request::run(&request, inputs.map(Listing::new).as_ref(), &mut host);
    Ok(host.take_cut().and_then(|cut| RecordedLayer::new(cut, table)))
}

/// Called with each explanation.
type Emit<'t> = &'t mut dyn FnMut(Explanation) -> Result<(), CommandError>;

/// Explains the rows of the request in a capture that `chosen` selects; without it, those that
/// [`crate::resolve`] selects.
pub(super) fn explain_capture(
    capture: &Capture,
    file: &Path,
    chosen: Option<resolve::Chosen<'_>>,
    emit: Emit<'_>,
) -> Result<(), CommandError> {
    let mut host = loading::host(capture, file)?;
    let RecordedRequest { request, inputs } = RecordedRequest::new(capture, &mut host)?;
    let ResolveRequest { mtree, options, .. } = &request;
    explain_spec(mtree, options, inputs.as_ref(), &mut host, chosen, emit)
}

/// Explains the rows of one spec that `chosen` selects.
fn explain_spec(
    mtree: &Path,
    options: &ResolveOptions,
    inputs: Option<&Inputs>,
    host: &mut impl Host,
    chosen: Option<resolve::Chosen<'_>>,
    emit: Emit<'_>,
) -> Result<(), CommandError> {
    let Specs { spec, also, .. } = match Specs::read(mtree, options, host) {
        Err(error @ RequestError::Spec { .. }) => {
            return emit(explain_error("", &error));
        }
        specs => specs?,
    };
    if options.no_resolve {
        for row in spec.row_ids() {
            if chosen.is_some_and(|chosen| chosen(spec.path(spec.row(row)))) {
                emit(Explanation {
                    becomes: "itself".to_owned(),
                    because: vec!["--no-resolve: rows are only changed".to_owned()],
                    ..explain_row(&spec, row)
                })?;
            }
        }
        return Ok(());
    }
    let mut tree = host.tree()?;
    let resolve = options.resolve;
    let explained = resolve::explain(
        &spec,
        &also,
        resolve,
        inputs,
        &mut tree,
        chosen,
        |explained, decisions, tree| {
            let wording = Wording { spec: &spec, options: resolve, decisions, tree };
            emit(match explained {
                Explained::Directory(trace) => wording.directory(trace),
                Explained::Row(trace) => wording.row(trace),
            })
        },
    );
    match explained {
        Err(CommandError::Request(error)) => match &error {
            RequestError::SymlinkLoop { path, .. } | RequestError::MissingTarget { path, .. } => {
                emit(explain_error(&escaped(path), &error))
            }
            _ => Err(error.into()),
        },
        explained => explained.map(drop),
    }
}

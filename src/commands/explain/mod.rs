//! `mtree-worker explain`: why rows became what they became, hop by hop.
//!
//! Knows which rows to explain, and where the request comes from. Must not know the rules:
//! [`crate::resolve`] reports which of them decided.

mod explanation;
mod layer;
mod wording;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use super::error::CommandError;
use super::loading::{self, RecordedRequest};
use crate::args::{Explain, Subject};
use crate::capture::Capture;
use crate::fs::Cache;
use crate::request::{
    self, Context, Disk, Host, Listing, RequestError, ResolveOptions, ResolveRequest, Specs,
};
use crate::resolve::{self, Explained, Inputs};
use explanation::{Colours, Explanation, format_text};
use layer::RecordedLayer;
use wording::{Wording, escaped, explain_error, explain_row};

/// The most that is printed, in bytes. A small capture may have an explanation of many gigabytes.
const MOST: usize = 1 << 30;

/// The explanations, formatted.
struct ExplainedRows {
    text: String,
    json: bool,
    colours: Colours,
    /// The layer that was recorded, if one was.
    layer: Option<RecordedLayer>,
}

impl ExplainedRows {
    fn push(&mut self, mut explanation: Explanation) -> Result<(), CommandError> {
        explanation.layer = self.layer.as_ref().and_then(|layer| layer.place(&explanation.path));
        match self.json {
            true => {
                let _ = writeln!(self.text, "{}", serde_json::json!(explanation));
            }
            false => self.text.push_str(&format_text(&explanation, &self.colours)),
        }
        match self.text.len() > MOST {
            true => Err(CommandError::LongExplanation(MOST)),
            false => Ok(()),
        }
    }
}

/// Explains rows, and returns the text to print. Coloured if `colours`.
pub(crate) fn explain(args: &Explain, colours: bool) -> Result<String, CommandError> {
    let mut explained_rows = ExplainedRows {
        text: String::new(),
        json: args.json,
        colours: Colours(colours),
        layer: None,
    };
    let filter = RowFilter::new(&args.paths)?;
    match &args.subject {
        Subject::Spec(mtree, options) => {
            let cache = Cache::new(Cache::DEFAULT_LIMIT);
            let mut disk = Disk::new(Context::new(Path::new("."), &cache));
            explain_spec(mtree, options, None, &mut disk, &filter, &mut explained_rows)?;
        }
        Subject::Capture(file) => {
            let capture = loading::read_capture(file)?;
            let mut host = loading::host(&capture, file)?;
            let RecordedRequest { request, inputs } = RecordedRequest::new(&capture, &mut host)?;
            if capture.layer.is_some() {
                explained_rows.layer = recorded_layer(&capture, file)?;
            }
            let inputs = inputs.as_ref();
            let ResolveRequest { mtree, options, .. } = &request;
            explain_spec(mtree, options, inputs, &mut host, &filter, &mut explained_rows)?;
        }
    }
    if explained_rows.text.is_empty() {
        if let Some(globs) = &filter.0 {
            let texts = globs.iter().map(|glob| glob.text.clone());
            return Err(CommandError::NoRow(texts.collect()));
        }
        if !args.json {
            explained_rows.text.push_str(
                "no row became a link, or stayed a file because nothing on its trail is in the archive\n",
            );
        }
    }
    Ok(explained_rows.text)
}

/// The layer in a capture. `None` if none was written, or if this program would cut it otherwise.
fn recorded_layer(capture: &Capture, file: &Path) -> Result<Option<RecordedLayer>, CommandError> {
    let mut host = loading::host(capture, file)?;
    let table = host.frames();
    let RecordedRequest { request, inputs } = RecordedRequest::new(capture, &mut host)?;
    // What failed is explained with the rows.
    let _ = request::run(&request, inputs.map(Listing::new).as_ref(), &mut host);
    Ok(host.take_cut().and_then(|cut| RecordedLayer::new(cut, table)))
}

/// Selects rows by archive path. `None`: no globs are given, and [`crate::resolve`] selects.
struct RowFilter(Option<Vec<PathGlob>>);

struct PathGlob {
    /// Escaped.
    text: String,
    matcher: GlobMatcher,
}

impl RowFilter {
    fn new(globs: &[OsString]) -> Result<Self, CommandError> {
        let globs = globs.iter().map(|glob| PathGlob::new(glob));
        let globs = globs.collect::<Result<Vec<_>, _>>()?;
        Ok(Self((!globs.is_empty()).then_some(globs)))
    }

    fn matches(&self, path: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|globs| globs.iter().any(|glob| glob.matches(path)))
    }
}

impl PathGlob {
    fn new(glob: &OsStr) -> Result<Self, CommandError> {
        let text =
            glob.to_str().ok_or_else(|| CommandError::GlobNotUtf8(glob.as_bytes().to_vec()))?;
        // Archive paths begin with neither `./` nor `/`.
        let text = text.trim_start_matches("./").trim_start_matches('/').trim_end_matches('/');
        let matcher = GlobBuilder::new(text).literal_separator(true).build()?.compile_matcher();
        Ok(Self { text: escaped(text.as_bytes()), matcher })
    }

    /// Whether the glob matches `path`, or is `path` itself, verbatim or escaped: a file may be called
    /// `app/[id].js`.
    fn matches(&self, path: &[u8]) -> bool {
        self.text.as_bytes() == path
            || self.matcher.is_match(Path::new(OsStr::from_bytes(path)))
            || self.text == escaped(path)
    }
}

/// Appends the explanations of the rows of one spec that `filter` selects.
fn explain_spec(
    mtree: &Path,
    options: &ResolveOptions,
    inputs: Option<&Inputs>,
    host: &mut impl Host,
    filter: &RowFilter,
    explained_rows: &mut ExplainedRows,
) -> Result<(), CommandError> {
    let Specs { spec, also, .. } = match Specs::read(mtree, options, host) {
        Err(error @ RequestError::Spec { .. }) => {
            return explained_rows.push(explain_error("", &error));
        }
        specs => specs?,
    };
    if options.no_resolve {
        for row in spec.row_ids() {
            if filter.matches(spec.path(spec.row(row))) {
                explained_rows.push(Explanation {
                    becomes: "itself".to_owned(),
                    because: vec!["--no-resolve: rows are only changed".to_owned()],
                    ..explain_row(&spec, row)
                })?;
            }
        }
        return Ok(());
    }
    let mut tree = host.tree()?;
    let matches = |path: &[u8]| filter.matches(path);
    let chosen = filter.0.is_some().then_some(&matches as resolve::Chosen<'_>);
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
            explained_rows.push(match explained {
                Explained::Directory(trace) => wording.directory(trace),
                Explained::Row(trace) => wording.row(trace),
            })
        },
    );
    match explained {
        Err(CommandError::Request(error)) => match &error {
            RequestError::SymlinkLoop { path, .. } | RequestError::MissingTarget { path, .. } => {
                explained_rows.push(explain_error(&escaped(path), &error))
            }
            _ => Err(error.into()),
        },
        explained => explained.map(drop),
    }
}

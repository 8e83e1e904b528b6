//! `mtree-worker explain`: why rows became what they became, hop by hop.
//!
//! Knows which rows are chosen and where their request comes from. Must not know the rules: what
//! decided is explanation by [`crate::resolve`].

mod explanation;
mod wording;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use super::error::CommandError;
use super::loading::{self, Recorded};
use crate::args::{Explain, Subject};
use crate::fs::Cache;
use crate::request::{Context, Disk, Host, RequestError, ResolveOptions, Specs};
use crate::resolve::{self, Explained, Inputs};
use explanation::{Colours, Explanation, written};
use wording::{Wording, failed, of_row, shown};

/// The most that is explanation at once, in bytes: a stranger's capture may make it endless.
const MOST: usize = 1 << 30;

/// What was explanation, as it is printed.
struct Page {
    text: String,
    json: bool,
    colours: Colours,
}

impl Page {
    fn tell(&mut self, explanation: &Explanation) -> Result<(), CommandError> {
        match self.json {
            true => {
                let _ = writeln!(self.text, "{}", serde_json::json!(explanation));
            }
            false => self.text.push_str(&written(explanation, &self.colours)),
        }
        match self.text.len() > MOST {
            true => Err(CommandError::LongExplanation(MOST)),
            false => Ok(()),
        }
    }
}

/// Explains the rows that are asked for. Coloured if `colours`.
pub(crate) fn explain(asked: &Explain, colours: bool) -> Result<String, CommandError> {
    let mut page = Page { text: String::new(), json: asked.json, colours: Colours(colours) };
    let chosen = RowFilter::new(&asked.paths)?;
    match &asked.subject {
        Subject::Spec(mtree, options) => {
            let cache = Cache::new(Cache::DEFAULT_LIMIT);
            let mut disk = Disk::new(Context::new(Path::new("."), &cache));
            tell(mtree, options, None, &mut disk, &chosen, &mut page)?;
        }
        Subject::Capture(file) => {
            let capture = loading::read_capture(file)?;
            let mut host = loading::host(&capture, file)?;
            let Recorded { request, inputs } = Recorded::new(&capture, &mut host)?;
            let inputs = inputs.as_ref();
            tell(&request.mtree, &request.options, inputs, &mut host, &chosen, &mut page)?;
        }
    }
    if page.text.is_empty() {
        if let Some(patterns) = &chosen.0 {
            let typed = patterns.iter().map(|pattern| pattern.typed.clone());
            return Err(CommandError::NoRow(typed.collect()));
        }
        if !asked.json {
            page.text.push_str(
                "no row became a link, or stayed a file since nothing on its trail is in the archive\n",
            );
        }
    }
    Ok(page.text)
}

/// The rows that somebody asks for: all that are of note, if none.
struct RowFilter(Option<Vec<Pattern>>);

struct Pattern {
    /// As it is shown.
    typed: String,
    glob: GlobMatcher,
}

impl RowFilter {
    fn new(patterns: &[OsString]) -> Result<Self, CommandError> {
        let patterns = patterns.iter().map(|pattern| Pattern::new(pattern));
        let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
        Ok(Self((!patterns.is_empty()).then_some(patterns)))
    }

    fn takes(&self, path: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|patterns| patterns.iter().any(|pattern| pattern.takes(path)))
    }
}

impl Pattern {
    fn new(pattern: &OsStr) -> Result<Self, CommandError> {
        let text = pattern
            .to_str()
            .ok_or_else(|| CommandError::PatternNotUtf8(pattern.as_bytes().to_vec()))?;
        // Archive paths have no head, however they are typed.
        let text = text.trim_start_matches("./").trim_start_matches('/').trim_end_matches('/');
        let glob = GlobBuilder::new(text).literal_separator(true).build()?.compile_matcher();
        Ok(Self { typed: shown(text.as_bytes()), glob })
    }

    /// Whether it is this path, to the letter or as it is shown, or a glob of it: `app/[id].js` is a
    /// name too.
    fn takes(&self, path: &[u8]) -> bool {
        self.typed.as_bytes() == path
            || self.glob.is_match(Path::new(OsStr::from_bytes(path)))
            || self.typed == shown(path)
    }
}

fn tell(
    mtree: &Path,
    options: &ResolveOptions,
    inputs: Option<&Inputs>,
    host: &mut impl Host,
    chosen: &RowFilter,
    page: &mut Page,
) -> Result<(), CommandError> {
    let Specs { spec, also } = match Specs::read(mtree, options, host) {
        Err(error @ RequestError::Spec { .. }) => return page.tell(&failed("", &error)),
        specs => specs?,
    };
    if options.no_resolve {
        for row in spec.row_ids() {
            if chosen.takes(spec.path(spec.row(row))) {
                page.tell(&Explanation {
                    becomes: "itself".to_owned(),
                    because: vec!["--no-resolve: rows are changed, and not resolved".to_owned()],
                    ..of_row(&spec, row)
                })?;
            }
        }
        return Ok(());
    }
    let mut tree = host.tree()?;
    let takes = |path: &[u8]| chosen.takes(path);
    let chosen = chosen.0.is_some().then_some(&takes as resolve::Chosen<'_>);
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
            page.tell(&match explained {
                Explained::Directory(trace) => wording.directory(trace),
                Explained::Row(trace) => wording.row(trace),
            })
        },
    );
    match explained {
        Err(CommandError::Request(error)) => match &error {
            RequestError::SymlinkLoop { path, .. } | RequestError::MissingTarget { path, .. } => {
                page.tell(&failed(&shown(path), &error))
            }
            _ => Err(error.into()),
        },
        explained => explained.map(drop),
    }
}

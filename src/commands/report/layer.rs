//! One layer of the page: from a capture, which is resolved again, or from a report file.
//!
//! Knows the sizes of a layer, and which rows stayed files; must not know how they are shown.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

use crate::capture::{self, Capture, ReplayHost};
use crate::commands::error::CommandError;
use crate::commands::loading::{self, RecordedRequest};
use crate::display::Escaped;
use crate::error::Sentence;
use crate::layer::sizes::{self, HEADER};
use crate::mtree::{Kind, RowId, Spec};
use crate::path;
use crate::request::{Host, ObservedTree, Report, Specs};
use crate::resolve::{self, Decisions, Explained, RowOutcome, RowTrace, Unchanged};

/// The longest explanation of rows that stayed files, in bytes. A small capture may have an explanation of
/// many gigabytes.
const MOST: usize = 256 << 20;

/// The data of one layer. Content bytes and archive bytes are those of [`crate::layer::sizes`].
#[derive(Default, Serialize)]
pub(super) struct Layer {
    /// The name of the request's output; for a report file, its own name.
    name: String,
    /// The name of the file that the data is from.
    file: String,
    /// Whether the data is from a capture. A report file names no rows.
    is_capture: bool,
    /// The error, if the request failed.
    error: Option<String>,
    /// The numbers of the run. `bytes_saved` is content bytes for both kinds of file.
    report: Report,
    /// Archive bytes with a copy in place of each link, of the rows whose sizes are known.
    archive_with_copies: u64,
    /// Archive bytes with links.
    archive_with_links: u64,
    /// How many files have a size that neither the spec nor the disk gives.
    unknown_sizes: usize,
    savings: Vec<Saving>,
    unlinked: Vec<UnlinkedRow>,
    /// The steps of the request, with their times in milliseconds.
    steps: Vec<(String, f64)>,
}

/// A link, and what it saves.
#[derive(Serialize)]
struct Saving {
    path: String,
    target: String,
    /// How many rows it replaces.
    rows: usize,
    /// The content bytes of these rows; `None` if the size of one is unknown.
    content_bytes: Option<u64>,
}

/// A row that stayed a file, although its source is a symlink or is not known.
#[derive(Serialize)]
struct UnlinkedRow {
    path: String,
    why: String,
    /// The number of the rule in docs/design.md.
    rule: u8,
    content_bytes: Option<u64>,
}

impl Layer {
    /// Reads a capture or a report file. Sizes that the spec does not state are read from the disk:
    /// below `directory`, or where the request was recorded.
    pub(super) fn read(file: &Path, directory: Option<&Path>) -> Result<Self, CommandError> {
        let bytes = loading::read_file(file)?;
        let name = file.file_name().unwrap_or(file.as_os_str());
        let name = Escaped(name.as_bytes()).to_string();
        let mut layer = Self { name: name.clone(), file: name, ..Self::default() };
        if capture::is_capture(&bytes) {
            let capture = loading::decode(&bytes, file)?;
            let host = loading::host(&capture, file)?;
            layer.is_capture = true;
            layer.add_capture(&capture, host, directory);
        } else {
            layer.report = serde_json::from_slice(&bytes)
                .map_err(|source| CommandError::NotAReport { path: file.to_owned(), source })?;
        }
        Ok(layer)
    }

    fn add_capture(&mut self, capture: &Capture, mut host: ReplayHost, directory: Option<&Path>) {
        let steps = capture.steps.iter();
        self.steps = steps.map(|step| (step.name.clone(), step.nanoseconds as f64 / 1e6)).collect();
        let root = loading::root(capture, directory);
        // A request that failed is shown with its error.
        if let Err(error) = self.resolve(capture, &mut host, &root) {
            self.error = Some(Sentence(&error).to_string());
        }
    }

    fn resolve(
        &mut self,
        capture: &Capture,
        host: &mut ReplayHost,
        root: &Path,
    ) -> Result<(), CommandError> {
        let RecordedRequest { request, inputs } = RecordedRequest::new(capture, host)?;
        let options = &request.options;
        let Specs { spec, also, .. } = Specs::read(&request.mtree, options, host)?;
        if let Some(name) = request.out.file_name() {
            self.name = Escaped(name.as_bytes()).to_string();
        }
        let contents = Contents { spec: &spec, root };
        let mut tree = host.tree()?;
        let mut decisions = Decisions::default();
        if !options.no_resolve {
            let inputs = inputs.as_ref();
            let mut length = 0;
            let add_inlined = |explained, _: &Decisions, tree: &_| {
                if let Explained::Row(trace) = explained
                    && trace.outcome == RowOutcome::Unchanged(Unchanged::Inlined)
                {
                    let why = not_in_archive(&trace, &spec, tree);
                    length += why.len();
                    if length > MOST {
                        return Err(CommandError::LongReport(MOST));
                    }
                    self.unlinked.push(contents.unlinked(trace.row, 3, why));
                }
                Ok(())
            };
            let options = options.resolve;
            decisions =
                resolve::explain(&spec, &also, options, inputs, &mut tree, None, add_inlined)?;
        }
        self.report = Report::new(&spec, &decisions, &decisions.tally(), &tree.observations());
        drop(tree);
        for row in decisions.unchanged(Unchanged::Absent) {
            let why = "its source does not exist, or is not an input".to_owned();
            self.unlinked.push(contents.unlinked(row, 8, why));
        }
        for row in decisions.unchanged(Unchanged::Unreadable) {
            let why = "a directory on the way to its source cannot be read".to_owned();
            self.unlinked.push(contents.unlinked(row, 8, why));
        }
        self.add_sizes(&decisions, &contents);
        Ok(())
    }

    fn add_sizes(&mut self, decisions: &Decisions, contents: &Contents<'_>) {
        let spec = contents.spec;
        let is_file = |row: &RowId| spec.row(*row).kind() == Kind::File;
        let content_of = |row: RowId| contents.of(row);
        // The archive bytes of an entry; `None` if its size is unknown.
        let archive_of = |row: RowId| match is_file(&row) {
            true => contents.of(row).map(sizes::file),
            false => Some(HEADER),
        };
        for row in spec.row_ids() {
            match archive_of(row) {
                Some(bytes) => add(&mut self.archive_with_copies, bytes),
                None => self.unknown_sizes += 1,
            }
        }
        let mut archive_saved = 0;
        for link in decisions.links().iter().filter(|link| is_file(&link.row)) {
            let saved = sizes::archive_saved([archive_of(link.row)].into_iter());
            add(&mut archive_saved, saved.unwrap_or(0));
            self.savings.push(Saving {
                path: Escaped(spec.path(spec.row(link.row))).to_string(),
                target: Escaped(&link.text).to_string(),
                rows: 1,
                content_bytes: content_of(link.row),
            });
        }
        for link in decisions.directory_links() {
            let rows = || link.rows.iter().copied();
            let saved = sizes::archive_saved(rows().map(archive_of));
            add(&mut archive_saved, saved.unwrap_or(0));
            let known: Option<Vec<_>> = rows().filter(is_file).map(content_of).collect();
            self.savings.push(Saving {
                path: Escaped(&link.path).to_string(),
                target: Escaped(&link.text).to_string(),
                rows: link.rows.len(),
                content_bytes: known.map(|files| sizes::content_saved(files.into_iter().map(Some))),
            });
        }
        self.archive_with_links = self.archive_with_copies.saturating_sub(archive_saved);
        let replaced_files = decisions.replaced().filter(is_file);
        self.report.bytes_saved = Some(sizes::content_saved(replaced_files.map(content_of)));
        self.savings.sort_by(|one, other| {
            (other.content_bytes, &one.path).cmp(&(one.content_bytes, &other.path))
        });
    }
}

/// Why a row stayed a file: where its trail leads.
fn not_in_archive(trace: &RowTrace, spec: &Spec, tree: &impl ObservedTree) -> String {
    let name = path::split(spec.source(spec.row(trace.row))).1;
    let home = trace.home.map(|(directory, _)| tree.path(directory, name));
    let hops = trace.trail.iter().map(|hop| tree.path(hop.directory, &hop.name));
    let trail: Vec<_> =
        home.into_iter().chain(hops).map(|path| Escaped(&path).to_string()).collect();
    format!("not in the archive: {}", trail.join(" -> "))
}

/// Adds sizes. Those in a spec may be larger than any file, and their sum more than 64 bits.
fn add(sum: &mut u64, bytes: u64) {
    *sum = sum.saturating_add(bytes);
}

/// The content bytes of files: as the spec states them, or else from the disk.
struct Contents<'s> {
    spec: &'s Spec,
    root: &'s Path,
}

impl Contents<'_> {
    fn of(&self, row: RowId) -> Option<u64> {
        let row = self.spec.row(row);
        if let Some(size) = self.spec.size(row) {
            return Some(size);
        }
        let file = self.root.join(OsStr::from_bytes(self.spec.source(row))).metadata().ok()?;
        file.is_file().then_some(file.len())
    }

    fn unlinked(&self, row: RowId, rule: u8, why: String) -> UnlinkedRow {
        let path = Escaped(self.spec.path(self.spec.row(row))).to_string();
        UnlinkedRow { path, why, rule, content_bytes: self.of(row) }
    }
}

//! One layer of the page: from a capture, which is resolved again, or from a report file.
//!
//! Knows the sizes of a layer, and which rows stayed files; must not know what the page looks like.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

use super::contents::{self, Contents, WrittenContents};
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
    pub name: String,
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
    /// What is in the layer that the capture wrote. `None` for captures of `resolve`, and for report files.
    pub contents: Option<Contents>,
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
    /// below `directory`, or where the request was recorded. Also returns the layer that a capture wrote.
    pub(super) fn read(
        file: &Path,
        directory: Option<&Path>,
    ) -> Result<(Self, Option<WrittenContents>), CommandError> {
        let bytes = loading::read_file(file)?;
        let name = file.file_name().unwrap_or(file.as_os_str());
        let name = Escaped(name.as_bytes()).to_string();
        let mut layer = Self { name: name.clone(), file: name, ..Self::default() };
        let mut written = None;
        if capture::is_capture(&bytes) {
            let capture = loading::decode(&bytes, file)?;
            let host = loading::host(&capture, file)?;
            layer.is_capture = true;
            written = match contents::read(&capture, file) {
                Ok(written) => written,
                // A request that failed is shown with its error.
                Err(error) => {
                    layer.error = Some(Sentence(&error).to_string());
                    None
                }
            };
            layer.add_capture(&capture, host, directory, written.as_ref());
        } else {
            layer.report = serde_json::from_slice(&bytes)
                .map_err(|source| CommandError::NotAReport { path: file.to_owned(), source })?;
        }
        Ok((layer, written))
    }

    fn add_capture(
        &mut self,
        capture: &Capture,
        mut host: ReplayHost,
        directory: Option<&Path>,
        written: Option<&WrittenContents>,
    ) {
        let steps = capture.steps.iter();
        self.steps = steps.map(|step| (step.name.clone(), step.nanoseconds as f64 / 1e6)).collect();
        let root = loading::root(capture, directory);
        // A request that failed is shown with its error.
        if let Err(error) = self.resolve(capture, &mut host, &root, written) {
            self.error.get_or_insert(Sentence(&error).to_string());
        }
    }

    fn resolve(
        &mut self,
        capture: &Capture,
        host: &mut ReplayHost,
        root: &Path,
        written: Option<&WrittenContents>,
    ) -> Result<(), CommandError> {
        let RecordedRequest { request, inputs } = RecordedRequest::new(capture, host)?;
        let options = &request.options;
        let Specs { spec, also, .. } = Specs::read(&request.mtree, options, host)?;
        if let Some(name) = request.out.file_name() {
            self.name = Escaped(name.as_bytes()).to_string();
        }
        let contents = FileSizes { spec: &spec, root, written };
        let mut tree = host.tree()?;
        let mut decisions = Decisions::default();
        if !options.no_resolve {
            let inputs = inputs.as_ref();
            let mut length = 0;
            let add_inlined = |explained, _: &Decisions, tree: &_| {
                if let Explained::Row(trace) = explained
                    && trace.outcome == RowOutcome::Unchanged(Unchanged::Inlined)
                    && contents.is_in_layer(spec.path(spec.row(trace.row)))
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

    fn add_sizes(&mut self, decisions: &Decisions, contents: &FileSizes<'_>) {
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
        let is_in_layer = |path: &[u8]| contents.is_in_layer(path);
        let is_shown = |row: &RowId| is_file(row) && is_in_layer(spec.path(spec.row(*row)));
        let links = decisions.links().iter().filter(|link| is_shown(&link.row));
        for link in links {
            let saved = sizes::archive_saved([archive_of(link.row)].into_iter());
            add(&mut archive_saved, saved.unwrap_or(0));
            self.savings.push(Saving {
                path: Escaped(spec.path(spec.row(link.row))).to_string(),
                target: Escaped(&link.text).to_string(),
                rows: 1,
                content_bytes: content_of(link.row),
            });
        }
        let directory_links = decisions.directory_links().iter();
        for link in directory_links.filter(|link| is_in_layer(&link.path)) {
            let rows = || link.rows.iter().copied();
            let saved = sizes::archive_saved(rows().map(archive_of));
            add(&mut archive_saved, saved.unwrap_or(0));
            self.savings.push(Saving {
                path: Escaped(&link.path).to_string(),
                target: Escaped(&link.text).to_string(),
                rows: link.rows.len(),
                content_bytes: sizes::content_saved(rows().filter(is_file).map(content_of)),
            });
        }
        self.archive_with_links = self.archive_with_copies.saturating_sub(archive_saved);
        if let Some(written) = contents.written {
            // What was written is known; what copies would add is not in it.
            let Contents { tar, hard_links_saved_tar, .. } = written.contents;
            let with_hard_links = archive_saved.saturating_add(hard_links_saved_tar);
            (self.archive_with_links, self.archive_with_copies) =
                (tar, tar.saturating_add(with_hard_links));
            let saved = self.savings.iter().map(|saving| saving.content_bytes);
            self.unknown_sizes = saved.clone().filter(Option::is_none).count();
            self.report.bytes_saved = Some(sizes::sum_of_known(saved));
        } else {
            let replaced_files = decisions.replaced().filter(is_file);
            self.report.bytes_saved = Some(sizes::sum_of_known(replaced_files.map(content_of)));
        }
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

/// The content bytes of files: as the layer has them or the spec states them, or else from the disk.
struct FileSizes<'s> {
    spec: &'s Spec,
    root: &'s Path,
    /// The layer that was written, if one was.
    written: Option<&'s WrittenContents>,
}

impl FileSizes<'_> {
    fn of(&self, row: RowId) -> Option<u64> {
        let row = self.spec.row(row);
        if let Some(size) = self.written.and_then(|written| written.linked.of(self.spec.path(row)))
        {
            return Some(size);
        }
        if let Some(size) = self.spec.size(row) {
            return Some(size);
        }
        let file = self.root.join(OsStr::from_bytes(self.spec.source(row))).metadata().ok()?;
        file.is_file().then_some(file.len())
    }

    /// Whether a row is in the layer. Without one, every row is.
    fn is_in_layer(&self, path: &[u8]) -> bool {
        self.written.is_none_or(|written| written.linked.has(path))
    }

    fn unlinked(&self, row: RowId, rule: u8, why: String) -> UnlinkedRow {
        let path = Escaped(self.spec.path(self.spec.row(row))).to_string();
        UnlinkedRow { path, why, rule, content_bytes: self.of(row) }
    }
}

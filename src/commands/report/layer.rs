//! One layer of the page: a capture that is resolved once more, or the numbers of a report file.
//!
//! Knows what a layer weighs; must not know how that is shown.

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

/// The most that is said of rows left as files, in bytes: a stranger's capture may make it endless.
const MOST: usize = 256 << 20;

/// What the page shows of one layer. Weights are bytes in a tar archive.
#[derive(Default, Serialize)]
pub(super) struct Layer {
    /// Of its output, if that is known, else of the file.
    name: String,
    /// The file that this is from.
    file: String,
    /// It is from a capture: its rows are known, not only their numbers.
    is_capture: bool,
    /// What went wrong, if the request failed.
    error: Option<String>,
    report: Report,
    /// With a copy for every link; of the rows that could be weighed.
    with_copies: u64,
    with_links: u64,
    /// Files of which nobody tells the size.
    unweighed: usize,
    savings: Vec<Saving>,
    left: Vec<Left>,
    /// By step, in milliseconds.
    steps: Vec<(String, f64)>,
}

/// A link that stands for what would be a copy.
#[derive(Serialize)]
struct Saving {
    path: String,
    target: String,
    /// How many rows it stands for.
    rows: usize,
    /// `None` where nobody tells.
    bytes: Option<u64>,
}

/// A row that stayed a file although its source may be a link.
#[derive(Serialize)]
struct Left {
    path: String,
    why: String,
    rule: u8,
    bytes: Option<u64>,
}

impl Layer {
    /// Reads a capture or a report file. Sizes that are not in the spec are asked for below `directory`,
    /// or where the request was recorded.
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
        // A request that failed is shown with the error that it was answered.
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
        let Specs { spec, also } = Specs::read(&request.mtree, options, host)?;
        if let Some(name) = request.out.file_name() {
            self.name = Escaped(name.as_bytes()).to_string();
        }
        let weigher = Weigher { spec: &spec, root };
        let mut tree = host.tree()?;
        let mut decisions = Decisions::default();
        if !options.no_resolve {
            let inputs = inputs.as_ref();
            let mut length = 0;
            let tell = |explained, _: &Decisions, tree: &_| {
                if let Explained::Row(trace) = explained
                    && trace.outcome == RowOutcome::Unchanged(Unchanged::Inlined)
                {
                    let why = not_in_archive(&trace, &spec, tree);
                    length += why.len();
                    if length > MOST {
                        return Err(CommandError::LongReport(MOST));
                    }
                    self.left.push(weigher.left(trace.row, 3, why));
                }
                Ok(())
            };
            decisions =
                resolve::explain(&spec, &also, options.resolve, inputs, &mut tree, None, tell)?;
        }
        self.report = Report::new(&spec, &decisions, &tree.observations());
        drop(tree);
        for row in decisions.unchanged(Unchanged::Absent) {
            let why = "its source does not exist, or is not an input".to_owned();
            self.left.push(weigher.left(row, 8, why));
        }
        for row in decisions.unchanged(Unchanged::Unreadable) {
            let why = "a directory on the way cannot be read".to_owned();
            self.left.push(weigher.left(row, 8, why));
        }
        self.weigh(&spec, &decisions, &weigher);
        Ok(())
    }

    fn weigh(&mut self, spec: &Spec, decisions: &Decisions, weigher: &Weigher<'_>) {
        for row in spec.row_ids() {
            match (spec.row(row).kind(), weigher.file(row)) {
                (Kind::File, Some(bytes)) => add(&mut self.with_copies, bytes),
                (Kind::File, None) => self.unweighed += 1,
                _ => add(&mut self.with_copies, HEADER),
            }
        }
        for link in decisions.links() {
            let bytes = weigher.file(link.row).map(|bytes| bytes.saturating_sub(HEADER));
            let found = spec.row(link.row);
            if found.kind() == Kind::File {
                self.saving(spec.path(found), &link.text, 1, bytes);
            }
        }
        for link in decisions.directory_links() {
            let files = link.rows.iter().filter(|row| spec.row(**row).kind() == Kind::File);
            let bytes = files
                .map(|row| weigher.file(*row))
                .try_fold(0, |all: u64, bytes| Some(all.saturating_add(bytes?)));
            let others = link.rows.iter().filter(|row| spec.row(**row).kind() != Kind::File);
            let others = others.count() as u64 * HEADER;
            let bytes = bytes.map(|bytes| bytes.saturating_add(others).saturating_sub(HEADER));
            self.saving(&link.path, &link.text, link.rows.len(), bytes);
        }
        let mut saved = 0;
        self.savings.iter().filter_map(|saving| saving.bytes).for_each(|one| add(&mut saved, one));
        self.with_links = self.with_copies.saturating_sub(saved);
        self.report.bytes_saved = Some(saved);
        self.savings.sort_by(|one, other| (other.bytes, &one.path).cmp(&(one.bytes, &other.path)));
    }

    fn saving(&mut self, path: &[u8], target: &[u8], rows: usize, bytes: Option<u64>) {
        let (path, target) = (Escaped(path).to_string(), Escaped(target).to_string());
        self.savings.push(Saving { path, target, rows, bytes });
    }
}

/// Why a row stays a file: where its trail leads.
fn not_in_archive(trace: &RowTrace, spec: &Spec, tree: &impl ObservedTree) -> String {
    let name = path::split(spec.source(spec.row(trace.row))).1;
    let home = trace.home.map(|(directory, _)| tree.path(directory, name));
    let hops = trace.trail.iter().map(|hop| tree.path(hop.directory, &hop.name));
    let trail: Vec<_> =
        home.into_iter().chain(hops).map(|path| Escaped(&path).to_string()).collect();
    format!("not in the archive: {}", trail.join(" -> "))
}

/// Sizes are what a spec says, and may add up to more than any file is.
fn add(sum: &mut u64, bytes: u64) {
    *sum = sum.saturating_add(bytes);
}

/// Tells what files weigh: as the spec says, else as the disk does.
struct Weigher<'s> {
    spec: &'s Spec,
    root: &'s Path,
}

impl Weigher<'_> {
    /// The weight of a row's file in a tar archive, in bytes.
    fn file(&self, row: RowId) -> Option<u64> {
        let row = self.spec.row(row);
        if let Some(size) = self.spec.size(row) {
            return Some(sizes::file(size));
        }
        let file = self.root.join(OsStr::from_bytes(self.spec.source(row))).metadata().ok()?;
        file.is_file().then(|| sizes::file(file.len()))
    }

    fn left(&self, row: RowId, rule: u8, why: String) -> Left {
        let path = Escaped(self.spec.path(self.spec.row(row))).to_string();
        Left { path, why, rule, bytes: self.file(row) }
    }
}

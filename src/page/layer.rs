//! One layer of the page: a capture that is resolved once more, or the numbers of a report file.
//!
//! Knows what a layer weighs; must not know how that is shown.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

use crate::again::{self, Again};
use crate::capture::{self, Capture, Replaying};
use crate::command::Specs;
use crate::error::Error;
use crate::inspect::in_tar;
use crate::path;
use crate::report::Report;
use crate::resolve::{self, Becomes, Decisions, Staying, Story, Tale};
use crate::show::Shown;
use crate::site::{Site, Watched};
use crate::spec::{Kind, Spec};

/// What a link takes in a tar archive, in bytes: a header.
const LINK: u64 = 512;
/// The most that is said of rows left as files, in bytes: a stranger's capture may make it endless.
const MOST: usize = 256 << 20;

/// What the page shows of one layer. Weights are bytes in a tar archive.
#[derive(Default, Serialize)]
pub struct Layer {
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
    pub fn read(file: &Path, directory: Option<&Path>) -> Result<Self, Error> {
        let bytes =
            std::fs::read(file).map_err(|source| Error::Read { path: file.to_owned(), source })?;
        let name = file.file_name().unwrap_or(file.as_os_str());
        let name = Shown(name.as_bytes()).to_string();
        let mut layer = Self { name: name.clone(), file: name, ..Self::default() };
        if capture::is_capture(&bytes) {
            let damaged = |wrong| again::damaged(file, wrong);
            let capture = capture::read(&bytes).map_err(damaged)?;
            let replaying = Replaying::new(&capture).map_err(damaged)?;
            layer.is_capture = true;
            layer.add_capture(&capture, replaying, directory);
        } else {
            layer.report = serde_json::from_slice(&bytes).map_err(|wrong| Error::NoReport {
                path: file.to_owned(),
                wrong: wrong.to_string(),
            })?;
        }
        Ok(layer)
    }

    fn add_capture(&mut self, capture: &Capture, mut site: Replaying, directory: Option<&Path>) {
        let steps = capture.steps.iter();
        self.steps = steps.map(|step| (step.name.clone(), step.nanoseconds as f64 / 1e6)).collect();
        let root = again::root(capture, directory);
        // A request that failed is shown with the error that it was answered.
        if let Err(error) = self.resolve(capture, &mut site, &root) {
            self.error = Some(error.to_string());
        }
    }

    fn resolve(
        &mut self,
        capture: &Capture,
        site: &mut Replaying,
        root: &Path,
    ) -> Result<(), Error> {
        let Again { args, inputs } = Again::new(capture, site)?;
        let Specs { spec, also } = Specs::read(&args, site)?;
        if let Some(name) = args.out.file_name() {
            self.name = Shown(name.as_bytes()).to_string();
        }
        let weigher = Weigher { spec: &spec, root };
        let mut tree = site.tree()?;
        let mut decisions = Decisions::default();
        if !args.how.no_resolve {
            let options = args.how.options();
            decisions = resolve::resolve(&spec, &also, options, inputs.as_ref(), &mut tree)?;
            let inputs = inputs.as_ref();
            let mut said = 0;
            resolve::explain(&spec, &also, options, inputs, &mut tree, None, |tale, tree| {
                if let Tale::Row(story) = tale
                    && let Becomes::Itself(Staying::Inlined) = story.becomes
                {
                    let why = want(&story, &spec, tree);
                    said += why.len();
                    if said > MOST {
                        let what = format!("its rows left as files say more than {MOST} bytes");
                        return Err(Error::AsRecorded(what));
                    }
                    self.left.push(weigher.left(story.row, 3, why));
                }
                Ok(())
            })?;
        }
        self.report = crate::command::numbers(&spec, &decisions, &tree.noticed());
        drop(tree);
        for &row in &decisions.absent {
            let why = "its source is not there, or not among the inputs".to_owned();
            self.left.push(weigher.left(row, 8, why));
        }
        for &row in &decisions.unknown {
            let why = "a directory on the way cannot be read".to_owned();
            self.left.push(weigher.left(row, 8, why));
        }
        self.weigh(&spec, &decisions, &weigher);
        Ok(())
    }

    fn weigh(&mut self, spec: &Spec, decisions: &Decisions, weigher: &Weigher<'_>) {
        for (number, row) in spec.rows().iter().enumerate() {
            match (row.kind(), weigher.file(number)) {
                (Kind::File, Some(bytes)) => add(&mut self.with_copies, bytes),
                (Kind::File, None) => self.unweighed += 1,
                _ => add(&mut self.with_copies, LINK),
            }
        }
        for (row, text) in &decisions.links {
            let bytes = weigher.file(*row).map(|bytes| bytes.saturating_sub(LINK));
            let found = &spec.rows()[*row];
            if found.kind() == Kind::File {
                self.saving(spec.path(found), text, 1, bytes);
            }
        }
        for link in &decisions.directory_links {
            let files = link.rows.iter().filter(|row| spec.rows()[**row].kind() == Kind::File);
            let bytes = files
                .map(|row| weigher.file(*row))
                .try_fold(0, |all: u64, bytes| Some(all.saturating_add(bytes?)));
            let others = link.rows.iter().filter(|row| spec.rows()[**row].kind() != Kind::File);
            let others = others.count() as u64 * LINK;
            let bytes = bytes.map(|bytes| bytes.saturating_add(others).saturating_sub(LINK));
            self.saving(&link.path, &link.text, link.rows.len(), bytes);
        }
        let mut saved = 0;
        self.savings.iter().filter_map(|saving| saving.bytes).for_each(|one| add(&mut saved, one));
        self.with_links = self.with_copies.saturating_sub(saved);
        self.report.bytes_saved = saved;
        self.savings.sort_by(|one, other| (other.bytes, &one.path).cmp(&(one.bytes, &other.path)));
    }

    fn saving(&mut self, path: &[u8], target: &[u8], rows: usize, bytes: Option<u64>) {
        let (path, target) = (Shown(path).to_string(), Shown(target).to_string());
        self.savings.push(Saving { path, target, rows, bytes });
    }
}

/// Why a row was left for want of a target.
fn want(story: &Story, spec: &Spec, tree: &impl Watched) -> String {
    let name = path::split(spec.source(&spec.rows()[story.row])).1;
    let home = story.home.map(|(directory, _)| tree.path(directory, name));
    let hops = story.trail.iter().map(|hop| tree.path(hop.directory, &hop.name));
    let trail: Vec<_> = home.into_iter().chain(hops).map(|path| Shown(&path).to_string()).collect();
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
    fn file(&self, number: usize) -> Option<u64> {
        let row = &self.spec.rows()[number];
        if let Some(size) = self.spec.size(row) {
            return Some(in_tar(size));
        }
        let file = self.root.join(OsStr::from_bytes(self.spec.source(row))).metadata().ok()?;
        file.is_file().then(|| in_tar(file.len()))
    }

    fn left(&self, number: usize, rule: u8, why: String) -> Left {
        let path = Shown(self.spec.path(&self.spec.rows()[number])).to_string();
        Left { path, why, rule, bytes: self.file(number) }
    }
}

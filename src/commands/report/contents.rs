//! What the page shows of a layer that a capture wrote.
//!
//! Knows which numbers there are, and puts them together; each is computed in a module of its own.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::headline::Headline;
use super::linked::LinkedSizes;
use super::measured::{EntryBytes, MeasuredLayer, PageKind};
use super::packages::{Package, name_and_kind};
use super::pieces::Pieces;
use super::tree::{self, TreeNode};
use crate::capture::Capture;
use crate::commands::error::CommandError;
use crate::commands::loading::{self, RecordedRequest};
use crate::layer::header;
use crate::layer::sizes::{self, HEADER};
use crate::request::{self, Listing};

/// The most packages that are listed.
const MOST_PACKAGES: usize = 5_000;

/// A layer that a capture wrote.
#[derive(Serialize)]
pub(super) struct Contents {
    /// Sentences.
    headline: Vec<String>,
    /// When the request began, in microseconds since 1970.
    began: u64,
    /// `none`, `gzip` or `zstd`.
    codec: &'static str,
    /// The uncompressed tar, in bytes.
    pub tar: u64,
    /// The layer as it was written, in bytes.
    pub compressed: u64,
    digest: String,
    diff_id: String,
    /// By kind in words: how many entries.
    kinds: BTreeMap<&'static str, usize>,
    entries: usize,
    /// Whether it is known what entries take in the layer.
    has_frames: bool,
    tree: Vec<TreeNode>,
    packages: Vec<PackageSize>,
    /// How many bytes of content hard links save, and of the tar.
    hard_links_saved: u64,
    pub hard_links_saved_tar: u64,
    pieces: Pieces,
    /// How many entries changed since the layer that this worker wrote at the same path before.
    changed: Option<usize>,
    /// The number of the build before, among the layers of the page.
    before: Option<usize>,
    changes: Option<Changes>,
}

/// What a package takes.
#[derive(Serialize)]
struct PackageSize {
    name: String,
    kind: &'static str,
    entries: usize,
    tar: u64,
    compressed: u64,
}

/// A layer, as far as it is compared with others.
pub(super) struct WrittenContents {
    pub contents: Contents,
    pub measured: MeasuredLayer,
    pub linked: LinkedSizes,
    /// The output that the request names.
    pub out: Vec<u8>,
}

/// The parts of a descriptor that the page shows.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PageDescriptor {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: String,
    size: Option<u64>,
    diff_id: String,
}

/// The layer that the request in `capture`, a file at `path`, wrote. `None` if it wrote none.
pub(super) fn read(
    capture: &Capture,
    path: &Path,
) -> Result<Option<WrittenContents>, CommandError> {
    let Some(facts) = &capture.layer else { return Ok(None) };
    let mut host = loading::host(capture, path)?;
    let table = host.frames();
    let RecordedRequest { request, inputs } = RecordedRequest::new(capture, &mut host)?;
    request::run(&request, inputs.map(Listing::new).as_ref(), &mut host)?;
    let Some(layer) = host.take_cut() else { return Ok(None) };
    let measured = MeasuredLayer::new(&layer, &table);
    // A descriptor in another form counts as unknown.
    let descriptor: PageDescriptor = serde_json::from_str(&facts.descriptor).unwrap_or_default();
    let sums = EntryBytes::sum(&measured.entries);
    let tar = sums.tar.saturating_add(header::END.len() as u64);
    let codec = match descriptor.media_type.rsplit_once('+') {
        Some((_, "gzip")) => "gzip",
        Some((_, "zstd")) => "zstd",
        _ => "none",
    };
    let mut kinds = BTreeMap::new();
    for entry in &measured.entries {
        *kinds.entry(entry.kind.word()).or_insert(0) += 1;
    }
    let hard_links = || measured.entries.iter().filter(|entry| entry.kind == PageKind::HardLink);
    let saved = |bytes: u64| sizes::file(bytes).saturating_sub(HEADER);
    let contents = Contents {
        headline: Vec::new(),
        began: capture.began,
        codec,
        tar,
        compressed: descriptor.size.unwrap_or(sums.compressed),
        digest: descriptor.digest,
        diff_id: descriptor.diff_id,
        kinds,
        entries: measured.entries.len(),
        has_frames: measured.has_frames,
        tree: tree::tree(&measured.entries),
        packages: packages(&measured),
        hard_links_saved: hard_links().fold(0, |sum: u64, entry| sum.saturating_add(entry.content)),
        hard_links_saved_tar: hard_links()
            .fold(0, |sum: u64, entry| sum.saturating_add(saved(entry.content))),
        pieces: if measured.has_frames {
            Pieces::new(&table, &measured.entries)
        } else {
            Pieces::default()
        },
        changed: table.changed.map(|changed| changed.len()),
        before: None,
        changes: None,
    };
    let out = request.out.as_os_str().as_bytes().to_vec();
    let linked = LinkedSizes::new(&layer.entries);
    Ok(Some(WrittenContents { contents, measured, linked, out }))
}

fn packages(measured: &MeasuredLayer) -> Vec<PackageSize> {
    let mut packages: BTreeMap<Option<&Package>, (usize, EntryBytes)> = BTreeMap::new();
    for entry in &measured.entries {
        let (entries, bytes) = packages.entry(entry.package.as_ref()).or_default();
        *entries += 1;
        bytes.add(entry.bytes);
    }
    let sizes = packages.into_iter().map(|(package, (entries, bytes))| {
        let (name, kind) = name_and_kind(package);
        PackageSize { name, kind, entries, tar: bytes.tar, compressed: bytes.compressed }
    });
    let mut sizes: Vec<_> = sizes.collect();
    sizes.sort_by_key(|package| std::cmp::Reverse(package.tar));
    sizes.truncate(MOST_PACKAGES);
    sizes
}

impl WrittenContents {
    /// Adds how the layer differs from the build `before`, a layer of the page with its number, and the sentences at the
    /// top.
    pub(super) fn finish(&mut self, name: &str, before: Option<(usize, Changes, bool)>) {
        let contents = &mut self.contents;
        let is_same = before.as_ref().is_some_and(|(_, _, is_same)| *is_same);
        if let Some((number, changes, _)) = before {
            (contents.before, contents.changes) = (Some(number), Some(changes));
        }
        let largest = contents.packages.iter().find(|package| !package.kind.is_empty());
        let headline = Headline {
            name,
            tar: contents.tar,
            compressed: (contents.codec != "none").then_some(contents.compressed),
            entries: contents.entries,
            largest: largest.map(|package| (package.name.as_str(), package.tar)),
            changes: contents.changes.as_ref(),
            is_same,
            made: contents.pieces.made,
            reused: contents.pieces.reused,
        };
        contents.headline = headline.sentences();
    }

    /// How the layer differs from an older build, and whether both have the same digest.
    pub(super) fn since(&self, old: &Self) -> (Changes, bool) {
        let digest = &self.contents.digest;
        let is_same = !digest.is_empty() && *digest == old.contents.digest;
        (Changes::new(&old.measured, &self.measured), is_same)
    }
}

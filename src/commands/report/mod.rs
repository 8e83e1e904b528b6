//! `mtree-worker report`: an HTML page about layers: their sizes by directory and package, what changed between builds,
//! what links save, what is stored twice, and which rows stayed files.
//!
//! The page is the files in `page/` with the data in it as JSON. It loads nothing else, so it needs no network. All numbers
//! and sentences are computed here; the page draws them.

mod builds;
mod changes;
mod contents;
mod duplicates;
mod headline;
mod layer;
mod linked;
mod measured;
mod packages;
mod pieces;
mod tree;
mod words;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::CommandError;
use crate::args::WriteReport;
use crate::request::AtomicFile;
use duplicates::Duplicates;
use layer::Layer;

/// The page, with placeholders for its parts.
const PAGE: &str = include_str!("page/page.html");
const STYLE: (&str, &str) = ("@STYLE@", include_str!("page/style.css"));
/// In this order: each uses those before it.
const SCRIPT: (&str, &str) = (
    "@SCRIPT@",
    concat!(
        include_str!("page/base.js"),
        include_str!("page/tables.js"),
        include_str!("page/layers.js"),
        include_str!("page/links.js")
    ),
);
const DATA: &str = "@DATA@";

#[derive(Serialize)]
struct Data {
    version: &'static str,
    layers: Vec<Layer>,
    /// Of the newest build of each layer. `None` without a layer.
    duplicates: Option<Duplicates>,
}

/// Writes the page that `args` ask for.
pub(crate) fn write(args: &WriteReport) -> Result<(), CommandError> {
    let data = data(args)?;
    // Only `<` could end the script element.
    let data = serde_json::json!(data).to_string().replace('<', "\\u003c");
    let page = PAGE.replace(STYLE.0, STYLE.1).replace(SCRIPT.0, SCRIPT.1);
    let (head, tail) = page.split_once(DATA).unwrap_or((&page, ""));
    let inputs: Vec<PathBuf> = args.files.clone();
    let mut out = AtomicFile::create("--html", Path::new("."), &args.html, &inputs)?;
    out.write(|file: &mut dyn Write| {
        file.write_all(head.as_bytes())?;
        file.write_all(data.as_bytes())?;
        file.write_all(tail.as_bytes())
    })?;
    out.commit()?;
    Ok(())
}

/// Reads the files, and compares the layers that they are of.
fn data(args: &WriteReport) -> Result<Data, CommandError> {
    let read = args.files.iter().map(|file| Layer::read(file, args.cwd.as_deref()));
    let (mut layers, mut written): (Vec<_>, Vec<_>) =
        read.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let before = builds::before(&written);
    let newest = |number: &usize| !before.contains(&Some(*number));
    let numbered = written.iter().enumerate();
    let shown = numbered.filter_map(|(number, layer)| Some((number, &layer.as_ref()?.measured)));
    let duplicates = Duplicates::new(shown.filter(|(number, _)| newest(number)));
    let changes = before.iter().zip(&written).map(|(before, layer)| {
        let old = (*before)?;
        let (changes, is_same) = layer.as_ref()?.since(written[old].as_ref()?);
        Some((old, changes, is_same))
    });
    let changes: Vec<_> = changes.collect();
    let has_layers = written.iter().any(Option::is_some);
    for ((layer, written), changes) in layers.iter_mut().zip(&mut written).zip(changes) {
        if let Some(mut written) = written.take() {
            written.finish(&layer.name, changes);
            layer.contents = Some(written.contents);
        }
    }
    Ok(Data {
        version: env!("CARGO_PKG_VERSION"),
        layers,
        duplicates: has_layers.then_some(duplicates),
    })
}

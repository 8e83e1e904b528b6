//! `mtree-worker report`: an HTML page with the sizes of layers, what links save, and which rows stayed
//! files.
//!
//! The page is `page.html` with the data in it as JSON. It loads nothing else, so it needs no network.

mod layer;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::CommandError;
use crate::args::WriteReport;
use crate::request::AtomicFile;
use layer::Layer;

/// The page, with a placeholder for the data.
const PAGE: &str = include_str!("page.html");
const PLACEHOLDER: &str = "@DATA@";

#[derive(Serialize)]
struct Data {
    version: &'static str,
    layers: Vec<Layer>,
}

/// Writes the page that `args` ask for.
pub(crate) fn write(args: &WriteReport) -> Result<(), CommandError> {
    let layers = args.files.iter().map(|file| Layer::read(file, args.cwd.as_deref()));
    let data =
        Data { version: env!("CARGO_PKG_VERSION"), layers: layers.collect::<Result<_, _>>()? };
    // Only `<` could end the script element.
    let data = serde_json::json!(data).to_string().replace('<', "\\u003c");
    let (head, tail) = PAGE.split_once(PLACEHOLDER).unwrap_or((PAGE, ""));
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

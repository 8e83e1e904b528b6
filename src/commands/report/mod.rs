//! `mtree-worker report`: what layers weigh, what links save, and which rows stayed files, as one page.
//!
//! The page is `page.html` with the data put into it as JSON. It asks for nothing else: there is no
//! network where it is looked at.

mod layer;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::CommandError;
use crate::args::WriteReport;
use crate::request::AtomicFile;
use layer::Layer;

/// The page, with a mark where the data goes.
const PAGE: &str = include_str!("page.html");
const MARK: &str = "@DATA@";

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
    // In a script element, only `<` could end it.
    let data = serde_json::json!(data).to_string().replace('<', "\\u003c");
    let (head, tail) = PAGE.split_once(MARK).unwrap_or((PAGE, ""));
    let inputs: Vec<PathBuf> = args.files.clone();
    let mut out = AtomicFile::create("--html", Path::new("."), &args.html, &inputs)?;
    out.write(|file: &mut dyn Write| {
        file.write_all(head.as_bytes())?;
        file.write_all(data.as_bytes())?;
        file.write_all(tail.as_bytes())
    })?;
    Ok(out.commit()?)
}

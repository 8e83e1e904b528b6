//! `mtree-worker diff`: how two layers, specs or captures differ.
//!
//! Nothing is unpacked. Knows the order of the work: two files are read, compared, explained where a capture can, and
//! the differences are printed.

mod compare;
mod entry;
mod error;
mod frames;
mod json;
mod provenance;
mod sentences;
mod side;
mod spec;
mod stat;
mod text;
mod words;

use std::fmt::Write as _;

use super::error::CommandError;
use super::explain::MOST;
use super::globs::PathGlobs;
use super::paint::Paint;
use crate::args::{Diff, DiffFormat};
use crate::display::Escaped;
use crate::resolve::Chosen;
use crate::server::Response;
use compare::Comparison;
pub use error::DiffError;
use side::DiffSide;

/// Compares two files. The exit code is 0 if nothing differs. The output is coloured if `colours`.
pub(crate) fn diff(args: &Diff, colours: bool) -> Result<Response, CommandError> {
    let globs = PathGlobs::new(&args.paths)?;
    let [old, new] = &args.files;
    let (old, new) = rayon::join(|| DiffSide::read(old), || DiffSide::read(new));
    let (old, new) = (old?, new?);
    let sides = [&old, &new];
    let matches = |path: &[u8]| globs.as_ref().is_some_and(|globs| globs.matches(path));
    if let Some(globs) = &globs {
        let mut entries = sides.iter().flat_map(|side| &side.entries);
        if !entries.any(|entry| matches(entry.path())) {
            return Err(DiffError::NoEntry(globs.texts()).into());
        }
    }
    let chosen = globs.as_ref().map(|_| &matches as Chosen<'_>);
    let comparison = compare::compare(sides, chosen);
    let output = print(args, sides, &comparison, Paint(colours))?;
    Ok(Response { exit_code: comparison.differs().into(), output })
}

/// Formats the differences.
fn print(
    args: &Diff,
    sides: [&DiffSide; 2],
    comparison: &Comparison<'_>,
    paint: Paint,
) -> Result<String, CommandError> {
    let mut out = String::new();
    let is_short = |out: &String| match out.len() {
        0..=MOST => Ok(()),
        _ => Err(DiffError::Long(MOST)),
    };
    let is_text = args.format != DiffFormat::Json;
    if is_text && comparison.differs() {
        for (mark, side, file) in [("---", sides[0], 0), ("+++", sides[1], 1)] {
            let name = Escaped::path(&args.files[file]);
            let line = format!("{mark} {name}: {}", sentences::describe(side));
            let _ = writeln!(out, "{}", paint.strong(&line));
        }
    }
    match args.format {
        DiffFormat::Stat => out.push_str(&stat::lines(comparison, sides, paint)),
        DiffFormat::Text | DiffFormat::Json => {
            let explain =
                |side: usize| provenance::explain(sides[side], &args.files[side], comparison);
            let provenance = [explain(0)?, explain(1)?];
            for difference in &comparison.differences {
                match args.format {
                    DiffFormat::Json => json::push(&mut out, difference, &provenance),
                    _ => text::push(&mut out, difference, &provenance, paint),
                }
                is_short(&out)?;
            }
        }
    }
    if !is_text {
        json::push_rest(&mut out, comparison, sides);
        return Ok(out);
    }
    for (word, sentence) in sentences::of_layers(comparison, sides[1]) {
        let _ = writeln!(out, "{}: {sentence}", paint.changed(word));
    }
    if comparison.differs() {
        out.push_str(&sentences::totals(comparison));
    }
    is_short(&out)?;
    Ok(out)
}

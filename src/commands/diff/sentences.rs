//! Differences between whole layers, one sentence each, and the totals. Text and `--stat` end with them.
//!
//! Must not compare.

use super::compare::{Comparison, HeaderReason};
use super::frames::FrameDifference;
use super::side::{DiffSide, SideKind};
use super::words;
use crate::archive::Compression;
use crate::commands::nouns::count;
use crate::display::Escaped;

/// What a file is, in a few words.
pub(super) fn describe(side: &DiffSide) -> String {
    let entries = side.entries.len();
    match &side.of {
        SideKind::Spec => format!("spec, {}", count(entries, "entry")),
        SideKind::Capture(_) => format!("capture, {}", count(entries, "entry")),
        SideKind::Layer(parts) => {
            let (name, frame) = words::compression(parts.compression);
            let frames = match parts.compression {
                Compression::None => String::new(),
                _ => format!(" of {}", count(parts.frames.len(), frame)),
            };
            format!("layer, {name}{frames}, {}", count(entries, "entry"))
        }
    }
}

/// Each with the word that it begins with, which may be coloured.
pub(super) fn of_layers(
    comparison: &Comparison<'_>,
    new: &DiffSide,
) -> Vec<(&'static str, String)> {
    let mut sentences = Vec::new();
    if let Some(order) = &comparison.order {
        let first = words::path(order.first, 0);
        sentences.push((
            "order",
            match order.moved {
                1 => format!("1 entry is in another place: {first}"),
                moved => format!("{moved} entries are in another place; the first is {first}"),
            },
        ));
    }
    if let Some(headers) = &comparison.headers {
        let reason = match headers.reason() {
            HeaderReason::Name([old, new]) => {
                format!("named {}, then {}", Escaped(old), Escaped(new))
            }
            HeaderReason::Form([old, new]) => {
                format!("{} header, then {}", words::form(old), words::form(new))
            }
            HeaderReason::Other => "the fields are spelled in another way".to_owned(),
        };
        let first = words::path(&headers.first[1].path, 0);
        sentences.push((
            "headers",
            match headers.count {
                1 => format!("1 entry has other header bytes for equal fields: {first} ({reason})"),
                more => format!(
                    "{more} entries have other header bytes for equal fields; the first is {first} ({reason})"
                ),
            },
        ));
    }
    if let Some([old, new]) = comparison.end {
        sentences.push((
            "end",
            match old == new {
                true => format!("the {} after the last entry are others", count(old, "byte")),
                false => format!("{old} -> {} after the last entry", count(new, "byte")),
            },
        ));
    }
    if let (Some(frames), SideKind::Layer(parts)) = (&comparison.frames, &new.of) {
        sentences.push(("frames", of_frames(frames, parts.compression)));
    }
    if let Some(not_compared) = &comparison.not_compared {
        let first = words::path(not_compared.first, 0);
        let files = match not_compared.count {
            1 => format!("the content of 1 file: {first}"),
            more => format!("the contents of {more} files; the first is {first}"),
        };
        let reason = match not_compared.is_sparse {
            true => "one side stores it without its holes",
            false => "a spec has no sha256= for it",
        };
        sentences.push(("not compared", format!("{files} ({reason})")));
    }
    sentences
}

fn of_frames(frames: &FrameDifference<'_>, compression: Compression) -> String {
    let (name, one) = words::compression(compression);
    let [old_count, new_count] = frames.count;
    let [gone, made] = frames.only;
    let what = match (gone, made) {
        (0, 0) => "the same, in another order or number".to_owned(),
        _ => format!("{made} of {new_count} are new, {gone} of {old_count} are gone"),
    };
    let cut = match frames.is_cut_alike {
        true => "the tar is cut at the same places",
        false => "the tar is cut at other places",
    };
    let first = &frames.first;
    let layer = if first.is_new { "new" } else { "old" };
    let entry = match first.entry {
        Some(path) => format!(", from {} on", words::path(path, 0)),
        None => String::new(),
    };
    format!(
        "{name} {one}s: {what}; the first is {one} {} of the {layer} layer, {} at byte {} of the tar{entry}; {cut}",
        first.number,
        count(first.frame.len, "byte"),
        first.frame.offset,
    )
}

/// The totals, in one or two lines.
pub(super) fn totals(comparison: &Comparison<'_>) -> String {
    let totals = &comparison.totals;
    let mut text = format!(
        "{} added, {} removed, {} changed, {} unchanged\n",
        totals.added, totals.removed, totals.changed, totals.unchanged
    );
    let content = match totals.content {
        [Some(old), Some(new)] => Some([old, new]),
        _ => None,
    };
    let sizes = [("content", content), ("tar", totals.tar), ("compressed", totals.compressed)];
    let sizes = sizes.into_iter().filter_map(|(name, sizes)| {
        let [old, new] = sizes?;
        Some(format!("{name} {old} -> {} ({})", count(new, "byte"), words::growth(old, new)))
    });
    let sizes: Vec<_> = sizes.collect();
    if !sizes.is_empty() {
        text.push_str(&sizes.join("; "));
        text.push('\n');
    }
    text
}

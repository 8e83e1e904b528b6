//! The explanation of a row or directory, and how it is printed: as text, or as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::layer::LayerPosition;
use crate::commands::paint::Paint;

/// The explanation of one row, or of one directory that became a link.
#[derive(Serialize)]
pub(in crate::commands) struct Explanation {
    /// The archive path.
    pub path: String,
    /// `row` or `directory`.
    pub of: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The symlinks that Bazel put in front of the source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub staging: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Through how many symlinked directories the home was reached.
    #[serde(skip_serializing_if = "is_zero")]
    pub linked_directories: u32,
    /// The text of the symlink at the home.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trail: Vec<ExplainedHop>,
    /// What the row or directory becomes.
    pub becomes: String,
    /// The numbers of the rules in docs/design.md that decided.
    pub rules: Vec<u8>,
    /// One sentence for each rule.
    pub because: Vec<String>,
    /// Where it is in the layer, if one was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerPosition>,
}

/// A location on a trail.
#[derive(Serialize)]
pub(in crate::commands) struct ExplainedHop {
    pub location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<String>,
    /// How many rows there are besides those that are named.
    #[serde(skip_serializing_if = "is_zero_usize")]
    pub more_rows: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_zero_usize(number: &usize) -> bool {
    *number == 0
}

impl Explanation {
    /// What decided, each with its label: the number of a rule and its sentence, or a sentence alone.
    pub(in crate::commands) fn reasons(&self) -> impl Iterator<Item = (String, &str)> {
        let mut rules = self.rules.iter();
        self.because.iter().map(move |because| {
            let label = match rules.next() {
                Some(number) => format!("rule {number}"),
                None => "since".to_owned(),
            };
            (label, because.as_str())
        })
    }
}

/// A label before what it is of.
fn padded(label: &str) -> String {
    format!("  {label:<8}")
}

/// Formats an explanation as text.
pub(super) fn format_text(explanation: &Explanation, paint: Paint) -> String {
    let mut out = String::new();
    let head = match explanation.of {
        "directory" => format!("{}/", explanation.path),
        _ if explanation.path.is_empty() => "(the spec)".to_owned(),
        _ => explanation.path.clone(),
    };
    let _ = writeln!(out, "{}", paint.strong(&head));
    let mut line = |label: &str, text: &str| {
        let _ = writeln!(out, "{}{text}", paint.label(&padded(label)));
    };
    if !explanation.source.is_empty() {
        line("source", &explanation.source);
    }
    for staging in &explanation.staging {
        line("staging", staging);
    }
    let arrow = |link: &Option<String>| match link {
        Some(text) => format!(" -> {text}"),
        None => String::new(),
    };
    if let Some(home) = &explanation.home {
        let linked = match explanation.linked_directories {
            0 => String::new(),
            1 => "  (through 1 symlinked directory)".to_owned(),
            more => format!("  (through {more} symlinked directories)"),
        };
        line("home", &format!("{home}{}{linked}", arrow(&explanation.link)));
    }
    for (number, hop) in explanation.trail.iter().enumerate() {
        let mut text = format!("{}{}", hop.location, arrow(&hop.link));
        if hop.absent {
            text.push_str("  (absent)");
        }
        if !hop.rows.is_empty() {
            let mut rows = hop.rows.join(", ");
            if hop.more_rows > 0 {
                let _ = write!(rows, ", and {} more", hop.more_rows);
            }
            let _ = write!(text, "  {}", paint.row(&format!("is {rows}")));
        }
        line(&format!("hop {}", number + 1), &text);
    }
    line("becomes", &explanation.becomes);
    for (label, because) in explanation.reasons() {
        let _ = writeln!(out, "{}{because}", paint.rule(&padded(&label)));
    }
    if let Some(position) = &explanation.layer {
        let LayerPosition { offset, size, first_frame, last_frame, frames, origin, why } = position;
        let frame = match first_frame == last_frame {
            true => format!("frame {first_frame} of {frames}"),
            false => format!("frames {first_frame} to {last_frame} of {frames}"),
        };
        let label = |label: &str| paint.label(&padded(label));
        let _ = writeln!(out, "{}{size} bytes at {offset} of the tar, in {frame}", label("layer"));
        let _ = writeln!(out, "{}{origin}: {why}", label("frame"));
    }
    out
}

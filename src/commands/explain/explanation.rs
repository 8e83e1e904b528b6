//! The explanation of a row or directory, and how it is printed: as text, or as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::layer::LayerPosition;

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
    /// How many rows there are beside the first, which are named.
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

/// Whether text is coloured, for a terminal.
pub(super) struct Colours(pub bool);

impl Colours {
    fn paint(&self, code: &str, text: &str) -> String {
        match self.0 {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn path(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn label(&self, text: &str) -> String {
        self.paint("2", &format!("  {text:<8}"))
    }

    fn row(&self, text: &str) -> String {
        self.paint("32", text)
    }

    fn rule(&self, text: &str) -> String {
        self.paint("36", &format!("  {text:<8}"))
    }
}

/// Formats an explanation as text.
pub(super) fn format_text(explanation: &Explanation, colours: &Colours) -> String {
    let mut out = String::new();
    let head = match explanation.of {
        "directory" => format!("{}/", explanation.path),
        _ if explanation.path.is_empty() => "(the spec)".to_owned(),
        _ => explanation.path.clone(),
    };
    let _ = writeln!(out, "{}", colours.path(&head));
    let mut line = |label: &str, text: &str| {
        let _ = writeln!(out, "{}{text}", colours.label(label));
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
            let _ = write!(text, "  {}", colours.row(&format!("is {rows}")));
        }
        line(&format!("hop {}", number + 1), &text);
    }
    line("becomes", &explanation.becomes);
    let mut rules = explanation.rules.iter();
    for because in &explanation.because {
        let label = match rules.next() {
            Some(number) => format!("rule {number}"),
            None => "since".to_owned(),
        };
        let _ = writeln!(out, "{}{because}", colours.rule(&label));
    }
    if let Some(position) = &explanation.layer {
        let LayerPosition { offset, size, first_frame, last_frame, frames, origin, why } = position;
        let frame = match first_frame == last_frame {
            true => format!("frame {first_frame} of {frames}"),
            false => format!("frames {first_frame} to {last_frame} of {frames}"),
        };
        let _ = writeln!(
            out,
            "{}{size} bytes at {offset} of the tar, in {frame}",
            colours.label("layer")
        );
        let _ = writeln!(out, "{}{origin}: {why}", colours.label("frame"));
    }
    out
}

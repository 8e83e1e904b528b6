//! Differences as `git diff --stat` shows them: each entry in a line, and a directory that was added or removed
//! as a whole in one line, too.
//!
//! Must not compare.

use std::collections::HashSet;

use super::compare::{Comparison, EntryChange, EntryDifference};
use super::side::DiffSide;
use super::words;
use crate::commands::nouns::count;
use crate::commands::paint::Paint;
use crate::display::Escaped;
use crate::path;

/// The widest column of paths, in characters. Longer paths are not cut.
const WIDEST: usize = 60;

/// On which side an entry is. This decides whether its directory is one line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Added,
    Removed,
    InBoth,
}

impl Presence {
    fn of(change: &EntryChange<'_>) -> Self {
        match change {
            EntryChange::Added(_) => Self::Added,
            EntryChange::Removed(_) => Self::Removed,
            EntryChange::Changed(..) => Self::InBoth,
        }
    }
}

/// A line: its path, and what differs.
struct StatLine {
    path: String,
    presence: Presence,
    said: String,
}

/// The lines of all entries that differ.
pub(super) fn lines(comparison: &Comparison<'_>, sides: [&DiffSide; 2], paint: Paint) -> String {
    let known = sides.map(directories);
    let mut stat_lines = Vec::new();
    let mut rest = &comparison.differences[..];
    while let Some(first) = rest.first() {
        let presence = Presence::of(&first.change);
        let other = match presence {
            Presence::Added => Some(&known[0]),
            Presence::Removed => Some(&known[1]),
            Presence::InBoth => None,
        };
        let whole = other.and_then(|other| whole_directory(first, other));
        let length = match whole {
            Some(directory) => rest.partition_point(|difference| {
                difference.path == directory || path::below(difference.path, directory).is_some()
            }),
            None => 1,
        };
        let (taken, left) = rest.split_at(length.max(1));
        stat_lines.push(match whole {
            Some(directory) if length > 1 => of_directory(directory, presence, taken),
            _ => of_entry(first, presence),
        });
        rest = left;
    }
    let widths = stat_lines.iter().map(|line| line.path.chars().count());
    let width = widths.filter(|width| *width <= WIDEST).max().unwrap_or_default();
    let lines = stat_lines.into_iter().map(|StatLine { path, presence, said }| {
        let said = match presence {
            Presence::Added => paint.added(&said),
            Presence::Removed => paint.removed(&said),
            Presence::InBoth => said,
        };
        format!(" {path:<width$} | {said}\n")
    });
    lines.collect()
}

/// The paths of all entries of a side, and of the directories above them.
fn directories(side: &DiffSide) -> HashSet<&[u8]> {
    let mut known = HashSet::new();
    for entry in &side.entries {
        for above in path::upwards(entry.path()) {
            if !known.insert(above) {
                break;
            }
        }
    }
    known
}

/// The topmost directory around a difference that the other side does not have at all.
fn whole_directory<'s>(
    difference: &EntryDifference<'s>,
    other: &HashSet<&[u8]>,
) -> Option<&'s [u8]> {
    path::upwards(difference.path).take_while(|above| !other.contains(above)).last()
}

fn of_directory(directory: &[u8], presence: Presence, taken: &[EntryDifference<'_>]) -> StatLine {
    let verb = if presence == Presence::Added { "added" } else { "removed" };
    let side = usize::from(presence == Presence::Added);
    let mut bytes = taken.iter().map(|difference| difference.change.bytes()[side]);
    let bytes = bytes.try_fold(0_u64, |sum, bytes| Some(sum.saturating_add(bytes?)));
    let bytes = bytes.map_or(String::new(), |bytes| format!(", {}", count(bytes, "byte")));
    StatLine {
        path: format!("{}/", Escaped(directory)),
        presence,
        said: format!("{} {verb}{bytes}", count(taken.len(), "entry")),
    }
}

fn of_entry(difference: &EntryDifference<'_>, presence: Presence) -> StatLine {
    let said = match &difference.change {
        EntryChange::Added(entry) => format!("added, {}", words::summary(entry)),
        EntryChange::Removed(entry) => format!("removed, {}", words::summary(entry)),
        EntryChange::Changed(_, fields) => {
            let names: Vec<_> = fields.iter().map(|one| words::field(&one.field)).collect();
            match difference.change.bytes() {
                [Some(old), Some(new)] if old != new => format!(
                    "{old} -> {} ({}); {}",
                    count(new, "byte"),
                    words::growth(old, new),
                    names.join(", ")
                ),
                [_, Some(0)] | [_, None] => names.join(", "),
                [_, Some(new)] => format!("{}; {}", count(new, "byte"), names.join(", ")),
            }
        }
    };
    StatLine { path: words::path(difference.path, difference.occurrence), presence, said }
}

//! Parses a large spec in parallel.
//!
//! Knows where a text can be cut between rows, and which lines others depend on. Must not know how a row is parsed.

use memchr::memchr_iter;
use rayon::prelude::*;

use super::super::error::RowProblem;
use super::super::form::RowForm;
use super::super::{Row, Spec, Text};
use super::{LIMIT, Parser, expected_rows};

/// The least size of a piece that is parsed by its own thread, in bytes.
const MIN_PIECE: usize = 1 << 20;

/// Parses the pieces of a large spec in parallel. `None` for a small spec, or one with lines on which later lines
/// depend: directories without slashes, `..`, `/set`.
pub(super) fn parse(
    text: &[u8],
    form: RowForm,
    link_is_source: bool,
) -> Result<Option<Spec>, (usize, RowProblem)> {
    let pieces = (text.len() / MIN_PIECE).min(rayon::current_num_threads());
    if pieces < 2 {
        return Ok(None);
    }
    let mut starts: Vec<usize> =
        (0..pieces).map(|piece| row_start(text, text.len() / pieces * piece)).collect();
    starts.push(text.len());
    let ranges: Vec<_> = starts.windows(2).map(|ends| ends[0]..ends[1]).collect();
    let read = ranges.into_par_iter().map(|range| {
        // The first piece takes the rows of the others.
        let rows = expected_rows(if range.start == 0 { text } else { &text[range.clone()] });
        Parser::new(form, link_is_source, rows).read(text, range)
    });
    let mut read = read.collect::<Vec<_>>().into_iter();
    let mut whole = match read.next() {
        Some(first) => first?,
        None => return Ok(None),
    };
    let mut are_independent = whole.is_independent();
    for piece in read {
        let piece = piece?;
        are_independent &= piece.is_independent();
        if are_independent {
            whole.append(piece)?;
        }
    }
    Ok(are_independent.then_some(whole.spec))
}

/// The first offset from `at` on at which a row begins.
fn row_start(text: &[u8], at: usize) -> usize {
    if at == 0 {
        return 0;
    }
    let mut newlines = memchr_iter(b'\n', &text[at..]).map(|newline| at + newline);
    newlines.find(|&newline| text[newline - 1] != b'\\').map_or(text.len(), |newline| newline + 1)
}

impl Parser<'_> {
    /// Whether the parsed lines depend on no other lines, and no other lines on them.
    fn is_independent(&self) -> bool {
        self.entered.is_empty() && self.spec.dotdots.is_empty() && self.spec.defaults.now() == 0
    }

    /// Appends the rows of a later piece of the same text.
    fn append(&mut self, piece: Self) -> Result<(), (usize, RowProblem)> {
        let shift = self.spec.unescaped.len() as u32;
        self.spec.unescaped.extend_from_slice(&piece.spec.unescaped);
        if self.spec.unescaped.len() >= LIMIT {
            return Err((0, RowProblem::TooLarge));
        }
        let shifted = |text: Text| match text != Text::NONE && text.at & Text::UNESCAPED != 0 {
            true => Text { at: text.at + shift, ..text },
            false => text,
        };
        self.spec.rows.extend(piece.spec.rows.into_iter().map(|row| Row {
            path: shifted(row.path),
            source: shifted(row.source),
            ..row
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_spec_is_parsed_like_a_small_one() {
        let mut text = Vec::new();
        for number in 0..40_000 {
            let row =
                format!("a\\040b/{number} uid=0 type=file \\\n content=some/where/./{number}\n");
            text.extend_from_slice(row.as_bytes());
        }
        assert!(text.len() > 2 * MIN_PIECE);
        let check = |spec: &Spec, first: usize| {
            assert_eq!(spec.rows().len(), 40_000 + first);
            for (number, row) in spec.rows()[first..].iter().enumerate() {
                assert_eq!(spec.path(row), format!("a b/{number}").as_bytes());
                assert_eq!(spec.source(row), format!("some/where/{number}").as_bytes());
            }
        };
        check(&Spec::parse(text.clone(), false).unwrap(), 0);
        let in_a_directory = [b"usr type=dir\n", &text[..]].concat();
        check(&Spec::parse(in_a_directory, false).unwrap(), 1);
        text.extend_from_slice(b"last uid\n");
        assert_eq!(Spec::parse(text, false).err().unwrap().line, 80_001);
    }
}

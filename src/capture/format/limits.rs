//! Limits on captures. Nothing in one is trusted: a few kilobytes can decode to gigabytes.
//!
//! The limits are checked on the encoded message, before it is decoded.

use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The most bytes of a message: three times what half a million rows take.
pub(super) const LARGEST: u64 = 512 << 20;
/// The most arguments, files and other parts.
pub(super) const MOST_PARTS: usize = 1 << 20;
/// The most facts; the most directories; and the most lines of all files together with the request's
/// inputs. A request of half a million rows has a fraction of each.
pub(crate) const MOST_FACTS: usize = 1 << 22;
/// The most numbers. A fact has up to four, and each takes up to eight times its encoded size in memory.
const MOST_NUMBERS: usize = 4 * MOST_FACTS;

/// The fields that are counted by their content: Capture.request, .files, .facts, .output and .layer
/// (proto/capture.proto).
const REQUEST: u32 = 4;
const FILES: u32 = 10;
const FACTS: u32 = 12;
const OUTPUT: u32 = 13;
const LAYER: u32 = 17;
/// LayerFacts.changed_entries.
const CHANGED_ENTRIES: [u32; 1] = [5];
/// RecordedFile.text.
const TEXT: u32 = 2;
/// The columns of varints in Facts and in RecordedOutput.
const NUMBERS_OF_FACTS: [u32; 5] = [2, 3, 5, 7, 18];
const NUMBERS_OF_OUTPUT: [u32; 3] = [2, 3, 4];

/// Whether `message`, an encoded Capture, is within the limits. `None` if its fields cannot be decoded.
pub(super) fn fits(message: &[u8]) -> Option<bool> {
    let (mut parts, mut numbers, mut lines) = (0, 0, 0);
    each_field(message, |field, inner| {
        parts += 1;
        match field {
            REQUEST => lines += parts_of_request(inner)?,
            FILES => each_field(inner, |field, text| {
                if field == TEXT {
                    lines += memchr::memchr_iter(b'\n', text).count();
                }
                Some(())
            })?,
            FACTS => each_field(inner, |field, column| {
                numbers += count(NUMBERS_OF_FACTS.contains(&field), column);
                Some(())
            })?,
            OUTPUT => each_field(inner, |field, column| {
                numbers += count(NUMBERS_OF_OUTPUT.contains(&field), column);
                Some(())
            })?,
            // Sources and frames: each takes more memory than a fact.
            LAYER => each_field(inner, |field, column| {
                lines += count(CHANGED_ENTRIES.contains(&field), column);
                Some(())
            })?,
            _ => {}
        }
        Some(())
    })?;
    let is_small = message.len() as u64 <= LARGEST;
    Some(is_small && parts <= MOST_PARTS && numbers <= MOST_NUMBERS && lines <= MOST_FACTS)
}

/// An upper bound on the inputs and arguments of a request.
fn parts_of_request(request: &[u8]) -> Option<usize> {
    if request.trim_ascii_start().first() == Some(&b'{') {
        return Some(memchr::memchr_iter(b',', request).count());
    }
    let mut parts = 0;
    each_field(request, |_, _| {
        parts += 1;
        Some(())
    })?;
    Some(parts)
}

/// How many varints a column holds: the last byte of each is below 128. Any other field counts as one.
fn count(is_column: bool, column: &[u8]) -> usize {
    match is_column {
        true => column.iter().filter(|byte| **byte < 0x80).count().max(1),
        false => 1,
    }
}

/// Calls `visit` with the number of each field of a message, and with its bytes if it is
/// length-delimited.
fn each_field(mut message: &[u8], mut visit: impl FnMut(u32, &[u8]) -> Option<()>) -> Option<()> {
    while !message.is_empty() {
        let (number, wire_type) = decode_key(&mut message).ok()?;
        if wire_type == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
            visit(number, message.get(..length)?)?;
            message.advance(length);
        } else {
            visit(number, b"")?;
            skip_field(wire_type, number, &mut message, DecodeContext::default()).ok()?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::super::proto::{Capture, Facts, RecordedFile, RecordedOutput};
    use super::*;

    fn fits_as(capture: Capture) -> Option<bool> {
        fits(&capture.encode_to_vec())
    }

    #[test]
    fn an_ordinary_request_is_within_the_limits() {
        let facts = Facts { weights: vec![300; 1000], ..Facts::default() };
        let files = vec![RecordedFile { path: b"s".to_vec(), text: "a\n".repeat(1000).into() }];
        assert_eq!(
            fits_as(Capture { facts: Some(facts), files, ..Capture::default() }),
            Some(true)
        );
    }

    #[test]
    fn too_many_parts_numbers_or_lines_are_not() {
        let arguments = vec![Vec::new(); MOST_PARTS + 1];
        assert_eq!(fits_as(Capture { arguments, ..Capture::default() }), Some(false));
        let facts = Facts { directories: vec![0; MOST_NUMBERS + 1], ..Facts::default() };
        assert_eq!(fits_as(Capture { facts: Some(facts), ..Capture::default() }), Some(false));
        let output =
            RecordedOutput { gaps: vec![0; MOST_NUMBERS + 1], ..RecordedOutput::default() };
        assert_eq!(fits_as(Capture { output: Some(output), ..Capture::default() }), Some(false));
        let request = b"\x12\0".repeat(MOST_FACTS + 1).into();
        assert_eq!(fits_as(Capture { request, ..Capture::default() }), Some(false));
        let request = [&b"{"[..], &b",".repeat(MOST_FACTS + 1)].concat().into();
        assert_eq!(fits_as(Capture { request, ..Capture::default() }), Some(false));
        let files =
            vec![RecordedFile { path: Vec::new(), text: vec![b'\n'; MOST_FACTS + 1].into() }];
        assert_eq!(fits_as(Capture { files, ..Capture::default() }), Some(false));
    }

    #[test]
    fn numbers_that_are_not_in_a_column_are_counted() {
        let mut facts = Vec::new();
        (0..=MOST_NUMBERS).for_each(|_| facts.extend([18 << 3 & 0x7f | 0x80, 1, 0]));
        let mut message = vec![(FACTS << 3 | 2) as u8];
        prost::encoding::encode_varint(facts.len() as u64, &mut message);
        message.extend(facts);
        assert_eq!(fits(&message), Some(false));
    }

    #[test]
    fn fields_that_cannot_be_decoded_give_none() {
        assert_eq!(fits(b"\x52\x7f"), None);
        assert_eq!(fits(b"\xff"), None);
    }
}

//! A request's output, stored as its difference from the spec that the request read.
//!
//! Knows stretches of text; must not know what rows are.

use bytes::Bytes;

use super::proto::{RecordedFile, RecordedOutput};
use crate::mtree::Patch;

/// The longest output, in bytes: longer than any spec that is read.
const LARGEST: usize = 1 << 32;

/// A spec that a request wrote.
pub(crate) struct WrittenSpec {
    /// The text that the patch applies to.
    pub base: Bytes,
    pub patch: Patch,
}

impl WrittenSpec {
    /// Encodes the output: as its difference from the file among `files` that it is based on, or whole
    /// if there is none.
    pub(crate) fn encode(&self, files: &[RecordedFile]) -> RecordedOutput {
        let same = |file: &RecordedFile| {
            file.text.as_ptr() == self.base.as_ptr() && file.text.len() == self.base.len()
        };
        let mut output = RecordedOutput::default();
        match files.iter().position(same) {
            Some(base) => {
                output.base = base as u32 + 1;
                let mut end = 0;
                for (stretch, text) in self.patch.stretches() {
                    output.gaps.push((stretch.start - end) as u32);
                    output.lengths.push(stretch.len() as u32);
                    output.text_lengths.push(text.len() as u32);
                    output.text.extend_from_slice(text);
                    end = stretch.end;
                }
            }
            None => {
                let mut text = Vec::with_capacity(self.base.len());
                // Writing to a vector does not fail.
                let _ = self.patch.write_to(&self.base, &mut text);
                output.gaps.push(0);
                output.lengths.push(0);
                output.text_lengths.push(text.len() as u32);
                output.text = text;
            }
        }
        output
    }
}

/// Decodes an output that was recorded with `files`. `None` if it does not fit them.
pub(crate) fn decode_output(output: &RecordedOutput, files: &[RecordedFile]) -> Option<Vec<u8>> {
    let base: &[u8] = match output.base {
        0 => b"",
        number => &files.get(number as usize - 1)?.text,
    };
    let RecordedOutput { gaps, lengths, text_lengths, text, .. } = output;
    if gaps.len() != lengths.len() || gaps.len() != text_lengths.len() {
        return None;
    }
    let (mut written, mut rest, mut texts) = (Vec::new(), base, &text[..]);
    for ((&gap, &length), &text_length) in gaps.iter().zip(lengths).zip(text_lengths) {
        let (same, behind) = rest.split_at_checked(gap as usize)?;
        let (text, other_texts) = texts.split_at_checked(text_length as usize)?;
        written.extend_from_slice(same);
        written.extend_from_slice(text);
        rest = behind.get(length as usize..)?;
        texts = other_texts;
    }
    written.extend_from_slice(rest);
    (written.len() <= LARGEST).then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mtree::{Edits, RowId, Spec};

    fn encoded_and_decoded(files: impl Fn(&Bytes) -> Vec<RecordedFile>) -> Vec<u8> {
        let spec = Spec::parse(b"./a type=file content=x\n./b type=dir\n".to_vec(), false).unwrap();
        let mut edits = Edits::new(&spec);
        edits.link(RowId(0), b"y");
        let written = WrittenSpec { base: spec.text().clone(), patch: edits.into_patch() };
        let files = files(spec.text());
        decode_output(&written.encode(&files), &files).unwrap()
    }

    #[test]
    fn an_output_is_recorded_verbatim() {
        let same = |text: &Bytes| vec![RecordedFile { path: b"s".to_vec(), text: text.clone() }];
        assert_eq!(encoded_and_decoded(same), b"./a type=link link=y\n./b type=dir\n");
        assert_eq!(encoded_and_decoded(|_| Vec::new()), b"./a type=link link=y\n./b type=dir\n");
    }

    #[test]
    fn an_output_that_does_not_fit_its_files_is_refused() {
        let output = |base, gap, length, text_length| RecordedOutput {
            base,
            gaps: vec![gap],
            lengths: vec![length],
            text_lengths: vec![text_length],
            text: vec![b'x'; 3],
        };
        let files = [RecordedFile { path: b"s".to_vec(), text: Bytes::from_static(b"abc") }];
        assert_eq!(decode_output(&output(1, 1, 1, 3), &files), Some(b"axxxc".to_vec()));
        for wrong in
            [output(2, 1, 1, 3), output(1, 4, 0, 3), output(1, 1, 3, 3), output(1, 1, 1, 4)]
        {
            assert_eq!(decode_output(&wrong, &files), None);
        }
    }
}

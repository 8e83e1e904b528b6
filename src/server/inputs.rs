//! The files that a request lists.
//!
//! Knows how `WorkRequest.inputs` lies in a frame, and that a request may list tens of thousands of
//! files of which only the paths are wanted: they are checked when the frame is read, left where
//! they are, and found again by whoever asks. Must not know what a path means.

use bytes::{Buf, BufMut, Bytes};
use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, check_wire_type, decode_key, decode_varint, skip_field,
};

/// `WorkRequest.inputs` in worker_protocol.proto.
const INPUTS: u32 = 2;
/// `Input.path` and `Input.digest` in worker_protocol.proto.
const PATH: u32 = 1;
const DIGEST: u32 = 2;

/// The paths that a request lists as its inputs, in the order and spelling in which they were sent
/// (worker_protocol.proto, `Input.path`). Their digests are not kept.
#[derive(Clone, Debug, Default)]
pub struct Inputs(Kept);

#[derive(Clone, Debug)]
enum Kept {
    /// A `WorkRequest` that has been decoded once, and the number of inputs in it.
    Frame {
        message: Bytes,
        count: usize,
    },
    Paths(Vec<Vec<u8>>),
}

impl Default for Kept {
    fn default() -> Self {
        Kept::Paths(Vec::new())
    }
}

impl Inputs {
    /// The inputs of `message`, a `WorkRequest` in whose decoding `checked` inputs were met.
    pub(super) fn in_frame(message: Bytes, checked: &[Checked]) -> Self {
        match checked.len() {
            0 => Inputs::default(),
            count => Inputs(Kept::Frame { message, count }),
        }
    }

    /// True for a request that lists no inputs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many paths [`iter`](Self::iter) gives.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Frame { count, .. } => *count,
            Kept::Paths(paths) => paths.len(),
        }
    }

    /// Each path once more, as it was sent. Reads through the request, but copies nothing.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let (message, paths) = match &self.0 {
            Kept::Frame { message, .. } => (&message[..], &[][..]),
            Kept::Paths(paths) => (&[][..], &paths[..]),
        };
        fields(message, INPUTS).map(path).chain(paths.iter().map(Vec::as_slice))
    }
}

impl From<Vec<Vec<u8>>> for Inputs {
    fn from(paths: Vec<Vec<u8>>) -> Self {
        Inputs(Kept::Paths(paths))
    }
}

/// The path in an `Input`: of several the last, and without one the empty path, as proto3 has it.
fn path(input: &[u8]) -> &[u8] {
    fields(input, PATH).last().unwrap_or_default()
}

/// The length-delimited fields with one number in a message that has been decoded before. That
/// decoding has found every fault there can be, so that none ends the walk early.
fn fields(mut message: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        loop {
            let (found, wire_type) = decode_key(&mut message).ok()?;
            if (found, wire_type) == (number, WireType::LengthDelimited) {
                let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
                let (value, behind) = message.split_at_checked(length)?;
                message = behind;
                return Some(value);
            }
            skip_field(wire_type, found, &mut message, DecodeContext::default()).ok()?;
        }
    })
}

/// What stands for `blaze.worker.Input` in the generated code: decoding one checks it and keeps
/// nothing, so that a list of them takes no memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checked;

impl prost::Message for Checked {
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag == PATH || tag == DIGEST {
            check_wire_type(WireType::LengthDelimited, wire_type)?;
        }
        skip_field(wire_type, tag, buf, ctx)
    }

    fn encode_raw(&self, _buf: &mut impl BufMut) {}

    fn encoded_len(&self) -> usize {
        0
    }

    fn clear(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with a number below 16 and a value below 128 bytes.
    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(value.len()).expect("a short value");
        [&[number << 3 | 2, length], value].concat()
    }

    #[test]
    fn paths_are_found_among_other_fields_in_the_order_sent() {
        let first = [field(1, b"first"), field(2, b"digest")].concat();
        let second = [field(2, b"digest"), field(9, b"?"), field(1, b"\xffsecond")].concat();
        let message = [
            field(1, b"--flag"),
            field(2, &first),
            vec![3 << 3, 7],
            field(2, &second),
            field(2, b""),
        ]
        .concat();
        let inputs = Inputs::in_frame(Bytes::from(message), &[Checked; 3]);
        assert_eq!(inputs.len(), 3);
        let paths: Vec<&[u8]> = inputs.iter().collect();
        assert_eq!(paths, [&b"first"[..], b"\xffsecond", b""]);
    }

    #[test]
    fn the_last_of_several_paths_is_the_path() {
        let twice = [field(1, b"first"), field(1, b"last")].concat();
        let inputs = Inputs::in_frame(Bytes::from(field(2, &twice)), &[Checked]);
        assert_eq!(inputs.iter().collect::<Vec<_>>(), [b"last"]);
    }
}

//! The files that a request lists.
//!
//! Knows the encoding of `Input` in a frame. A request may list tens of thousands of files, of which only the
//! paths are needed: decoding checks them, leaves them in the frame and stores only their positions. Must not
//! know what a path means.

use bytes::{Buf, BufMut, Bytes};
use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, check_wire_type, decode_key, decode_varint, skip_field,
};

/// `WorkRequest.inputs`, and `Input.path` and `Input.digest` in worker_protocol.proto.
const INPUTS: u32 = 2;
const PATH: u32 = 1;
const DIGEST: u32 = 2;

/// The first byte of a path in an input, and of a digest: number and type of the field.
const PATH_KEY: u8 = key(PATH);
const DIGEST_KEY: u8 = key(DIGEST);

const fn key(field: u32) -> u8 {
    (field << 3) as u8 | WireType::LengthDelimited as u8
}

/// What a request lists as its inputs, in the order in which it was sent (worker_protocol.proto, `Input`).
#[derive(Clone, Debug, Default)]
pub struct ListedInputs(Storage);

/// An input as it was sent. What is missing is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedInput<'r> {
    /// Its path.
    pub path: &'r [u8],
    /// The digest of its content: text, of a function that is not named.
    pub digest: &'r [u8],
}

#[derive(Clone, Debug)]
enum Storage {
    /// A decoded `WorkRequest`, and the positions of the inputs in it.
    Message { message: Bytes, ranges: Vec<InputRanges> },
    /// Paths and digests.
    Owned(Vec<(Vec<u8>, Vec<u8>)>),
}

impl Default for Storage {
    fn default() -> Self {
        Storage::Owned(Vec::new())
    }
}

impl ListedInputs {
    /// The inputs of `message`, a `WorkRequest` whose decoding gave `ranges`.
    pub(super) fn in_frame(message: Bytes, ranges: Vec<InputRanges>) -> Self {
        ListedInputs(Storage::Message { message, ranges })
    }

    /// True for a request that lists no inputs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of inputs.
    pub fn len(&self) -> usize {
        match &self.0 {
            Storage::Message { ranges, .. } => ranges.len(),
            Storage::Owned(inputs) => inputs.len(),
        }
    }

    /// The path of each input.
    pub fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().map(|input| input.path)
    }

    /// Each input.
    pub fn iter(&self) -> impl Iterator<Item = ListedInput<'_>> {
        let (message, ranges, owned) = match &self.0 {
            Storage::Message { message, ranges } => (&message[..], &ranges[..], &[][..]),
            Storage::Owned(inputs) => (&[][..], &[][..], &inputs[..]),
        };
        let in_message = ranges.iter().map(|ranges| ranges.input(message));
        in_message.chain(owned.iter().map(|(path, digest)| ListedInput { path, digest }))
    }
}

impl From<Vec<(Vec<u8>, Vec<u8>)>> for ListedInputs {
    fn from(inputs: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        ListedInputs(Storage::Owned(inputs))
    }
}

/// The type that replaces `blaze.worker.Input` in the generated code: the positions of path and digest, each as the
/// distance in bytes from the length of the field to the end of the message. 0 for what an input does not have.
///
/// They are right only for a message that is decoded from one slice and shorter than 2 GiB, as every protobuf
/// message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct InputRanges {
    path: u32,
    digest: u32,
}

impl InputRanges {
    /// The positions in an input of the shape that Bazel sends, a path and perhaps a digest behind it, with `behind`
    /// bytes of the message behind it. `None` for any other.
    fn in_order(input: &[u8], behind: usize) -> Option<Self> {
        let mut rest = input.strip_prefix(&[PATH_KEY])?;
        let path = (rest.len() + behind) as u32;
        take(&mut rest)?;
        if rest.is_empty() {
            return Some(Self { path, digest: 0 });
        }
        rest = rest.strip_prefix(&[DIGEST_KEY])?;
        let digest = (rest.len() + behind) as u32;
        take(&mut rest)?;
        rest.is_empty().then_some(Self { path, digest })
    }

    fn input(self, message: &[u8]) -> ListedInput<'_> {
        ListedInput { path: field(message, self.path), digest: field(message, self.digest) }
    }
}

/// The inputs of `message`, a `WorkRequest`, and its other fields as they were sent, if each input is a path with perhaps
/// a digest behind it, as Bazel sends them. `None` if one is not, or if the message is broken: what that means, prost
/// decides, which takes several times as long.
pub(super) fn split(message: &[u8]) -> Option<(Vec<InputRanges>, Vec<u8>)> {
    let (mut inputs, mut others, mut rest) = (Vec::new(), Vec::new(), message);
    while !rest.is_empty() {
        let field = rest;
        let (tag, wire_type) = decode_key(&mut rest).ok()?;
        if (tag, wire_type) == (INPUTS, WireType::LengthDelimited) {
            let input = take(&mut rest)?;
            inputs.push(InputRanges::in_order(input, rest.len())?);
        } else {
            skip_field(wire_type, tag, &mut rest, DecodeContext::default()).ok()?;
            others.extend_from_slice(&field[..field.len() - rest.len()]);
        }
    }
    Some((inputs, others))
}

/// Takes a length, and so many bytes, from the head of `rest`. `None` if there are fewer.
#[inline]
fn take<'m>(rest: &mut &'m [u8]) -> Option<&'m [u8]> {
    let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

/// The field in `message` whose length is `distance` bytes before its end. As proto3 requires, the last of several
/// counts, and a missing one is empty.
fn field(message: &[u8], distance: u32) -> &[u8] {
    let field = || {
        let start = message.len().checked_sub(distance as usize)?;
        take(&mut message.get(start..)?)
    };
    field().unwrap_or_default()
}

impl prost::Message for InputRanges {
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let distance = buf.remaining() as u32;
        match tag {
            PATH => self.path = distance,
            DIGEST => self.digest = distance,
            _ => return skip_field(wire_type, tag, buf, ctx),
        }
        check_wire_type(WireType::LengthDelimited, wire_type)?;
        skip_field(wire_type, tag, buf, ctx)
    }

    fn encode_raw(&self, _buf: &mut impl BufMut) {}

    fn encoded_len(&self) -> usize {
        0
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::super::protocol::WorkRequest;
    use super::*;

    /// A field with a number below 16 and a value below 128 bytes.
    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(value.len()).expect("a short value");
        [&[number << 3 | 2, length], value].concat()
    }

    fn paths(message: Vec<u8>) -> Vec<Vec<u8>> {
        let request = WorkRequest::decode(&message[..]).expect("a request");
        let inputs = ListedInputs::in_frame(Bytes::from(message), request.inputs);
        assert_eq!(inputs.len(), inputs.iter().count());
        inputs.paths().map(<[u8]>::to_vec).collect()
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
        assert_eq!(paths(message), [&b"first"[..], b"\xffsecond", b""]);
    }

    #[test]
    fn the_last_of_several_paths_is_the_path() {
        let twice = [field(1, b"first"), field(1, b"last")].concat();
        assert_eq!(paths(field(2, &twice)), [b"last"]);
    }

    #[test]
    fn a_digest_is_found_before_and_behind_its_path() {
        let one = [field(1, b"one"), field(2, b"1")].concat();
        let other = [field(2, b"2"), field(1, b"other")].concat();
        let message = [field(2, &one), field(2, &other), field(2, &field(1, b"none"))].concat();
        let request = WorkRequest::decode(&message[..]).expect("a request");
        let inputs = ListedInputs::in_frame(Bytes::from(message), request.inputs);
        let input = |path, digest| ListedInput { path, digest };
        let expected: [ListedInput<'_>; 3] =
            [input(b"one", b"1"), input(b"other", b"2"), input(b"none", b"")];
        assert_eq!(inputs.iter().collect::<Vec<_>>(), expected);
    }
}

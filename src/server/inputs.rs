//! The files that a request lists.
//!
//! Knows the encoding of `Input` in a frame. A request may list tens of thousands of files, of which only the
//! paths are needed: decoding checks them, leaves them in the frame and stores only their positions. Must not
//! know what a path means.

use bytes::{Buf, BufMut, Bytes};
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, check_wire_type, decode_varint, skip_field};

/// `Input.path` and `Input.digest` in worker_protocol.proto.
const PATH: u32 = 1;
const DIGEST: u32 = 2;

/// The paths that a request lists as its inputs, in the order and spelling in which they were sent
/// (worker_protocol.proto, `Input.path`). Their digests are not stored.
#[derive(Clone, Debug, Default)]
pub struct ListedInputs(Storage);

#[derive(Clone, Debug)]
enum Storage {
    /// A decoded `WorkRequest`, and the positions of the paths in it.
    Frame {
        message: Bytes,
        ranges: Vec<InputRange>,
    },
    Paths(Vec<Vec<u8>>),
}

impl Default for Storage {
    fn default() -> Self {
        Storage::Paths(Vec::new())
    }
}

impl ListedInputs {
    /// The inputs of `message`, a `WorkRequest` whose decoding gave `ranges`.
    pub(super) fn in_frame(message: Bytes, ranges: Vec<InputRange>) -> Self {
        ListedInputs(Storage::Frame { message, ranges })
    }

    /// True for a request that lists no inputs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of paths.
    pub fn len(&self) -> usize {
        match &self.0 {
            Storage::Frame { ranges, .. } => ranges.len(),
            Storage::Paths(paths) => paths.len(),
        }
    }

    /// Each path, as it was sent.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let (message, ranges, paths) = match &self.0 {
            Storage::Frame { message, ranges } => (&message[..], &ranges[..], &[][..]),
            Storage::Paths(paths) => (&[][..], &[][..], &paths[..]),
        };
        ranges.iter().map(|range| range.path(message)).chain(paths.iter().map(Vec::as_slice))
    }
}

impl From<Vec<Vec<u8>>> for ListedInputs {
    fn from(paths: Vec<Vec<u8>>) -> Self {
        ListedInputs(Storage::Paths(paths))
    }
}

/// The type that replaces `blaze.worker.Input` in the generated code: the position of the path, as the distance
/// in bytes from the path's length to the end of the message. 0 for an input without a path.
///
/// It is right only for a message that is decoded from one slice and shorter than 2 GiB, as every protobuf
/// message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct InputRange(u32);

impl InputRange {
    /// The path in `message`. As proto3 requires, the last of several paths counts, and a missing path is empty.
    fn path(self, message: &[u8]) -> &[u8] {
        let path = || {
            let start = message.len().checked_sub(self.0 as usize)?;
            let mut rest = message.get(start..)?;
            let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
            rest.get(..length)
        };
        path().unwrap_or_default()
    }
}

impl prost::Message for InputRange {
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
        if tag == PATH {
            self.0 = buf.remaining() as u32;
        }
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
        inputs.iter().map(<[u8]>::to_vec).collect()
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
}

//! The JSON form of the protocol: finds the end of an object, reads requests, writes responses.
//!
//! Knows proto3's JSON mapping as far as Bazel uses it: names in lowerCamelCase or as in the .proto file, null
//! for an absent field, numbers with or without quotes; unknown fields are ignored. Must not know where the
//! bytes come from, nor who receives them.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use memchr::memchr2;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

use super::protocol::WorkResponse;

/// The state of the search for the end of an object. No byte is scanned twice, however the object is split
/// into reads.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// How many bytes of the object have been scanned.
    scanned: usize,
    /// How many braces and brackets are open.
    depth: usize,
    in_string: bool,
}

impl Scan {
    /// The length of the object at the head of `bytes`, or `None` if its end has not arrived. The first byte is
    /// a `{`. Each further call passes the bytes of the previous call, and more after them.
    ///
    /// The parser, not this search, detects a brace that is closed by a bracket.
    pub(super) fn end_of_object(&mut self, bytes: &[u8]) -> Option<usize> {
        while self.scanned < bytes.len() {
            if self.in_string {
                self.skip_string(bytes)?;
                continue;
            }
            match bytes[self.scanned] {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
            self.scanned += 1;
            if self.depth == 0 {
                return Some(self.scanned);
            }
        }
        None
    }

    /// Skips the rest of a string and its quote. `None` if `bytes` end first.
    fn skip_string(&mut self, bytes: &[u8]) -> Option<()> {
        loop {
            let Some(length) = memchr2(b'"', b'\\', &bytes[self.scanned..]) else {
                self.scanned = bytes.len();
                return None;
            };
            self.scanned += length;
            if bytes[self.scanned] == b'"' {
                self.scanned += 1;
                self.in_string = false;
                return Some(());
            }
            // A backslash is skipped only together with the byte that it escapes.
            if self.scanned + 1 == bytes.len() {
                return None;
            }
            self.scanned += 2;
        }
    }
}

/// A `WorkRequest`, decoded from one JSON object.
pub(super) struct JsonRequest {
    pub arguments: Vec<Vec<u8>>,
    /// Paths and digests.
    pub inputs: Vec<(Vec<u8>, Vec<u8>)>,
    pub request_id: i32,
    pub cancel: bool,
    pub verbosity: i32,
    pub sandbox_dir: Vec<u8>,
}

/// Reads a `WorkRequest` from one JSON object.
pub(super) fn read_request(object: &[u8]) -> serde_json::Result<JsonRequest> {
    let request: JsonWorkRequest = serde_json::from_slice(object)?;
    let inputs = request.inputs.unwrap_or_default().into_iter();
    let arguments = request.arguments.unwrap_or_default().into_iter();
    Ok(JsonRequest {
        arguments: arguments.map(|argument| argument.0).collect(),
        inputs: inputs.map(JsonInput::into_parts).collect(),
        request_id: request.request_id.unwrap_or_default().0,
        cancel: request.cancel.unwrap_or_default(),
        verbosity: request.verbosity.unwrap_or_default().0,
        sandbox_dir: request.sandbox_dir.unwrap_or_default().0,
    })
}

/// Writes a response as one line.
pub(super) fn write_response(response: &WorkResponse) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&WrittenResponse {
        exit_code: response.exit_code,
        output: &response.output,
        request_id: response.request_id,
        was_cancelled: response.was_cancelled,
    })?;
    line.push(b'\n');
    Ok(line)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenResponse<'a> {
    exit_code: i32,
    output: &'a str,
    request_id: i32,
    // Bazel before 5 has no cancellation and rejects the field, which is never set for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    was_cancelled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonWorkRequest {
    arguments: Option<Vec<JsonText>>,
    inputs: Option<Vec<JsonInput>>,
    #[serde(alias = "request_id")]
    request_id: Option<Int32>,
    cancel: Option<bool>,
    verbosity: Option<Int32>,
    #[serde(alias = "sandbox_dir")]
    sandbox_dir: Option<JsonText>,
}

#[derive(Deserialize)]
struct JsonInput {
    path: Option<JsonText>,
    /// In base64, as proto3 maps bytes to JSON.
    digest: Option<JsonText>,
}

impl JsonInput {
    /// Path and digest. A digest that is hexadecimal already, or is not base64, stays as it is.
    fn into_parts(self) -> (Vec<u8>, Vec<u8>) {
        let digest = self.digest.unwrap_or_default().0;
        // In base64, a digest of 20 or 32 bytes in hexadecimal is longer than either.
        let is_hexadecimal =
            matches!(digest.len(), 40 | 64) && digest.iter().all(u8::is_ascii_hexdigit);
        let decoded = (!is_hexadecimal).then(|| BASE64_STANDARD.decode(&digest).ok()).flatten();
        let digest = decoded.unwrap_or(digest);
        (self.path.unwrap_or_default().0, digest)
    }
}

/// A JSON string. Its bytes need not be UTF-8.
#[derive(Default)]
struct JsonText(Vec<u8>);

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = JsonText;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<JsonText, E> {
        Ok(JsonText(value.to_vec()))
    }
}

/// A whole JSON number, with or without quotes.
#[derive(Default)]
struct Int32(i32);

impl<'de> Deserialize<'de> for Int32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Int32Visitor)
    }
}

struct Int32Visitor;

impl Visitor<'_> for Int32Visitor {
    type Value = Int32;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number of 32 bits")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Int32, E> {
        i32::try_from(value)
            .map(Int32)
            .map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Int32, E> {
        i32::try_from(value)
            .map(Int32)
            .map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Int32, E> {
        let whole = value as i32;
        if f64::from(whole) == value {
            Ok(Int32(whole))
        } else {
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Int32, E> {
        value.parse().map(Int32).map_err(|_| E::invalid_value(Unexpected::Str(value), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(object: &str) -> JsonRequest {
        read_request(object.as_bytes()).unwrap_or_else(|error| panic!("{object}: {error}"))
    }

    #[test]
    fn an_object_ends_at_its_own_brace_however_it_is_split() {
        let object = br#"{"a\\":"}\"}",  "b":[{"c":{}}, "]"], "d":"\\"}"#;
        for cut in 1..object.len() {
            let mut scan = Scan::default();
            assert_eq!(scan.end_of_object(&object[..cut]), None, "cut at {cut}");
            let with_next = [object, &b"{}"[..]].concat();
            assert_eq!(scan.end_of_object(&with_next), Some(object.len()));
        }
    }

    #[test]
    fn names_are_read_in_both_spellings_and_unknown_ones_are_ignored() {
        for object in [
            r#"{"requestId":7,"sandboxDir":"s","verbosity":1,"new":[{"x":null}]}"#,
            r#"{"request_id":"7","sandbox_dir":"s","verbosity":1e0,"inputs":null}"#,
        ] {
            let request = read(object);
            assert_eq!(
                (request.request_id, request.verbosity, &request.sandbox_dir[..]),
                (7, 1, &b"s"[..]),
                "{object}"
            );
            assert!(request.inputs.is_empty() && request.arguments.is_empty());
        }
    }

    #[test]
    fn strings_keep_bytes_that_are_not_utf_8() {
        let object =
            b"{\"arguments\":[\"\xff\"],\"inputs\":[{\"path\":\"a\xfe\",\"digest\":\"eA==\"}]}";
        let request = read_request(object).unwrap();
        assert_eq!(request.arguments, [b"\xff"]);
        assert_eq!(request.inputs, [(b"a\xfe".to_vec(), b"x".to_vec())]);
    }

    #[test]
    fn numbers_that_are_not_int32_are_rejected() {
        for number in ["2147483648", "-2147483649", "1.5", "\"seven\"", "1e99", "{}"] {
            let object = format!("{{\"requestId\":{number}}}");
            assert!(read_request(object.as_bytes()).is_err(), "{object}");
        }
    }

    #[test]
    fn a_digest_is_read_from_base64_and_from_hexadecimal_text() {
        let digest = |text: &str| {
            let object = format!(r#"{{"inputs": [{{"path": "a", "digest": "{text}"}}]}}"#);
            read_request(object.as_bytes()).expect("a request").inputs.remove(0).1
        };
        let hexadecimal = "0123456789abcdef".repeat(4);
        assert_eq!(digest(&hexadecimal), hexadecimal.as_bytes());
        assert_eq!(digest(&BASE64_STANDARD.encode(&hexadecimal)), hexadecimal.as_bytes());
        assert_eq!(digest(""), b"");
    }
}

//! Design rule 7 for the oracle: a row written as a link.

use super::spec::{self, Row};

/// Design rule 7: `row` as a link with this text.
pub fn turned(row: &Row, text: &[u8]) -> Vec<u8> {
    let link = [b"link=", spec::escape(text).as_slice()].concat();
    let has_type = row.value(b"type").is_some();
    let type_is_link = row.kind().as_deref() == Some(b"link");
    let (mut type_is_written, mut link_is_written) = (false, false);
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for field in row.fields.after_name() {
        match spec::cut_at_equals(field).0 {
            b"type" => {
                if !type_is_written {
                    fields.push(b"type=link".to_vec());
                }
                type_is_written = true;
            }
            b"content" | b"contents" | b"link" => {
                if !link_is_written {
                    // A type from `/set` has to be said here where it is another.
                    if !has_type && !type_is_link {
                        fields.push(b"type=link".to_vec());
                    }
                    fields.push(link.clone());
                }
                link_is_written = true;
            }
            keyword if describes_bytes(keyword) => {}
            _ => fields.push(field.to_vec()),
        }
    }
    let mut line = row.fields.line(row.fields.get(0).unwrap_or_default(), fields);
    if line.ends_with(b"\\") {
        // Right before the newline it would join the next line.
        line.push(b' ');
    }
    line.extend_from_slice(row.fields.ending());
    line
}

/// Keywords that design rule 7 drops.
pub fn describes_bytes(keyword: &[u8]) -> bool {
    let keyword = keyword.strip_suffix(b"digest").unwrap_or(keyword);
    [&b"size"[..], b"cksum", b"md5", b"sha1", b"sha256", b"sha384", b"sha512", b"rmd160"]
        .contains(&keyword)
}

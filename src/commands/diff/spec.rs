//! The entries that a spec describes.
//!
//! Knows keywords of mtree(5); must not know what they are compared with.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::path::Path;

use super::DiffError;
use super::entry::{ComparedEntry, ComparedRow};
use crate::commands::error::CommandError;
use crate::mtree::{Row, Spec};

/// The most memory that the rows of a spec take, in bytes: as much as the members of an archive may.
pub(super) const LARGEST: usize = 512 << 20;

/// Reads the spec `text`, which is at `path`. Rows of one path are one entry, as in bsdtar: what the later one says
/// overrides.
pub(super) fn entries(text: Vec<u8>, path: &Path) -> Result<Vec<ComparedEntry>, CommandError> {
    let spec = Spec::parse(text, false)
        .map_err(|error| CommandError::Spec { path: path.to_owned(), error })?;
    let mut by_path: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut rows: Vec<Box<ComparedRow>> = Vec::new();
    let mut weight = 0;
    for row in spec.rows() {
        let read = read(&spec, row, path)?;
        // A few lines of `/set` may add thousands of keywords to each row.
        weight += read.weight();
        if weight > LARGEST {
            return Err(DiffError::LargeSpec { path: path.to_owned() }.into());
        }
        if !spec.is_slashless(row) {
            match by_path.entry(spec.spelled_path(row).into_owned()) {
                MapEntry::Occupied(earlier) => {
                    merge(&mut rows[*earlier.get()], read);
                    continue;
                }
                MapEntry::Vacant(slot) => drop(slot.insert(rows.len())),
            }
        }
        rows.push(Box::new(read));
    }
    Ok(rows.into_iter().map(ComparedEntry::Row).collect())
}

fn read(spec: &Spec, row: &Row, path: &Path) -> Result<ComparedRow, DiffError> {
    let mut read = ComparedRow {
        path: spec.path(row).into(),
        link: spec.link(row).map(Into::into),
        source: spec.content(row).map(Into::into),
        ..ComparedRow::default()
    };
    for (keyword, value) in spec.keywords(row) {
        read.keywords.set(keyword, value).map_err(|source| DiffError::Keyword {
            path: path.to_owned(),
            line: spec.line_number(row),
            source,
        })?;
        match keyword {
            b"sha256" | b"sha256digest" => read.sha256 = digest(value),
            b"type" | b"uid" | b"gid" | b"uname" | b"gname" | b"mode" | b"time" | b"device"
            | b"flags" | b"size" | b"link" | b"content" | b"contents" => {}
            _ => {
                // Digests have two spellings.
                let keyword = keyword.strip_suffix(b"digest").unwrap_or(keyword);
                read.others.insert(keyword.into(), value.into());
            }
        }
    }
    Ok(read)
}

fn merge(row: &mut ComparedRow, later: ComparedRow) {
    row.keywords.merge(later.keywords);
    row.link = later.link.or(row.link.take());
    row.source = later.source.or(row.source.take());
    row.sha256 = later.sha256.or(row.sha256);
    row.others.extend(later.others);
}

/// The bytes of a SHA-256 in hexadecimal digits.
fn digest(text: &[u8]) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

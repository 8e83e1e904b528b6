//! Rows before they are entries: those of one path are merged, and what they lack is taken from the disk.
//!
//! Knows how libarchive makes entries of rows (`parse_file`); must not know the text of a spec. All functions
//! are pure: none reads a file system.

use std::borrow::Cow;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry as MapEntry;

use super::entry::{EntryKind, FileContent, LinkText, TarEntry, archive_name};
use super::identity::{ContentIdentity, FileStamp};
use super::keywords::TarKeywords;

/// One row of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecRow {
    /// The path as the spec spells it, escapes resolved. That of a slash-less row begins with its directories.
    pub path: Box<[u8]>,
    /// Whether the path has no slash in the spec, and is not `.`: libarchive never merges such a row.
    pub is_relative: bool,
    /// The keywords of the row, and those of `/set`.
    pub keywords: TarKeywords,
    /// `link=`, escapes resolved.
    pub link: Option<Box<[u8]>>,
    /// The content's path.
    pub source: Option<Box<[u8]>>,
}

/// A row that is merged into an earlier one: bsdtar writes one entry for both, and OCI forbids layers
/// with two. `Id` is the caller's id of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged<Id> {
    /// The row that is merged.
    pub row: Id,
    /// The earlier row that it is merged into.
    pub into: Id,
}

/// The rows that libarchive merges into an earlier one, in order: those whose path is spelled as the earlier one's is.
/// `rows` are the ids and paths of the rows that are not [relative](SpecRow::is_relative), in order.
pub fn same_paths<'p, Id: Copy>(
    rows: impl Iterator<Item = (Id, Cow<'p, [u8]>)>,
) -> Vec<Merged<Id>> {
    let mut first = HashMap::with_hasher(RandomState::default());
    let merged = rows.filter_map(|(row, path)| match first.entry(path) {
        MapEntry::Occupied(earlier) => Some(Merged { row, into: *earlier.get() }),
        MapEntry::Vacant(slot) => {
            slot.insert(row);
            None
        }
    });
    merged.collect()
}

impl SpecRow {
    /// Merges a later row of the same path as libarchive does: the later row's keywords, link and source override, if it
    /// has them.
    pub fn merge(&mut self, later: Self) {
        self.keywords.merge(later.keywords);
        self.link = later.link.or(self.link.take());
        self.source = later.source.or(self.source.take());
    }

    /// Whether the entry of this row has the bytes of its source.
    pub fn has_content(&self) -> bool {
        self.keywords.kind == Some(EntryKind::File) && self.source.is_some()
    }
}

/// What is known of a row's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundContent {
    /// In bytes.
    pub size: u64,
    /// What identifies it.
    pub identity: ContentIdentity,
}

/// The metadata of a row's source on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnDisk {
    /// The number of the owner.
    pub uid: u32,
    /// The number of the group.
    pub gid: u32,
    /// Permissions.
    pub mode: u32,
    /// When it was changed last, in seconds and nanoseconds since 1970.
    pub time: super::Time,
    /// How many hard links it has.
    pub links: u64,
    /// What tells it from other versions of it.
    pub stamp: FileStamp,
}

/// Where the owner, mode and time come from that a row does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// From nowhere: such a row is an error.
    Spec,
    /// From the source on the disk, as bsdtar does.
    Disk,
}

/// Why a row makes no entry.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A keyword that tar needs is missing.
    #[error("the row has no `{}`: give it one{}", .0, other_sources(.0))]
    Missing(&'static str),
    /// A file of this size in bytes has no content.
    #[error("the row has size={0} and no source: give it content=, or take the size away")]
    SizeWithoutSource(u64),
}

/// How a request gives the keyword `name` to a row that lacks it.
fn other_sources(name: &str) -> String {
    let flag = match name {
        "uid" => "--owner",
        "gid" => "--group",
        "mode" => "--mode",
        "time" => "--mtime",
        _ => return String::new(),
    };
    format!(", or pass {flag}, or take it from the disk with --metadata=disk")
}

/// The entry of `row`. `on_disk` are the metadata of its source, if these were read.
pub fn complete(
    row: SpecRow,
    metadata: Metadata,
    on_disk: Option<&OnDisk>,
    content: Option<FoundContent>,
) -> Result<TarEntry, RowError> {
    let has_content = row.has_content();
    let SpecRow { path, keywords, link, source, .. } = row;
    let disk = on_disk.filter(|_| metadata == Metadata::Disk);
    // `nochange` prefers the disk, but only if the disk is read.
    let prefers_disk = keywords.is_nochange && disk.is_some();
    let missing = |name| move || RowError::Missing(name);
    fn choose<T>(prefers_disk: bool, said: Option<T>, found: Option<T>) -> Option<T> {
        if prefers_disk { found.or(said) } else { said.or(found) }
    }
    // libarchive leaves the number at 0 if the row has the name.
    let named = |name: &Option<_>| (metadata == Metadata::Disk && name.is_some()).then_some(0);
    let uid = choose(
        prefers_disk,
        keywords.uid.or(named(&keywords.uname)),
        disk.map(|disk| disk.uid.into()),
    );
    let gid = choose(
        prefers_disk,
        keywords.gid.or(named(&keywords.gname)),
        disk.map(|disk| disk.gid.into()),
    );
    let mode = choose(prefers_disk, keywords.mode, disk.map(|disk| disk.mode));
    let time = choose(prefers_disk, keywords.time, disk.map(|disk| disk.time));
    let kind = keywords.kind.ok_or_else(missing("type"))?;
    let size = match content {
        Some(content) if has_content => content.size,
        _ => keywords.size.unwrap_or(0),
    };
    let identity = content.map_or(ContentIdentity::Unknown, |content| content.identity);
    if kind == EntryKind::File && !has_content && size > 0 {
        return Err(RowError::SizeWithoutSource(size));
    }
    Ok(TarEntry {
        path: archive_name(&path, kind),
        kind,
        mode: mode.ok_or_else(missing("mode"))?,
        uid: uid.ok_or_else(missing("uid"))?,
        gid: gid.ok_or_else(missing("gid"))?,
        uname: keywords.uname,
        gname: keywords.gname,
        time: time.ok_or_else(missing("time"))?,
        device: keywords.device.unwrap_or_default(),
        flags: keywords.flags,
        link: link.map(LinkText::Symlink),
        size,
        content: source.filter(|_| has_content).map(|source| FileContent { source, identity }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &str, keywords: &[(&str, &str)]) -> SpecRow {
        let mut row = SpecRow {
            path: path.as_bytes().into(),
            is_relative: !path.contains('/'),
            keywords: TarKeywords::default(),
            link: None,
            source: None,
        };
        for (keyword, value) in keywords {
            row.keywords.set(keyword.as_bytes(), value.as_bytes()).unwrap();
        }
        row
    }

    #[test]
    fn rows_of_one_path_become_one_at_the_first_ones_place() {
        let rows = [
            row("./a", &[("type", "file"), ("uid", "1")]),
            row("./b", &[("type", "file")]),
            row("a", &[("type", "file")]),
            row("a", &[("type", "dir")]),
            row("./a", &[("uid", "2"), ("gid", "3")]),
        ];
        let mergeable = (0..).zip(&rows).filter(|(_, row)| !row.is_relative);
        let merged = same_paths(mergeable.map(|(number, row)| (number, Cow::Borrowed(&*row.path))));
        assert_eq!(merged, [Merged { row: 4, into: 0 }]);
        let mut first = rows[0].clone();
        first.merge(rows[4].clone());
        assert_eq!(first, row("./a", &[("type", "file"), ("uid", "2"), ("gid", "3")]));
    }

    #[test]
    fn a_row_that_lacks_a_keyword_names_it() {
        let all = [("type", "file"), ("uid", "1"), ("gid", "1"), ("mode", "644"), ("time", "0")];
        for lacking in 0..all.len() {
            let mut keywords = all.to_vec();
            let (name, _) = keywords.remove(lacking);
            let error = complete(row("./a", &keywords), Metadata::Spec, None, None);
            assert_eq!(error, Err(RowError::Missing(name)));
        }
    }

    #[test]
    fn the_disk_says_what_a_row_does_not_and_with_nochange_all() {
        let stamp = FileStamp { device: 1, inode: 2, size: 3, modified: 4, changed: 5 };
        let time = super::super::Time { seconds: 9, nanoseconds: 8 };
        let disk = OnDisk { uid: 7, gid: 7, mode: 0o700, time, links: 1, stamp };
        let complete = |keywords: &[(&str, &str)]| {
            let mut row = row("./a", keywords);
            row.source = Some(b"s"[..].into());
            let content = FoundContent { size: 3, identity: ContentIdentity::Stamp(stamp) };
            super::complete(row, Metadata::Disk, Some(&disk), Some(content)).unwrap()
        };
        let entry = complete(&[("type", "file"), ("uid", "1"), ("gname", "g")]);
        assert_eq!(
            (entry.uid, entry.gid, entry.mode, entry.time, entry.size),
            (1, 0, 0o700, time, 3)
        );
        let entry = complete(&[("type", "file"), ("uid", "1"), ("gname", "g"), ("nochange", "")]);
        assert_eq!((entry.uid, entry.gid), (7, 7));
    }

    #[test]
    fn a_size_without_a_source_is_an_error() {
        let keywords = [
            ("type", "file"),
            ("uid", "1"),
            ("gid", "1"),
            ("mode", "644"),
            ("time", "0"),
            ("size", "5"),
        ];
        let error = complete(row("./a", &keywords), Metadata::Spec, None, None);
        assert_eq!(error, Err(RowError::SizeWithoutSource(5)));
    }
}

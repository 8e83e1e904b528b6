//! What is compared: entries, each with its fields, whether from a layer or from a spec.
//!
//! Knows the fields of both; must not know how they are read, nor what is printed.

use std::collections::BTreeMap;

use crate::archive::{Member, MemberContent, MemberKind, MemberTime};
use crate::layer::EntryKind;
use crate::layer::keywords::TarKeywords;

/// A field of an entry, in the order in which they are printed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EntryField {
    Type,
    Link,
    Mode,
    Uid,
    Gid,
    Uname,
    Gname,
    Time,
    Device,
    Flags,
    Size,
    Content,
    Source,
    /// A record of pax, or a keyword of mtree(5).
    Other(Box<[u8]>),
}

impl EntryField {
    /// Whether a layer and a spec both have it.
    pub(super) fn is_shared(&self) -> bool {
        !matches!(self, Self::Source | Self::Other(_))
    }
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FieldValue {
    Kind(MemberKind),
    Mode(u32),
    Number(i64),
    Bytes(u64),
    Time(MemberTime),
    Device(u32, u32),
    Sha256([u8; 32]),
    Text(Box<[u8]>),
}

/// A row of a spec, or several rows of one path, merged.
#[derive(Clone, Debug, Default)]
pub(super) struct ComparedRow {
    pub path: Box<[u8]>,
    pub keywords: TarKeywords,
    pub link: Option<Box<[u8]>>,
    pub source: Option<Box<[u8]>>,
    pub sha256: Option<[u8; 32]>,
    /// The keywords that no other field has, sorted.
    pub others: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

/// The memory that a keyword takes besides its bytes, at most: two allocations, and its place in a map.
const KEYWORD: usize = 128;
/// The memory that a row takes besides its bytes, at most: four allocations.
const ROW: usize = 128;

impl ComparedRow {
    /// How many bytes of memory a row takes.
    pub(super) fn weight(&self) -> usize {
        let length = |text: &Option<Box<[u8]>>| text.as_ref().map_or(0, |text| text.len());
        let others =
            self.others.iter().map(|(keyword, value)| keyword.len() + value.len() + KEYWORD);
        size_of::<Self>()
            + ROW
            + self.path.len()
            + length(&self.link)
            + length(&self.source)
            + others.sum::<usize>()
    }
}

/// An entry of a layer or a spec.
#[derive(Clone, Debug)]
pub(super) enum ComparedEntry {
    Member(Box<Member>),
    Row(Box<ComparedRow>),
}

impl ComparedEntry {
    /// The archive path.
    pub(super) fn path(&self) -> &[u8] {
        match self {
            Self::Member(member) => &member.path,
            Self::Row(row) => &row.path,
        }
    }

    /// The kind, if it is known.
    pub(super) fn kind(&self) -> Option<MemberKind> {
        match self {
            Self::Member(member) => Some(member.kind),
            Self::Row(row) => row.keywords.kind.map(|kind| match kind {
                EntryKind::File => MemberKind::File,
                EntryKind::Directory => MemberKind::Directory,
                EntryKind::Symlink => MemberKind::Symlink,
                EntryKind::Character => MemberKind::Character,
                EntryKind::Block => MemberKind::Block,
                EntryKind::Fifo => MemberKind::Fifo,
            }),
        }
    }

    /// What it links to, if it is known to be a link.
    pub(super) fn link(&self) -> Option<&[u8]> {
        match self {
            Self::Member(member) => (!member.link.is_empty()).then_some(&member.link),
            Self::Row(row) => row.link.as_deref(),
        }
    }

    /// How many bytes of content it has, if that is known.
    pub(super) fn bytes(&self) -> Option<u64> {
        match self {
            Self::Member(member) => Some(member.size),
            Self::Row(row) => match row.keywords.kind {
                None | Some(EntryKind::File) => row.keywords.size,
                Some(_) => Some(0),
            },
        }
    }

    /// The content, if it is known and stored whole.
    pub(super) fn sha256(&self) -> Option<[u8; 32]> {
        match self {
            Self::Member(member) => match member.content {
                Some(MemberContent { sha256, is_sparse: false }) => Some(sha256),
                _ => None,
            },
            Self::Row(row) => row.sha256,
        }
    }

    /// Whether the content is stored without its holes.
    pub(super) fn is_sparse(&self) -> bool {
        matches!(self, Self::Member(member) if member.content.is_some_and(|content| content.is_sparse))
    }

    /// The fields, sorted.
    pub(super) fn fields(&self) -> Vec<(EntryField, FieldValue)> {
        let mut fields = Vec::with_capacity(12);
        match self {
            Self::Member(member) => of_member(member, &mut fields),
            Self::Row(row) => self.of_row(row, &mut fields),
        }
        fields.sort_by(|one, other| one.0.cmp(&other.0));
        fields
    }

    fn of_row(&self, row: &ComparedRow, fields: &mut Vec<(EntryField, FieldValue)>) {
        let TarKeywords { uid, gid, uname, gname, mode, time, device, flags, size, .. } =
            &row.keywords;
        let is_file = matches!(row.keywords.kind, None | Some(EntryKind::File));
        let text = |text: &[u8]| FieldValue::Text(text.into());
        let said = [
            (EntryField::Type, self.kind().map(FieldValue::Kind)),
            (EntryField::Link, row.link.as_deref().map(text)),
            (EntryField::Mode, mode.map(FieldValue::Mode)),
            (EntryField::Uid, uid.map(FieldValue::Number)),
            (EntryField::Gid, gid.map(FieldValue::Number)),
            (EntryField::Uname, uname.as_deref().map(text)),
            (EntryField::Gname, gname.as_deref().map(text)),
            (
                EntryField::Time,
                time.map(|time| {
                    let (seconds, nanoseconds) = (time.seconds, time.nanoseconds);
                    FieldValue::Time(MemberTime { seconds, nanoseconds })
                }),
            ),
            (EntryField::Device, device.map(|of| FieldValue::Device(of.major, of.minor))),
            (EntryField::Flags, flags.as_deref().map(text)),
            (EntryField::Size, size.filter(|_| is_file).map(FieldValue::Bytes)),
            (EntryField::Content, row.sha256.filter(|_| is_file).map(FieldValue::Sha256)),
            (EntryField::Source, row.source.as_deref().map(text)),
        ];
        fields.extend(said.into_iter().filter_map(|(field, value)| Some((field, value?))));
        let others = row.others.iter();
        fields.extend(
            others.map(|(keyword, value)| (EntryField::Other(keyword.clone()), text(value))),
        );
    }
}

/// The keyword of pax that holds `flags=` of a spec.
const FLAGS: &[u8] = b"SCHILY.fflags";

fn of_member(member: &Member, fields: &mut Vec<(EntryField, FieldValue)>) {
    let mut text = |field, text: &[u8]| {
        if !text.is_empty() {
            fields.push((field, FieldValue::Text(text.into())));
        }
    };
    text(EntryField::Link, &member.link);
    text(EntryField::Uname, &member.uname);
    text(EntryField::Gname, &member.gname);
    for record in &member.records {
        text(
            match &*record.keyword == FLAGS {
                true => EntryField::Flags,
                false => EntryField::Other(record.keyword.clone()),
            },
            &record.value,
        );
    }
    fields.extend([
        (EntryField::Type, FieldValue::Kind(member.kind)),
        (EntryField::Mode, FieldValue::Mode(member.mode)),
        (EntryField::Uid, FieldValue::Number(member.uid)),
        (EntryField::Gid, FieldValue::Number(member.gid)),
        (EntryField::Time, FieldValue::Time(member.time)),
    ]);
    if let Some((major, minor)) = member.device {
        fields.push((EntryField::Device, FieldValue::Device(major, minor)));
    }
    if let Some(content) = member.content {
        fields.push((EntryField::Size, FieldValue::Bytes(member.size)));
        fields.push((EntryField::Content, FieldValue::Sha256(content.sha256)));
    }
}

//! Extension headers: they replace fields of the members that follow.
//!
//! Knows the keywords of pax and GNU tar; must not know how they are stored.

use std::collections::BTreeMap;

use super::header;
use super::member::MemberTime;
use super::pax;

/// The longest name, in bytes. Linux has names of 4,096.
pub(super) const LONGEST_NAME: usize = 1 << 16;
/// The longest extended header, in bytes. The largest records are extended attributes.
pub(super) const LONGEST_RECORDS: usize = 1 << 23;

/// The records of extended headers of one kind.
#[derive(Clone, Default)]
pub(super) struct SaidRecords {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<i64>,
    pub gid: Option<i64>,
    pub uname: Option<Vec<u8>>,
    pub gname: Option<Vec<u8>>,
    pub time: Option<MemberTime>,
    pub device: (Option<u32>, Option<u32>),
    /// The size of a sparse file, with its holes.
    pub real_size: Option<u64>,
    pub is_sparse: bool,
    /// The others. An extended attribute has such a record.
    pub others: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

/// What is invalid in an extended header.
pub(super) enum Invalid {
    Record,
    Name,
}

impl SaidRecords {
    /// Takes the records of an extended header.
    pub(super) fn read(&mut self, text: &[u8]) -> Result<(), Invalid> {
        for record in pax::records(text) {
            let (keyword, value) = record.ok_or(Invalid::Record)?;
            self.take(keyword, value)?;
        }
        Ok(())
    }

    fn take(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), Invalid> {
        let name = || match value.len() {
            0 => Ok(None),
            1..=LONGEST_NAME => Ok(Some(value.to_vec())),
            _ => Err(Invalid::Name),
        };
        let size = || pax::unsigned(value).map(Some).ok_or(Invalid::Record);
        let number = || pax::signed(value).map(Some).ok_or(Invalid::Record);
        match keyword {
            b"path" => self.path = name()?,
            b"linkpath" => self.link = name()?,
            b"uname" => self.uname = name()?.or(Some(Vec::new())),
            b"gname" => self.gname = name()?.or(Some(Vec::new())),
            b"size" => self.size = size()?,
            b"uid" => self.uid = number()?,
            b"gid" => self.gid = number()?,
            b"mtime" => self.time = Some(pax::time(value).ok_or(Invalid::Record)?),
            b"SCHILY.devmajor" => self.device.0 = number()?.map(|number| number as u32),
            b"SCHILY.devminor" => self.device.1 = number()?.map(|number| number as u32),
            // The path of a sparse file is that of a directory which tells other programs what it is.
            b"GNU.sparse.name" => self.path = name()?,
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => {
                self.is_sparse = true;
                self.real_size = size()?;
            }
            b"hdrcharset" => {}
            _ if keyword.starts_with(b"GNU.sparse.") => self.is_sparse = true,
            _ => drop(self.others.insert(keyword.into(), value.into())),
        }
        Ok(())
    }
}

/// The extension headers before a member.
#[derive(Default)]
pub(super) struct Extensions {
    /// Of this member.
    pub own: SaidRecords,
    /// Of all members from here on.
    pub global: SaidRecords,
    /// The name, from a header of GNU tar.
    pub long_name: Option<Vec<u8>>,
    /// The target of a link, from a header of GNU tar.
    pub long_link: Option<Vec<u8>>,
    /// There was an extended header of pax.
    pub has_pax: bool,
    /// The size of the extension headers before this member, in bytes.
    len: u64,
}

impl Extensions {
    /// Counts an extension header before the member. Returns whether there are too many.
    pub(super) fn count(&mut self, len: u64) -> bool {
        self.len = self.len.saturating_add(len);
        self.len > LONGEST_RECORDS as u64
    }

    /// Takes what an extension header with this letter holds.
    pub(super) fn take(&mut self, letter: u8, text: &[u8]) -> Result<(), Invalid> {
        match letter {
            b'L' => self.long_name = Some(header::text(text).to_vec()),
            b'K' => self.long_link = Some(header::text(text).to_vec()),
            b'g' => {
                self.has_pax = true;
                self.global.read(text)?;
                // They are part of the next member's header, and mean nothing for its fields.
                self.global.others.clear();
            }
            _ => {
                self.has_pax = true;
                self.own.read(text)?;
            }
        }
        Ok(())
    }

    /// The field that `of` takes, of this member alone or else of all.
    pub(super) fn said<T>(&mut self, of: impl Fn(&mut SaidRecords) -> &mut Option<T>) -> Option<T>
    where
        T: Clone,
    {
        of(&mut self.own).take().or_else(|| of(&mut self.global).clone())
    }

    /// Forgets what applies to one member alone.
    pub(super) fn end_member(&mut self) {
        self.own = SaidRecords::default();
        (self.long_name, self.long_link, self.len) = (None, None, 0);
    }
}

//! A member of an archive: the fields of its headers, and the digest of its content.

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// A hard link to an earlier member.
    HardLink,
    /// A symlink.
    Symlink,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// Any other type, by its letter in the header.
    Other(u8),
}

/// When a member was changed last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberTime {
    /// Since 1970.
    pub seconds: i64,
    /// Below 1,000,000,000, away from zero.
    pub nanoseconds: u32,
}

/// The content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberContent {
    /// The digest of the bytes in the archive.
    pub sha256: [u8; 32],
    /// These bytes are not those of the file: its holes were left out.
    pub is_sparse: bool,
}

/// The format of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderForm {
    /// Before POSIX.
    V7,
    /// POSIX.1-1988.
    Ustar,
    /// POSIX.1-2001: ustar with extended headers.
    Pax,
    /// GNU tar.
    Gnu,
}

/// A record of an extended header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaxRecord {
    /// Such as `SCHILY.xattr.user.x`.
    pub keyword: Box<[u8]>,
    /// Any bytes.
    pub value: Box<[u8]>,
}

/// A member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The archive path: without `./` or `/` at its head, `.`, and empty components.
    pub path: Box<[u8]>,
    /// The name as it is spelled, if it is neither the path nor, for a directory, the path and a slash.
    pub name: Option<Box<[u8]>>,
    /// What it is.
    pub kind: MemberKind,
    /// The twelve bits of the permissions.
    pub mode: u32,
    /// The number of the owner.
    pub uid: i64,
    /// The number of the group.
    pub gid: i64,
    /// The name of the owner. Empty if the header has none.
    pub uname: Box<[u8]>,
    /// As `uname`.
    pub gname: Box<[u8]>,
    /// When it was changed last.
    pub time: MemberTime,
    /// What a link links to. Empty for others.
    pub link: Box<[u8]>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// The records of its extended header that no other field has, sorted by keyword.
    pub records: Vec<PaxRecord>,
    /// The size of a file in bytes, holes included. 0 for others.
    pub size: u64,
    /// The content of a file.
    pub content: Option<MemberContent>,
    /// The format of its header.
    pub form: HeaderForm,
    /// The digest of all bytes of the member besides its content: headers and padding.
    pub header: [u8; 32],
    /// The offset of its first header in the tar.
    pub offset: u64,
}

/// The memory that an allocation takes besides its bytes, at most.
const ALLOCATION: usize = 32;

impl PaxRecord {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.keyword.len() + self.value.len() + 2 * ALLOCATION
    }
}

impl Member {
    /// How many bytes of memory a member takes.
    pub(super) fn weight(&self) -> usize {
        let records = self.records.iter().map(PaxRecord::weight);
        size_of::<Self>()
            + 2 * ALLOCATION
            + self.path.len()
            + self.name.as_ref().map_or(0, |name| name.len())
            + self.uname.len()
            + self.gname.len()
            + self.link.len()
            + records.sum::<usize>()
    }
}

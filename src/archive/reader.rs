//! The blocks of a tar in, members out.
//!
//! Knows which headers there are and what follows each; must not know where the bytes come from. The size in a
//! header is only ever counted down, never taken as memory.

use std::io::BufRead;

use sha2::{Digest as _, Sha256};

use super::compressed::{CompressedFrame, Compression, Decompressed};
use super::error::ArchiveError;
use super::extensions::{Extensions, Invalid, LONGEST_NAME, LONGEST_RECORDS};
use super::header::{self, BLOCK, Header};
use super::member::{HeaderForm, Member, MemberContent, MemberKind, MemberTime, PaxRecord};
use crate::path;

/// The most memory that the members of an archive take, in bytes: as much as a capture may.
pub(super) const LARGEST: usize = 512 << 20;
/// How much is read at once, in bytes.
const CHUNK: usize = 1 << 17;

/// What follows the last member: zeros, as a rule two blocks of them or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveEnd {
    /// In bytes. 0 if no blocks of zeros end the archive.
    pub len: u64,
    /// The digest of these bytes.
    pub digest: [u8; 32],
}

/// An archive, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadArchive {
    /// In the order of the archive.
    pub members: Vec<Box<Member>>,
    /// What follows them.
    pub end: ArchiveEnd,
    /// How it was compressed.
    pub compression: Compression,
    /// The gzip members or zstd frames. None of an archive that is not compressed.
    pub frames: Vec<CompressedFrame>,
    /// The size of the tar, in bytes.
    pub raw_len: u64,
}

/// Whether `block` is the first of a tar: a header, or the end of an archive without members.
pub fn is_header(block: &[u8]) -> bool {
    let block = block.first_chunk::<BLOCK>();
    block.is_some_and(|block| is_zero(block) || Header::new(block).is_some())
}

/// Reads an archive.
pub fn read(input: impl BufRead, compression: Compression) -> Result<ReadArchive, ArchiveError> {
    let mut reader = Reader {
        input: Decompressed::new(input, compression),
        hasher: blake3::Hasher::new(),
        buffer: vec![0; CHUNK],
    };
    let (mut members, mut extensions, mut weight) = (Vec::new(), Extensions::default(), 0);
    let end = loop {
        let mut offset = reader.input.position();
        let Some(mut block) = reader.begin()? else {
            break ArchiveEnd { len: 0, digest: [0; 32] };
        };
        let first = offset;
        while reader.take_extension(&block, offset, &mut extensions)? {
            offset = reader.input.position();
            block = reader.block(b"")?;
        }
        if is_zero(&block) {
            if first != offset {
                return Err(ArchiveError::CutOff(Vec::new()));
            }
            break reader.read_end()?;
        }
        let header = Header::new(&block).ok_or(ArchiveError::Checksum(offset))?;
        let member = reader.member(&header, [first, offset], &mut extensions)?;
        extensions.end_member();
        weight += member.weight();
        if weight > LARGEST {
            return Err(ArchiveError::TooLarge);
        }
        // In boxes, since a vector that grows takes three times its size for a moment.
        members.push(Box::new(member));
    };
    let raw_len = reader.input.position();
    Ok(ReadArchive { members, end, compression, frames: reader.input.into_frames(), raw_len })
}

fn is_zero(block: &[u8; BLOCK]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

struct Reader<R: BufRead> {
    input: Decompressed<R>,
    /// Of the bytes of a member that are not its content.
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// The first block of a member. `None` if the archive has no more.
    fn begin(&mut self) -> Result<Option<[u8; BLOCK]>, ArchiveError> {
        self.hasher.reset();
        let mut block = [0; BLOCK];
        match self.input.fill(&mut block)? {
            0 => Ok(None),
            BLOCK => {
                self.hasher.update(&block);
                Ok(Some(block))
            }
            _ => Err(ArchiveError::CutOff(Vec::new())),
        }
    }

    /// A block that must be there, since it belongs to the member at `path`.
    fn block(&mut self, path: &[u8]) -> Result<[u8; BLOCK], ArchiveError> {
        let mut block = [0; BLOCK];
        if self.input.fill(&mut block)? < BLOCK {
            return Err(ArchiveError::CutOff(path.to_vec()));
        }
        self.hasher.update(&block);
        Ok(block)
    }

    /// Calls `take` with the `length` bytes of content that come next, piece by piece. What fills their last block
    /// counts as part of the header.
    fn content(
        &mut self,
        length: u64,
        path: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), ArchiveError> {
        let mut left = length;
        while left > 0 {
            let wanted = left.min(CHUNK as u64) as usize;
            let filled = self.input.fill(&mut self.buffer[..wanted])?;
            take(&self.buffer[..filled]);
            if filled < wanted {
                return Err(ArchiveError::CutOff(path.to_vec()));
            }
            left -= filled as u64;
        }
        let padding = (BLOCK - (length % BLOCK as u64) as usize) % BLOCK;
        let mut filling = [0; BLOCK];
        if self.input.fill(&mut filling[..padding])? < padding {
            return Err(ArchiveError::CutOff(path.to_vec()));
        }
        self.hasher.update(&filling[..padding]);
        Ok(())
    }

    /// Reads the extension header that begins with `block`. Returns whether it is one.
    fn take_extension(
        &mut self,
        block: &[u8; BLOCK],
        offset: u64,
        extensions: &mut Extensions,
    ) -> Result<bool, ArchiveError> {
        if is_zero(block) {
            return Ok(false);
        }
        let header = Header::new(block).ok_or(ArchiveError::Checksum(offset))?;
        let (longest, is_too_long) = match header.kind() {
            b'L' | b'K' => (LONGEST_NAME, ArchiveError::LongName(offset)),
            b'x' | b'X' | b'g' => (LONGEST_RECORDS, ArchiveError::LongRecords(offset)),
            _ => return Ok(false),
        };
        let size = header.size().ok_or(ArchiveError::Number { at: offset, field: "size" })?;
        // GNU tar ends a long name with a NUL.
        if size > longest as u64 + 1 || extensions.count(size) {
            return Err(is_too_long);
        }
        let mut text = Vec::new();
        self.content(size, b"", |bytes| text.extend_from_slice(bytes))?;
        self.hasher.update(&text);
        extensions.take(header.kind(), &text).map_err(|invalid| match invalid {
            Invalid::Record => ArchiveError::Record(offset),
            Invalid::Name => ArchiveError::LongName(offset),
        })?;
        Ok(true)
    }

    /// Reads a member to its end. Its first header and its own are at `offsets`.
    fn member(
        &mut self,
        header: &Header<'_>,
        offsets: [u64; 2],
        extensions: &mut Extensions,
    ) -> Result<Member, ArchiveError> {
        let invalid = |field| move || ArchiveError::Number { at: offsets[1], field };
        let mut spelled = extensions.said(|records| &mut records.path);
        spelled = spelled.or_else(|| extensions.long_name.take());
        let spelled = spelled.unwrap_or_else(|| header.name());
        let path = path::normal(&spelled);
        let kind = kind(header.kind(), &spelled);
        let (size, content) = self.sized_content(header, offsets[1], kind, &path, extensions)?;
        let device = header.device().ok_or_else(invalid("device"))?;
        let has_device = matches!(kind, MemberKind::Character | MemberKind::Block);
        let device = (
            extensions.own.device.0.unwrap_or(device.0),
            extensions.own.device.1.unwrap_or(device.1),
        );
        let said_uid = extensions.said(|records| &mut records.uid);
        let said_gid = extensions.said(|records| &mut records.gid);
        let said_time = extensions.said(|records| &mut records.time);
        let seconds = || header.seconds().ok_or_else(invalid("time"));
        let link = extensions.said(|records| &mut records.link);
        let link = link.or_else(|| extensions.long_link.take());
        let link = link.unwrap_or_else(|| header.link().to_vec());
        let is_link = matches!(kind, MemberKind::HardLink | MemberKind::Symlink);
        let uname = extensions.said(|records| &mut records.uname);
        let gname = extensions.said(|records| &mut records.gname);
        Ok(Member {
            name: is_odd(&spelled, &path, kind).then(|| spelled.into()),
            kind,
            mode: header.mode().ok_or_else(invalid("mode"))?,
            uid: said_uid.map_or_else(|| header.uid().ok_or_else(invalid("uid")), Ok)?,
            gid: said_gid.map_or_else(|| header.gid().ok_or_else(invalid("gid")), Ok)?,
            uname: uname.unwrap_or_else(|| header.uname().to_vec()).into(),
            gname: gname.unwrap_or_else(|| header.gname().to_vec()).into(),
            time: match said_time {
                Some(time) => time,
                None => MemberTime { seconds: seconds()?, nanoseconds: 0 },
            },
            link: if is_link { link.into() } else { Box::default() },
            device: has_device.then_some(device),
            records: std::mem::take(&mut extensions.own.others)
                .into_iter()
                .map(|(keyword, value)| PaxRecord { keyword, value })
                .collect(),
            size,
            content,
            form: match header.form() {
                HeaderForm::Ustar if offsets[0] != offsets[1] => HeaderForm::Pax,
                form => form,
            },
            header: *self.hasher.finalize().as_bytes(),
            offset: offsets[0],
            path: path.into(),
        })
    }

    /// Reads the content of the member whose own header is at `offset`. Returns the size of the file, which is 0 without
    /// a content, and the content.
    fn sized_content(
        &mut self,
        header: &Header<'_>,
        offset: u64,
        kind: MemberKind,
        path: &[u8],
        extensions: &mut Extensions,
    ) -> Result<(u64, Option<MemberContent>), ArchiveError> {
        let invalid = |field| move || ArchiveError::Number { at: offset, field };
        let stored = match extensions.said(|records| &mut records.size) {
            Some(size) => size,
            None => header.size().ok_or_else(invalid("size"))?,
        };
        let is_gnu_sparse = header.kind() == b'S';
        let mut real_size = extensions.said(|records| &mut records.real_size);
        if is_gnu_sparse {
            real_size = Some(header.real_size().ok_or_else(invalid("real size"))?);
            let mut has_more_map = header.has_more_map();
            while has_more_map {
                has_more_map = header::is_map_continued(&self.block(path)?);
            }
        }
        let has_data = match kind {
            MemberKind::File | MemberKind::Other(_) => true,
            // Only pax stores the content with a hard link; before, the size is that of the link's target.
            MemberKind::HardLink => extensions.has_pax,
            _ => false,
        };
        let mut sha256 = Sha256::new();
        self.content(if has_data { stored } else { 0 }, path, |bytes| sha256.update(bytes))?;
        // What is stored counts, also where it belongs to a hard link or to a kind that is not known.
        if kind != MemberKind::File && (!has_data || stored == 0) {
            return Ok((0, None));
        }
        let is_sparse = is_gnu_sparse || extensions.own.is_sparse;
        let content = MemberContent { sha256: sha256.finalize().into(), is_sparse };
        Ok((real_size.unwrap_or(stored), Some(content)))
    }

    /// Reads what is left, from the first block of zeros on.
    fn read_end(&mut self) -> Result<ArchiveEnd, ArchiveError> {
        let mut len = BLOCK as u64;
        loop {
            let filled = self.input.fill(&mut self.buffer)?;
            if filled == 0 {
                let digest = *self.hasher.finalize().as_bytes();
                return Ok(ArchiveEnd { len, digest });
            }
            self.hasher.update(&self.buffer[..filled]);
            len += filled as u64;
        }
    }
}

fn kind(letter: u8, name: &[u8]) -> MemberKind {
    match letter {
        // Before POSIX, a directory was a file whose name ends in a slash.
        0 | b'0' if name.ends_with(b"/") => MemberKind::Directory,
        0 | b'0' | b'7' | b'S' => MemberKind::File,
        b'1' => MemberKind::HardLink,
        b'2' => MemberKind::Symlink,
        b'3' => MemberKind::Character,
        b'4' => MemberKind::Block,
        b'5' => MemberKind::Directory,
        b'6' => MemberKind::Fifo,
        other => MemberKind::Other(other),
    }
}

fn is_odd(name: &[u8], path: &[u8], kind: MemberKind) -> bool {
    let name = match kind {
        MemberKind::Directory => name.strip_suffix(b"/").unwrap_or(name),
        _ => name,
    };
    name != path
}

//! Reads layers that any tool wrote, compressed or not, as a stream of members.
//!
//! Nothing in an archive is trusted, and nothing of it is unpacked: contents are hashed as they pass by, and
//! memory is taken for bytes that have arrived, up to a limit. Must not know how this program writes layers, nor
//! what is done with members. In the order of the work:
//!
//! - `compressed`: decompresses gzip and zstd, frame by frame.
//! - `header`: the fields of one block.
//! - `pax`: the records of an extended header.
//! - `extensions`: the extension headers before a member, which replace its fields.
//! - `reader`: blocks in, members out.

mod compressed;
mod error;
mod extensions;
mod header;
mod member;
mod pax;
mod reader;

pub use compressed::{CompressedFrame, Compression};
pub use error::ArchiveError;
pub use member::{HeaderForm, Member, MemberContent, MemberKind, MemberTime, PaxRecord};
pub use reader::{ArchiveEnd, ReadArchive, is_header, read};

//! Layers: what tar makes of entries, cut into frames, compressed, and written with its digests.
//!
//! Knows entries of an archive and their contents; must not know flags, decisions, the text of a spec,
//! or Bazel. In the order of the work:
//!
//! - [`keywords`], `device`: the keywords of a row.
//! - [`rows`]: rows of one path merged, and completed.
//! - [`hard_links`]: which entries become links to an earlier one.
//! - `entry`, `entries`: the entries of the tar.
//! - [`header`]: headers, byte for byte as bsdtar writes them.
//! - [`frames`]: where the tar is cut.
//! - `identity`: what identifies a content before it is read.
//! - `plan`: frames, their keys, and what is to be done for each.
//! - `source`: where the bytes of contents come from.
//! - `codec`: how a frame is compressed.
//! - `make`: one frame, made or reused.
//! - `permits`: how many threads make frames at once.
//! - `board`, `buffer`: the frames that each thread makes, and their memory.
//! - `assemble`: entries in, a layer out.
//! - `index`: the frames of earlier layers, and the outputs that they are in.
//! - `history`: which entries changed since an output was written last.
//! - `table`: the frames of a layer, and where each came from.
//! - `descriptor`: the descriptor and counts of a written layer.
//! - `sizes`: how many bytes an entry takes.

mod assemble;
mod board;
mod buffer;
mod codec;
mod descriptor;
mod device;
mod entries;
mod entry;
mod error;
pub mod frames;
pub mod hard_links;
pub mod header;
mod history;
mod identity;
mod index;
pub mod keywords;
mod make;
mod permits;
mod plan;
pub mod rows;
pub(crate) mod sizes;
mod source;
mod table;

pub use assemble::{AssembledLayer, Job, assemble};
pub use buffer::BufferPool;
pub use codec::{Codec, CodecError, GzipLevel, ZstdLevel};
pub use descriptor::{Descriptor, Digest, FORMAT_VERSION, LayerCounts, Seconds};
pub use entries::Entries;
pub use entry::{
    Device, EntryKind, FileContent, LinkText, TarEntry, Time, archive_name, hard_link_name,
};
pub use error::{ContentError, LayerError};
pub use history::EntryHistory;
pub use identity::{ContentIdentity, DigestFunction, FileStamp, Listed};
pub use index::{HeldFrame, Index, MOST_OUTPUTS, checksum};
pub use permits::Permits;
pub use plan::PlannedEntry;
pub use source::{DiskContents, Opened, ReadSource, open};
pub use table::{CutFrame, FrameOrigin, FrameTable, WrittenFrame, cut_frames};

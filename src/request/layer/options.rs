//! The options of a layer request, besides those of `resolve`.
//!
//! Knows choices alone.

use std::path::PathBuf;

use crate::layer::Codec;
use crate::layer::rows::Metadata;

/// How the layer is written.
#[derive(Clone, Debug)]
pub struct LayerOptions {
    /// How it is compressed.
    pub codec: Codec,
    /// Where to write its descriptor, if anywhere.
    pub descriptor: Option<PathBuf>,
    /// Which entries become hard links.
    pub hard_links: HardLinks,
    /// Where the owner, mode and time come from that a row does not have.
    pub metadata: Metadata,
    /// In which order rows are written.
    pub order: Order,
    /// The group whose rows are written, if not all are.
    pub group: Option<GroupChoice>,
    /// Where to write the sources that the layer does not read, if anywhere.
    pub unused_inputs: Option<PathBuf>,
    /// A file of paths, one a line. Those that are not sources are written to `unused_inputs`, too.
    pub inputs: Option<PathBuf>,
}

/// Which entries become hard links to an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HardLinks {
    /// None.
    #[default]
    Never,
    /// Those that are one file on the disk, as bsdtar has it.
    Inode,
    /// Those that have the same bytes, mode, owner and time.
    Content,
}

/// In which order rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// That of the spec.
    #[default]
    Spec,
    /// First the rows of external repositories, which change seldom.
    StableFirst,
}

/// One group of a file of groups.
#[derive(Clone, Debug)]
pub struct GroupChoice {
    /// Its name.
    pub name: String,
    /// The file.
    pub file: PathBuf,
}

//! Why two files cannot be compared.

use std::path::PathBuf;

use super::spec::LARGEST;
use crate::archive::ArchiveError;
use crate::display::Escaped;
use crate::layer::keywords::KeywordError;

/// A file that cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A layer cannot be read.
    #[error("{}", Escaped::path(.path))]
    Archive {
        /// As the user wrote it.
        path: PathBuf,
        /// What is wrong with it.
        source: ArchiveError,
    },
    /// A keyword of a row has a value that tar has no place for.
    #[error("{}:{line}", Escaped::path(.path))]
    Keyword {
        /// The spec, as the user wrote it.
        path: PathBuf,
        /// The line of the row.
        line: usize,
        /// What is wrong with the value.
        source: KeywordError,
    },
    /// A spec whose rows take more than the limit.
    #[error("{}: the rows and keywords of the spec take more than {LARGEST} bytes of memory", Escaped::path(.path))]
    LargeSpec {
        /// As the user wrote it.
        path: PathBuf,
    },
    /// A file that is compressed in another way.
    #[error("{}: compressed with {with}, which diff does not read; decompress it first", Escaped::path(.path))]
    Foreign {
        /// As the user wrote it.
        path: PathBuf,
        /// The name of the compression.
        with: &'static str,
    },
    /// A file that is none of those that can be compared.
    #[error("{}: neither a tar (uncompressed, gzip or zstd), nor an mtree spec, nor a capture", Escaped::path(.path))]
    Unknown {
        /// As the user wrote it.
        path: PathBuf,
    },
    /// A capture of a request that wrote no spec.
    #[error("{}: the capture has no spec that its request wrote; compare what it wrote instead", Escaped::path(.path))]
    NoOutput {
        /// As the user wrote it.
        path: PathBuf,
    },
    /// Neither file has an entry that the globs match.
    #[error("no entry of either file matches {}; ** matches every entry, and app/** those below app", .0.join(", "))]
    NoEntry(Vec<String>),
    /// The differences are too long to print.
    #[error("the differences are longer than {0} bytes; select fewer entries, or use --stat")]
    Long(usize),
}

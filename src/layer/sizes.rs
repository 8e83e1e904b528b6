//! How many bytes an entry takes in a tar archive.

/// The size of a header, in bytes. A link or a directory takes no more.
pub(crate) const HEADER: u64 = 512;

/// The size of a file of `content` bytes in a tar archive: a header, then whole blocks of 512 bytes.
pub(crate) fn file(content: u64) -> u64 {
    HEADER.saturating_add(content.checked_next_multiple_of(512).unwrap_or(content))
}

//! Files that are read as a whole.
//!
//! Knows memory and the cost of new pages; must not know what a file is for.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use memmap2::MmapMut;
use rayon::prelude::*;

/// The longest file that is read, in bytes: longer than the longest spec.
const LONGEST: u64 = 1 << 31;

/// How much of a large file one thread reads at once, in bytes: a huge page of most processors.
const PIECE: usize = 2 << 20;

/// Where the memory for a large file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// From the system, which makes its pages while the file is read. That takes longer than reading.
    New,
    /// From the allocator: an earlier request freed as much.
    Reused,
}

/// Reads a file of up to [`LONGEST`] bytes. A longer one is an error, and so is a device that does not end.
pub(super) fn read(path: &Path, memory: Memory) -> io::Result<Bytes> {
    let too_large = || io::Error::from(io::ErrorKind::FileTooLarge);
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let length = metadata.len();
    if length > LONGEST {
        return Err(too_large());
    }
    if memory == Memory::New
        && metadata.is_file()
        && length >= PIECE as u64
        && let Some(text) = read_pieces(&file, length as usize)?
    {
        return Ok(text);
    }
    let mut text = Vec::with_capacity(length as usize + 1);
    file.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST { Err(too_large()) } else { Ok(text.into()) }
}

/// Reads a file of `length` bytes, its pieces in parallel, into huge pages if the system has them: one takes a third of the
/// time of 512 small ones. `None` if the memory cannot be mapped, or the file has another length now.
fn read_pieces(file: &File, length: usize) -> io::Result<Option<Bytes>> {
    // One piece more, so that the last huge page is whole, wherever the mapping begins.
    let Ok(mut memory) = MmapMut::map_anon(length.next_multiple_of(PIECE) + PIECE) else {
        return Ok(None);
    };
    // If this fails, the pages are small.
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    let read =
        |(number, piece): (usize, &mut [u8])| file.read_exact_at(piece, (number * PIECE) as u64);
    match memory[..length].par_chunks_mut(PIECE).enumerate().try_for_each(read) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let is_end = file.read_at(&mut [0], length as u64)? == 0;
    Ok(is_end.then(|| Bytes::from_owner(memory).slice(..length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_any_length_is_read_alike_into_memory_of_both_kinds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5] {
            let text: Vec<_> = (0..length).map(|at| (at / 7 % 251) as u8).collect();
            std::fs::write(&path, &text).unwrap();
            for memory in [Memory::New, Memory::Reused] {
                assert!(read(&path, memory).unwrap() == text, "{length} bytes, {memory:?}");
            }
        }
    }

    #[test]
    fn a_file_of_another_length_than_expected_is_not_read_in_pieces() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(2 * PIECE as u64).unwrap();
        assert!(read_pieces(&file, 2 * PIECE).unwrap().is_some());
        for length in [2 * PIECE - 1, 2 * PIECE + 1] {
            assert!(read_pieces(&file, length).unwrap().is_none());
        }
    }
}

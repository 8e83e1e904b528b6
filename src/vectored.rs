//! Slices that are written together.
//!
//! Knows system calls that take several slices; must not know what is in them.

use std::io::{self, IoSlice, Write};

/// Writes all of `slices`, without a copy in user space. To a file this takes less time than slice by slice: the kernel
/// makes large pieces of memory for it instead of single pages.
pub(crate) fn write_all(out: &mut dyn Write, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Removes empty slices at the head.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match out.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

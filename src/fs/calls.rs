//! The system calls of this module, made again where a signal interrupts them.
//!
//! Knows EINTR, which file systems in user space and on a network return; must not know what a call is for.

use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Mode, OFlags, Stat, fstat, openat, readlinkat_raw, statat};
use rustix::io::{Errno, retry_on_intr};
use rustix::path::Arg;

/// Opens what is at `path`.
pub(crate) fn open(
    from: impl AsFd,
    path: impl Arg + Copy,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    retry_on_intr(|| openat(&from, path, flags, Mode::empty()))
}

/// What is at `path`.
pub(crate) fn stat(from: impl AsFd, path: impl Arg + Copy, flags: AtFlags) -> Result<Stat, Errno> {
    retry_on_intr(|| statat(&from, path, flags))
}

/// What `opened` is.
pub(super) fn stat_opened(opened: impl AsFd) -> Result<Stat, Errno> {
    retry_on_intr(|| fstat(&opened))
}

/// The target of the symlink at `path`. It replaces what is in `target`, of which it takes no more than its capacity.
pub(super) fn read_link(
    from: impl AsFd,
    path: impl Arg + Copy,
    target: &mut Vec<u8>,
) -> Result<&[u8], Errno> {
    target.clear();
    retry_on_intr(|| readlinkat_raw(&from, path, spare_capacity(target)))?;
    Ok(target)
}

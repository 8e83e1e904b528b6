//! The floor of the Budget (DESIGN): programs that do only what cannot be avoided, on one thread.
//!
//!     floor cold FOLDER SPEC OUT     list every folder below FOLDER once, read SPEC, write OUT
//!
//! A listing is `openat`, `getdents64` until it is empty, `close`: no `stat`, nothing kept.

use std::ffi::{CString, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, RawDir, openat};

fn main() -> io::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match &arguments[..] {
        [what, folder, spec, out] if what == "cold" => {
            let folder = CString::new(folder.as_encoded_bytes())?;
            let mut buffer = vec![MaybeUninit::uninit(); 32 * 1024];
            list(CWD, &folder, &mut buffer)?;
            std::fs::write(out, std::fs::read(spec)?)
        }
        _ => Err(io::Error::other("usage: floor cold FOLDER SPEC OUT")),
    }
}

/// Lists the folder `name` in `parent`, and every folder below it.
fn list(parent: BorrowedFd<'_>, name: &CString, buffer: &mut [MaybeUninit<u8>]) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(parent, name, flags, Mode::empty())?;
    let mut inner = Vec::new();
    let mut entries = RawDir::new(&folder, buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type() == FileType::Directory && !matches!(name.to_bytes(), b"." | b"..") {
            inner.push(name.to_owned());
        }
    }
    inner.iter().try_for_each(|name| list(folder.as_fd(), name, buffer))
}

//! The floor of the Budget (docs/design.md, "Budget"): programs that do only what cannot be avoided, on one thread.
//!
//!     floor cold DIRECTORY SPEC OUT                list every directory below DIRECTORY once, read SPEC, write OUT
//!     floor warm DIRECTORIES SPEC OUT               serve: stat every directory once, read SPEC, write OUT
//!     floor links ROWS SPEC OUT                 readlink every row once, read SPEC, write OUT
//!     floor sandbox DIRECTORIES ROWS BOX SPEC OUT   serve: readlink every row below BOX once, and as warm
//!
//! A listing is `openat`, `getdents64` until it is empty, `close`: no `stat`, nothing kept. DIRECTORIES and
//! ROWS are files of paths, one per line. To serve is to read requests, each after its length, from stdin and to
//! write an empty response to stdout for each, until the input ends: as a worker does, but requests are not decoded.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, RawDir, openat, readlinkat_raw, stat};
use rustix::io::Errno;

fn main() -> io::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match &arguments[..] {
        [what, directory, spec, out] if what == "cold" => {
            let directory = CString::new(directory.as_encoded_bytes())?;
            let mut buffer = vec![MaybeUninit::uninit(); 32 * 1024];
            list(CWD, &directory, &mut buffer)?;
            copy(spec, out)
        }
        [what, rows, spec, out] if what == "links" => {
            read_links(OsStr::new("."), &paths(rows)?)?;
            copy(spec, out)
        }
        [what, directories, spec, out] if what == "warm" => {
            let directories = paths(directories)?;
            serve(|| {
                stat_all(&directories)?;
                copy(spec, out)
            })
        }
        [what, directories, rows, sandbox, spec, out] if what == "sandbox" => {
            let (directories, rows) = (paths(directories)?, paths(rows)?);
            serve(|| {
                read_links(sandbox, &rows)?;
                stat_all(&directories)?;
                copy(spec, out)
            })
        }
        _ => Err(io::Error::other("usage: floor cold|warm|links|sandbox …, see floor.rs")),
    }
}

/// Lists the directory `name` in `parent`, and every directory below it.
fn list(parent: BorrowedFd<'_>, name: &CString, buffer: &mut [MaybeUninit<u8>]) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(parent, name, flags, Mode::empty())?;
    let mut inner = Vec::new();
    let mut entries = RawDir::new(&directory, buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type() == FileType::Directory && !matches!(name.to_bytes(), b"." | b"..") {
            inner.push(name.to_owned());
        }
    }
    inner.iter().try_for_each(|name| list(directory.as_fd(), name, buffer))
}

fn stat_all(directories: &[CString]) -> io::Result<()> {
    for directory in directories {
        stat(directory)?;
    }
    Ok(())
}

fn read_links(sandbox: &OsStr, rows: &[CString]) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let sandbox = openat(CWD, sandbox, flags, Mode::empty())?;
    let mut buffer = vec![MaybeUninit::uninit(); 4096];
    for row in rows {
        match readlinkat_raw(&sandbox, row, &mut buffer) {
            // Not a link.
            Err(Errno::INVAL) => {}
            asked => {
                asked?;
            }
        }
    }
    Ok(())
}

fn copy(spec: &OsStr, out: &OsStr) -> io::Result<()> {
    std::fs::write(out, std::fs::read(spec)?)
}

/// The lines of a file.
fn paths(file: &OsStr) -> io::Result<Vec<CString>> {
    let text = std::fs::read(file)?;
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Ok(CString::new(line)?)).collect()
}

/// Reads requests, and responds to each once `work` is done, until the input ends.
fn serve(mut work: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    // Without a buffer: a request is megabytes long.
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut request = Vec::new();
    while let Some(length) = length(&mut input)? {
        request.resize(length, 0);
        input.read_exact(&mut request)?;
        work()?;
        let mut output = io::stdout();
        output.write_all(&[0])?;
        output.flush()?;
    }
    Ok(())
}

/// A varint, or the end of the input.
fn length(input: &mut impl Read) -> io::Result<Option<usize>> {
    let mut length = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        if input.read(&mut byte)? == 0 {
            return Ok(None);
        }
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(Some(length));
        }
    }
    Err(io::Error::other("a length of more than 64 bits"))
}

//! Files that are written whole or not at all: beside their place first, then renamed.
//!
//! Knows temporary files, and how none is left behind when the process ends; must not know what is
//! written.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use tempfile::NamedTempFile;

use crate::display::Escaped;
use crate::resolve::MOST_LINKS;

/// Why an output cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// It would replace an input.
    #[error("{}: {} would replace an input; give another path", shown(.path), .flag)]
    IsInput {
        /// The flag that names the output.
        flag: &'static str,
        /// As it was given.
        path: PathBuf,
    },
    /// A device, a pipe or a directory stands there.
    #[error("{}: {} is not a regular file, and would be replaced by one; give another path", shown(.path), .flag)]
    NotRegular {
        /// The flag that names the output.
        flag: &'static str,
        /// As it was given.
        path: PathBuf,
    },
    /// The directory that it is to be written in does not exist.
    #[error("{}: the directory of {} does not exist; make it first", shown(.path), .flag)]
    NoDirectory {
        /// The flag that names the output.
        flag: &'static str,
        /// As it was given.
        path: PathBuf,
    },
    /// The system refuses to write it.
    #[error("{}: {} cannot be written", shown(.path), .flag)]
    Write {
        /// The flag that names the output.
        flag: &'static str,
        /// As it was given.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The process is about to end ([`abandon_all`]).
    #[error("cancelled")]
    Terminated,
}

fn shown(path: &Path) -> String {
    Escaped(path.as_os_str().as_bytes()).to_string()
}

/// The files that are being written, by all requests.
static UNDER_WAY: Mutex<UnderWay> = Mutex::new(UnderWay { files: BTreeSet::new(), closed: false });

struct UnderWay {
    files: BTreeSet<PathBuf>,
    /// The process is about to end.
    closed: bool,
}

fn under_way() -> MutexGuard<'static, UnderWay> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every file that is being written: the process ends now, and leaves nothing half-written.
/// No file is begun or put in its place after that.
pub fn abandon_all() {
    let mut under_way = under_way();
    under_way.closed = true;
    for file in std::mem::take(&mut under_way.files) {
        // One that is gone already is what is wanted.
        let _ = std::fs::remove_file(file);
    }
}

/// A file that is being written. Dropped before `commit`, it leaves nothing behind.
pub struct AtomicFile {
    /// There until it is committed.
    file: Option<NamedTempFile>,
    path: PathBuf,
    /// The path as it was given, for messages.
    given: PathBuf,
    flag: &'static str,
}

impl AtomicFile {
    /// Begins the file that `flag` names, at `given` below `root`. It must be none of `inputs`.
    pub fn create(
        flag: &'static str,
        root: &Path,
        given: &Path,
        inputs: &[PathBuf],
    ) -> Result<Self, OutputError> {
        let path = root.join(given);
        let same = |input: &PathBuf| is_same(&root.join(input), &path);
        if inputs.iter().any(same) {
            return Err(OutputError::IsInput { flag, path: given.to_owned() });
        }
        let wrong = |source| OutputError::Write { flag, path: given.to_owned(), source };
        // As where a file is opened for writing, a link is followed, not replaced.
        let path = followed(path).map_err(wrong)?;
        // A rename would put a file in the place of a device or a pipe, such as /dev/stdout.
        if path.metadata().is_ok_and(|there| !there.is_file()) {
            return Err(OutputError::NotRegular { flag, path: given.to_owned() });
        }
        let directory = match path.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory,
            _ => Path::new("."),
        };
        if !directory.is_dir() {
            return Err(OutputError::NoDirectory { flag, path: given.to_owned() });
        }
        let mut under_way = under_way();
        if under_way.closed {
            return Err(OutputError::Terminated);
        }
        let file = tempfile::Builder::new()
            .prefix(".mtree-worker-")
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory)
            .map_err(|error| wrong(without_path(error)))?;
        under_way.files.insert(file.path().to_owned());
        let file = Some(file);
        Ok(Self { file, path, given: given.to_owned(), flag })
    }

    /// Writes what `write` writes.
    pub fn write(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), OutputError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut buffer = io::BufWriter::with_capacity(1 << 18, file.as_file_mut());
        let written = write(&mut buffer).and_then(|()| buffer.flush());
        // What could not be written must not be tried again when the buffer goes.
        let _ = buffer.into_parts();
        written.map_err(|source| self.wrong(source))
    }

    /// Puts the file in its place.
    pub fn commit(mut self) -> Result<(), OutputError> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let mut under_way = under_way();
        if under_way.closed {
            return Err(OutputError::Terminated);
        }
        under_way.files.remove(file.path());
        file.persist(&self.path).map(drop).map_err(|error| self.wrong(error.error))
    }

    fn wrong(&self, source: io::Error) -> OutputError {
        OutputError::Write { flag: self.flag, path: self.given.clone(), source }
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // It goes while `abandon_all` waits: else the process could end in between, with the
            // file there and nobody to know of it.
            let mut under_way = under_way();
            under_way.files.remove(file.path());
            drop(file);
        }
    }
}

/// Where links at `path` lead, be it that nothing stands there yet.
fn followed(mut path: PathBuf) -> io::Result<PathBuf> {
    for _ in 0..=MOST_LINKS {
        match path.read_link() {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(Errno::LOOP.into())
}

/// Whether two paths are one, or lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    if one == other {
        return true;
    }
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// The system's own error, without the path of the temporary file that nobody asked for.
fn without_path(error: io::Error) -> io::Error {
    let own = error.get_ref().and_then(|inner| inner.source()?.downcast_ref::<io::Error>());
    match own.and_then(io::Error::raw_os_error) {
        Some(number) => io::Error::from_raw_os_error(number),
        None => error,
    }
}

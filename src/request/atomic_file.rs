//! Files that are written atomically: to a temporary file in the same directory, then renamed.
//!
//! Knows temporary files, and how to remove them when the process ends; must not know what is written.

use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::io::{self, Write};
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
    /// The output is also an input.
    #[error("{}: {} would replace an input; give another path", Escaped::path(.path), .flag)]
    IsInput {
        /// The flag that names the output, for the message.
        flag: &'static str,
        /// As it was given.
        path: PathBuf,
    },
    /// A device, a pipe or a directory is at the path.
    #[error("{}: {} is not a regular file, and would be replaced by one; give another path", Escaped::path(.path), .flag)]
    NotRegular {
        /// The flag that names the output, for the message.
        flag: &'static str,
        /// As it was given.
        path: PathBuf,
    },
    /// The parent directory does not exist.
    #[error("{}: the directory of {} does not exist; create it first", Escaped::path(.path), .flag)]
    NoDirectory {
        /// The flag that names the output, for the message.
        flag: &'static str,
        /// As it was given.
        path: PathBuf,
    },
    /// A system call failed.
    #[error("{}: {} cannot be written", Escaped::path(.path), .flag)]
    Write {
        /// The flag that names the output, for the message.
        flag: &'static str,
        /// As it was given.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The process is ending ([`remove_unfinished`]).
    #[error("cancelled")]
    Terminated,
}

/// The temporary files of all requests.
static UNFINISHED: Mutex<Unfinished> =
    Mutex::new(Unfinished { files: BTreeSet::new(), is_ending: false });

struct Unfinished {
    files: BTreeSet<PathBuf>,
    /// The process is ending.
    is_ending: bool,
}

fn unfinished() -> MutexGuard<'static, Unfinished> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every temporary file. From then on, no file is created or committed. Call this before the
/// process exits while requests run.
pub fn remove_unfinished() {
    let mut unfinished = unfinished();
    unfinished.is_ending = true;
    for file in std::mem::take(&mut unfinished.files) {
        // It may be gone already.
        let _ = std::fs::remove_file(file);
    }
}

/// A file that is being written. Dropping it before [`commit`](Self::commit) removes it.
pub struct AtomicFile {
    /// `None` while it is committed or dropped.
    file: Option<NamedTempFile>,
    path: PathBuf,
    /// The path as the user wrote it.
    given: PathBuf,
    /// For messages alone.
    flag: &'static str,
}

/// Why a file is there.
const NOT_COMMITTED: &str = "only commit and drop take the file, and nothing uses it after them";

impl AtomicFile {
    /// Creates the file for an output at `given`, relative to `root`. Messages name the output by its `flag`.
    ///
    /// # Errors
    ///
    /// [`OutputError`] if the output is one of `inputs`, or if it cannot be created.
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
        let write_error = |source| OutputError::Write { flag, path: given.to_owned(), source };
        // Symlinks are followed, not replaced, as by open(2).
        let path = follow_symlinks(path).map_err(write_error)?;
        // A rename would replace a device or a pipe, such as /dev/stdout, with a file.
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
        let mut unfinished = unfinished();
        if unfinished.is_ending {
            return Err(OutputError::Terminated);
        }
        let file = tempfile::Builder::new()
            .prefix(".mtree-worker-")
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory)
            .map_err(|error| write_error(without_path(error)))?;
        unfinished.files.insert(file.path().to_owned());
        let file = Some(file);
        Ok(Self { file, path, given: given.to_owned(), flag })
    }

    /// Calls `write` with a buffered writer to the file.
    pub fn write(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), OutputError> {
        let mut buffer = io::BufWriter::with_capacity(1 << 18, self.file_mut());
        let written = write(&mut buffer).and_then(|()| buffer.flush());
        // Dropping the buffer would try again to write what could not be written.
        let _ = buffer.into_parts();
        written.map_err(|source| self.write_error(source))
    }

    /// The file itself, to write to it directly.
    pub fn file_mut(&mut self) -> &mut File {
        self.file.as_mut().expect(NOT_COMMITTED).as_file_mut()
    }

    /// The path as the request spells it: one output has one, in whichever sandbox it is written.
    pub fn given(&self) -> &Path {
        &self.given
    }

    /// Renames the file to its path, and returns it: it can be read.
    pub fn commit(mut self) -> Result<File, OutputError> {
        let file = self.file.take().expect(NOT_COMMITTED);
        let mut unfinished = unfinished();
        if unfinished.is_ending {
            return Err(OutputError::Terminated);
        }
        unfinished.files.remove(file.path());
        file.persist(&self.path).map_err(|error| self.write_error(error.error))
    }

    /// Like [`commit`](Self::commit), but if that fails, the file that was at the path is removed, too.
    pub fn commit_or_remove(self) -> Result<File, OutputError> {
        let path = self.path.clone();
        self.commit().inspect_err(|_| {
            // What cannot be replaced may not be removable either.
            let _ = std::fs::remove_file(path);
        })
    }

    fn write_error(&self, source: io::Error) -> OutputError {
        OutputError::Write { flag: self.flag, path: self.given.clone(), source }
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // The lock is held until the file is removed. Otherwise `remove_unfinished` could return,
            // and the process exit, before that.
            let mut unfinished = unfinished();
            unfinished.files.remove(file.path());
            drop(file);
        }
    }
}

/// Follows the symlinks at `path`. What they lead to need not exist.
fn follow_symlinks(mut path: PathBuf) -> io::Result<PathBuf> {
    for _ in 0..=MOST_LINKS {
        match path.read_link() {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(Errno::LOOP.into())
}

/// Whether two paths are equal, or lead to the same file.
fn is_same(one: &Path, other: &Path) -> bool {
    if one == other {
        return true;
    }
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// The error of the system, without the path of the temporary file.
fn without_path(error: io::Error) -> io::Error {
    let own = error.get_ref().and_then(|inner| inner.source()?.downcast_ref::<io::Error>());
    match own.and_then(io::Error::raw_os_error) {
        Some(number) => io::Error::from_raw_os_error(number),
        None => error,
    }
}

//! Files that are written whole or not at all: beside their place first, then renamed.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::Error;

/// A file that is being written. Dropped before `commit`, it leaves nothing behind.
pub struct Output {
    file: NamedTempFile,
    path: PathBuf,
    /// The path as it was given, for messages.
    given: PathBuf,
    flag: &'static str,
}

impl Output {
    /// Begins the file that `flag` names, at `given` below `root`. It must be none of `inputs`.
    pub fn create(
        flag: &'static str,
        root: &Path,
        given: &Path,
        inputs: &[PathBuf],
    ) -> Result<Self, Error> {
        let path = root.join(given);
        let same = |input: &PathBuf| is_same(&root.join(input), &path);
        if inputs.iter().any(same) {
            return Err(Error::OutputIsInput { flag, path: given.to_owned() });
        }
        let wrong = |source| Error::Write { flag, path: given.to_owned(), source };
        if path.is_dir() {
            return Err(wrong(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".mtree-worker-")
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|error| wrong(without_path(error)))?;
        Ok(Self { file, path, given: given.to_owned(), flag })
    }

    /// Writes what `write` writes.
    pub fn write(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Error> {
        let mut buffer = io::BufWriter::with_capacity(1 << 18, self.file.as_file_mut());
        let written = write(&mut buffer).and_then(|()| buffer.flush());
        // What could not be written must not be tried again when the buffer goes.
        let _ = buffer.into_parts();
        written.map_err(|source| self.wrong(source))
    }

    /// Puts the file in its place.
    pub fn commit(self) -> Result<(), Error> {
        let Self { file, path, given, flag } = self;
        match file.persist(path) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Write { flag, path: given, source: error.error }),
        }
    }

    fn wrong(&self, source: io::Error) -> Error {
        Error::Write { flag: self.flag, path: self.given.clone(), source }
    }
}

/// Whether two paths lead to one file, which is there.
fn is_same(one: &Path, other: &Path) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// The system's own error, without the path of the temporary file that nobody asked for.
fn without_path(error: io::Error) -> io::Error {
    io::Error::from(error.kind())
}

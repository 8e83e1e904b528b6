//! The directory that captures are written to. A thread of its own writes them, so that no request waits
//! for the disk.
//!
//! Knows the names of captures, the size limit of the directory, and which captures to delete. Must not
//! know what a capture holds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use jiff::Timestamp;

use super::recorder::Record;
use crate::capture::format;
use crate::display::Escaped;
use crate::error::{Sentence, phrase};
use crate::request::{AtomicFile, OutputError};

/// How many captures may wait to be written. If more requests end, they wait: no capture is lost, and
/// memory is bounded.
const WAITING: usize = 16;
/// The directory is listed each time that one part in this many of its limit has been written.
const SHARE: u64 = 32;
/// The suffix of every capture's name.
const SUFFIX: &str = ".capture";

/// Stores the captures of one process.
pub struct CaptureStore {
    sender: Mutex<Option<SyncSender<Record>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    sequence: AtomicU64,
    /// The arguments of the process, without its name.
    pub startup_arguments: Vec<Vec<u8>>,
    /// The working directory of the process.
    pub working_directory: PathBuf,
}

impl CaptureStore {
    /// Stores captures in `directory`, at most `limit` bytes in all. Calls `warn` if one cannot be written.
    pub fn open(
        directory: PathBuf,
        limit: u64,
        startup_arguments: Vec<Vec<u8>>,
        warn: fn(&str),
    ) -> io::Result<Self> {
        let working_directory = std::env::current_dir()?;
        // An absolute path stays valid if Bazel removes and recreates the working directory.
        let directory = working_directory.join(directory);
        let (sender, records) = sync_channel(WAITING);
        let writer = std::thread::Builder::new()
            .name("captures".to_owned())
            .spawn(move || write_all(&directory, limit, &records, warn))?;
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            sequence: AtomicU64::new(0),
            startup_arguments,
            working_directory,
        })
    }

    /// Hands a record to the writing thread. After [`close`](Self::close), drops it.
    pub(super) fn submit(&self, mut record: Record) {
        record.number = self.sequence.fetch_add(1, Ordering::Relaxed);
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sender) = sender {
            // The writer ends only when every sender is dropped.
            let _ = sender.send(record);
        }
    }

    /// Waits until every submitted record is written. Later ones are dropped.
    pub fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // If it panicked, the message is on stderr.
            let _ = writer.join();
        }
    }
}

fn write_all(directory: &Path, limit: u64, records: &Receiver<Record>, warn: fn(&str)) {
    // Bytes written since the directory was listed. Listing thousands of captures after every request
    // would take longer than the request.
    let mut unlisted = u64::MAX;
    for record in records {
        match write(directory, record) {
            Ok(size) => unlisted = unlisted.saturating_add(size),
            Err(error) => {
                warn(&format!("a capture was not written: {}", Sentence(&error)));
                continue;
            }
        }
        if unlisted > limit / SHARE {
            unlisted = 0;
            // The margin is for captures of other processes, which are not counted here.
            if let Err(error) = delete_oldest(directory, limit - limit / SHARE * 2) {
                let directory = Escaped::path(directory);
                warn(&format!("{directory}: old captures cannot be deleted: {}", phrase(&error)));
            }
        }
    }
}

/// Writes a capture, and returns its size in bytes.
fn write(directory: &Path, record: Record) -> Result<u64, OutputError> {
    let path = PathBuf::from(name(&record));
    fs::create_dir_all(directory).map_err(|source| OutputError::Write {
        flag: "--record",
        path: directory.to_owned(),
        source,
    })?;
    let mut output = AtomicFile::create("--record", directory, &path, &[])?;
    let capture = record.into_capture();
    output.write(|out| format::write(&capture, out))?;
    output.commit()?;
    // Another process may have deleted it.
    Ok(directory.join(path).metadata().map_or(0, |file| file.len()))
}

/// The name of a capture: when the request began, its id, the process's id, and the request's number in
/// that process.
fn name(record: &Record) -> String {
    let (began, id) = (utc(record.capture.began), record.capture.request_id);
    format!("{began}-{id}-{}-{:04}{SUFFIX}", std::process::id(), record.number)
}

/// A time in microseconds since 1970 as `20261122T152308.123456Z`, so that names sort by time.
fn utc(microseconds: u64) -> String {
    let moment =
        i64::try_from(microseconds).ok().and_then(|since| Timestamp::from_microsecond(since).ok());
    moment.unwrap_or_default().strftime("%Y%m%dT%H%M%S.%6fZ").to_string()
}

/// Whether `name` is a capture's.
fn is_capture_name(name: &str) -> bool {
    let Some((began, rest)) = name.strip_suffix(SUFFIX).and_then(|name| name.split_once('-'))
    else {
        return false;
    };
    let is_digit_or_dash = |letter: char| letter.is_ascii_digit() || letter == '-';
    began.len() == utc(0).len() && began.ends_with('Z') && rest.chars().all(is_digit_or_dash)
}

/// Deletes the oldest captures in `directory` until all take at most `limit` bytes. The newest stays.
fn delete_oldest(directory: &Path, limit: u64) -> io::Result<()> {
    let mut captures = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_capture_name) {
            // Another process may have deleted it.
            let size = entry.metadata().map_or(0, |file| file.len());
            captures.push((entry.file_name(), size));
        }
    }
    captures.sort();
    let mut total: u64 = captures.iter().map(|(_, size)| size).sum();
    captures.pop();
    for (name, size) in captures {
        if total <= limit {
            break;
        }
        match fs::remove_file(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => total -= size,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(utc(0), "19700101T000000.000000Z");
        assert_eq!(utc(951_782_400_000_000), "20000229T000000.000000Z");
        assert_eq!(utc(1_767_225_599_999_999), "20251231T235959.999999Z");
    }

    #[test]
    fn only_captures_are_deleted() {
        assert!(is_capture_name("20261122T152308.123456Z-7-4242-0001.capture"));
        assert!(is_capture_name("20261122T152308.123456Z--7-4242-0001.capture"));
        assert!(!is_capture_name("notes.capture"));
        assert!(!is_capture_name("20261122T152308.123456Z-7-4242-0001.capture.bak"));
    }

    #[test]
    fn the_oldest_captures_are_deleted_first_and_the_newest_stays() {
        let directory = tempfile::tempdir().unwrap();
        let names =
            ["1", "2", "3"].map(|day| format!("2026112{day}T000000.000000Z-0-1-0000.capture"));
        for name in &names {
            fs::write(directory.path().join(name), [0; 100]).unwrap();
        }
        fs::write(directory.path().join("other"), [0; 1000]).unwrap();
        let remaining = |limit| {
            delete_oldest(directory.path(), limit).unwrap();
            names.iter().filter(|name| directory.path().join(name).exists()).count()
        };
        assert_eq!((remaining(250), remaining(100), remaining(0)), (2, 1, 1));
        assert!(
            directory.path().join("other").exists() && directory.path().join(&names[2]).exists()
        );
    }
}

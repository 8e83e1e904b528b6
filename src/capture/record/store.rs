//! The directory that captures are kept in. They are written by a thread of their own, so that a
//! request does not wait for the disk.
//!
//! Knows names, room, and which captures go for want of it; must not know what is in one.

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
use crate::error::Sentence;
use crate::request::{AtomicFile, OutputError};

/// How many captures may wait to be written. Requests wait where there are more: none is lost, and
/// they take no more memory than so many requests.
const WAITING: usize = 16;
/// The directory is listed whenever this part of its limit was written.
const SHARE: u64 = 32;
/// What the name of every capture ends in.
const ENDING: &str = ".capture";

/// Captures of one process.
pub struct CaptureStore {
    sender: Mutex<Option<SyncSender<Record>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    sequence: AtomicU64,
    /// What the process was started with, behind its name.
    pub startup_arguments: Vec<Vec<u8>>,
    /// The working directory of the process.
    pub working_directory: PathBuf,
}

impl CaptureStore {
    /// Keeps captures in `directory`, of `limit` bytes in all, and tells `warn` what went wrong.
    pub fn open(
        directory: PathBuf,
        limit: u64,
        startup_arguments: Vec<Vec<u8>>,
        warn: fn(&str),
    ) -> io::Result<Self> {
        let working_directory = std::env::current_dir()?;
        // The working directory of a worker is Bazel's, which empties it at will.
        let directory = working_directory.join(directory);
        let (sender, taken) = sync_channel(WAITING);
        let writer = std::thread::Builder::new()
            .name("captures".to_owned())
            .spawn(move || write_all(&directory, limit, &taken, warn))?;
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            sequence: AtomicU64::new(0),
            startup_arguments,
            working_directory,
        })
    }

    /// Keeps what was taken down.
    pub(super) fn keep(&self, mut taken: Record) {
        taken.number = self.sequence.fetch_add(1, Ordering::Relaxed);
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sender) = sender {
            // The writer ends only when nobody can send any more.
            let _ = sender.send(taken);
        }
    }

    /// Waits until all that was taken down is written. What comes later is not kept.
    pub fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // If it panicked, it has said so.
            let _ = writer.join();
        }
    }
}

fn write_all(directory: &Path, limit: u64, taken: &Receiver<Record>, warn: fn(&str)) {
    // Written since the directory was listed: asking thousands of captures for their sizes behind every
    // request would take longer than the request.
    let mut unlisted = u64::MAX;
    for taken in taken {
        match write(directory, taken) {
            Ok(size) => unlisted = unlisted.saturating_add(size),
            Err(error) => {
                warn(&format!("a capture was not kept: {}", Sentence(&error)));
                continue;
            }
        }
        if unlisted > limit / SHARE {
            unlisted = 0;
            // Others may write to this directory too: what is left free is for what nobody counts.
            if let Err(error) = keep_to(directory, limit - limit / SHARE * 2) {
                warn(&format!("{}: old captures cannot be dropped: {error}", directory.display()));
            }
        }
    }
}

/// Writes a capture, and tells its size.
fn write(directory: &Path, taken: Record) -> Result<u64, OutputError> {
    let name = name(&taken);
    let path = PathBuf::from(name);
    fs::create_dir_all(directory).map_err(|source| OutputError::Write {
        flag: "--record",
        path: directory.to_owned(),
        source,
    })?;
    let mut output = AtomicFile::create("--record", directory, &path, &[])?;
    let capture = taken.into_capture();
    output.write(|out| format::write(&capture, out))?;
    output.commit()?;
    // Another process may have dropped it.
    Ok(directory.join(path).metadata().map_or(0, |file| file.len()))
}

/// The name of a capture: when the request began, its id, the process, and which of its requests
/// it was.
fn name(taken: &Record) -> String {
    let (began, id) = (utc(taken.capture.began), taken.capture.request_id);
    format!("{began}-{id}-{}-{:04}{ENDING}", std::process::id(), taken.number)
}

/// `20261122T152308.123456Z` for a moment in microseconds since 1970: names sort by time.
fn utc(microseconds: u64) -> String {
    let moment =
        i64::try_from(microseconds).ok().and_then(|since| Timestamp::from_microsecond(since).ok());
    moment.unwrap_or_default().strftime("%Y%m%dT%H%M%S.%6fZ").to_string()
}

/// Whether a file is one that `name` names.
fn is_ours(name: &str) -> bool {
    let Some((began, rest)) = name.strip_suffix(ENDING).and_then(|name| name.split_once('-'))
    else {
        return false;
    };
    let is_digit_or_dash = |letter: char| letter.is_ascii_digit() || letter == '-';
    began.len() == utc(0).len() && began.ends_with('Z') && rest.chars().all(is_digit_or_dash)
}

/// Drops the oldest captures of a directory until they take `limit` bytes at most. The newest stays.
fn keep_to(directory: &Path, limit: u64) -> io::Result<()> {
    let mut captures = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_ours) {
            // Another process may have dropped it.
            let size = entry.metadata().map_or(0, |file| file.len());
            captures.push((entry.file_name(), size));
        }
    }
    captures.sort();
    let mut held: u64 = captures.iter().map(|(_, size)| size).sum();
    captures.pop();
    for (name, size) in captures {
        if held <= limit {
            break;
        }
        match fs::remove_file(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => held -= size,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc() {
        assert_eq!(utc(0), "19700101T000000.000000Z");
        assert_eq!(utc(951_782_400_000_000), "20000229T000000.000000Z");
        assert_eq!(utc(1_767_225_599_999_999), "20251231T235959.999999Z");
    }

    #[test]
    fn only_captures_are_dropped() {
        assert!(is_ours("20261122T152308.123456Z-7-4242-0001.capture"));
        assert!(is_ours("20261122T152308.123456Z--7-4242-0001.capture"));
        assert!(!is_ours("recorder.capture"));
        assert!(!is_ours("20261122T152308.123456Z-7-4242-0001.capture.bak"));
    }

    #[test]
    fn the_oldest_captures_go_first_and_the_newest_stays() {
        let directory = tempfile::tempdir().unwrap();
        let names =
            ["1", "2", "3"].map(|day| format!("2026112{day}T000000.000000Z-0-1-0000.capture"));
        for name in &names {
            fs::write(directory.path().join(name), [0; 100]).unwrap();
        }
        fs::write(directory.path().join("other"), [0; 1000]).unwrap();
        let left = |limit| {
            keep_to(directory.path(), limit).unwrap();
            names.iter().filter(|name| directory.path().join(name).exists()).count()
        };
        assert_eq!((left(250), left(100), left(0)), (2, 1, 1));
        assert!(
            directory.path().join("other").exists() && directory.path().join(&names[2]).exists()
        );
    }
}

//! The identity of a content, known before it is read, and the check of what was read against it.
//!
//! Knows digests and times; must not know who listed them.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// How long a file must be unchanged before its times tell it from a later version: within this time, two changes may
/// get the same time stamp (docs/design.md, "The cache"; git: "racily clean").
const RACY: Duration = Duration::from_secs(2);

/// A digest as Bazel lists it. Its function is not given, but its length is: SHA-1 has 20 bytes, SHA-256 and BLAKE3
/// have 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listed {
    /// SHA-256 or BLAKE3.
    Long([u8; 32]),
    /// SHA-1.
    Short([u8; 20]),
}

impl Listed {
    /// Reads the hexadecimal text of a digest. `None` if it is not 40 or 64 digits.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        Some(match text.len() {
            64 => Self::Long(from_hex(text)?),
            40 => Self::Short(from_hex(text)?),
            _ => return None,
        })
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Long(bytes) => bytes,
            Self::Short(bytes) => bytes,
        }
    }
}

fn from_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(bytes)
}

/// A file and its last change, from stat(2). Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// The device that the file is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// In bytes.
    pub size: u64,
    /// When its bytes were changed last.
    pub modified: i128,
    /// When its bytes or its metadata were changed last.
    pub changed: i128,
}

impl FileStamp {
    /// The stamp of the file with this `metadata`.
    pub fn new(metadata: &Metadata) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a file that had this stamp at `now` will have another one after every later change.
    pub fn is_settled(&self, now: SystemTime) -> bool {
        let Ok(now) = now.duration_since(SystemTime::UNIX_EPOCH) else { return false };
        let latest = now.as_nanos().cast_signed() - RACY.as_nanos().cast_signed();
        // No system call sets `ctime`: where it is 0, the file system has no times.
        self.changed != 0 && self.modified <= latest && self.changed <= latest
    }
}

/// What identifies a content before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentIdentity {
    /// Nothing does: a frame with this content has no key.
    Unknown,
    /// The digest that the caller lists. What is read must match it.
    Listed(Listed),
    /// The stamp of its file. It must be the same after reading.
    Stamp(FileStamp),
    /// The BLAKE3 of the bytes, read before. What is read must match it.
    Hashed([u8; 32]),
}

/// The function of the listed digests of 32 bytes: the one that matched last, which is tried first.
#[derive(Debug, Default)]
pub struct DigestFunction {
    is_blake3: AtomicBool,
}

impl DigestFunction {
    /// Whether `bytes` have the digest `listed`, by any function with digests of that length.
    pub fn match_whole(&self, listed: &Listed, bytes: &[u8]) -> bool {
        match listed {
            Listed::Short(digest) => Sha1::digest(bytes)[..] == digest[..],
            Listed::Long(digest) => {
                let is_blake3 = self.is_blake3.load(Ordering::Relaxed);
                [is_blake3, !is_blake3].into_iter().any(|is_blake3| {
                    let matches = if is_blake3 {
                        blake3::hash(bytes) == *digest
                    } else {
                        Sha256::digest(bytes)[..] == digest[..]
                    };
                    if matches {
                        self.is_blake3.store(is_blake3, Ordering::Relaxed);
                    }
                    matches
                })
            }
        }
    }
}

/// Checks a content that is read in pieces, in order, against its identity.
pub(super) struct Check {
    identity: ContentIdentity,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
    blake3: Option<blake3::Hasher>,
}

impl Check {
    /// A check to which no bytes were added.
    pub(super) fn new(identity: ContentIdentity) -> Self {
        let is_long = matches!(identity, ContentIdentity::Listed(Listed::Long(_)));
        let is_short = matches!(identity, ContentIdentity::Listed(Listed::Short(_)));
        let is_hashed = matches!(identity, ContentIdentity::Hashed(_));
        Self {
            identity,
            sha1: is_short.then(Sha1::new),
            sha256: is_long.then(Sha256::new),
            blake3: (is_long || is_hashed).then(blake3::Hasher::new),
        }
    }

    /// Adds the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some(hasher) = &mut self.sha1 {
            hasher.update(bytes);
        }
        if let Some(hasher) = &mut self.sha256 {
            hasher.update(bytes);
        }
        if let Some(hasher) = &mut self.blake3 {
            hasher.update(bytes);
        }
    }

    /// Whether the bytes match the identity, if it is a digest.
    pub(super) fn matches(self) -> bool {
        let long = match self.identity {
            ContentIdentity::Unknown | ContentIdentity::Stamp(_) => return true,
            ContentIdentity::Listed(Listed::Short(digest)) => {
                return self.sha1.is_some_and(|hasher| hasher.finalize()[..] == digest[..]);
            }
            ContentIdentity::Listed(Listed::Long(digest)) | ContentIdentity::Hashed(digest) => {
                digest
            }
        };
        self.sha256.is_some_and(|hasher| hasher.finalize()[..] == long[..])
            || self.blake3.is_some_and(|hasher| hasher.finalize() == long)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_from_hexadecimal_text_of_its_length_alone() {
        assert!(Listed::from_hex(&[b'a'; 64]).is_some());
        assert!(Listed::from_hex(&[b'F'; 40]).is_some());
        for text in [&b""[..], &[b'g'; 64], &[b'a'; 63], &[b'a'; 128]] {
            assert_eq!(Listed::from_hex(text), None);
        }
    }

    #[test]
    fn bytes_match_a_digest_of_each_function() {
        let digest_function = DigestFunction::default();
        let sha256 = Listed::Long(Sha256::digest(b"a").into());
        let blake3 = Listed::Long(*blake3::hash(b"a").as_bytes());
        let sha1 = Listed::Short(Sha1::digest(b"a").into());
        for listed in [sha256, blake3, sha256, sha1] {
            assert!(digest_function.match_whole(&listed, b"a"));
            assert!(!digest_function.match_whole(&listed, b"b"));
            let mut check = Check::new(ContentIdentity::Listed(listed));
            check.update(b"a");
            assert!(check.matches());
            assert!(!Check::new(ContentIdentity::Listed(listed)).matches());
        }
    }

    #[test]
    fn a_stamp_is_settled_after_two_seconds() {
        let stamp = FileStamp { device: 1, inode: 1, size: 1, modified: 0, changed: 5_000_000_000 };
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(stamp.is_settled(at(7)));
        assert!(!stamp.is_settled(at(6)));
    }

    #[test]
    fn a_stamp_of_a_file_system_without_times_is_never_settled() {
        let stamp = FileStamp { device: 1, inode: 1, size: 1, modified: 0, changed: 0 };
        assert!(!stamp.is_settled(SystemTime::now()));
    }
}

//! Fields and values in words, the same in every form of output.

use super::entry::{ComparedEntry, EntryField, FieldValue};
use crate::archive::{Compression, HeaderForm, MemberKind};
use crate::commands::nouns::count;
use crate::display::{Escaped, escaped};

/// How many digits of a digest are printed.
const DIGITS: usize = 12;
/// How many characters of a text are printed. JSON has all.
const CHARACTERS: usize = 1000;

/// The name of a field.
pub(super) fn field(field: &EntryField) -> String {
    match field {
        EntryField::Type => "type",
        EntryField::Link => "link",
        EntryField::Mode => "mode",
        EntryField::Uid => "uid",
        EntryField::Gid => "gid",
        EntryField::Uname => "uname",
        EntryField::Gname => "gname",
        EntryField::Time => "time",
        EntryField::Device => "device",
        EntryField::Flags => "flags",
        EntryField::Size => "size",
        EntryField::Content => "content",
        EntryField::Source => "source",
        EntryField::Other(keyword) => return escaped(keyword),
    }
    .to_owned()
}

/// The name of a kind.
pub(super) fn kind(kind: MemberKind) -> String {
    match kind {
        MemberKind::File => "file",
        MemberKind::HardLink => "hard link",
        MemberKind::Symlink => "link",
        MemberKind::Character => "character device",
        MemberKind::Block => "block device",
        MemberKind::Directory => "directory",
        MemberKind::Fifo => "fifo",
        MemberKind::Other(letter) => return format!("type {}", Escaped(&[letter])),
    }
    .to_owned()
}

/// The name of a form of headers.
pub(super) fn form(form: HeaderForm) -> &'static str {
    match form {
        HeaderForm::V7 => "v7",
        HeaderForm::Ustar => "ustar",
        HeaderForm::Pax => "pax",
        HeaderForm::Gnu => "GNU",
    }
}

/// A compression, and what its frames are called.
pub(super) fn compression(compression: Compression) -> (&'static str, &'static str) {
    match compression {
        Compression::None => ("uncompressed", ""),
        Compression::Gzip => ("gzip", "member"),
        Compression::Zstd => ("zstd", "frame"),
    }
}

/// A value, whole.
pub(super) fn value(value: &FieldValue) -> String {
    match value {
        FieldValue::Kind(of) => kind(*of),
        FieldValue::Mode(mode) => format!("{mode:04o}"),
        FieldValue::Number(number) => number.to_string(),
        FieldValue::Bytes(bytes) => bytes.to_string(),
        FieldValue::Time(time) => match time.nanoseconds {
            0 => time.seconds.to_string(),
            nanoseconds => format!("{}.{nanoseconds:09}", time.seconds),
        },
        FieldValue::Device(major, minor) => format!("{major},{minor}"),
        FieldValue::Sha256(digest) => {
            let digits = digest.iter().map(|byte| format!("{byte:02x}"));
            format!("sha256:{}", digits.collect::<String>())
        }
        FieldValue::Text(text) => escaped(text),
    }
}

/// A value as text has it: the beginning of a digest, and a time as a date.
pub(super) fn printed(printed: Option<&FieldValue>) -> String {
    match printed {
        None => "none".to_owned(),
        Some(FieldValue::Sha256(_)) => {
            let mut text = printed.map(value).unwrap_or_default();
            text.truncate("sha256:".len() + DIGITS);
            text
        }
        Some(FieldValue::Time(time)) => {
            let nanoseconds = i32::try_from(time.nanoseconds).unwrap_or_default();
            let nanoseconds = if time.seconds < 0 { -nanoseconds } else { nanoseconds };
            match jiff::Timestamp::new(time.seconds, nanoseconds) {
                Ok(timestamp) => timestamp.to_string(),
                Err(_) => value(&FieldValue::Time(*time)),
            }
        }
        Some(other) => {
            let text = value(other);
            match text.char_indices().nth(CHARACTERS) {
                Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
                None => text,
            }
        }
    }
}

/// What an entry is, in a few words.
pub(super) fn summary(entry: &ComparedEntry) -> String {
    let what = match entry.kind() {
        Some(of) => kind(of),
        None => "no type".to_owned(),
    };
    match (entry.link(), entry.bytes()) {
        (Some(link), _) => format!("{what} to {}", Escaped(link)),
        (None, Some(of)) if entry.kind() == Some(MemberKind::File) => {
            format!("{what}, {}", count(of, "byte"))
        }
        _ => what,
    }
}

/// By how much a number of bytes has grown.
pub(super) fn growth(old: u64, new: u64) -> String {
    format!("{:+}", i128::from(new) - i128::from(old))
}

/// A path as it is printed, with which of the entries of this path it is if it is not the first.
pub(super) fn path(path: &[u8], occurrence: usize) -> String {
    let path = if path.is_empty() { ".".to_owned() } else { escaped(path) };
    match occurrence {
        0 => path,
        number => format!("{path} (entry {} of this path)", number + 1),
    }
}

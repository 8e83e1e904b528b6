//! Trees on the disk: planting one from its description, and staging sources as a sandbox does.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::case::with_root;

/// How many bytes must be free in memory for trees to be planted there.
const ROOM: u64 = 4 << 30;

/// An empty directory, whose name begins with `prefix`: where TMPDIR says, else in memory, if Linux has room for files
/// there. On a disk, a thousand small trees take longer than what is tested on them.
pub fn temporary_directory(prefix: &str) -> io::Result<TempDir> {
    let in_memory = Path::new("/dev/shm");
    let has_room = rustix::fs::statvfs(in_memory)
        .is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) >= ROOM);
    let mut builder = tempfile::Builder::new();
    match std::env::var_os("TMPDIR") {
        None if has_room => builder.prefix(prefix).tempdir_in(in_memory),
        _ => builder.prefix(prefix).tempdir(),
    }
}

/// Makes the entries that `tree` describes below `root`, one per line: `dir P`, `file P [TEXT]`,
/// `link P -> T`. P and T are escaped as `\ooo`; `$ROOT` in a T stands for `root`.
pub fn plant(root: &Path, tree: &[u8]) -> io::Result<()> {
    for line in tree.split(|byte| *byte == b'\n') {
        let (kind, rest) = cut(line, b" ");
        match kind {
            b"link" => {
                let (name, target) = cut(rest, b" -> ");
                plant_link(&below(root, &unvis(name)), &with_root(&unvis(target), root))?;
            }
            b"dir" => fs::create_dir_all(below(root, &unvis(rest)))?,
            b"file" => {
                let (name, text) = cut(rest, b" ");
                let text = if text.is_empty() { name } else { text };
                plant_file(&below(root, &unvis(name)), &unvis(text))?;
            }
            _ if line.trim_ascii().is_empty() => {}
            _ => panic!("not an entry: {}", String::from_utf8_lossy(line)),
        }
    }
    Ok(())
}

/// Makes a regular file and the directories above it.
pub fn plant_file(path: &Path, content: &[u8]) -> io::Result<()> {
    make_parent(path)?;
    fs::write(path, content)
}

/// Makes a symlink and the directories above it.
pub fn plant_link(path: &Path, target: &[u8]) -> io::Result<()> {
    make_parent(path)?;
    symlink(OsStr::from_bytes(target), path)
}

/// Stages `sources` in a sandbox below `root`: real directories, and for every source that `exec_root`
/// has one absolute symlink to it. Returns the sandbox's own exec root.
pub fn stage(root: &Path, exec_root: &Path, sources: &[Vec<u8>]) -> io::Result<PathBuf> {
    let sandbox = root.join("sandbox/7/execroot/_main");
    fs::create_dir_all(&sandbox)?;
    for source in sources {
        let real = below(exec_root, source);
        let staged = below(&sandbox, source);
        if is_there(&real) && !is_there(&staged) {
            plant_link(&staged, real.as_os_str().as_bytes())?;
        }
    }
    Ok(sandbox)
}

/// Whether an entry exists at `path`, even if it is a dangling link.
pub fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The path of bytes `path` below `directory`.
pub fn below(directory: &Path, path: &[u8]) -> PathBuf {
    directory.join(OsStr::from_bytes(path))
}

/// The values of `content=`, `contents=` and `link=` in `spec`, up to the next blank, without the escapes
/// `\ooo`.
pub fn sources(spec: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for word in spec.split(u8::is_ascii_whitespace) {
        for keyword in [&b"content="[..], b"contents=", b"link="] {
            if let Some(at) = word.windows(keyword.len()).position(|part| part == keyword) {
                found.push(unvis(&word[at + keyword.len()..]));
            }
        }
    }
    found
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// `text` before and behind the first `mark`; behind is empty where there is none.
fn cut<'t>(text: &'t [u8], mark: &[u8]) -> (&'t [u8], &'t [u8]) {
    match text.windows(mark.len()).position(|part| part == mark) {
        Some(at) => (&text[..at], &text[at + mark.len()..]),
        None => (text, b""),
    }
}

/// `text` with every escape `\ooo` replaced by its byte.
fn unvis(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, more @ ..] = rest {
        match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = more;
            }
        }
    }
    out
}

/// Describes the tree below `root` as `plant` understands it.
pub fn describe(root: &Path) -> String {
    let mut lines = String::new();
    describe_below(root.as_os_str().as_bytes(), root, &mut lines);
    lines
}

fn describe_below(root: &[u8], directory: &Path, lines: &mut String) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let name = |path: &Path| vis(&path.as_os_str().as_bytes()[root.len() + 1..]);
    if paths.is_empty() {
        lines.push_str(&format!("dir {}\n", name(directory)));
    }
    for path in paths {
        match fs::read_link(&path) {
            Ok(target) => {
                let target = target.as_os_str().as_bytes();
                let text = match target.strip_prefix(root) {
                    Some(rest) => format!("$ROOT{}", vis(rest)),
                    None => vis(target),
                };
                lines.push_str(&format!("link {} -> {text}\n", name(&path)));
            }
            Err(_) if path.is_dir() => describe_below(root, &path, lines),
            Err(_) => lines.push_str(&format!("file {}\n", name(&path))),
        }
    }
}

/// `text` with `\ooo` for all that is not printable ASCII, and for space and backslash.
fn vis(text: &[u8]) -> String {
    text.iter()
        .map(|byte| match byte {
            b'!'..=b'~' if *byte != b'\\' => char::from(*byte).to_string(),
            _ => format!("\\{byte:03o}"),
        })
        .collect()
}

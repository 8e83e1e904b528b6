//! Paths in an archive: components joined by `/`, without a leading slash, `.` or empty components.
//!
//! Knows paths as bytes; must not know a file system.

/// The components of `path`, including `..` but not `.` or empty ones.
pub fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// Whether every component of `path` is a name: `path` is in normal form and has no `..`.
pub fn is_plain(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/').all(|part| !part.is_empty() && part != b"." && part != b"..")
}

/// `path` in normal form: without slashes at its ends, `.` and empty components. It keeps `..`.
pub fn normal(path: &[u8]) -> Vec<u8> {
    let mut normal = Vec::with_capacity(path.len());
    parts(path).for_each(|part| push(&mut normal, part));
    normal
}

/// Appends the component `part` to `path`, which may be empty.
pub fn push(path: &mut Vec<u8>, part: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(part);
}

/// The directory of `path` (empty at the top) and its last component.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b'/', path) {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// `path` and the directories above it, from the bottom up, without the empty path at the top.
pub fn upwards(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_there = |path: &&[u8]| !path.is_empty();
    std::iter::successors(Some(path).filter(is_there), move |path| {
        Some(split(path).0).filter(is_there)
    })
}

/// The path relative to `directory`, if `path` is below `directory`.
pub fn below<'p>(path: &'p [u8], directory: &[u8]) -> Option<&'p [u8]> {
    if directory.is_empty() {
        return (!path.is_empty()).then_some(path);
    }
    path.strip_prefix(directory)?.strip_prefix(b"/")
}

/// `path` without `/` + `remainder` at its end.
pub fn without<'p>(path: &'p [u8], remainder: &[u8]) -> Option<&'p [u8]> {
    path.strip_suffix(remainder)?.strip_suffix(b"/")
}

/// `path` without the `..` that it begins with.
pub fn without_leading_ups(path: &[u8]) -> &[u8] {
    let mut rest = path;
    while let Some(more) = rest.strip_prefix(b"../") {
        rest = more;
    }
    if rest == b".." { &[] } else { rest }
}

/// How many `..` the text of a link begins with.
pub fn leading_ups(text: &[u8]) -> usize {
    parts(text).take_while(|part| *part == b"..").count()
}

/// The text of a link in `directory` that leads to `target`.
pub fn relative(directory: &[u8], target: &[u8]) -> Vec<u8> {
    let mut from = parts(directory).peekable();
    let mut to = parts(target).peekable();
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    let mut text = Vec::with_capacity(target.len());
    for _ in from {
        push(&mut text, b"..");
    }
    for part in to {
        push(&mut text, part);
    }
    if text.is_empty() {
        text.push(b'.');
    }
    text
}

/// Whether the link text `text` in `directory` leads above the archive's root, provided that no component is a
/// symlink. An absolute text does not: its `/` is the root of the unpacked archive.
pub fn climbs_out(directory: &[u8], text: &[u8]) -> bool {
    if text.starts_with(b"/") {
        return false;
    }
    climbs_above(parts(directory).count(), text)
}

/// Whether `text`, read part by part, has more `..` than `room` and names before them.
pub fn climbs_above(room: usize, text: &[u8]) -> bool {
    let mut left = room;
    for part in parts(text) {
        if part != b".." {
            left += 1;
        } else if left == 0 {
            return true;
        } else {
            left -= 1;
        }
    }
    false
}

/// The archive path that `text` leads to from `directory` by its parts alone. Nothing is above the archive's
/// root.
pub fn joined(directory: &[u8], text: &[u8]) -> Vec<u8> {
    let mut path = if text.starts_with(b"/") { Vec::new() } else { directory.to_vec() };
    for part in parts(text) {
        if part == b".." {
            path.truncate(split(&path).0.len());
        } else {
            push(&mut path, part);
        }
    }
    path
}

/// The archive path that the link text `text` names in `directory`.
///
/// `None` if the text alone does not determine the path (design rule 5): it is absolute, climbs out of the archive,
/// or has a `..` after a name, which leads to another directory if that name is a symlink.
pub fn join(directory: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    if text.starts_with(b"/") {
        return None;
    }
    let mut base = directory;
    let mut joined = None;
    for part in parts(text) {
        if part == b".." {
            if joined.is_some() || base.is_empty() {
                return None;
            }
            base = split(base).0;
        } else {
            push(joined.get_or_insert_with(|| base.to_vec()), part);
        }
    }
    Some(joined.unwrap_or_else(|| base.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_climbs_to_the_common_directory_and_no_further() {
        assert_eq!(relative(b"app/bin", b"app/bin/python3"), b"python3");
        assert_eq!(relative(b"app/bin", b"app/lib/x/y"), b"../lib/x/y");
        assert_eq!(relative(b"app/bin", b"app/binary"), b"../binary");
        assert_eq!(relative(b"", b"usr/bin/python3"), b"usr/bin/python3");
    }

    #[test]
    fn a_text_determines_a_path_only_if_dots_are_at_its_head() {
        assert_eq!(join(b"app/bin", b"./python").unwrap(), b"app/bin/python");
        assert_eq!(join(b"app/bin", b"../lib//x/").unwrap(), b"app/lib/x");
        assert_eq!(join(b"app/bin", b"..").unwrap(), b"app");
        assert_eq!(join(b"app/bin", b"x/../y"), None);
        assert_eq!(join(b"app", b"../../y"), None);
        assert_eq!(join(b"app", b"/y"), None);
    }

    #[test]
    fn a_text_climbs_out_where_it_has_more_dots_than_there_are_directories() {
        for (text, climbs) in [
            (&b"../.."[..], false),
            (b"../../x", false),
            (b"../../../x", true),
            (b"..//./../../x", true),
            (b"x/../../../..", true),
            (b"x/y/../../../../z", false),
            (b"/../x", false),
        ] {
            assert_eq!(climbs_out(b"app/bin", text), climbs, "{}", text.escape_ascii());
        }
        assert!(climbs_out(b"", b"..") && !climbs_out(b"", b"x/.."));
    }

    #[test]
    fn upwards_stops_before_the_empty_path() {
        assert!(upwards(b"a/bc/d").eq([&b"a/bc/d"[..], b"a/bc", b"a"]));
        assert_eq!(upwards(b"").next(), None);
    }

    #[test]
    fn below_compares_whole_components() {
        assert_eq!(below(b"a/bc/d", b"a/bc"), Some(&b"d"[..]));
        assert_eq!(below(b"a/bcd", b"a/bc"), None);
        assert_eq!(below(b"a/bc", b"a/bc"), None);
    }
}

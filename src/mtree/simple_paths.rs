//! Paths that need no change: in normal form as they are written.
//!
//! Knows one path after the other; must not know whether they are names or sources.

/// Paths that are read in order. Mostly one is in the directory of the one before, which need not be looked at again.
#[derive(Clone, Copy, Default)]
pub(super) struct SimplePaths<'t> {
    /// The directory of the last path, with its slash. Empty at first, and if that path has none.
    directory: &'t [u8],
}

/// A path in normal form as it is written: no escape, no `.` or empty component, no `..`. A slash at its head is part
/// of the form of sources alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Simple {
    /// It is in the directory of the path before.
    pub beside: bool,
}

impl<'t> SimplePaths<'t> {
    /// The next path, if it is simple. `None` for some paths in normal form too, such as one with a component that
    /// begins with two dots. Then the next path needs new `SimplePaths`.
    #[inline]
    pub(super) fn next(&mut self, path: &'t [u8]) -> Option<Simple> {
        let known = if path.starts_with(self.directory) { self.directory.len() } else { 0 };
        self.next_known(path, known)
    }

    /// The same for a source, which may be absolute.
    #[inline]
    pub(super) fn next_source(&mut self, path: &'t [u8]) -> Option<Simple> {
        let known = match path.starts_with(self.directory) {
            true if !self.directory.is_empty() => self.directory.len(),
            _ => usize::from(path.first() == Some(&b'/')),
        };
        self.next_known(path, known)
    }

    #[inline]
    fn next_known(&mut self, path: &'t [u8], known: usize) -> Option<Simple> {
        if !is_simple(path, known) {
            return None;
        }
        let slash = last_slash(path, known);
        self.directory = &path[..slash.map_or(known, |slash| slash + 1)];
        Some(Simple { beside: known > 1 && slash.is_none() })
    }
}

/// The last slash of `path` from `known` on. Names are mostly too short for memrchr(3).
#[inline]
fn last_slash(path: &[u8], known: usize) -> Option<usize> {
    const SLASHES: u128 = u128::from_ne_bytes([b'/'; 16]);
    const LOWEST: u128 = u128::from_ne_bytes([1; 16]);
    const HIGHEST: u128 = u128::from_ne_bytes([0x80; 16]);
    if path.len() - known <= size_of::<u128>()
        && let Some(end) = path.last_chunk()
    {
        // Its last byte is the lowest one. Of the bytes that are zero now, the lowest is marked by its highest bit;
        // those above it may be marked wrongly.
        let end = u128::from_be_bytes(*end) ^ SLASHES;
        let marked = end.wrapping_sub(LOWEST) & !end & HIGHEST;
        let behind = marked.trailing_zeros() as usize / 8;
        return (path.len() - 1).checked_sub(behind).filter(|&slash| marked != 0 && slash >= known);
    }
    memchr::memrchr(b'/', &path[known..]).map(|slash| known + slash)
}

/// How many bytes of a path are looked at together.
const WINDOW: usize = 16;

/// Whether `path` is simple. The first `known` bytes are known to be, and end in a slash.
#[inline]
fn is_simple(path: &[u8], known: usize) -> bool {
    let (Some(&first), Some(&last)) = (path.get(known), path.last()) else {
        return false;
    };
    if first == b'/' || is_odd(last, b'/', b'/') {
        return false;
    }
    // Where a component ends is as good as a slash.
    let at = |at: usize| path.get(at).copied().unwrap_or(b'/');
    if first == b'.' && matches!(at(known + 1), b'/' | b'.') {
        return false;
    }
    let Some(end) = path.last_chunk() else {
        return !(0..path.len() - 1).any(|one| is_odd(path[one], at(one + 1), at(one + 2)));
    };
    let mut rest = &path[known..];
    while let Some(window) = rest.first_chunk() {
        if has_odd(window) {
            return false;
        }
        rest = &rest[WINDOW..];
    }
    // What is left, and something before it; then the last but one, which has only one byte behind it.
    !has_odd(end) && !is_odd(path[path.len() - 2], last, b'/')
}

/// Whether one of the first bytes is odd. It has one size and no branches, so that the compiler vectorizes it, and is not
/// inlined, since in a loop it does not: this runs for every row.
#[inline(never)]
fn has_odd(bytes: &[u8; WINDOW + 2]) -> bool {
    (0..WINDOW).fold(false, |odd, at| odd | is_odd(bytes[at], bytes[at + 1], bytes[at + 2]))
}

/// Whether a byte with the two behind it is not simple. A component that begins with two dots counts as `..`.
#[inline]
fn is_odd(one: u8, next: u8, third: u8) -> bool {
    let is_dots = (next == b'.') & ((third == b'/') | (third == b'.'));
    (one == b'\\') | (one == 0) | ((one == b'/') & ((next == b'/') | is_dots))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_simple_wherever_its_directory_was_met() {
        let directory = "some/directory/of/some/length";
        for length in 1..70 {
            let name = "n".repeat(length);
            for odd in
                ["//x", "/./x", "/../x", "\\040", "\\", "\0", "/", "/.x", "/..x", "/.", "/.."]
            {
                for at in 0..=length {
                    let path = format!("{directory}/{}{odd}{}", &name[..at], &name[at..]);
                    // A slash is odd beside another one and at the end; a dot at the head of a name is not,
                    // unless a second dot or the end follows.
                    let is_odd = match odd {
                        "/" => at == length || at == 0,
                        "/.x" => at == 0,
                        "/." => at == 0 || at == length,
                        _ => true,
                    };
                    for before in ["", "some/x", "some/directory/of/some/length/x", &path[..9]] {
                        let mut paths = SimplePaths::default();
                        paths.next(before.as_bytes());
                        let found = paths.next(path.as_bytes());
                        assert_eq!(found.is_none(), is_odd, "{path:?} after {before:?}");
                        let absolute = format!("/{path}");
                        let found = paths.next_source(absolute.as_bytes());
                        assert_eq!(found.is_none(), is_odd, "{absolute:?} after {path:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_path_is_beside_the_one_before_only_in_the_same_directory() {
        let mut paths = SimplePaths::default();
        for (path, beside) in [
            ("a/b/c", false),
            ("a/b/d", true),
            ("a/b/d/e", false),
            ("a/b/e", false),
            ("a/b/a-name-that-is-longer-than-a-window", true),
            ("a/bc", false),
            ("a/b", true),
            ("a", false),
            ("b", false),
            ("a/b", false),
            ("ab", false),
        ] {
            assert_eq!(paths.next(path.as_bytes()), Some(Simple { beside }), "{path}");
        }
    }
}

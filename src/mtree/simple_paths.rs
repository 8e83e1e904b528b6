//! Paths that need no change: in normal form as they are written.
//!
//! Knows one path after the other; must not know whether they are names or sources.

/// Paths that are read in order. Mostly one is in the directory of the one before, which need not be looked at again.
#[derive(Clone, Copy, Default)]
pub(super) struct SimplePaths<'t> {
    /// The directory of the last path, with its slash. Empty at first, and if that path has none.
    directory: &'t [u8],
}

/// A path in normal form as it is written: no escape, no `.` or empty component, no `..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Simple {
    /// It is in the directory of the path before.
    pub beside: bool,
}

impl<'t> SimplePaths<'t> {
    /// The next path, if it is simple. `None` for some paths in normal form too, such as one with a component that
    /// begins with a dot. Then the next path needs new `SimplePaths`.
    #[inline]
    pub(super) fn next(&mut self, path: &'t [u8]) -> Option<Simple> {
        let known = if path.starts_with(self.directory) { self.directory.len() } else { 0 };
        if !is_simple(path, known) {
            return None;
        }
        // Names are mostly too short for memrchr(3).
        let slash = path[known..].iter().rposition(|&byte| byte == b'/');
        self.directory = &path[..slash.map_or(known, |slash| known + slash + 1)];
        Some(Simple { beside: known > 0 && slash.is_none() })
    }
}

/// How many bytes of a path are looked at together.
const WINDOW: usize = 16;

/// Whether `path` is simple. The first `known` bytes are known to be, and end in a slash.
#[inline]
fn is_simple(path: &[u8], known: usize) -> bool {
    let (Some(&first), Some(&last)) = (path.get(known), path.last()) else {
        return false;
    };
    if matches!(first, b'.' | b'/') || matches!(last, b'/' | b'\\' | 0) {
        return false;
    }
    let Some(end) = path.last_chunk() else {
        return !path.iter().zip(&path[1..]).any(|(&one, &next)| is_odd(one, next));
    };
    let mut rest = &path[known..];
    while let Some(window) = rest.first_chunk() {
        if has_odd(window) {
            return false;
        }
        rest = &rest[WINDOW..];
    }
    // What is left, and something before it.
    !has_odd(end)
}

/// Whether a byte is odd. It has one size and no branches, so that the compiler vectorizes it, and is not inlined,
/// since in a loop it does not: this runs for every row.
#[inline(never)]
fn has_odd(bytes: &[u8; WINDOW + 1]) -> bool {
    (0..WINDOW).fold(false, |odd, at| odd | is_odd(bytes[at], bytes[at + 1]))
}

/// Whether a byte with the one behind it is not simple.
#[inline]
fn is_odd(one: u8, next: u8) -> bool {
    (one == b'\\') | (one == 0) | ((one == b'/') & ((next == b'/') | (next == b'.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_simple_wherever_its_directory_was_met() {
        let directory = "some/directory/of/some/length";
        for length in 1..70 {
            let name = "n".repeat(length);
            for odd in ["//x", "/./x", "/../x", "\\040", "\\", "\0", "/", "/.x"] {
                for at in 0..=length {
                    let path = format!("{directory}/{}{odd}{}", &name[..at], &name[at..]);
                    // A backslash, a NUL or a slash is odd anywhere, the others as well.
                    let is_odd = odd != "/" || at == length || at == 0;
                    for before in ["", "some/x", "some/directory/of/some/length/x", &path[..9]] {
                        let mut paths = SimplePaths::default();
                        paths.next(before.as_bytes());
                        let found = paths.next(path.as_bytes());
                        assert_eq!(found.is_none(), is_odd, "{path:?} after {before:?}");
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

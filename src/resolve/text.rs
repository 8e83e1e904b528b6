//! The text of a link, and which of several targets it names (DESIGN rule 5).

use crate::path;

/// The target among `targets` (archive paths) that a link at the archive path `link` leads to, by its
/// place in `targets`, and the link's text. `author` is what the link's author wrote, if anybody did.
pub fn choose(link: &[u8], author: Option<&[u8]>, targets: &[&[u8]]) -> Option<(usize, Vec<u8>)> {
    let folder = path::split(link).0;
    if let Some(text) = author
        && let Some(named) = path::join(folder, text)
        && let Some(target) = targets.iter().position(|target| *target == named)
    {
        return Some((target, text.to_vec()));
    }
    let texts = targets.iter().enumerate().map(|(at, target)| (at, path::relative(folder, target)));
    texts.min_by_key(|(at, text)| {
        let slashes = memchr::memchr_iter(b'/', text).count();
        (slashes, text.len(), targets[*at])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_the_author_names_its_target() {
        let targets: [&[u8]; 2] = [b"a/x", b"a/bin/y"];
        assert_eq!(choose(b"a/bin/l", Some(b"./../x"), &targets), Some((0, b"./../x".to_vec())));
    }

    #[test]
    fn else_the_nearest_then_the_shortest_then_the_first_is_the_target() {
        let targets: [&[u8]; 4] = [b"b/bin/y", b"a/c/yy", b"a/d/y", b"a/c/y"];
        assert_eq!(choose(b"a/l", Some(b"/abs"), &targets), Some((3, b"c/y".to_vec())));
        assert_eq!(choose(b"a/l", None, &[]), None);
    }
}

//! Which of several targets a link leads to, and its text (design rule 5).
//!
//! Knows archive paths only. A build may put one toolchain into a layer thousands of times, so that
//! thousands of links have thousands of targets each: the nearest is found without looking at all of
//! them for every link.

use std::cell::RefCell;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;
use std::rc::Rc;

use hashbrown::HashMap;
use memchr::{memchr, memchr_iter};

use crate::path;

/// The archive paths that links may lead to.
pub(super) struct Targets<'s> {
    /// In byte order, each once.
    paths: Vec<&'s [u8]>,
    /// By the range of `paths` below some directory: these paths, the nearest to that directory first. Two
    /// directories with the same range have the same order, since they differ only in the common head of the
    /// paths.
    orders: RefCell<HashMap<Range<usize>, Rc<[u32]>>>,
}

/// The verdict on a target that a link might lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// It is the one.
    This,
    /// It is not; the next nearest is judged.
    Next,
    /// There is none: no further target is judged.
    NoMore,
}

impl From<bool> for Choice {
    fn from(is_the_one: bool) -> Self {
        if is_the_one { Self::This } else { Self::Next }
    }
}

/// How many `/` the relative path to a target has, how long it is, and which target it is, in byte
/// order: the least is the nearest.
type Distance = (usize, usize, usize);

/// A directory that a link lies below, and the targets there.
struct Above {
    /// How many `..` lead to it.
    up: usize,
    /// The length of its path and the slash behind that.
    head: usize,
    /// The targets below it.
    below: Range<usize>,
}

impl<'s> Targets<'s> {
    /// Targets, in any order.
    pub(super) fn new(mut paths: Vec<&'s [u8]>) -> Self {
        paths.sort_unstable();
        paths.dedup();
        Self { paths, orders: RefCell::default() }
    }

    /// Whether `is_one` is true of any of them.
    pub(super) fn any(&self, is_one: impl Fn(&[u8]) -> bool) -> bool {
        self.paths.iter().any(|path| is_one(path))
    }

    /// The text that leads a link at the archive path `link` to the first target that is the one, as
    /// `judge` decides, the nearest first. `author` is the text of the author's symlink, if there is one. No text
    /// climbs more directories than there is `room` for (design rule 10).
    pub(super) fn choose(
        &self,
        link: &[u8],
        author: Option<&[u8]>,
        room: Option<usize>,
        mut judge: impl FnMut(&'s [u8]) -> Choice,
    ) -> Option<Vec<u8>> {
        let directory = path::split(link).0;
        let room = room.unwrap_or(usize::MAX);
        let author = author.filter(|text| path::leading_ups(text) <= room);
        let mut named = None;
        if let Some(text) = author
            && let Some(path) = path::join(directory, text)
            && let Ok(target) = self.paths.binary_search(&&path[..])
        {
            match judge(self.paths[target]) {
                Choice::This => return Some(text.to_vec()),
                Choice::Next => named = Some(target),
                Choice::NoMore => return None,
            }
        }
        let mut judge = |target: usize| match Some(target) == named {
            true => Choice::Next,
            false => judge(self.paths[target]),
        };
        let target = match self.paths.len() {
            // Nearly always.
            1 => (judge(0) == Choice::This).then_some(0),
            _ => self.nearest(directory, room, judge),
        };
        let text = path::relative(directory, self.paths[target?]);
        (path::leading_ups(&text) <= room).then_some(text)
    }

    /// The target nearest to `directory` that is the one.
    fn nearest(
        &self,
        directory: &[u8],
        room: usize,
        mut judge: impl FnMut(usize) -> Choice,
    ) -> Option<usize> {
        let (mut above, mut at) = self.above(directory);
        above.retain(|above| above.up <= room);
        at.retain(|(up, length, _)| *length == 1 || *up < room);
        let orders: Vec<_> = above.iter().map(|above| self.order(above)).collect();
        let by_way_of = |number: usize, rank: usize| {
            let Above { up, head, .. } = above[number];
            let target = *orders[number].get(rank)? as usize;
            let rest = &self.paths[target][head..];
            Some(Reverse(((up + slashes(rest), 3 * up + rest.len(), target), number, rank)))
        };
        // What is nearest by way of each directory above, with the number of that directory and the rank
        // in its order.
        let at = at.into_iter().map(|at| Reverse((at, above.len(), 0)));
        let mut next: BinaryHeap<_> = at.collect();
        next.extend((0..above.len()).filter_map(|number| by_way_of(number, 0)));
        while let Some(Reverse(((.., target), number, rank))) = next.pop() {
            if number < above.len() {
                next.extend(by_way_of(number, rank + 1));
            }
            // Those of a directory further down were nearer by way of that.
            let inner = above.get(number + 1);
            if inner.is_some_and(|inner| inner.below.contains(&target)) {
                continue;
            }
            match judge(target) {
                Choice::This => return Some(target),
                Choice::Next => {}
                Choice::NoMore => return None,
            }
        }
        None
    }

    /// The directories at and above `directory` that have targets below them, from the top down, of those
    /// with the same targets the innermost; and how far it is to those that are targets themselves.
    fn above(&self, directory: &[u8]) -> (Vec<Above>, Vec<Distance>) {
        let mut up = path::parts(directory).count();
        let mut outer = Above { up, head: 0, below: 0..self.paths.len() };
        let (mut above, mut at) = (Vec::new(), Vec::new());
        let mut rest = directory;
        while !rest.is_empty() && !outer.below.is_empty() {
            let end = memchr(b'/', rest).unwrap_or(rest.len());
            let name = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            up -= 1;
            let paths = &self.paths[outer.below.clone()];
            let behind = |is_before: &dyn Fn(&[u8]) -> bool| {
                outer.below.start + paths.partition_point(|path| is_before(&path[outer.head..]))
            };
            let itself = behind(&|path| path < name);
            if itself < outer.below.end && self.paths[itself][outer.head..] == *name {
                // `..` for each directory, or `.`.
                at.push((up.saturating_sub(1), (3 * up).saturating_sub(1).max(1), itself));
            }
            let below = behind(&|path| order_below(path, name) == Ordering::Less)
                ..behind(&|path| order_below(path, name) != Ordering::Greater);
            let inner = Above { up, head: outer.head + end + 1, below };
            let is_same = inner.below == outer.below;
            let outer = std::mem::replace(&mut outer, inner);
            if !is_same {
                above.push(outer);
            }
        }
        if !outer.below.is_empty() {
            above.push(outer);
        }
        (above, at)
    }

    /// The targets below a directory, what is nearest to it first.
    fn order(&self, above: &Above) -> Rc<[u32]> {
        let mut orders = self.orders.borrow_mut();
        let order = orders.entry(above.below.clone()).or_insert_with(|| {
            let mut targets: Vec<_> = above.below.clone().map(|target| target as u32).collect();
            targets.sort_by_cached_key(|&target| {
                let rest = &self.paths[target as usize][above.head..];
                (slashes(rest), rest.len(), target)
            });
            targets.into()
        });
        order.clone()
    }
}

/// The order of `path` relative to the paths below a directory with the path `directory`: equal if it is one of them.
fn order_below(path: &[u8], directory: &[u8]) -> Ordering {
    match path.strip_prefix(directory) {
        Some([]) => Ordering::Less,
        Some([next, ..]) => next.cmp(&b'/'),
        None => path.cmp(directory),
    }
}

fn slashes(path: &[u8]) -> usize {
    memchr_iter(b'/', path).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(link: &[u8], author: Option<&[u8]>, targets: &[&[u8]]) -> Option<Vec<u8>> {
        Targets::new(targets.to_vec()).choose(link, author, None, |_| Choice::This)
    }

    #[test]
    fn the_text_of_the_author_names_its_target() {
        let targets: [&[u8]; 2] = [b"a/x", b"a/bin/y"];
        assert_eq!(chosen(b"a/bin/l", Some(b"./../x"), &targets), Some(b"./../x".to_vec()));
    }

    #[test]
    fn else_the_nearest_then_the_shortest_then_the_first_is_the_target() {
        let targets: [&[u8]; 4] = [b"b/bin/y", b"a/c/yy", b"a/d/y", b"a/c/y"];
        assert_eq!(chosen(b"a/l", Some(b"/abs"), &targets), Some(b"c/y".to_vec()));
        assert_eq!(chosen(b"a/l", None, &[]), None);
    }

    #[test]
    fn where_no_more_are_asked_of_there_is_none() {
        let targets = Targets::new(vec![b"a/x", b"a/y", b"a/z"]);
        let judge = |path: &[u8]| match path {
            b"a/x" => Choice::Next,
            b"a/y" => Choice::NoMore,
            _ => Choice::This,
        };
        assert_eq!(targets.choose(b"a/l", None, None, judge), None);
        assert_eq!(targets.choose(b"a/l", Some(b"y"), None, judge), None);
        assert_eq!(targets.choose(b"a/l", Some(b"z"), None, judge), Some(b"z".to_vec()));
    }

    #[test]
    fn a_directory_that_the_link_is_in_may_be_the_target() {
        let targets: [&[u8]; 3] = [b"a", b"a/b", b"c"];
        assert_eq!(chosen(b"a/b/l", None, &targets), Some(b".".to_vec()));
        assert_eq!(chosen(b"a/c/l", None, &targets), Some(b"..".to_vec()));
        assert_eq!(chosen(b"l", None, &targets), Some(b"a".to_vec()));
    }

    /// The order of design rule 5, found by comparing every target.
    fn by_looking_at_all(link: &[u8], may: impl Fn(&[u8]) -> bool, paths: &[&[u8]]) -> Vec<u8> {
        let texts = paths.iter().filter(|path| may(path)).map(|path| {
            let text = path::relative(path::split(link).0, path);
            (slashes(&text), text.len(), *path, text)
        });
        texts.min().map(|(.., text)| text).unwrap_or_default()
    }

    #[test]
    fn the_nearest_of_many_is_that_which_looking_at_all_of_them_finds() {
        // Every path of up to four of these names, in which `-` sorts before `/`.
        let names: [&[u8]; 3] = [b"a", b"a-", b"bb"];
        let mut all: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
        for at in 0..39 {
            let longer = names.iter().map(|name| [&all[at][..], b"/", name].concat());
            all.extend(longer.collect::<Vec<_>>());
        }
        let mut random = 1_u64;
        let mut below = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % bound
        };
        for _ in 0..3_000 {
            let share = 1 + below(40);
            let paths: Vec<&[u8]> =
                all.iter().filter(|_| below(40) < share).map(|path| &path[..]).collect();
            let targets = Targets::new(paths.clone());
            for _ in 0..8 {
                let (link, refused) =
                    (&all[below(all.len() as u64) as usize], 1 + below(9) as usize);
                let may = |path: &[u8]| path != &link[..] && path.len() % 9 != refused;
                assert_eq!(
                    targets.choose(link, None, None, |path| may(path).into()).unwrap_or_default(),
                    by_looking_at_all(link, may, &paths),
                    "{} of {paths:?}",
                    link.escape_ascii()
                );
            }
        }
    }
}

//! Trees on the disk that change between requests, and within one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;

use super::{Cache, View};
use crate::resolve::{Directory, Entered, Entry, Tree, Wanted};

/// A tree made by `plant`, unchanged for long enough to be cached.
fn settled(plant: impl Fn(&Path)) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    plant(root.path());
    thread::sleep(Duration::from_millis(2_100));
    root
}

/// The view of a request that begins now.
fn request<'c>(root: &TempDir, cache: &'c Cache) -> View<'c> {
    View::new(root.path(), false, cache, &|| false).unwrap()
}

/// The view of a request that has the tree as its sandbox.
fn sandboxed<'c>(root: &TempDir, cache: &'c Cache) -> View<'c> {
    View::new(root.path(), true, cache, &|| false).unwrap()
}

/// Enters the directory `name`, of which `names` are wanted.
fn enter_for(view: &mut View<'_>, name: &str, names: &[&[u8]]) -> Directory {
    let wanted =
        Wanted { parent: view.root(), name: name.as_bytes(), lookups: names.len() as u32, names };
    match view.enter_all(&[wanted]).unwrap()[..] {
        [Entry::Plain(Entered::Directory(directory))] => directory,
        ref other => panic!("{name}: {other:?}"),
    }
}

/// Enters the directory at `path`, part by part, without reading any.
fn enter(view: &mut View<'_>, path: &str) -> Directory {
    path.split('/').fold(view.root(), |directory, name| {
        match view.enter(directory, name.as_bytes()) {
            Ok(Entered::Directory(inner)) => inner,
            other => panic!("{path}: {other:?}"),
        }
    })
}

#[test]
fn a_lookup_while_directories_are_moved_is_not_cached_for_the_wrong_directory() {
    let root = settled(|root| {
        for (directory, target) in [("one/in", "first"), ("two/in", "second")] {
            fs::create_dir_all(root.join(directory)).unwrap();
            symlink(target, root.join(directory).join("link")).unwrap();
        }
    });
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let mut during = request(&root, &cache);
    let directory = enter(&mut during, "one/in");
    let at = |name: &str| root.path().join(name);
    for (from, to) in [("one", "aside"), ("two", "one"), ("aside", "two")] {
        fs::rename(at(from), at(to)).unwrap();
    }
    // Both results are right for this request.
    during.entry(directory, b"link").unwrap();

    let mut after = request(&root, &cache);
    for (path, target) in [("two/in", "first"), ("one/in", "second")] {
        let directory = enter(&mut after, path);
        assert_eq!(
            after.entry(directory, b"link").unwrap(),
            Entry::Symlink(target.as_bytes()),
            "{path}"
        );
    }
}

#[test]
fn a_directory_that_is_known_to_be_too_large_to_list_is_not_read_again() {
    let root = settled(|root| {
        fs::create_dir(root.join("large")).unwrap();
        for name in 0..1_500 {
            symlink("x", root.join("large").join(format!("{name}"))).unwrap();
        }
    });
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    for reused in [0, 1] {
        let mut view = request(&root, &cache);
        let large = enter_for(&mut view, "large", &[b"7"]);
        assert_eq!(view.entry(large, b"7").unwrap(), Entry::Symlink(&b"x"[..]));
        assert_eq!(view.entry(large, b"none").unwrap(), Entry::Absent);
        assert_eq!(view.observations().counts.reused, reused);
    }
}

#[test]
fn a_sandbox_gives_the_same_entries_as_another_tree() {
    let root = settled(|root| {
        fs::create_dir_all(root.join("directory/inner")).unwrap();
        fs::write(root.join("directory/file"), "").unwrap();
        symlink("target", root.join("directory/link")).unwrap();
    });
    // The result does not depend on the names that were wanted before.
    let more = [vec!["link", "none"], vec!["file", "a\0b", ""], vec!["file"; 33]];
    for names in [vec![], vec!["file"], vec!["link", "link"]].into_iter().chain(more) {
        let names: Vec<_> = names.into_iter().map(str::as_bytes).collect();
        let cache = Cache::new(Cache::DEFAULT_LIMIT);
        // If the sandbox persists, the second request reads the directory in which the first looked names up.
        for begin in [sandboxed, sandboxed, sandboxed, request] {
            let mut view = begin(&root, &cache);
            let directory = enter_for(&mut view, "directory", &names);
            for (name, entry) in [
                ("file", Entry::Plain(())),
                ("link", Entry::Symlink(&b"target"[..])),
                ("inner", Entry::Plain(())),
                ("none", Entry::Absent),
            ] {
                assert_eq!(view.entry(directory, name.as_bytes()).unwrap(), entry, "{name}");
            }
        }
    }
}

#[test]
fn a_sandbox_gives_what_is_at_the_locations_of_wanted_directories() {
    let root = settled(|root| {
        fs::create_dir_all(root.join("directory/inner")).unwrap();
        fs::write(root.join("directory/file"), "").unwrap();
        symlink("inner", root.join("directory/link")).unwrap();
    });
    for names in [None, Some(&b"file"[..]), Some(b"link"), Some(b"none")] {
        let cache = Cache::new(Cache::DEFAULT_LIMIT);
        for begin in [sandboxed, sandboxed, sandboxed, request] {
            let mut view = begin(&root, &cache);
            let parent = enter_for(&mut view, "directory", names.as_slice());
            let wanted = [&b"inner"[..], b"file", b"link", b"none"].map(|name| Wanted {
                parent,
                name,
                lookups: 0,
                names: &[],
            });
            // The second result is the same.
            for _ in 0..2 {
                let entries = view.enter_all(&wanted).unwrap();
                assert!(matches!(entries[0], Entry::Plain(Entered::Directory(_))), "{entries:?}");
                let others = [
                    Entry::Plain(Entered::NotADirectory),
                    Entry::Symlink(b"inner".into()),
                    Entry::Absent,
                ];
                assert_eq!(entries[1..], others);
            }
            assert_eq!(view.entry(parent, b"inner").unwrap(), Entry::Plain(()));
            assert_eq!(view.entry(parent, b"file").unwrap(), Entry::Plain(()));
            assert_eq!(view.entry(parent, b"link").unwrap(), Entry::Symlink(&b"inner"[..]));
            assert_eq!(view.entry(parent, b"none").unwrap(), Entry::Absent);
        }
    }
}

#[test]
fn a_directory_of_a_persistent_sandbox_is_read_by_the_second_request_and_cached_for_the_third() {
    let root = settled(|root| {
        fs::create_dir(root.join("directory")).unwrap();
        symlink("target", root.join("directory/link")).unwrap();
    });
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    for reused in [0, 0, 1, 1] {
        let mut view = sandboxed(&root, &cache);
        let directory = enter_for(&mut view, "directory", &[b"link"]);
        assert_eq!(view.entry(directory, b"link").unwrap(), Entry::Symlink(&b"target"[..]));
        assert_eq!(view.observations().counts.reused, reused);
    }
}

/// Calls `query` for the directory `one` of a sandbox in many requests, while another thread exchanges the
/// directories `one` and `two` again and again. Then checks what `query` gives for both.
fn while_directories_are_swapped<A: PartialEq + std::fmt::Debug>(
    root: &TempDir,
    query: impl Fn(&mut View<'_>, Directory) -> Option<A>,
    [first, second]: [A; 2],
) {
    let (one, two) = (root.path().join("one"), root.path().join("two"));
    let swap = || renameat_with(CWD, &one, CWD, &two, RenameFlags::EXCHANGE).unwrap();
    let inside = |cache: &Cache, path: &str| {
        let mut view = sandboxed(root, cache);
        match view.enter(Directory(0), path.as_bytes()).unwrap() {
            Entered::Directory(parent) => query(&mut view, parent),
            _ => None,
        }
    };
    let caches: Vec<_> = (0..500).map(|_| Cache::new(Cache::DEFAULT_LIMIT)).collect();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Both directories return to their paths, and the directories in them keep their times.
            while !is_done.load(Ordering::Relaxed) {
                (0..2).for_each(|_| swap());
            }
        });
        for _ in 0..3 {
            caches.iter().for_each(|cache| drop(inside(cache, "one")));
        }
        is_done.store(true, Ordering::Relaxed);
    });
    for cache in &caches {
        assert_eq!(inside(cache, "one").as_ref(), Some(&first));
        assert_eq!(inside(cache, "two").as_ref(), Some(&second));
    }
}

/// Enters `in` in `parent`, of which `names` are wanted.
fn enter_in(view: &mut View<'_>, parent: Directory, names: &[&[u8]]) -> Option<Directory> {
    let wanted = Wanted { parent, name: b"in", lookups: names.len() as u32, names };
    match view.enter_all(&[wanted]).unwrap()[..] {
        [Entry::Plain(Entered::Directory(directory))] => Some(directory),
        _ => None,
    }
}

#[test]
fn lookups_in_a_sandbox_while_directories_are_moved_are_not_cached_for_the_wrong_directory() {
    let root = settled(|root| {
        for (directory, target) in [("one/in", "first"), ("two/in", "second")] {
            fs::create_dir_all(root.join(directory)).unwrap();
            fs::write(root.join(directory).join("file"), "").unwrap();
            symlink(target, root.join(directory).join("link")).unwrap();
        }
    });
    let names = [[&b"file"[..]; 30].as_slice(), &[b"link"]].concat();
    let link = |view: &mut View<'_>, parent| {
        let directory = enter_in(view, parent, &names)?;
        match view.entry(directory, b"link").unwrap() {
            Entry::Symlink(text) => Some(text.to_vec()),
            _ => None,
        }
    };
    while_directories_are_swapped(&root, link, [b"first".to_vec(), b"second".to_vec()]);
}

#[test]
fn a_probe_in_a_large_directory_while_it_is_moved_is_not_cached_for_the_wrong_directory() {
    let root = settled(|root| {
        for directory in ["one/in", "two/in"] {
            fs::create_dir_all(root.join(directory)).unwrap();
            for name in 0..1_500 {
                fs::write(root.join(directory).join(format!("{name}")), "").unwrap();
            }
        }
        fs::create_dir(root.join("one/in/x")).unwrap();
        symlink("1", root.join("two/in/x")).unwrap();
    });
    let names = [&b"1"[..]; 40];
    let is_link = |view: &mut View<'_>, parent| {
        let directory = enter_in(view, parent, &names)?;
        let wanted = Wanted { parent: directory, name: b"x", lookups: 0, names: &[] };
        let entries = view.enter_all(&[wanted]).unwrap().remove(0);
        Some(match entries {
            Entry::Plain(_) => "a directory",
            Entry::Symlink(_) => "a link",
            Entry::Absent | Entry::Unreadable => "nothing",
        })
    };
    while_directories_are_swapped(&root, is_link, ["a directory", "a link"]);
}

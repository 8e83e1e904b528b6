//! Trees on the disk that change between requests, and within one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{Cache, View};
use crate::resolve::{Entered, Entry, Folder, Tree, Wanted};

/// A tree that `plant` made, left alone long enough for it to be remembered.
fn settled(plant: impl Fn(&Path)) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    plant(root.path());
    thread::sleep(Duration::from_millis(2_100));
    root
}

/// The tree as a request sees it that begins now.
fn request<'c>(root: &TempDir, cache: &'c Cache) -> View<'c> {
    View::new(root.path(), cache, &|| false).unwrap()
}

/// Enters the folder at `path`, part by part, without reading any.
fn enter(view: &mut View<'_>, path: &str) -> Folder {
    path.split('/').fold(view.root(), |folder, name| match view.enter(folder, name.as_bytes()) {
        Ok(Entered::Folder(inner)) => inner,
        other => panic!("{path}: {other:?}"),
    })
}

#[test]
fn a_name_looked_up_while_its_folder_is_moved_is_not_taken_for_one_of_the_folder_later() {
    let root = settled(|root| {
        for (folder, target) in [("one/in", "first"), ("two/in", "second")] {
            fs::create_dir_all(root.join(folder)).unwrap();
            symlink(target, root.join(folder).join("link")).unwrap();
        }
    });
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let mut during = request(&root, &cache);
    let folder = enter(&mut during, "one/in");
    let at = |name: &str| root.path().join(name);
    for (from, to) in [("one", "aside"), ("two", "one"), ("aside", "two")] {
        fs::rename(at(from), at(to)).unwrap();
    }
    // This request may see it either way.
    during.entry(folder, b"link").unwrap();

    let mut after = request(&root, &cache);
    for (path, target) in [("two/in", "first"), ("one/in", "second")] {
        let folder = enter(&mut after, path);
        assert_eq!(after.entry(folder, b"link").unwrap(), Entry::Link(target.as_bytes()), "{path}");
    }
}

#[test]
fn a_folder_of_which_few_names_are_asked_for_is_not_read_again_to_find_that_it_is_large() {
    let root = settled(|root| {
        fs::create_dir(root.join("large")).unwrap();
        for name in 0..1_500 {
            symlink("x", root.join("large").join(format!("{name}"))).unwrap();
        }
    });
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    for reused in [0, 1] {
        let mut view = request(&root, &cache);
        let wanted = Wanted { parent: view.root(), name: b"large", asked: 1 };
        let [Entered::Folder(large)] = view.enter_all(&[wanted]).unwrap()[..] else {
            panic!("it is there");
        };
        assert_eq!(view.entry(large, b"7").unwrap(), Entry::Link(b"x"));
        assert_eq!(view.entry(large, b"none").unwrap(), Entry::Absent);
        assert_eq!(view.noticed().counts.reused, reused);
    }
}

//! The rules on trees that are in no file system. The cases in `worker-tests/cases` run them on real
//! ones.

use std::collections::BTreeMap;

use super::*;
use crate::mtree::Spec;
use crate::path;

/// A tree in memory. Its root is the directory `execroot`.
struct Planted {
    directories: Vec<PlantedDirectory>,
}

#[derive(Default)]
struct PlantedDirectory {
    location: Option<(Directory, Vec<u8>)>,
    names: BTreeMap<Vec<u8>, PlantedEntry>,
}

enum PlantedEntry {
    Directory(Directory),
    File,
    Link(Vec<u8>),
    Locked,
}

impl Planted {
    const ROOT: Directory = Directory(1);

    /// A tree of lines such as `execroot/a/file` and `execroot/a/link -> file`; `-x` behind a path
    /// makes it one that cannot be searched.
    fn new(lines: &[&str]) -> Self {
        let mut tree = Self { directories: vec![PlantedDirectory::default()] };
        assert_eq!(tree.directory(b"execroot"), Self::ROOT);
        for line in lines {
            let (path, what) = match line.split_once(" -> ") {
                Some((path, text)) => (path, PlantedEntry::Link(text.into())),
                None => match line.strip_suffix(" -x") {
                    Some(path) => (path, PlantedEntry::Locked),
                    None => (*line, PlantedEntry::File),
                },
            };
            let (directory, name) = path::split(path.as_bytes());
            let directory = tree.directory(directory);
            tree.directories[directory.0 as usize].names.insert(name.to_vec(), what);
        }
        tree
    }

    fn directory(&mut self, path: &[u8]) -> Directory {
        path::parts(path).fold(Directory(0), |parent, name| {
            if let Some(PlantedEntry::Directory(known)) =
                self.directories[parent.0 as usize].names.get(name)
            {
                return *known;
            }
            let new = Directory(self.directories.len() as u32);
            let location = Some((parent, name.to_vec()));
            self.directories.push(PlantedDirectory { location, ..PlantedDirectory::default() });
            self.directories[parent.0 as usize]
                .names
                .insert(name.to_vec(), PlantedEntry::Directory(new));
            new
        })
    }
}

impl Tree for Planted {
    fn root(&self) -> Directory {
        Self::ROOT
    }

    fn top(&mut self) -> Result<Entered, Stopped> {
        Ok(Entered::Directory(Directory(0)))
    }

    fn above(&mut self, directory: Directory) -> Result<Entered, Stopped> {
        let location = &self.directories[directory.0 as usize].location;
        Ok(Entered::Directory(location.as_ref().map_or(directory, |(parent, _)| *parent)))
    }

    fn location(&self, directory: Directory) -> Option<(Directory, &[u8])> {
        self.directories[directory.0 as usize]
            .location
            .as_ref()
            .map(|(parent, name)| (*parent, &name[..]))
    }

    fn entry(&mut self, directory: Directory, name: &[u8]) -> Result<Entry<&[u8]>, Stopped> {
        Ok(match self.directories[directory.0 as usize].names.get(name) {
            None => Entry::Absent,
            Some(PlantedEntry::Link(text)) => Entry::Symlink(text),
            Some(PlantedEntry::Locked) => Entry::Unreadable,
            Some(_) => Entry::Plain(()),
        })
    }

    fn enter(&mut self, directory: Directory, name: &[u8]) -> Result<Entered, Stopped> {
        Ok(match self.directories[directory.0 as usize].names.get(name) {
            Some(PlantedEntry::Directory(inner)) => Entered::Directory(*inner),
            _ => Entered::NotADirectory,
        })
    }
}

fn spec(rows: &[(&str, &str)]) -> Spec {
    let rows = rows.iter().map(|(path, source)| format!("./{path} type=file content={source}\n"));
    Spec::parse(rows.collect::<String>().into_bytes(), false).unwrap()
}

/// What becomes of rows, each a path and a source, in a tree.
fn resolved(tree: &[&str], rows: &[(&str, &str)]) -> Vec<String> {
    let spec = spec(rows);
    let decisions = resolve(&spec, &[], Options::default(), None, &mut Planted::new(tree)).unwrap();
    let edits = decisions.edits(&spec);
    let mut out = Vec::new();
    edits.write_to(&mut out).unwrap();
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_row_becomes_a_link_to_the_first_hop_that_is_a_row() {
    let tree = [
        "execroot/py/python3.13",
        "execroot/py/python3 -> python3.13",
        "execroot/py/python -> python3",
    ];
    let rows = [("bin/python", "py/python"), ("bin/python3.13", "py/python3.13")];
    assert_eq!(
        resolved(&tree, &rows),
        [
            "./bin/python type=link link=python3.13",
            "./bin/python3.13 type=file content=py/python3.13"
        ]
    );
}

#[test]
fn staging_is_no_authorship_however_many_roots_it_goes_through() {
    let tree = [
        "execroot/a/link -> /second/a/link",
        "second/a -> /third/a",
        "third/a/link -> file",
        "third/a/file",
        "execroot/a/file -> /second/a/file",
    ];
    let rows = [("link", "a/link"), ("file", "a/file")];
    assert_eq!(
        resolved(&tree, &rows),
        ["./link type=link link=file", "./file type=file content=a/file"]
    );
}

#[test]
fn a_linked_directory_becomes_one_link() {
    let tree = ["execroot/py/lib/a", "execroot/py/lib/b/c", "execroot/py/lib64 -> ./lib"];
    let rows = [
        ("lib/a", "py/lib/a"),
        ("lib/b/c", "py/lib/b/c"),
        ("lib64/a", "py/lib64/a"),
        ("lib64/b/c", "py/lib64/b/c"),
    ];
    assert_eq!(resolved(&tree, &rows)[2..], ["./lib64 type=link link=./lib"]);
}

#[test]
fn a_symlink_loop_is_an_error_with_its_trail() {
    let spec = spec(&[("a", "x/a"), ("b", "x/b")]);
    let mut tree = Planted::new(&["execroot/x/a -> b", "execroot/x/b -> ../x/a"]);
    let trail = ["x/a", "b", "../x/a"].map(|text| text.as_bytes().to_vec()).to_vec();
    assert_eq!(
        resolve(&spec, &[], Options::default(), None, &mut tree).unwrap_err(),
        ResolveError::SymlinkLoop { path: b"a".to_vec(), trail }
    );
}

#[test]
fn a_loop_of_stagings_is_an_error() {
    let spec = spec(&[("a", "x/a")]);
    let mut tree = Planted::new(&["execroot/x/a -> /other/x/a", "other/x/a -> /execroot/x/a"]);
    let error = resolve(&spec, &[], Options::default(), None, &mut tree).unwrap_err();
    assert!(matches!(error, ResolveError::SymlinkLoop { .. }), "{error:?}");
}

#[test]
fn what_is_not_among_the_inputs_is_not_there() {
    let spec = spec(&[("a", "x/a"), ("b", "y/z/b"), ("c", "x/c")]);
    let mut tree = Planted::new(&["execroot/x/a", "execroot/y/z/b", "execroot/x/c -x"]);
    let inputs = Inputs::new([&b"y"[..], b"x/c"].into_iter(), |_| None);
    let decisions = resolve(&spec, &[], Options::default(), Some(&inputs), &mut tree).unwrap();
    let outcomes: Vec<_> = spec.row_ids().map(|row| decisions.of(row).unwrap()).collect();
    assert_eq!(outcomes[0], RowOutcome::Unchanged(Unchanged::Absent));
    assert_eq!(outcomes[2], RowOutcome::Unchanged(Unchanged::Unreadable));
}

//! Random trees: directories and files first, then links of every kind between them.

use std::{
    fs, io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::Index,
};

use super::name;
use crate::plant::{below, is_there, plant_file, plant_link, temporary_directory};

/// The most sources that are listed, and how deep: linked directories multiply.
const MOST_SOURCES: usize = 60;
const DEEPEST: usize = 9;

/// What proptest draws.
#[derive(Clone, Debug)]
pub struct TreePlan {
    entries: Vec<EntryPlan>,
    links: Vec<LinkPlan>,
}

#[derive(Clone, Debug)]
struct EntryPlan {
    parent: Index,
    name: Vec<u8>,
    is_directory: bool,
}

#[derive(Clone, Debug)]
struct LinkPlan {
    parent: Index,
    name: Vec<u8>,
    to: Index,
    text: Text,
}

/// How a link's text leads to its target.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Text {
    Relative,
    /// With `./` at the head and doubled slashes.
    Dotted,
    /// With a `/` at the end, if it leads to a directory.
    Trailing,
    /// Out of the link's own directory and into it again.
    Detour,
    /// To the target, by its real path.
    Absolute,
    /// To where the exec root has the target, as a build action's links do.
    ThroughExecRoot,
    Here,
    Up,
    UpTwice,
    Nowhere,
    NowhereAbsolute,
    Itself,
    /// To the link that is made next, if it fits: the only way to large symlink loops.
    Onward,
}

/// Trees of a few dozen entries.
pub fn tree() -> impl Strategy<Value = TreePlan> {
    (vec(entry(), 3..16), vec(link(), 1..12))
        .prop_map(|(entries, links)| TreePlan { entries, links })
}

/// Trees in which every link leads to something, and there is no symlink loop.
pub fn sound_tree() -> impl Strategy<Value = TreePlan> {
    tree().prop_map(|mut plan| {
        plan.links.retain(|link| !link.text.may_lead_nowhere());
        plan
    })
}

fn entry() -> impl Strategy<Value = EntryPlan> {
    (any::<Index>(), name(), prop_oneof![2 => Just(false), 1 => Just(true)])
        .prop_map(|(parent, name, is_directory)| EntryPlan { parent, name, is_directory })
}

fn link() -> impl Strategy<Value = LinkPlan> {
    let text = prop_oneof![
        24 => Just(Text::Relative),
        4 => Just(Text::Dotted),
        3 => Just(Text::Trailing),
        4 => Just(Text::Detour),
        6 => Just(Text::Absolute),
        6 => Just(Text::ThroughExecRoot),
        1 => Just(Text::Here),
        1 => Just(Text::Up),
        1 => Just(Text::UpTwice),
        2 => Just(Text::Nowhere),
        1 => Just(Text::NowhereAbsolute),
    ];
    let text = prop_oneof![
        200 => text,
        1 => Just(Text::Itself),
        2 => Just(Text::Onward),
    ];
    (any::<Index>(), name(), any::<Index>(), text).prop_map(|(parent, name, to, text)| LinkPlan {
        parent,
        name,
        to,
        text,
    })
}

impl Text {
    fn may_lead_nowhere(self) -> bool {
        matches!(self, Text::Nowhere | Text::NowhereAbsolute | Text::Itself | Text::Onward)
    }
}

/// A tree on the disk. Dropping this deletes it.
pub struct Planted {
    /// The case's directory, `$ROOT` in the cases.
    pub root: PathBuf,
    pub exec_root: PathBuf,
    /// Every file and every link that is no directory's, as the exec root's path to it.
    pub sources: Vec<Source>,
    /// Every directory below the exec root that has sources somewhere below, linked ones too.
    pub directories: Vec<Vec<u8>>,
    _directory: tempfile::TempDir,
}

/// A path below the exec root that a rule may list as a file.
#[derive(Clone, Debug)]
pub struct Source {
    pub path: Vec<u8>,
    pub kind: SourceKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SourceKind {
    File,
    LinkToFile,
    /// A symlink to a directory, listed as a link.
    LinkToDirectory,
    /// A dangling symlink, or a symlink loop.
    BrokenLink,
}

/// An entry while planting: where it is, and its path from the exec root.
#[derive(Clone)]
struct Place {
    real: PathBuf,
    staged: PathBuf,
}

impl TreePlan {
    /// Plants the tree: an external repository that is staged, one that is a link into a cache,
    /// outputs of the build, and a main repository whose top level is staged entry by entry.
    pub fn plant(&self) -> Planted {
        let directory = temporary_directory("tree-").expect("a directory is made");
        // Two links up from the top do not lead out of the test directory.
        let root =
            directory.path().canonicalize().expect("the directory is there").join("two/deep");
        let exec_root = root.join("execroot/_main");
        let mut directories = Vec::new();
        for (staged, real) in [
            ("external/py", "external/py"),
            ("external/py", "external/py"),
            ("external/kept", "cache/9f2c"),
            ("bazel-out/k8/bin", "execroot/_main/bazel-out/k8/bin"),
            ("", "repo"),
        ] {
            let place = Place { real: root.join(real), staged: exec_root.join(staged) };
            fs::create_dir_all(&place.real).expect("a directory is made");
            directories.push(place);
        }
        for (staged, real) in [("external/py", "external/py"), ("external/kept", "cache/9f2c")] {
            let target = root.join(real);
            plant_link(&exec_root.join(staged), target.as_os_str().as_bytes())
                .expect("a link is made");
        }
        // With sibling repositories, sources are `../py/…`.
        let sibling = root.join("execroot/py");
        plant_link(&sibling, root.join("external/py").as_os_str().as_bytes())
            .expect("a link is made");
        let places = self.plant_entries(&mut directories);
        self.plant_links(&root, &directories, places);
        for entry in list(&root.join("repo")) {
            let staged = exec_root.join(entry.file_name().expect("an entry has a name"));
            if !is_there(&staged) {
                plant_link(&staged, entry.as_os_str().as_bytes()).expect("a link is made");
            }
        }
        let mut planted = Planted {
            root,
            exec_root,
            sources: Vec::new(),
            directories: Vec::new(),
            _directory: directory,
        };
        planted.look_below(&mut Vec::new(), &mut Vec::new());
        planted
    }

    /// Makes directories and files, and returns all that links may lead to.
    fn plant_entries(&self, directories: &mut Vec<Place>) -> Vec<Place> {
        let mut places = Vec::new();
        for plan in &self.entries {
            let place = plan.parent.get(directories).inner(&plan.name);
            if is_there(&place.real) {
                continue;
            }
            match plan.is_directory {
                true => fs::create_dir(&place.real).expect("a directory is made"),
                false => plant_file(&place.real, place.real.as_os_str().as_bytes())
                    .expect("a file is made"),
            }
            if plan.is_directory {
                directories.push(place.clone());
            }
            places.push(place);
        }
        places
    }

    fn plant_links(&self, root: &Path, directories: &[Place], mut places: Vec<Place>) {
        for (index, plan) in self.links.iter().enumerate() {
            let parent = plan.parent.get(directories);
            let link = parent.inner(&plan.name);
            if is_there(&link.real) || places.is_empty() {
                continue;
            }
            let next = self.links.get(index + 1);
            let onward = next.map(|next| next.parent.get(directories).inner(&next.name));
            let target = match (plan.text, &onward) {
                (Text::Onward, Some(next)) => next,
                _ => plan.to.get(&places),
            };
            let text = plan.text.write(root, parent, &plan.name, target);
            plant_link(&link.real, &text).expect("a link is made");
            // What a linked directory shows can be linked to as well.
            let shown: Vec<Place> = list(&link.real)
                .iter()
                .take(3)
                .map(|entry| link.inner(entry.file_name().expect("an entry has a name").as_bytes()))
                .collect();
            places.extend(shown);
            places.push(link);
        }
    }
}

impl Place {
    fn inner(&self, name: &[u8]) -> Place {
        Place { real: below(&self.real, name), staged: below(&self.staged, name) }
    }
}

impl Text {
    fn write(self, root: &Path, parent: &Place, name: &[u8], target: &Place) -> Vec<u8> {
        let relative = relative(&parent.real, &target.real);
        match self {
            Text::Relative | Text::Onward => relative,
            Text::Dotted => {
                let mut text = b".//".to_vec();
                for byte in relative {
                    text.push(byte);
                    if byte == b'/' {
                        text.extend(b"./");
                    }
                }
                text
            }
            Text::Trailing if target.real.is_dir() => [&relative, &b"/"[..]].concat(),
            Text::Trailing => relative,
            Text::Detour => {
                let own = parent.real.file_name().expect("a directory has a name");
                [b"../", own.as_bytes(), b"/", &relative].concat()
            }
            Text::Absolute => target.real.as_os_str().as_bytes().to_vec(),
            Text::ThroughExecRoot => target.staged.as_os_str().as_bytes().to_vec(),
            Text::Here => b".".to_vec(),
            Text::Up => b"..".to_vec(),
            Text::UpTwice => b"../..".to_vec(),
            Text::Nowhere => b"../nowhere/at/all".to_vec(),
            Text::NowhereAbsolute => root.join("nowhere").into_os_string().into_vec(),
            Text::Itself => name.to_vec(),
        }
    }
}

impl Planted {
    /// Lists sources and directories below the exec root's `path`, as a glob does: linked directories are
    /// entered, but none that is being listed already.
    fn look_below(&mut self, path: &mut Vec<u8>, above: &mut Vec<(u64, u64)>) {
        let directory = below(&self.exec_root, path);
        let Ok(own) = fs::metadata(&directory).map(|own| (own.dev(), own.ino())) else {
            return;
        };
        if above.contains(&own) || above.len() > DEEPEST {
            return;
        }
        above.push(own);
        let sources_before = self.sources.len();
        let place_of_directory = self.directories.len();
        for entry in list(&directory) {
            if self.sources.len() >= MOST_SOURCES {
                break;
            }
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend(entry.file_name().expect("an entry has a name").as_bytes());
            let kind = match (fs::symlink_metadata(&entry), fs::metadata(&entry)) {
                (Ok(own), _) if own.is_file() => Some(SourceKind::File),
                (Ok(own), Ok(to)) if own.is_symlink() && to.is_dir() => {
                    Some(SourceKind::LinkToDirectory)
                }
                (Ok(own), Ok(_)) if own.is_symlink() => Some(SourceKind::LinkToFile),
                (Ok(own), Err(_)) if own.is_symlink() => Some(SourceKind::BrokenLink),
                _ => None,
            };
            if let Some(kind) = kind {
                self.sources.push(Source { path: path.clone(), kind });
            }
            if matches!(kind, None | Some(SourceKind::LinkToDirectory)) {
                self.look_below(path, above);
            }
            path.truncate(length);
        }
        if self.sources.len() > sources_before && !path.is_empty() {
            self.directories.insert(place_of_directory, path.clone());
        }
        above.pop();
    }
}

/// The entries of a directory in byte order; none if it cannot be listed.
fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The way from the directory `from` to `to`, name by name.
fn relative(from: &Path, to: &Path) -> Vec<u8> {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| &b".."[..]);
    let down = to.components().skip(common).map(|part| part.as_os_str().as_bytes());
    match up.chain(down).collect::<Vec<_>>().join(&b'/') {
        way if way.is_empty() => b".".to_vec(),
        way => way,
    }
}

/// A change to a tree that was planted.
#[derive(Clone, Debug)]
pub struct Disturbance {
    at: Index,
    to: Index,
    kind: DisturbanceKind,
}

#[derive(Clone, Copy, Debug)]
enum DisturbanceKind {
    Remove,
    BecomeFile,
    BecomeLink,
    /// The directory that it is in is moved, and a link is put in its place.
    LinkDirectory,
}

/// Changes to what is there.
pub fn disturbance() -> impl Strategy<Value = Disturbance> {
    let kind = prop_oneof![
        1 => Just(DisturbanceKind::Remove),
        1 => Just(DisturbanceKind::BecomeFile),
        3 => Just(DisturbanceKind::BecomeLink),
        1 => Just(DisturbanceKind::LinkDirectory),
    ];
    (any::<Index>(), any::<Index>(), kind).prop_map(|(at, to, kind)| Disturbance { at, to, kind })
}

impl Planted {
    /// Changes the tree. What an earlier change removed is left alone.
    pub fn disturb(&self, change: &Disturbance) -> io::Result<()> {
        if self.sources.is_empty() {
            return Ok(());
        }
        let at = below(&self.exec_root, &change.at.get(&self.sources).path);
        let to = below(&self.exec_root, &change.to.get(&self.sources).path);
        match change.kind {
            DisturbanceKind::Remove => fs::remove_file(&at),
            DisturbanceKind::BecomeFile => {
                fs::remove_file(&at)?;
                fs::write(&at, b"new")
            }
            DisturbanceKind::BecomeLink => {
                fs::remove_file(&at)?;
                plant_link(&at, to.as_os_str().as_bytes())
            }
            DisturbanceKind::LinkDirectory => {
                let directory = at.parent().expect("a source is in a directory");
                if directory == self.exec_root {
                    return Ok(());
                }
                let moved = directory.with_extension("moved");
                fs::rename(directory, &moved)?;
                plant_link(directory, moved.file_name().expect("it has a name").as_bytes())
            }
        }
    }
}

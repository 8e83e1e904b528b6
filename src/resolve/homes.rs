//! The homes of rows: every source is walked to its home, once for each directory of sources.
//!
//! Staging (docs/design.md, "Terms") moves the root: what Bazel put before a source is an absolute link
//! whose target ends in `/` + the source, so the source is walked again below what is left of the
//! target. A link that is put so before a directory of the source moves the root in the same way.
//! Linked directories are counted below the last root, so that the count does not depend on how a row is staged.

use std::borrow::Cow;

use hashbrown::HashMap;

use super::archive::{Archive, RowId};
use super::follow::{self, Landing, MOST_LINKS};
use super::inputs::Inputs;
use super::sources::{SourceDirectory, Sources};
use super::tree::{Directory, Entered, Entry, Stopped, Tree, Wanted};
use crate::mtree::Kind;
use crate::path;

/// The home of a row. Its name there is always the last part of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    /// What is there, or why that is not known.
    pub at_home: AtHome,
    /// The directory of the home location, if it is known.
    pub directory: Directory,
    /// How many links the kernel follows on the way to that directory.
    pub linked: u32,
    root: RootId,
}

impl Home {
    /// Whether the home is known, and what is there.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.at_home, AtHome::NotASymlink | AtHome::Symlink)
    }
}

/// What is at a row's home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtHome {
    /// The row takes no part.
    NoPart,
    /// Nothing (design rule 8).
    Absent,
    /// A directory on the way cannot be searched (design rule 8).
    Unreadable,
    /// More links on the way than the kernel follows (design rule 9).
    SymlinkLoop,
    /// A file, or anything else that is no symlink.
    NotASymlink,
    /// A symlink.
    Symlink,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RootId(u32);

/// A directory that sources are walked from: the request's root, and each that staging moves it to.
struct Root {
    steps: HashMap<SourceDirectory, Step>,
}

/// The result of walking to a directory of sources, below one root.
#[derive(Clone, Copy, Debug)]
enum Step {
    Directory {
        directory: Directory,
        linked: u32,
        /// The nearest directory on the way, itself included, that is a link of its author.
        link: Option<SourceDirectory>,
    },
    Moved(RootId),
    Absent,
    Unreadable,
    SymlinkLoop,
}

/// A row's source was looked up at the location of its name in `directory`, and is staged there.
struct Staging {
    row: RowId,
    directory: Directory,
    to: RootId,
}

/// A directory of sources that is a link of its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkedDirectory<'s> {
    /// Its path, as sources spell it.
    pub path: &'s [u8],
    /// The directory that it is in.
    pub directory: Directory,
}

/// The homes of all rows.
pub(super) struct Homes<'s> {
    sources: Sources<'s>,
    homes: Vec<Home>,
    roots: Vec<Root>,
    by_text: HashMap<Vec<u8>, RootId>,
    /// By the number of stagings before: those that come next, in the order of rows.
    stagings: Vec<Vec<Staging>>,
}

const NOT_WALKED: Home =
    Home { at_home: AtHome::NoPart, directory: Directory(u32::MAX), linked: 0, root: RootId(0) };

impl<'s> Homes<'s> {
    /// Walks every source of `archive` that is among `inputs`, or below one, in `tree`.
    pub(super) fn find(
        archive: &Archive<'s>,
        inputs: Option<&Inputs>,
        tree: &mut impl Tree,
    ) -> Result<Self, Stopped> {
        let mut homes = Self {
            sources: Sources::new(archive, inputs),
            homes: vec![NOT_WALKED; archive.all().count()],
            roots: Vec::new(),
            by_text: HashMap::default(),
            stagings: Vec::new(),
        };
        if tree.takes_names() {
            homes.sources.gather_names(archive);
        }
        // Mostly everything is found below the first root.
        let mut first = Root { steps: HashMap::with_capacity(homes.sources.count()) };
        let root = tree.root();
        first.steps.insert(
            SourceDirectory::ROOT,
            Step::Directory { directory: root, linked: 0, link: None },
        );
        first.steps.insert(SourceDirectory::TOP, entered(tree.top()?, 0, None));
        homes.roots.push(first);
        tree.read_all(&[(root, homes.sources.lookups(SourceDirectory::ROOT))])?;

        let rows: Vec<_> = archive.all().filter(|&row| archive.takes_part(row)).collect();
        let mut round = vec![(RootId(0), rows)];
        while !round.is_empty() && homes.stagings.len() as u32 <= MOST_LINKS {
            let mut next: HashMap<RootId, Vec<RowId>> = HashMap::new();
            let mut staged = Vec::new();
            for (root, rows) in round {
                homes.walk_rows(archive, tree, root, &rows, &mut next, &mut staged)?;
            }
            staged.sort_unstable_by_key(|staging| staging.row);
            homes.stagings.push(staged);
            round = next.into_iter().collect();
            round.sort_unstable_by_key(|(_, rows)| rows[0]);
        }
        for row in round.into_iter().flat_map(|(_, rows)| rows) {
            homes.homes[row.index()].at_home = AtHome::SymlinkLoop;
        }
        Ok(homes)
    }

    /// Whether relative sources of files were found, and no symlink is at one of them or on the way to one.
    pub(super) fn have_no_symlink(&self, archive: &Archive<'s>) -> bool {
        if self.roots.len() > 1 {
            return false;
        }
        let may_be_staged = |row: &RowId| {
            self.of(*row).is_known()
                && archive.get(*row).1.kind() == Kind::File
                && !archive.source(*row).starts_with(b"/")
        };
        let mut files = archive.all().filter(may_be_staged).map(|row| self.of(row)).peekable();
        files.peek().is_some()
            && files.all(|home| home.at_home != AtHome::Symlink && home.linked == 0)
    }

    /// The home of a row.
    pub(super) fn of(&self, row: RowId) -> Home {
        self.homes[row.index()]
    }

    /// The directories in which a row's name is a staging location of it, each with the row.
    pub(super) fn stagings(&self) -> impl Iterator<Item = (RowId, Directory)> {
        self.stagings.iter().flatten().map(|staging| (staging.row, staging.directory))
    }

    /// The directories in which the name of `row` is a staging location of it, in order.
    pub(super) fn stagings_of(&self, row: RowId) -> impl Iterator<Item = Directory> {
        self.stagings.iter().filter_map(move |staged| {
            let at = staged.binary_search_by_key(&row, |staging| staging.row).ok()?;
            Some(staged[at].directory)
        })
    }

    /// The directories on the way to a row's home that are links of their author, innermost first: the
    /// text of the directory's path, and its location.
    pub(super) fn linked_directories(
        &self,
        row: RowId,
    ) -> impl Iterator<Item = LinkedDirectory<'s>> + '_ {
        let home = self.of(row);
        let mut next = if home.is_known() { self.sources.of(row) } else { None };
        std::iter::from_fn(move || {
            let Step::Directory { link, .. } = self.step(home.root, next?)? else {
                return None;
            };
            let source = link?;
            next = self.sources.parent(source);
            let directory = self.location(home.root, source)?;
            Some(LinkedDirectory { path: self.sources.path(source), directory })
        })
    }

    /// The home location of the directory of sources that is `up` directories above the one that the
    /// source of `row` is in: the directory that it is in, and its name there.
    pub(super) fn directory_home(&self, row: RowId, up: usize) -> Option<(Directory, &'s [u8])> {
        let source = self.climb(row, up)?;
        Some((self.location(self.of(row).root, source)?, self.sources.name(source)))
    }

    /// Whether that directory of sources is known at a location: its home, or where it is staged.
    pub(super) fn directory_known_at(
        &self,
        row: RowId,
        up: usize,
        directory: Directory,
        name: &[u8],
    ) -> bool {
        self.climb(row, up).is_some_and(|source| self.sources.name(source) == name)
            && self.directory_locations(row, up).any(|known| known == directory)
    }

    /// The directories in which the name of that directory of sources is a location of it: its home, and
    /// where it is staged.
    pub(super) fn directory_locations(
        &self,
        row: RowId,
        up: usize,
    ) -> impl Iterator<Item = Directory> + '_ {
        let source = self.climb(row, up);
        self.roots_of(row).filter_map(move |root| self.location(root, source?))
    }

    /// The roots that the source of `row` was walked from, in order.
    fn roots_of(&self, row: RowId) -> impl Iterator<Item = RootId> + '_ {
        let mut stagings = self.stagings.iter();
        let mut last: Option<(RootId, &Vec<Staging>)> = None;
        std::iter::from_fn(move || {
            let root = match last {
                None => RootId(0),
                Some((root, staged)) => match self.step(root, self.sources.of(row)?) {
                    Some(Step::Moved(to)) => to,
                    _ => staged[staged.binary_search_by_key(&row, |staging| staging.row).ok()?].to,
                },
            };
            last = Some((root, stagings.next()?));
            Some(root)
        })
    }

    fn climb(&self, row: RowId, up: usize) -> Option<SourceDirectory> {
        let source = self.sources.of(row)?;
        (0..up).try_fold(source, |source, _| self.sources.parent(source))
    }

    fn step(&self, root: RootId, source: SourceDirectory) -> Option<Step> {
        self.roots[root.0 as usize].steps.get(&source).copied()
    }

    /// The directory that `source` is in, below `root`.
    fn location(&self, root: RootId, source: SourceDirectory) -> Option<Directory> {
        match self.step(root, self.sources.parent(source)?)? {
            Step::Directory { directory, .. } => Some(directory),
            _ => None,
        }
    }

    /// Walks rows below one root. Those that are staged there go to `next`.
    fn walk_rows(
        &mut self,
        archive: &Archive<'s>,
        tree: &mut impl Tree,
        root: RootId,
        rows: &[RowId],
        next: &mut HashMap<RootId, Vec<RowId>>,
        staged: &mut Vec<Staging>,
    ) -> Result<(), Stopped> {
        self.walk_directories(tree, root, rows)?;
        // Rows of one directory are mostly consecutive.
        let mut last: Option<(SourceDirectory, Step)> = None;
        for &row in rows {
            let Some(source) = self.sources.of(row) else {
                self.homes[row.index()].at_home = AtHome::Absent;
                continue;
            };
            let step = match last {
                Some((directory, step)) if directory == source => step,
                _ => self.step(root, source).unwrap_or(Step::Absent),
            };
            last = Some((source, step));
            let mut home = Home { root, ..NOT_WALKED };
            home.at_home = match step {
                Step::Absent => AtHome::Absent,
                Step::Unreadable => AtHome::Unreadable,
                Step::SymlinkLoop => AtHome::SymlinkLoop,
                Step::Moved(to) => {
                    next.entry(to).or_default().push(row);
                    continue;
                }
                Step::Directory { directory, linked, .. } => {
                    home.directory = directory;
                    home.linked = linked;
                    let path = archive.source(row);
                    match tree.entry(directory, self.sources.name_in(source, path))? {
                        Entry::Absent => AtHome::Absent,
                        Entry::Unreadable => AtHome::Unreadable,
                        Entry::Plain(()) => AtHome::NotASymlink,
                        Entry::Symlink(text) => match staging_root(text, path) {
                            None => AtHome::Symlink,
                            Some(text) => {
                                let to = match self.by_text.get(&*text) {
                                    Some(&known) => known,
                                    None => {
                                        let text = text.into_owned();
                                        self.new_root(tree, text)?
                                    }
                                };
                                staged.push(Staging { row, directory, to });
                                next.entry(to).or_default().push(row);
                                continue;
                            }
                        },
                    }
                }
            };
            self.homes[row.index()] = home;
        }
        Ok(())
    }

    /// Walks to the directories of `rows` below one root, all of one depth at a time, so that the tree
    /// can read them at once.
    fn walk_directories(
        &mut self,
        tree: &mut impl Tree,
        root: RootId,
        rows: &[RowId],
    ) -> Result<(), Stopped> {
        for level in self.not_walked(root, rows) {
            let mut waiting = Vec::with_capacity(level.len());
            let mut followed = Vec::new();
            for source in level {
                let parent = self.sources.parent(source).and_then(|parent| self.step(root, parent));
                let step = match parent {
                    Some(Step::Directory { directory, linked, link }) => {
                        if self.sources.name(source) != b".." {
                            waiting.push((source, directory, linked, link));
                            continue;
                        }
                        let path = self.sources.path(source);
                        if root != RootId(0) && path::without_leading_ups(path).is_empty() {
                            // Where staging moved the root to, the source is below it without these.
                            Step::Directory { directory, linked, link }
                        } else {
                            entered(tree.above(directory)?, linked, link)
                        }
                    }
                    Some(other) => other,
                    None => Step::Absent,
                };
                if let Step::Directory { directory, .. } = step {
                    followed.push((directory, self.sources.lookups(source)));
                }
                self.roots[root.0 as usize].steps.insert(source, step);
            }
            let sources = &self.sources;
            let wanted = waiting.iter().map(|&(source, parent, ..)| Wanted {
                parent,
                name: sources.name(source),
                lookups: sources.lookups(source),
                names: sources.names(source),
            });
            let entered_all = tree.enter_all(&wanted.collect::<Vec<_>>())?;
            for ((source, parent, linked, link), entry) in waiting.into_iter().zip(entered_all) {
                let step = match entry {
                    Entry::Absent => Step::Absent,
                    Entry::Unreadable => Step::Unreadable,
                    Entry::Plain(directory) => entered(directory, linked, link),
                    Entry::Symlink(text) => {
                        let step = self.follow(tree, source, parent, &text, linked)?;
                        if let Step::Directory { directory, .. } = step {
                            followed.push((directory, self.sources.lookups(source)));
                        }
                        step
                    }
                };
                self.roots[root.0 as usize].steps.insert(source, step);
            }
            tree.read_all(&followed)?;
        }
        Ok(())
    }

    /// The directories of `rows` that were not walked to below `root`, by depth.
    fn not_walked(&mut self, root: RootId, rows: &[RowId]) -> Vec<Vec<SourceDirectory>> {
        let steps = &mut self.roots[root.0 as usize].steps;
        let mut levels: Vec<Vec<SourceDirectory>> = Vec::new();
        let mut last = None;
        for &row in rows {
            let source = self.sources.of(row);
            if source == std::mem::replace(&mut last, source) {
                continue;
            }
            let mut next = source;
            while let Some(source) = next.filter(|source| !steps.contains_key(source)) {
                steps.insert(source, Step::Absent);
                let depth = self.sources.depth(source);
                levels.resize_with(levels.len().max(depth + 1), Vec::new);
                levels[depth].push(source);
                next = self.sources.parent(source);
            }
        }
        levels
    }

    /// The step to a directory of sources that is a link with `text` in `directory`.
    fn follow(
        &mut self,
        tree: &mut impl Tree,
        source: SourceDirectory,
        directory: Directory,
        text: &[u8],
        linked: u32,
    ) -> Result<Step, Stopped> {
        if let Some(text) = staging_root(text, self.sources.path(source)) {
            return Ok(Step::Moved(match self.by_text.get(&*text) {
                Some(&known) => known,
                None => self.new_root(tree, text.into_owned())?,
            }));
        }
        let mut linked = linked + 1;
        Ok(match follow::land_in(tree, directory, text, &mut linked)? {
            Landing::SymlinkLoop => Step::SymlinkLoop,
            _ if linked > MOST_LINKS => Step::SymlinkLoop,
            Landing::Directory(directory) => {
                Step::Directory { directory, linked, link: Some(source) }
            }
            Landing::Unreadable => Step::Unreadable,
            Landing::Nowhere | Landing::Location(..) => Step::Absent,
        })
    }

    /// A root that staging moves sources to: `text` is an absolute path.
    fn new_root(&mut self, tree: &mut impl Tree, text: Vec<u8>) -> Result<RootId, Stopped> {
        let step = match tree.top()? {
            Entered::Directory(top) => match follow::land_in(tree, top, &text, &mut 0)? {
                Landing::Directory(directory) => {
                    Step::Directory { directory, linked: 0, link: None }
                }
                Landing::Unreadable => Step::Unreadable,
                Landing::SymlinkLoop => Step::SymlinkLoop,
                Landing::Nowhere | Landing::Location(..) => Step::Absent,
            },
            other => entered(other, 0, None),
        };
        if let Step::Directory { directory, .. } = step {
            tree.read_all(&[(directory, self.sources.lookups(SourceDirectory::ROOT))])?;
        }
        let id = RootId(self.roots.len() as u32);
        self.roots.push(Root { steps: HashMap::from_iter([(SourceDirectory::ROOT, step)]) });
        self.by_text.insert(text, id);
        Ok(id)
    }
}

fn entered(entered: Entered, linked: u32, link: Option<SourceDirectory>) -> Step {
    match entered {
        Entered::Directory(directory) => Step::Directory { directory, linked, link },
        Entered::NotADirectory => Step::Absent,
        Entered::Unreadable => Step::Unreadable,
    }
}

/// What a staging link with `text` before `source` leaves of its target: the root that the source
/// is found below. `None` if the link is no staging. Leading `..` of the source do not count: with sibling
/// repositories, sources are `../REPOSITORY/…`.
fn staging_root<'t>(text: &'t [u8], source: &[u8]) -> Option<Cow<'t, [u8]>> {
    if !text.starts_with(b"/") || source.starts_with(b"/") {
        return None;
    }
    let source = path::without_leading_ups(source);
    if let Some(root) = path::without(text, source) {
        return Some(Cow::Borrowed(root));
    }
    // A target that is spelled otherwise, such as `/execroot/./source`.
    let mut normal = Vec::with_capacity(text.len());
    for part in path::parts(text) {
        normal.push(b'/');
        normal.extend_from_slice(part);
    }
    let root = path::without(&normal, source)?.len();
    normal.truncate(root);
    Some(Cow::Owned(normal))
}

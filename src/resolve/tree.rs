//! The questions of resolving to a tree. A file system answers them (`crate::fs`), or a test.
//!
//! Knows directories by numbers and names by bytes; must not know paths, devices or inodes.

/// A directory of a tree, by the number that the tree gave it: one number for one directory, however it
/// was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Directory(pub u32);

/// What is at a location. A symlink holds its text as `L`; what is no symlink holds what else is known of it
/// as `P`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<L, P = ()> {
    /// Nothing.
    Absent,
    /// Anything but a symlink.
    Plain(P),
    /// A symlink.
    Symlink(L),
    /// The directory cannot be searched.
    Unreadable,
}

impl<L: std::ops::Deref, P: Copy> Entry<L, P> {
    /// The same, with the text borrowed.
    pub fn as_deref(&self) -> Entry<&L::Target, P> {
        match self {
            Self::Absent => Entry::Absent,
            Self::Plain(known) => Entry::Plain(*known),
            Self::Symlink(text) => Entry::Symlink(text),
            Self::Unreadable => Entry::Unreadable,
        }
    }
}

impl<L, P> Entry<L, P> {
    /// The same, with the text as `text` makes it.
    pub fn map_text<M>(self, text: impl FnOnce(L) -> M) -> Entry<M, P> {
        match self {
            Self::Absent => Entry::Absent,
            Self::Plain(known) => Entry::Plain(known),
            Self::Symlink(link) => Entry::Symlink(text(link)),
            Self::Unreadable => Entry::Unreadable,
        }
    }

    /// The same, without what else is known of what is no symlink.
    pub fn without_known(self) -> Entry<L> {
        match self {
            Self::Absent => Entry::Absent,
            Self::Plain(_) => Entry::Plain(()),
            Self::Symlink(link) => Entry::Symlink(link),
            Self::Unreadable => Entry::Unreadable,
        }
    }
}

/// The result of entering a location that is no symlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// A directory.
    Directory(Directory),
    /// Nothing, or no directory.
    NotADirectory,
    /// It, or the directory that it is in, cannot be searched.
    Unreadable,
}

/// A directory that is wanted, and what will be looked up in it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'n> {
    /// The directory that it is in.
    pub parent: Directory,
    /// Its name there.
    pub name: &'n [u8],
    /// About how many of its names will be looked up.
    pub lookups: u32,
    /// Those names, but for directories that will be wanted, if the tree [takes](Tree::takes_names) them.
    /// A name may occur twice.
    pub names: &'n [&'n [u8]],
}

/// What is where a directory was wanted. What is no symlink was entered.
pub type EnteredEntry = Entry<Vec<u8>, Entered>;

/// Why a tree gives no more answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The request was cancelled.
    Cancelled,
    /// The file system failed.
    Failed {
        /// The path of the failed system call.
        path: Vec<u8>,
        /// What the system said.
        reason: String,
    },
}

/// A tree of directories, as it is during one request: the same question has the same answer.
pub trait Tree {
    /// The directory that sources are relative to.
    fn root(&self) -> Directory;

    /// Whether the tree uses the names in [`Wanted`], which take time to collect.
    fn takes_names(&self) -> bool {
        false
    }

    /// The directory `/`.
    fn top(&mut self) -> Result<Entered, Stopped>;

    /// The directory that `directory` is in; `/` is in itself.
    fn above(&mut self, directory: Directory) -> Result<Entered, Stopped>;

    /// The location of `directory`: the directory that it is in, and its name there. `None` for `/` and the root.
    fn location(&self, directory: Directory) -> Option<(Directory, &[u8])>;

    /// What is at `name` in `directory`.
    fn entry(&mut self, directory: Directory, name: &[u8]) -> Result<Entry<&[u8]>, Stopped>;

    /// Enters `name` in `directory`, which is no symlink.
    fn enter(&mut self, directory: Directory, name: &[u8]) -> Result<Entered, Stopped>;

    /// Enters many directories, and returns what is at each of their locations. A tree that can reads them at
    /// once, with the names that will be looked up.
    fn enter_all(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<EnteredEntry>, Stopped> {
        let enter = |&Wanted { parent, name, .. }: &Wanted<'_>| {
            Ok(match self.entry(parent, name)? {
                Entry::Absent => Entry::Absent,
                Entry::Unreadable => Entry::Unreadable,
                Entry::Plain(()) => Entry::Plain(self.enter(parent, name)?),
                Entry::Symlink(text) => Entry::Symlink(text.to_vec()),
            })
        };
        wanted.iter().map(enter).collect()
    }

    /// Reads directories that were entered otherwise, each with the number of names that will be looked up.
    fn read_all(&mut self, _directories: &[(Directory, u32)]) -> Result<(), Stopped> {
        Ok(())
    }
}

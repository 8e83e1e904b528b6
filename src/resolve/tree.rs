//! What resolving asks of a tree. A file system answers (`crate::fs`), or a test.
//!
//! Knows directories by numbers and names by bytes; must not know paths, devices or inodes.

/// A directory of a tree, by the number that the tree gave it: one number for one directory, however it
/// was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Directory(pub u32);

/// What stands at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'t> {
    /// Nothing.
    Absent,
    /// Anything but a symlink.
    Plain,
    /// A symlink, with its text.
    Link(&'t [u8]),
    /// The directory does not let itself be asked.
    Unknown,
}

/// What entering a location that holds no symlink came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// A directory.
    Directory(Directory),
    /// Nothing, or no directory.
    NotADirectory,
    /// It, or the directory that it is in, does not let itself be asked.
    Unknown,
}

/// A directory that is wanted, and what will be asked for in it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'n> {
    /// The directory that it is in.
    pub parent: Directory,
    /// Its name there.
    pub name: &'n [u8],
    /// How many of its names will be asked for, or thereabouts.
    pub asked: u32,
    /// Those names, but for directories that will be wanted, if the tree [takes](Tree::takes_names) them.
    /// One may stand here twice.
    pub names: &'n [&'n [u8]],
}

/// What stands where a directory was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Met {
    /// Nothing.
    Absent,
    /// No symlink, and what entering it came to.
    Plain(Entered),
    /// A symlink, with its text: it was not entered.
    Link(Vec<u8>),
    /// The directory that it should be in does not let itself be asked.
    Unknown,
}

/// Why a tree gives no more answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The request was cancelled.
    Cancelled,
    /// The file system failed.
    Failed {
        /// What was asked for.
        path: Vec<u8>,
        /// What the system said.
        reason: String,
    },
}

/// A tree of directories, as it is during one request: the same question has the same answer.
pub trait Tree {
    /// The directory that sources are relative to.
    fn root(&self) -> Directory;

    /// Whether it is of use to tell it which names will be asked for: that takes time to find out.
    fn takes_names(&self) -> bool {
        false
    }

    /// The directory `/`.
    fn top(&mut self) -> Result<Entered, Stopped>;

    /// The directory that `directory` is in; `/` is in itself.
    fn above(&mut self, directory: Directory) -> Result<Entered, Stopped>;

    /// Where `directory` lives: the directory that it is in, and its name there. `None` for `/` and the root.
    fn place(&self, directory: Directory) -> Option<(Directory, &[u8])>;

    /// What stands at `name` in `directory`.
    fn entry(&mut self, directory: Directory, name: &[u8]) -> Result<Entry<'_>, Stopped>;

    /// Enters `name` in `directory`, which is no symlink.
    fn enter(&mut self, directory: Directory, name: &[u8]) -> Result<Entered, Stopped>;

    /// Enters many directories, and tells what stands where each of them was wanted. A tree that can
    /// do so reads them at once, with what will be asked for.
    fn enter_all(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<Met>, Stopped> {
        let meet = |&Wanted { parent, name, .. }: &Wanted<'_>| {
            Ok(match self.entry(parent, name)? {
                Entry::Absent => Met::Absent,
                Entry::Unknown => Met::Unknown,
                Entry::Plain => Met::Plain(self.enter(parent, name)?),
                Entry::Link(text) => Met::Link(text.to_vec()),
            })
        };
        wanted.iter().map(meet).collect()
    }

    /// Reads directories that were entered otherwise, each with the number of names that will be asked for.
    fn read_all(&mut self, _directories: &[(Directory, u32)]) -> Result<(), Stopped> {
        Ok(())
    }
}

//! Trees as Debian, PyPI and npm install them: packed with copies and with links, unpacked, and
//! compared byte for byte. The sizes of the archives are always printed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fmt::Debug,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use worker_tests::{
    program,
    real_tree::{self, Located},
};

#[test]
fn a_virtual_environment_keeps_its_bytes() {
    check(real_tree::virtual_environment(kept()));
}

#[test]
fn a_pnpm_node_modules_keeps_its_bytes() {
    check(real_tree::pnpm_packages(kept()));
}

#[test]
fn an_llvm_keeps_its_bytes() {
    check(real_tree::llvm());
}

#[test]
fn a_jdk_keeps_its_bytes() {
    check(real_tree::jdk());
}

#[test]
fn the_multiarch_libraries_keep_their_bytes() {
    check(real_tree::multiarch_libraries());
}

#[test]
fn a_cpython_keeps_its_bytes() {
    check(real_tree::cpython());
}

/// Where trees are installed and archives unpacked: on the disk, which `/tmp` need not be.
fn kept() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn check(tree: Located) {
    let tree = tree.unwrap_or_else(|what_to_do| panic!("{what_to_do}"));
    let tree = ok(&tree, tree.canonicalize());
    let scratch = tempfile::tempdir_in(kept()).expect("a scratch directory can be made");
    let scratch = scratch.path();
    let above = tree.parent().expect("a tree is in a directory");
    let files = glob(&tree);

    let spec = scratch.join("copies.mtree");
    ok(&spec, fs::write(&spec, spec_of(&files, &tree)));
    let inspected = scratch.join("links.mtree");
    let shown = run(above, &[&"inspect", &tree, &"--spec", &inspected]);
    let resolved = scratch.join("resolved.mtree");
    run(above, &[&"resolve", &"--mtree", &spec, &"--out", &resolved]);
    same(&rows(&inspected, above), &rows(&resolved, above), "inspect and resolve write");
    let staged = scratch.join("staged.mtree");
    let sandbox = scratch.join("sandbox");
    stage(&files, &tree, &sandbox);
    run(&sandbox, &[&"resolve", &"--mtree", &spec, &"--out", &staged]);
    ok(&sandbox, fs::remove_dir_all(&sandbox));
    same(
        &rows(&staged, above),
        &rows(&resolved, above),
        "in a sandbox and outside, resolve writes",
    );

    let copies = Packed::new(&spec, above, scratch.join("copies"));
    let links = Packed::new(&inspected, above, scratch.join("links"));
    let count = links.links().len();
    say(&format!(
        "{}: {} rows, {:.1} MB with copies -> {:.1} MB with {count} links\n",
        tree.display(),
        files.len(),
        megabytes(copies.size),
        megabytes(links.size),
    ));
    says_the_sizes(&shown, &copies, &links);
    no_link_leads_out(&links);
    nothing_is_stored_twice(&files, &tree, &links);
    unpacks_alike(&files, &copies, &links);
}

/// A file below a directory, as it is seen through links.
struct Seen {
    path: PathBuf,
    mode: u32,
    size: u64,
}

/// What Bazel's `glob(["**"])` finds below `directory`, by path: the files, those below linked directories
/// too, but no symlink loop; not dangling links.
fn glob(directory: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut files = BTreeMap::new();
    let top = ok(directory, directory.metadata());
    enter(directory, Path::new(""), &mut vec![(top.dev(), top.ino())], &mut files);
    files
}

fn enter(
    directory: &Path,
    below: &Path,
    inside: &mut Vec<(u64, u64)>,
    files: &mut BTreeMap<PathBuf, Seen>,
) {
    for entry in ok(directory, fs::read_dir(directory)) {
        let entry = ok(directory, entry);
        let (path, below) = (entry.path(), below.join(entry.file_name()));
        let stat = match path.metadata() {
            Err(_) if path.is_symlink() => continue,
            stat => ok(&path, stat),
        };
        let identity = (stat.dev(), stat.ino());
        if stat.is_file() {
            let mode = stat.permissions().mode() & 0o7777;
            files.insert(below, Seen { path, mode, size: stat.len() });
        } else if stat.is_dir() && !inside.contains(&identity) {
            inside.push(identity);
            enter(&path, &below, inside, files);
            inside.pop();
        }
    }
}

/// Makes a sandbox as Bazel does: real directories, and for every source an absolute link.
fn stage(files: &BTreeMap<PathBuf, Seen>, tree: &Path, sandbox: &Path) {
    let below_sandbox = sandbox.join(tree.file_name().expect("a tree has a name"));
    for (below, file) in files {
        let staged = below_sandbox.join(below);
        let directory = staged.parent().expect("a source is in a directory");
        ok(directory, fs::create_dir_all(directory));
        ok(&staged, symlink(&file.path, &staged));
    }
}

/// The spec of `files` with sources relative to the directory that `tree` is in.
fn spec_of(files: &BTreeMap<PathBuf, Seen>, tree: &Path) -> Vec<u8> {
    let mut spec = Vec::new();
    let name = Path::new(tree.file_name().expect("a tree has a name"));
    for (below, file) in files {
        spec.extend_from_slice(b"./");
        escape(below, &mut spec);
        let mode = file.mode;
        let keywords = format!(" uid=0 gid=0 time=1672560000 mode={mode:04o} type=file content=");
        spec.extend_from_slice(keywords.as_bytes());
        escape(&name.join(below), &mut spec);
        spec.push(b'\n');
    }
    spec
}

fn escape(path: &Path, spec: &mut Vec<u8>) {
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'\\' | b'#' | b'=' => spec.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            byte if byte.is_ascii_graphic() => spec.push(*byte),
            byte => spec.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
}

/// The rows of a spec, with sources relative to `above` if they are below it.
fn rows(spec: &Path, above: &Path) -> BTreeSet<Vec<u8>> {
    let mut absolute = b" content=".to_vec();
    escape(&above.join(""), &mut absolute);
    let text = ok(spec, fs::read(spec));
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let rows =
        lines.map(|line| match line.windows(absolute.len()).position(|part| part == absolute) {
            Some(at) => [&line[..at], b" content=", &line[at + absolute.len()..]].concat(),
            None => line.to_vec(),
        });
    rows.collect()
}

/// An archive that bsdtar made and unpacked again.
struct Packed {
    directory: PathBuf,
    /// Of the archive, in bytes.
    size: u64,
}

impl Packed {
    /// Packs `spec` in `above`, and unpacks the archive in `directory` while it is written.
    fn new(spec: &Path, above: &Path, directory: PathBuf) -> Packed {
        ok(&directory, fs::create_dir(&directory));
        let mut of_spec = std::ffi::OsString::from("@");
        of_spec.push(spec);
        let mut pack = bsdtar(above, &[OsStr::new("-cf"), OsStr::new("-"), &of_spec])
            .stdout(Stdio::piped())
            .spawn()
            .expect("bsdtar starts: apt-get install libarchive-tools");
        let mut unpack = bsdtar(&directory, &[OsStr::new("-xf"), OsStr::new("-")])
            .stdin(Stdio::piped())
            .spawn()
            .expect("bsdtar starts");
        let mut archive = pack.stdout.take().expect("bsdtar writes the archive");
        let mut unpacked = unpack.stdin.take().expect("bsdtar reads the archive");
        let size = io::copy(&mut archive, &mut unpacked).expect("the archive is written");
        drop(unpacked);
        for (mut bsdtar, what) in [(pack, "packed"), (unpack, "unpacked")] {
            let ended = bsdtar.wait().expect("bsdtar ends");
            assert!(ended.success(), "{} is not {what}: {ended}", spec.display());
        }
        Packed { directory, size }
    }

    /// The symlinks that were unpacked.
    fn links(&self) -> Vec<PathBuf> {
        let links = self.entries().into_iter().filter(|(_, stat)| stat.is_symlink());
        links.map(|(path, _)| path).collect()
    }

    /// What was unpacked, nothing followed.
    fn entries(&self) -> Vec<(PathBuf, fs::Metadata)> {
        let (mut entries, mut directories) = (Vec::new(), vec![self.directory.clone()]);
        while let Some(directory) = directories.pop() {
            for entry in ok(&directory, fs::read_dir(&directory)) {
                let path = ok(&directory, entry).path();
                let stat = ok(&path, path.symlink_metadata());
                if stat.is_dir() {
                    directories.push(path.clone());
                }
                entries.push((path, stat));
            }
        }
        entries
    }
}

fn bsdtar(directory: &Path, arguments: &[&OsStr]) -> Command {
    let mut command = Command::new("bsdtar");
    // Names are bytes to mtree, but characters to tar's long names.
    command.args(arguments).current_dir(directory).env("LC_ALL", "C.UTF-8");
    command
}

/// `inspect` predicts the sizes of both archives, except for what only bsdtar decides: further headers
/// for long names, and hard links to them.
fn says_the_sizes(shown: &str, copies: &Packed, links: &Packed) {
    for (what, packed) in [("with copies", copies), ("with links", links)] {
        let line = shown.lines().find_map(|line| line.strip_prefix(what)).expect(what);
        let said: f64 = line.trim().trim_end_matches(" MB").parse().expect("a number of MB");
        let made = megabytes(packed.size);
        let off = (said - made).abs();
        assert!(off < 0.1 + 0.02 * made, "inspect says {what} {said} MB, bsdtar makes {made} MB");
    }
}

/// Every link leads to something, and within what was unpacked.
fn no_link_leads_out(packed: &Packed) {
    let directory = ok(&packed.directory, packed.directory.canonicalize());
    for link in packed.links() {
        let end = ok(&link, link.canonicalize());
        assert!(end.starts_with(&directory), "{} leads to {}", link.display(), end.display());
    }
}

/// A file that the tree has once is in the archive once. A file outside of the tree may be there once for each link
/// to it (design rule 3).
fn nothing_is_stored_twice(files: &BTreeMap<PathBuf, Seen>, tree: &Path, packed: &Packed) {
    let needed = |file: &&Seen| {
        let home = ok(&file.path, file.path.canonicalize());
        home == file.path || !home.starts_with(tree)
    };
    let most: u64 = files.values().filter(needed).map(|file| file.size).sum();
    let entries = packed.entries().into_iter().filter(|(_, stat)| stat.is_file());
    let stored: u64 = entries.map(|(_, stat)| stat.len()).sum();
    assert!(stored <= most, "{stored} bytes are stored, {most} are enough");
}

/// Under every path of the tree, and under no other, both archives have the same bytes and mode.
fn unpacks_alike(files: &BTreeMap<PathBuf, Seen>, copies: &Packed, links: &Packed) {
    let (copies, links) = (glob(&copies.directory), glob(&links.directory));
    let paths: BTreeSet<_> = files.keys().collect();
    same(&paths, &copies.keys().collect(), "the tree and the archive with copies have");
    same(&paths, &links.keys().collect(), "the tree and the archive with links have");
    for (below, copy) in &copies {
        let link = &links[below];
        assert_eq!(copy.mode, link.mode, "the mode of {}", below.display());
        assert!(same_bytes(&copy.path, &link.path), "the bytes of {}", below.display());
    }
}

fn same_bytes(one: &Path, other: &Path) -> bool {
    let (mut here, mut there) = (ok(one, File::open(one)), ok(other, File::open(other)));
    let (mut some, mut others) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    loop {
        let length = ok(one, here.read(&mut some));
        if length == 0 {
            return ok(other, there.read(&mut others)) == 0;
        }
        if there.read_exact(&mut others[..length]).is_err() || some[..length] != others[..length] {
            return false;
        }
    }
}

fn same<T: Ord + Debug>(one: &BTreeSet<T>, other: &BTreeSet<T>, what: &str) {
    let differ: Vec<_> = one.symmetric_difference(other).take(5).collect();
    assert!(differ.is_empty(), "{what} different ones, such as {differ:#?}");
}

fn run(directory: &Path, arguments: &[&dyn AsRef<OsStr>]) -> String {
    let arguments: Vec<&OsStr> = arguments.iter().map(|argument| argument.as_ref()).collect();
    let done = program::run(directory, &arguments);
    assert!(done.status.success(), "{arguments:?}: {}", program::said(&done));
    assert_eq!(program::said(&done), "", "{arguments:?} warns");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// Prints even where the output of tests is captured.
fn say(text: &str) {
    io::stderr().write_all(text.as_bytes()).expect("stderr can be written");
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn ok<T>(path: &Path, done: io::Result<T>) -> T {
    done.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

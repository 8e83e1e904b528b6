//! A real tree as a layer packs it: its rows, its spec, the digests of its contents.
//!
//! Nothing in the tree is changed: a file changes by a source elsewhere.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::client::{Input, WorkRequest};

/// A tree and its spec.
pub struct Tree {
    pub root: PathBuf,
    pub rows: Vec<Row>,
    /// Of the contents, in bytes.
    pub size: u64,
}

pub struct Row {
    /// All but the source, with the space behind.
    pub text: String,
    /// The source, if it has one, as it is and as a spec spells it.
    pub source: Option<(PathBuf, String)>,
    pub digest: String,
}

/// The machine, for a table of measurements.
pub fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("{}, {cores} cores, load {}", model.unwrap_or("a processor"), load.trim())
}

impl Tree {
    /// Reads every file below `root`.
    pub fn read(root: PathBuf) -> Tree {
        let mut tree = Tree { root, rows: Vec::new(), size: 0 };
        tree.walk(Path::new(""));
        tree
    }

    fn walk(&mut self, directory: &Path) {
        let mut names: Vec<_> = fs::read_dir(self.root.join(directory))
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        for name in names {
            let path = directory.join(name);
            let on_disk = self.root.join(&path);
            let metadata = fs::symlink_metadata(&on_disk).expect("it is there");
            let (kind, escaped) = (metadata.file_type(), escaped(&path));
            let mode = metadata.permissions().mode() & 0o7777;
            let keywords = format!("./{escaped} uid=0 gid=0 time=1672560000 mode={mode:o} nlink=1");
            let (text, source, digest) = if kind.is_dir() {
                (format!("{keywords} type=dir "), None, String::new())
            } else if kind.is_symlink() {
                let target = self::escaped(&fs::read_link(&on_disk).expect("a symlink"));
                (format!("{keywords} type=link link={target} "), None, String::new())
            } else if kind.is_file() {
                let digest = hex(&Sha256::digest(fs::read(&on_disk).expect("a file")));
                self.size += metadata.len();
                (format!("{keywords} type=file "), Some((path.clone(), escaped)), digest)
            } else {
                continue;
            };
            self.rows.push(Row { text, source, digest });
            if kind.is_dir() {
                self.walk(&path);
            }
        }
    }

    /// The spec, with another source for the row `changed`.
    pub fn spec(&self, changed: Option<(usize, &Path)>) -> String {
        let mut spec = String::from("#mtree\n");
        for (number, row) in self.rows.iter().enumerate() {
            spec += &row.text;
            if let Some((_, source)) = &row.source {
                spec += "content=";
                match changed {
                    Some((changed, other)) if changed == number => spec += &escaped(other),
                    _ => spec += source,
                }
            }
            spec.push('\n');
        }
        spec
    }

    /// The request with all inputs and their digests, as Bazel lists them.
    pub fn listed(&self, asked: WorkRequest, changed: Option<(usize, &Path)>) -> WorkRequest {
        let input = |path: &Path, digest: &str| Input {
            path: path.to_string_lossy().into_owned(),
            digest: digest.as_bytes().to_vec(),
            ..Input::default()
        };
        let rows = self.rows.iter().filter_map(|row| Some((row.source.as_ref()?, &row.digest)));
        let mut inputs: Vec<_> = rows.map(|((path, _), digest)| input(path, digest)).collect();
        if let Some((_, path)) = changed {
            let digest = hex(&Sha256::digest(fs::read(path).expect("a file")));
            inputs.push(input(path, &digest));
        }
        WorkRequest { inputs, ..asked }
    }

    /// The file row at a part of all: its number, and its content with another byte, at a path of its own.
    pub fn change(&self, at: f64, round: usize, out: &Path) -> (usize, PathBuf) {
        let files: Vec<_> =
            (0..self.rows.len()).filter(|&number| self.rows[number].source.is_some()).collect();
        let number = files[(files.len() as f64 * at) as usize];
        let source = &self.rows[number].source.as_ref().expect("a file").0;
        let mut content = fs::read(self.root.join(source)).expect("a file");
        content.push(round as u8);
        let path = out.join(format!("changed-{round}-{at}"));
        fs::write(&path, content).expect("it is written");
        (number, path)
    }
}

fn escaped(path: &Path) -> String {
    let escape = |&byte: &u8| match byte {
        byte if byte.is_ascii_graphic() && !b"\\#=".contains(&byte) => char::from(byte).to_string(),
        byte => format!("\\{byte:03o}"),
    };
    path.as_os_str().as_bytes().iter().map(escape).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! How long writing a layer takes, cold and after one edit, beside bsdtar on the same spec.
//!
//! `LAYER_TREE` names the tree, `/root/.pyenv/versions` unless it is set; `LAYER_OUT` a directory for the outputs;
//! `BSDTAR` another bsdtar. Each line: what, seconds, bytes, and its part of `bsdtar --gzip`'s time.

use std::fs::{self, File};
use std::io::Write;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

use mtree_worker::layer::{
    AssembledLayer, Codec, ContentIdentity, Device, DiskContents, EntryKind, FileContent,
    FileStamp, Functions, GzipLevel, Index, Job, LinkText, Listed, Opened, Permits, TarEntry, Time,
    ZstdLevel, archive_name, assemble,
};

fn main() {
    let tree = std::env::var_os("LAYER_TREE").unwrap_or_else(|| "/root/.pyenv/versions".into());
    let tree = PathBuf::from(tree);
    let out = std::env::var_os("LAYER_OUT").map_or_else(std::env::temp_dir, PathBuf::from);
    let (mut entries, mut spec) = (Vec::new(), b"#mtree\n".to_vec());
    walk(&tree, Path::new("."), &mut entries, &mut spec);
    let size: u64 = entries.iter().map(TarEntry::data_len).sum();
    println!("{} entries, {} MB", entries.len(), size / 1_000_000);
    let theirs = bsdtar(&tree, &out, &spec);
    for (name, codec) in [
        ("gzip", Codec::Gzip { level: GzipLevel::default() }),
        ("gzip --single-member", Codec::GzipSingleMember { level: GzipLevel::default() }),
        ("zstd", Codec::Zstd { level: ZstdLevel::default() }),
        ("none", Codec::None),
    ] {
        rows(&format!("{name}, stamps"), &tree, &out, codec, entries.clone(), theirs);
    }
    let tar = fs::read(out.join("layer.out")).unwrap();
    let start = Instant::now();
    std::hint::black_box(sha256(&tar));
    println!("SHA-256 of the tar in memory: {:.3} s", start.elapsed().as_secs_f64());
    drop(tar);
    let listed: Vec<_> = entries.into_iter().map(|entry| with_digest(&tree, entry)).collect();
    rows(
        "gzip, digests",
        &tree,
        &out,
        Codec::Gzip { level: GzipLevel::default() },
        listed.clone(),
        theirs,
    );
    rows("zstd, digests", &tree, &out, Codec::Zstd { level: ZstdLevel::default() }, listed, theirs);
}

/// The rows of one codec.
fn rows(
    name: &str,
    tree: &Path,
    out: &Path,
    codec: Codec,
    mut entries: Vec<TarEntry>,
    theirs: f64,
) {
    let index = Index::new(4 << 30);
    let write = |what: &str, entries: &[TarEntry]| {
        let (start, path) = (Instant::now(), out.join("layer.out"));
        let temporary = out.join("layer.tmp");
        let cpu = usage().0;
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)
            .unwrap();
        let job = Job {
            entries,
            codec,
            permits: &Permits::new(
                std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            ),
            source: &DiskContents::new(tree.to_owned()),
            index: Some(&index),
            functions: &Functions::default(),
            is_cancelled: &|| false,
            wants_table: false,
            before: None,
            progress: &|_, _| {},
        };
        let AssembledLayer { descriptor, counts, frames, .. } = assemble(&job, &mut file).unwrap();
        fs::rename(&temporary, &path).unwrap();
        index.hold(path.as_os_str().as_bytes(), file, frames, None);
        let seconds = start.elapsed().as_secs_f64();
        let (s, (cpu_then, peak)) = (counts.seconds, usage());
        let cpu = cpu_then - cpu;
        println!(
            "{name}, {what}: {seconds:.3} s, {cpu:.2} s of processor, {peak} MiB, diff ID {:02x}{:02x}{:02x}{:02x}, {} bytes, {} made, {} reused, 1/{:.1}  [plan {:.3} read {:.3} compress {:.3} reuse {:.3} raw {:.3} blob {:.3} write {:.3}]",
            descriptor.diff_id.0[0],
            descriptor.diff_id.0[1],
            descriptor.diff_id.0[2],
            descriptor.diff_id.0[3],
            counts.bytes_compressed,
            counts.frames_made,
            counts.frames_reused,
            theirs / seconds,
            s.plan,
            s.read,
            s.compress,
            s.reuse,
            s.hash_raw,
            s.hash_blob,
            s.write,
        );
    };
    write("cold", &entries);
    write("unchanged", &entries);
    // As if the content were new: another mode changes a header in the frame.
    let files: Vec<_> = (0..entries.len()).filter(|&entry| entries[entry].data_len() > 0).collect();
    for (what, place) in
        [("first file changed", 0), ("a file in the last tenth", files.len() * 19 / 20)]
    {
        entries[files[place]].mode ^= 0o100;
        write(what, &entries);
    }
}

/// Processor time in seconds that this process and the children it waited for took, and the most memory
/// that it had, in MiB.
fn usage() -> (f64, u64) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<u64> = stat
        .rsplit_once(") ")
        .unwrap()
        .1
        .split(' ')
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // utime, stime, cutime and cstime, in hundredths.
    let ticks: u64 = fields[11..15].iter().sum();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    (ticks as f64 / 100.0, peak / 1024)
}

fn bsdtar(tree: &Path, out: &Path, spec: &[u8]) -> f64 {
    let path = out.join("layer.mtree");
    File::create(&path).unwrap().write_all(spec).unwrap();
    let at = format!("@{}", path.display());
    let program = std::env::var_os("BSDTAR").unwrap_or_else(|| "bsdtar".into());
    let (start, cpu) = (Instant::now(), usage().0);
    let mut command = Command::new(program);
    command
        .arg("--gzip")
        .arg("-cf")
        .arg(out.join("layer.bsdtar"))
        .arg(at)
        .current_dir(tree)
        .env("LC_ALL", "C.UTF-8");
    assert!(command.status().unwrap().success());
    let seconds = start.elapsed().as_secs_f64();
    let cpu = usage().0 - cpu;
    println!(
        "bsdtar --gzip: {seconds:.3} s, {cpu:.2} s of processor, {} bytes",
        fs::metadata(out.join("layer.bsdtar")).unwrap().len()
    );
    seconds
}

fn with_digest(tree: &Path, mut entry: TarEntry) -> TarEntry {
    if let Some(content) = &mut entry.content {
        let path = tree.join(std::ffi::OsStr::from_bytes(&content.source));
        let digest = sha256(&fs::read(path).unwrap());
        content.identity = ContentIdentity::Listed(Listed::Long(digest));
    }
    entry
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

fn walk(root: &Path, directory: &Path, entries: &mut Vec<TarEntry>, spec: &mut Vec<u8>) {
    let mut names: Vec<_> = fs::read_dir(root.join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    for name in names {
        let path = directory.join(name);
        let on_disk = root.join(&path);
        let metadata = fs::symlink_metadata(&on_disk).unwrap();
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => EntryKind::Directory,
            kind if kind.is_symlink() => EntryKind::Symlink,
            kind if kind.is_file() => EntryKind::File,
            _ => continue,
        };
        let text = path.as_os_str().as_bytes();
        let mode = metadata.permissions().mode() & 0o7777;
        let (mut link, mut content) = (None, None);
        for &byte in text {
            let is_plain = byte.is_ascii_graphic() && !b"\\#=".contains(&byte);
            if is_plain { spec.push(byte) } else { write!(spec, "\\{byte:03o}").unwrap() }
        }
        let word = match kind {
            EntryKind::Directory => "dir",
            EntryKind::Symlink => "link",
            _ => "file",
        };
        write!(spec, " type={word} uid=0 gid=0 time=0.0 mode={mode:o}").unwrap();
        match kind {
            EntryKind::Symlink => {
                let target = fs::read_link(&on_disk).unwrap();
                write!(spec, " link={}", target.display()).unwrap();
                link = Some(LinkText::Symlink(target.as_os_str().as_bytes().into()));
            }
            EntryKind::File => {
                write!(spec, " nlink=1 content={}", path.display()).unwrap();
                let stamp: FileStamp = Opened::stamp(&File::open(&on_disk).unwrap()).unwrap();
                assert!(stamp.is_settled(SystemTime::now()));
                content = Some(FileContent {
                    source: text.into(),
                    identity: ContentIdentity::Stamp(stamp),
                });
            }
            _ => {}
        }
        spec.push(b'\n');
        entries.push(TarEntry {
            path: archive_name(text, kind),
            kind,
            mode,
            uid: 0,
            gid: 0,
            uname: None,
            gname: None,
            time: Time::default(),
            device: Device::default(),
            flags: None,
            link,
            size: if kind == EntryKind::File { metadata.size() } else { 0 },
            content,
        });
        if kind == EntryKind::Directory {
            walk(root, &path, entries, spec);
        }
    }
}

//! The assembler with outputs that somebody changes: whatever is done to the files that frames are held in, and
//! however the entries change, the layer is the one of an empty index.

#![no_main]

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;

use libfuzzer_sys::fuzz_target;
use mtree_worker::layer::{
    BufferPool, Codec, ContentIdentity, DigestFunction, EntryKind, FileContent, FileStamp,
    GzipLevel, Index, Job, Listed, Opened, Permits, ReadSource, TarEntry, Time, ZstdLevel,
    assemble,
};
use worker_fuzz::{Chooser, split};

/// Contents in memory.
struct Memory(HashMap<Box<[u8]>, Vec<u8>>);

struct InMemory(Vec<u8>);

impl ReadSource for Memory {
    fn open(&self, source: &[u8]) -> io::Result<Box<dyn Opened>> {
        let content = self.0.get(source).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(InMemory(content.clone())))
    }
}

impl Opened for InMemory {
    fn stamp(&self) -> io::Result<FileStamp> {
        Ok(FileStamp { device: 0, inode: 0, size: self.0.len() as u64, modified: 0, changed: 0 })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = &self.0[self.0.len().min(offset as usize)..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choices, steps)) = split(input) else {
        return;
    };
    let mut chooser = Chooser::new(choices);
    let gzip = GzipLevel::new(1).expect("a level");
    let zstd = ZstdLevel::new(1).expect("a level");
    let codecs = [
        Codec::None,
        Codec::Gzip { level: gzip },
        Codec::GzipSingleMember { level: gzip },
        Codec::Zstd { level: zstd },
    ];
    let codec = codecs[chooser.below(4)];
    let is_listed = chooser.below(2) == 1;
    let index = Index::new(1 << 30);
    let mut files: Vec<(u8, usize)> =
        (0..chooser.below(60)).map(|number| (number as u8, chooser.below(900))).collect();
    if chooser.below(4) == 0 {
        // One of several frames.
        files.push((1, (1 << 20) + 700));
    }
    let mut held: Vec<File> = Vec::new();
    for step in steps.chunks(4).take(12) {
        let [what, at, value, seed] = [0, 1, 2, 3].map(|at| step.get(at).copied().unwrap_or(0));
        let place = usize::from(at) % files.len().max(1);
        match what % 8 {
            0 if !files.is_empty() => files[place].0 = value,
            1 if !files.is_empty() => files[place].1 = usize::from(value) * 7,
            2 => files.insert(place.min(files.len()), (seed, usize::from(value) * 3)),
            3 if !files.is_empty() => drop(files.remove(place)),
            // Somebody changes each output that was ever held, in place.
            4 | 5 => held.iter().for_each(|file| overwrite(file, at, &[value, seed])),
            6 => held.iter().for_each(|file| cut(file, at)),
            _ => held.iter().for_each(|file| overwrite(file, at, &[0; 600])),
        }
        let (entries, memory) = tree(&files, is_listed);
        let warm = layer(&entries, &memory, codec, Some(&index));
        let cold = layer(&entries, &memory, codec, None);
        assert!(warm.0 == cold.0, "the layer differs");
        assert!(warm.1 == cold.1, "the digests differ");
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(&warm.0, 0).expect("it is written");
        index.hold(&[at % 3], file.try_clone().expect("a file"), warm.2, None);
        held.push(file);
    }
});

fn overwrite(file: &File, at: u8, bytes: &[u8]) {
    let length = file.metadata().expect("a file").len();
    file.write_all_at(bytes, length * u64::from(at) / 256).expect("it is written");
}

fn cut(file: &File, at: u8) {
    let length = file.metadata().expect("a file").len();
    file.set_len(length * u64::from(at) / 256).expect("it is cut");
}

fn tree(files: &[(u8, usize)], is_listed: bool) -> (Vec<TarEntry>, Memory) {
    let mut memory = Memory(HashMap::new());
    let entries = files.iter().enumerate().map(|(number, &(seed, length))| {
        let content: Vec<u8> = (0..length).map(|at| seed.wrapping_add((at % 251) as u8)).collect();
        let hash = *blake3::hash(&content).as_bytes();
        let identity = match is_listed {
            true => ContentIdentity::Listed(Listed::Long(hash)),
            false => ContentIdentity::Hashed(hash),
        };
        let source: Box<[u8]> = number.to_string().into_bytes().into();
        memory.0.insert(source.clone(), content);
        TarEntry {
            path: format!("./{number}").into_bytes().into(),
            kind: EntryKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            uname: None,
            gname: None,
            time: Time::default(),
            device: Default::default(),
            flags: None,
            link: None,
            size: length as u64,
            content: Some(FileContent { source, identity }),
        }
    });
    (entries.collect(), memory)
}

type Digests = [[u8; 32]; 2];

fn layer(
    entries: &[TarEntry],
    memory: &Memory,
    codec: Codec,
    index: Option<&Index>,
) -> (Vec<u8>, Digests, Vec<mtree_worker::layer::HeldFrame>) {
    let job = Job {
        entries: &entries.to_vec(),
        codec,
        permits: &Permits::new(NonZeroUsize::MIN),
        buffers: &BufferPool::new(NonZeroUsize::MIN),
        source: memory,
        index,
        digest_function: &DigestFunction::default(),
        is_cancelled: &|| false,
        wants_table: false,
        before: None,
        progress: &|_, _| {},
    };
    let mut blob = Vec::new();
    let layer = assemble(&job, &mut blob).expect("a layer");
    blob.flush().expect("a Vec");
    let descriptor = layer.descriptor;
    (blob, [descriptor.digest.0, descriptor.diff_id.0], layer.frames)
}

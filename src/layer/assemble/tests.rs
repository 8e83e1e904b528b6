use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use std::num::NonZeroUsize;

use super::*;
use crate::layer::entry::{EntryKind, FileContent, TarEntry, Time};
use crate::layer::error::ContentError;
use crate::layer::frames::{LARGE, PART};
use crate::layer::header::{self, END};
use crate::layer::identity::{ContentIdentity, FileStamp, Listed};
use crate::layer::source::Opened;
use crate::layer::{GzipLevel, ZstdLevel};

/// Contents in memory, and how often one was opened.
#[derive(Default)]
struct ContentsInMemory {
    contents: HashMap<Vec<u8>, Vec<u8>>,
    opened: AtomicUsize,
}

struct ContentInMemory(Vec<u8>);

impl ReadSource for ContentsInMemory {
    fn open(&self, source: &[u8]) -> io::Result<Box<dyn Opened>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let content = self.contents.get(source).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(ContentInMemory(content.clone())))
    }
}

impl Opened for ContentInMemory {
    fn stamp(&self) -> io::Result<FileStamp> {
        Ok(FileStamp { device: 0, inode: 0, size: self.0.len() as u64, modified: 0, changed: 0 })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // In pieces, as a pipe would.
        let rest = &self.0[self.0.len().min(offset as usize)..];
        let length = rest.len().min(buffer.len()).min(100_000);
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

const CODECS: fn() -> [Codec; 4] = || {
    let level = GzipLevel::new(1).unwrap();
    [
        Codec::None,
        Codec::Gzip { level },
        Codec::GzipSingleMember { level },
        Codec::Zstd { level: ZstdLevel::new(1).unwrap() },
    ]
};

/// Bytes of a content: compressible, and different for each seed.
fn content(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as u8
    })
    .take(length)
    .collect()
}

/// The entries of files with these seeds and sizes, and their contents.
fn tree(files: &[(u32, usize)], listed: bool) -> (Vec<TarEntry>, ContentsInMemory) {
    let mut memory = ContentsInMemory::default();
    let entries = files.iter().enumerate().map(|(number, &(seed, length))| {
        let bytes = content(seed, length);
        let digest =
            if listed { Sha256::digest(&bytes).into() } else { *blake3::hash(&bytes).as_bytes() };
        let identity = if listed {
            ContentIdentity::Listed(Listed::Long(digest))
        } else {
            ContentIdentity::Hashed(digest)
        };
        let source = format!("source/{number}").into_bytes();
        memory.contents.insert(source.clone(), bytes);
        TarEntry {
            path: format!("./file/{number}").into_bytes().into(),
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
            content: Some(FileContent { source: source.into(), identity }),
        }
    });
    (entries.collect(), memory)
}

fn run(
    (entries, memory): &(Vec<TarEntry>, ContentsInMemory),
    codec: Codec,
    threads: usize,
    index: Option<&Index>,
) -> Result<(AssembledLayer, Vec<u8>), LayerError> {
    let job = Job {
        entries,
        codec,
        permits: &Permits::new(NonZeroUsize::new(threads).unwrap()),
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
    Ok((assemble(&job, &mut blob)?, blob))
}

/// Writes a layer to a file and has the index hold it.
fn run_and_hold(
    tree: &(Vec<TarEntry>, ContentsInMemory),
    codec: Codec,
    index: &Index,
    name: &str,
) -> (AssembledLayer, Vec<u8>, File) {
    let (layer, blob) = run(tree, codec, 2, Some(index)).unwrap();
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&blob, 0).unwrap();
    index.hold(name.as_bytes(), file.try_clone().unwrap(), layer.frames.clone(), None);
    (layer, blob, file)
}

fn plain_tar((entries, memory): &(Vec<TarEntry>, ContentsInMemory)) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        header::write(entry, &mut tar);
        if let Some(content) = entry.data() {
            tar.extend_from_slice(&memory.contents[&*content.source]);
        }
        tar.resize(tar.len().next_multiple_of(header::BLOCK), 0);
    }
    tar.extend_from_slice(&END);
    tar
}

fn decoded(codec: Codec, blob: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    match codec {
        Codec::None => raw.extend_from_slice(blob),
        Codec::Gzip { .. } => {
            assert_ne!(flate2::read::MultiGzDecoder::new(blob).read_to_end(&mut raw).unwrap(), 0)
        }
        Codec::GzipSingleMember { .. } => {
            assert_ne!(flate2::read::GzDecoder::new(blob).read_to_end(&mut raw).unwrap(), 0)
        }
        Codec::Zstd { .. } => raw = zstd::decode_all(blob).unwrap(),
    }
    raw
}

/// Files on both sides of each size that matters for the cuts.
fn files() -> Vec<(u32, usize)> {
    let (large, part) = (LARGE as usize, PART as usize);
    let mut files: Vec<_> = (0..200).map(|seed| (seed, seed as usize * 37 % 5000)).collect();
    files.extend(
        [large - 1, large, part - 512, part, part * 2 + 700, 40_000]
            .map(|length| (length as u32, length)),
    );
    files.extend((300..350).map(|seed| (seed, 900)));
    files
}

#[test]
fn the_layer_is_the_tar_and_its_descriptor_tells_its_digests() {
    let tree = tree(&files(), true);
    let tar = plain_tar(&tree);
    for codec in CODECS() {
        let (layer, blob) = run(&tree, codec, 2, None).unwrap();
        assert!(decoded(codec, &blob) == tar, "{codec:?}");
        assert_eq!(layer.descriptor.diff_id.0[..], Sha256::digest(&tar)[..]);
        assert_eq!(layer.descriptor.digest.0[..], Sha256::digest(&blob)[..]);
        assert_eq!(layer.descriptor.size, blob.len() as u64);
        assert_eq!(layer.counts.bytes_raw, tar.len() as u64);
    }
}

#[test]
fn a_layer_without_entries_is_the_end_of_a_tar() {
    for codec in CODECS() {
        let (_, blob) = run(&(Vec::new(), ContentsInMemory::default()), codec, 1, None).unwrap();
        assert_eq!(decoded(codec, &blob), END);
    }
}

#[test]
fn an_unchanged_layer_is_copied_without_opening_a_content() {
    let tree = tree(&files(), true);
    for codec in CODECS() {
        let index = Index::new(u64::MAX);
        let (_, cold, _) = run_and_hold(&tree, codec, &index, "out");
        tree.1.opened.store(0, Ordering::Relaxed);
        let (layer, warm, _) = run_and_hold(&tree, codec, &index, "out");
        assert!(warm == cold);
        assert_eq!(tree.1.opened.load(Ordering::Relaxed), 0);
        assert_eq!(layer.counts.frames_made, 0);
    }
}

#[test]
fn frames_of_an_output_that_was_changed_or_cut_short_are_made_anew() {
    let tree = tree(&files(), true);
    for codec in CODECS() {
        let index = Index::new(u64::MAX);
        let (_, cold, file) = run_and_hold(&tree, codec, &index, "out");
        for damage in 0..20 {
            let at = cold.len() as u64 * damage / 20;
            file.write_all_at(b"x0x", at).unwrap();
            let (_, warm) = run(&tree, codec, 2, Some(&index)).unwrap();
            assert!(warm == cold, "{codec:?} damaged at {at}");
        }
        file.set_len(cold.len() as u64 / 2).unwrap();
        assert!(run(&tree, codec, 2, Some(&index)).unwrap().1 == cold);
        file.set_len(0).unwrap();
        assert!(run(&tree, codec, 2, Some(&index)).unwrap().1 == cold);
    }
}

#[test]
fn a_change_of_a_small_file_makes_one_frame_anew() {
    let mut files = files();
    for codec in CODECS().into_iter().skip(1) {
        let index = Index::new(u64::MAX);
        run_and_hold(&tree(&files, false), codec, &index, "out");
        files[100].0 += 1;
        let changed = tree(&files, false);
        let (layer, warm, _) = run_and_hold(&changed, codec, &index, "out");
        assert_eq!(layer.counts.frames_made, 1);
        assert!(warm == run(&changed, codec, 1, None).unwrap().1);
    }
}

/// The error of a layer in which one content does not match its entry.
fn error(
    listed: bool,
    number: usize,
    change: impl Fn(&mut Vec<u8>),
    warm: bool,
) -> (usize, ContentError) {
    let files = files();
    let mut tree = tree(&files, listed);
    let index = Index::new(u64::MAX);
    if warm {
        let mut before = files.clone();
        before[1].0 += 1;
        run_and_hold(&self::tree(&before, listed), CODECS()[1], &index, "out");
    }
    change(tree.1.contents.get_mut(format!("source/{number}").as_bytes()).unwrap());
    match run(&tree, CODECS()[1], 3, Some(&index)) {
        Err(LayerError::Content { entry, problem, .. }) => (entry, problem),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the content was taken"),
    }
}

#[test]
fn a_content_that_is_not_what_was_listed_is_an_error_that_names_its_entry() {
    for (listed, warm) in [(true, false), (true, true), (false, false), (false, true)] {
        // A small file, one of a frame of its own, one of several frames, in each of its parts.
        for (number, at) in
            [(50, 0), (201, 0), (204, 0), (204, PART as usize + 5), (204, 2 * PART as usize + 600)]
        {
            let changed = error(listed, number, |bytes| bytes[at] ^= 1, warm);
            assert!(
                matches!(changed, (entry, ContentError::Changed { .. }) if entry == number),
                "{changed:?}"
            );
        }
    }
}

#[test]
fn a_content_that_grows_or_shrinks_is_an_error_that_says_so() {
    for number in [50, 201, 204] {
        let grown = error(false, number, |bytes| bytes.push(0), false);
        assert!(
            matches!(grown, (entry, ContentError::Resized { .. }) if entry == number),
            "{grown:?}"
        );
        let shrunk = error(true, number, |bytes| bytes.truncate(bytes.len() - 1), true);
        assert!(
            matches!(shrunk, (entry, ContentError::Resized { .. }) if entry == number),
            "{shrunk:?}"
        );
    }
}

#[test]
fn of_several_errors_the_first_entrys_is_reported() {
    let mut tree = tree(&files(), true);
    tree.1.contents.remove(&b"source/70"[..]);
    tree.1.contents.remove(&b"source/203"[..]);
    tree.1.contents.remove(&b"source/230"[..]);
    for threads in [1, 2, 4, 8] {
        let error = run(&tree, CODECS()[1], threads, None).err().unwrap();
        assert_eq!(error.to_string(), "./file/70");
        let problem = std::error::Error::source(&error).unwrap();
        assert_eq!(problem.to_string(), "the source source/70 cannot be read");
    }
}

#[test]
fn a_cancelled_layer_stops_at_the_next_frame() {
    let (entries, memory) = tree(&files(), true);
    let checks = AtomicUsize::new(0);
    let job = Job {
        entries: &entries,
        codec: CODECS()[1],
        permits: &Permits::new(NonZeroUsize::new(2).unwrap()),
        buffers: &BufferPool::new(NonZeroUsize::MIN),
        source: &memory,
        index: None,
        digest_function: &DigestFunction::default(),
        is_cancelled: &|| checks.fetch_add(1, Ordering::Relaxed) >= 2,
        wants_table: false,
        before: None,
        progress: &|_, _| {},
    };
    assert!(matches!(assemble(&job, &mut Vec::new()), Err(LayerError::Cancelled)));
    assert!(checks.load(Ordering::Relaxed) <= 4);
}

#[test]
fn a_full_disk_is_an_error_of_writing() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (entries, memory) = tree(&files(), true);
    let job = Job {
        entries: &entries,
        codec: CODECS()[0],
        permits: &Permits::new(NonZeroUsize::new(2).unwrap()),
        buffers: &BufferPool::new(NonZeroUsize::MIN),
        source: &memory,
        index: None,
        digest_function: &DigestFunction::default(),
        is_cancelled: &|| false,
        wants_table: false,
        before: None,
        progress: &|_, _| {},
    };
    assert!(matches!(assemble(&job, &mut Full), Err(LayerError::Write(_))));
}

#[test]
fn progress_ends_with_the_whole_tar() {
    let tree = tree(&files(), true);
    let last = Mutex::new((0, 1));
    let job = Job {
        entries: &tree.0,
        codec: CODECS()[1],
        permits: &Permits::new(NonZeroUsize::new(2).unwrap()),
        buffers: &BufferPool::new(NonZeroUsize::MIN),
        source: &tree.1,
        index: None,
        digest_function: &DigestFunction::default(),
        is_cancelled: &|| false,
        wants_table: false,
        before: None,
        progress: &|done, of| *last.lock().unwrap() = (done, of),
    };
    let layer = assemble(&job, &mut Vec::new()).unwrap();
    assert_eq!(*last.lock().unwrap(), (layer.counts.bytes_raw, layer.counts.bytes_raw));
}

/// An edit of the files, or of the output that the index holds.
#[derive(Clone, Debug)]
enum LayerEdit {
    Change(usize, u32),
    Resize(usize, usize),
    Insert(usize, u32, usize),
    Remove(usize),
    /// The held output is overwritten at this many thousandths of its size.
    Damage(usize),
    /// The index is replaced by an empty one.
    Forget,
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![10 => 0..3000_usize, 2 => 3000..200_000_usize, 1 => 200_000..1_600_000_usize]
}

fn edit() -> impl Strategy<Value = LayerEdit> {
    let at = || 0..1000_usize;
    prop_oneof![
        4 => (at(), any::<u32>()).prop_map(|(at, seed)| LayerEdit::Change(at, seed)),
        2 => (at(), length()).prop_map(|(at, length)| LayerEdit::Resize(at, length)),
        2 => (at(), any::<u32>(), length()).prop_map(|(at, seed, length)| LayerEdit::Insert(at, seed, length)),
        2 => at().prop_map(LayerEdit::Remove),
        1 => at().prop_map(LayerEdit::Damage),
        1 => Just(LayerEdit::Forget),
    ]
}

/// A layer that is written again after each edit, with the frames of the one before.
struct EditedLayer {
    codec: Codec,
    files: Vec<(u32, usize)>,
    index: Index,
    held: Option<File>,
}

impl EditedLayer {
    fn new(codec: Codec, files: Vec<(u32, usize)>) -> Self {
        Self { codec, files, index: Index::new(u64::MAX), held: None }
    }

    fn edit(&mut self, edit: LayerEdit) {
        let Self { files, index, held, .. } = self;
        let count = files.len().max(1);
        match edit {
            LayerEdit::Change(at, seed) => {
                files.iter_mut().skip(at % count).take(1).for_each(|file| file.0 = seed);
            }
            LayerEdit::Resize(at, length) => {
                files.iter_mut().skip(at % count).take(1).for_each(|file| file.1 = length);
            }
            LayerEdit::Insert(at, seed, length) => files.insert(at % count, (seed, length)),
            LayerEdit::Remove(at) => drop((!files.is_empty()).then(|| files.remove(at % count))),
            LayerEdit::Damage(at) => {
                if let Some(file) = held {
                    let size = file.seek(io::SeekFrom::End(0)).unwrap();
                    file.write_all_at(b"damage", size * at as u64 / 1000).unwrap();
                }
            }
            LayerEdit::Forget => *index = Index::new(u64::MAX),
        }
    }

    /// Writes the layer with the index and without, and checks that both are the same. Returns how many frames were
    /// reused.
    fn write(&mut self, threads: usize, listed: bool) -> Result<usize, TestCaseError> {
        let tree = tree(&self.files, listed);
        let (cold, cold_blob) = run(&tree, self.codec, 1, None).unwrap();
        let (warm, warm_blob) = run(&tree, self.codec, threads, Some(&self.index)).unwrap();
        prop_assert!(warm_blob == cold_blob);
        prop_assert_eq!(&warm.descriptor, &cold.descriptor);
        prop_assert_eq!(&warm.descriptor.digest.0[..], &Sha256::digest(&warm_blob)[..]);
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&warm_blob, 0).unwrap();
        self.held = Some(file.try_clone().unwrap());
        self.index.hold(b"out", file, warm.frames, None);
        Ok(warm.counts.frames_reused)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn a_warm_layer_equals_a_cold_one_after_every_edit(
        files in prop::collection::vec((any::<u32>(), length()), 1..60),
        edits in prop::collection::vec((edit(), 1..5_usize, any::<bool>()), 1..12),
        codec in 0..4_usize,
    ) {
        let mut layer = EditedLayer::new(CODECS()[codec], files);
        for (edit, threads, listed) in edits {
            layer.edit(edit);
            layer.write(threads, listed)?;
        }
    }
}

// Minutes without optimization.
#[cfg(feature = "system")]
#[test]
fn after_thousands_of_edits_a_warm_layer_still_equals_a_cold_one() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    for codec in CODECS() {
        let small = (0..100).map(|seed| (seed, seed as usize * 37 % 500)).collect();
        let (mut layer, mut reused) = (EditedLayer::new(codec, small), 0);
        for number in 0..1000 {
            let edit = match edit().new_tree(&mut runner).unwrap().current() {
                LayerEdit::Resize(at, length) => LayerEdit::Resize(at, length % 500),
                LayerEdit::Insert(at, seed, length) => LayerEdit::Insert(at, seed, length % 500),
                // The other test covers an empty index: this one needs frames of earlier layers.
                LayerEdit::Forget if number % 100 != 0 => LayerEdit::Change(number, number as u32),
                edit => edit,
            };
            layer.edit(edit);
            reused += layer.write(1 + number % 4, number % 7 != 0).unwrap();
        }
        assert!(codec == Codec::None || reused > 1000, "{codec:?}: {reused} frames reused");
    }
}

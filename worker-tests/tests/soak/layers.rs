//! Requests for layers: memory, descriptors and the disk that outputs are held on stay flat.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use worker_tests::chance::Chance;
use worker_tests::client::{Input, WorkRequest, Worker, cancel, request};
use worker_tests::exec_root::{ExecRoot, file_row};

use crate::{MEBIBYTE, descriptors};

/// How many layers are asked for, unless `SOAK_LAYERS` says otherwise.
const REQUESTS: usize = 10_000;
/// How many requests are under way at once.
const AT_ONCE: usize = 16;
const TREES: usize = 12;
const FILES: usize = 16;
/// A file of one of so many trees: it is a frame of its own.
const LARGE: usize = 300 << 10;
const TREES_A_LARGE: usize = 4;
/// More outputs than are held.
const OUTPUTS: usize = 96;
/// docs/design.md, "Reuse".
const MOST_OUTPUTS: usize = 64;
/// One layer in so many is compared with that of a new process, and one batch in so many comes after a tree has
/// changed.
const BATCHES_A_CHECK: usize = 20;
const BATCHES_A_CHANGE: usize = 3;

/// `--frame-limit`: less than all outputs have together.
const FRAME_LIMIT: u64 = 2 * MEBIBYTE;
/// `--cache-limit`.
const CACHE_LIMIT: u64 = MEBIBYTE;
/// What the program takes besides what it remembers: itself, and for each of its threads the frames under way.
const BESIDES: u64 = 64 * MEBIBYTE;
/// How far a resident size goes up and down: each request has threads of its own, with buffers.
const FLAT: u64 = 8 * MEBIBYTE;

fn path(tree: usize, file: usize) -> String {
    format!("external/tree_{tree}/directory_{}/file_{file}", file / 8)
}

fn large(tree: usize) -> String {
    format!("external/tree_{tree}/large")
}

fn has_large(tree: usize) -> bool {
    tree.is_multiple_of(TREES_A_LARGE)
}

fn sources(tree: usize) -> Vec<String> {
    let large = has_large(tree).then(|| large(tree));
    (0..FILES).map(|file| path(tree, file)).chain(large).collect()
}

/// Bytes that are different for each number, and compress to about half.
fn content(number: usize, length: usize) -> Vec<u8> {
    let mut chance = Chance::new(number as u64);
    (0..length).map(|_| b"0123456789abcdef"[chance.below(16)]).collect()
}

/// Writes a file of a tree, or makes it a symlink to the first of its directory.
fn plant(exec_root: &ExecRoot, tree: usize, file: usize, chance: &mut Chance) {
    let path = exec_root.at(path(tree, file));
    // What is there may be a symlink, which must not be written through.
    let _ = fs::remove_file(&path);
    match chance.below(6) {
        0 if !file.is_multiple_of(8) => {
            symlink(format!("file_{}", file / 8 * 8), path).expect("a symlink")
        }
        _ => fs::write(path, content(chance.below(1 << 20), 1 + chance.below(3 << 10)))
            .expect("a file"),
    }
}

fn plant_large(exec_root: &ExecRoot, tree: usize, chance: &mut Chance) {
    if has_large(tree) {
        exec_root.write(large(tree), content(chance.below(1 << 20), LARGE));
    }
}

/// The trees, and the digests of their files as they are.
struct Trees {
    exec_root: ExecRoot,
    inputs: Vec<Vec<Input>>,
}

impl Trees {
    fn plant(chance: &mut Chance) -> Trees {
        let exec_root = ExecRoot::new("");
        let mut trees = Trees { exec_root, inputs: vec![Vec::new(); TREES] };
        for tree in 0..TREES {
            let exec_root = &trees.exec_root;
            for directory in 0..FILES / 8 {
                let directory = format!("external/tree_{tree}/directory_{directory}");
                fs::create_dir_all(exec_root.at(directory)).expect("a directory");
            }
            (0..FILES).for_each(|file| plant(exec_root, tree, file, chance));
            plant_large(exec_root, tree, chance);
            let rows: String = sources(tree).iter().map(|path| file_row(path, path)).collect();
            exec_root.write(format!("specs/{tree}.mtree"), rows);
            trees.list(tree);
        }
        fs::create_dir(trees.exec_root.at("out")).expect("a directory");
        trees
    }

    /// Changes some of a tree's files: most times one, sometimes its large file, sometimes all.
    fn change(&mut self, chance: &mut Chance) {
        let tree = chance.below(TREES);
        match chance.below(12) {
            0 => (0..FILES).for_each(|file| plant(&self.exec_root, tree, file, chance)),
            1 => plant_large(&self.exec_root, tree, chance),
            _ => plant(&self.exec_root, tree, chance.below(FILES), chance),
        }
        self.list(tree);
    }

    fn list(&mut self, tree: usize) {
        let input = |path: String| {
            let bytes = fs::read(self.exec_root.at(&path)).expect("a file");
            let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
            Input { path, digest: hex.into_bytes(), ..Input::default() }
        };
        self.inputs[tree] = sources(tree).into_iter().map(input).collect();
    }

    /// A request for a layer of one of the trees: with inputs and without, in each codec, good and bad. The
    /// outputs of one batch have different names.
    fn asked(&self, id: usize, chance: &mut Chance) -> WorkRequest {
        let tree = chance.below(TREES);
        let spec = match chance.below(20) {
            0 => "gone.mtree".to_owned(),
            _ => format!("specs/{tree}.mtree"),
        };
        let out = format!("out/{}", id % OUTPUTS);
        let codec = chance.pick(&["--compress=gzip", "--compress=zstd", "--compress=none"]);
        let descriptor = format!("{out}.json");
        let mut asked = request(
            id as i32,
            &["layer", "--mtree", &spec, "--out", &out, codec, "--descriptor", &descriptor],
        );
        if chance.below(3) > 0 {
            asked.inputs = self.inputs[tree].clone();
        }
        asked
    }

    /// Fails unless a new process writes what `asked` has written.
    fn assert_right(&self, asked: &WorkRequest) {
        let out = asked.arguments[4].clone();
        let mut arguments = asked.arguments.clone();
        (arguments[4], arguments[7]) = ("cold".to_owned(), "cold.json".to_owned());
        let done = self.exec_root.once(&arguments);
        assert!(done.status.success(), "{}", worker_tests::program::said(&done));
        for (cold, warm) in [("cold", out.clone()), ("cold.json", format!("{out}.json"))] {
            let [cold, warm] = [cold, &warm].map(|path| fs::read(self.exec_root.at(path)));
            assert!(
                cold.expect("an output") == warm.expect("an output"),
                "{out} is wrong: {asked}"
            );
        }
    }
}

/// The outputs that a worker holds: how many, and how many bytes of them have no name any more, so that it alone
/// takes this disk.
fn held(worker: &Worker) -> (usize, u64) {
    let (mut outputs, mut nameless) = (0, 0);
    let descriptors = Path::new("/proc").join(worker.id().to_string()).join("fd");
    for entry in fs::read_dir(descriptors).expect("the worker runs") {
        let entry = entry.expect("an entry").path();
        // A descriptor may be closed between the listing and this.
        let (Ok(path), Ok(metadata)) = (fs::read_link(&entry), fs::metadata(&entry)) else {
            continue;
        };
        let path = path.to_string_lossy();
        if metadata.is_file() && path.contains("/out/") {
            outputs += 1;
            nameless += if path.ends_with(" (deleted)") { metadata.len() } else { 0 };
        }
    }
    (outputs, nameless)
}

/// The most of what is measured.
#[derive(Clone, Copy, Debug, Default)]
struct Most {
    resident: u64,
    /// Those of outputs that are held, and all others.
    outputs: usize,
    descriptors: usize,
    held: u64,
}

impl Most {
    fn measure(&mut self, worker: &Worker) {
        self.resident = self.resident.max(worker.memory("VmRSS"));
        let (outputs, held) = held(worker);
        self.outputs = self.outputs.max(outputs);
        self.descriptors = self.descriptors.max(descriptors(worker) - outputs);
        self.held = self.held.max(held);
    }
}

#[test]
fn thousands_of_layers_take_no_more_memory_descriptors_and_disk_than_the_first_quarter() {
    let asked = std::env::var("SOAK_LAYERS").ok();
    let requests = asked.map_or(REQUESTS, |count| count.parse().expect("SOAK_LAYERS: a number"));
    let mut chance = Chance::new(5);
    let mut trees = Trees::plant(&mut chance);
    let flags = [
        "--jobs=4".to_owned(),
        format!("--cache-limit={CACHE_LIMIT}"),
        format!("--frame-limit={FRAME_LIMIT}"),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut worker = trees.exec_root.worker(&flags);
    let (mut warming, mut warm) = (Most::default(), Most::default());
    let (mut written, mut compared) = (0, 0);
    for batch in 0..requests / AT_ONCE {
        if batch % BATCHES_A_CHANGE == 0 {
            trees.change(&mut chance);
        }
        let first = batch * AT_ONCE + 1;
        let sent: Vec<_> =
            (first..first + AT_ONCE).map(|id| trees.asked(id, &mut chance)).collect();
        for asked in &sent {
            worker.send(asked);
            if chance.below(20) == 0 {
                worker.send(&cancel(asked.request_id));
            }
        }
        let answers = worker.answers(AT_ONCE);
        let is_written = |id: i32| {
            answers.iter().any(|a| a.request_id == id && a.exit_code == 0 && !a.was_cancelled)
        };
        let done: Vec<_> = sent.iter().filter(|asked| is_written(asked.request_id)).collect();
        written += done.len();
        if let (0, Some(asked)) = (batch % BATCHES_A_CHECK, done.first()) {
            trees.assert_right(asked);
            compared += 1;
        }
        // As Bazel does before it runs an action: outputs that are held have no names then.
        for asked in done.iter().filter(|asked| asked.request_id % 2 == 0) {
            fs::remove_file(trees.exec_root.at(&asked.arguments[4])).expect("it was written");
        }
        let most = if first < requests / 4 { &mut warming } else { &mut warm };
        most.measure(&worker);
        if batch % 125 == 0 {
            println!("{:>6} requests: {:?}", first - 1, most);
        }
    }
    println!("the first quarter: {warming:?}");
    println!("later:             {warm:?}");
    println!("{written} layers written, {compared} compared with those of new processes");
    assert!(warm.resident <= warming.resident + FLAT, "{warming:?} became {warm:?}");
    let limit = CACHE_LIMIT + BESIDES;
    assert!(warm.resident <= limit, "{} bytes are more than {limit}", warm.resident);
    assert!(warm.descriptors <= warming.descriptors, "{warming:?} became {warm:?}");
    assert!(warm.outputs <= MOST_OUTPUTS, "{warm:?}");
    assert!(warm.held <= FRAME_LIMIT, "{} bytes are more than {FRAME_LIMIT}", warm.held);
    assert!(warm.held > FRAME_LIMIT / 4, "hardly any output was held: {warm:?}");
    assert!(written * 4 >= requests * 3, "only {written} of {requests} layers were written");
    let end = worker.end();
    assert_eq!((end.code(), end.answers.len()), (0, 0));
    assert_eq!(trees.exec_root.temporary_files(), Vec::<std::path::PathBuf>::new());
}

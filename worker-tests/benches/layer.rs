//! How long the program takes for a layer, cold and warm, once and as a worker, beside what everybody uses: bsdtar
//! with gzip, pigz and zstd on the same spec, in one run. docs/design.md, "Budget", has the limits.
//!
//! `LAYER_TREE` names another tree than this machine's CPython and pnpm's packages; `BSDTAR` another bsdtar;
//! `LAYER_OUT` a directory for outputs. The trees are real, and nothing in them is changed: a file changes by a
//! source elsewhere.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use worker_tests::client::{Protocol, WorkRequest, Worker, request};
use worker_tests::packed_tree::{Row, Tree, machine};
use worker_tests::{program, real_tree};

/// How often each is measured; the least counts.
const TIMES: usize = 3;

fn main() {
    // `cargo test --benches` runs this, too: it has nothing to say there.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let out = std::env::var_os("LAYER_OUT").map_or_else(std::env::temp_dir, PathBuf::from);
    let out = tempfile::tempdir_in(out).expect("a directory");
    println!("{}", machine());
    let trees = match std::env::var_os("LAYER_TREE") {
        Some(tree) => vec![("LAYER_TREE", PathBuf::from(tree))],
        None => {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
            vec![
                ("CPython", real_tree::cpython().expect("a CPython")),
                ("pnpm", real_tree::pnpm_packages(kept).expect("pnpm's packages")),
            ]
        }
    };
    for (name, tree) in trees {
        let tree = Tree::read(tree);
        println!(
            "\n## {name}: {}, {} rows, {:.0} MB\n",
            tree.root.display(),
            tree.rows.len(),
            tree.size as f64 / 1e6
        );
        whole_tree(&tree, out.path());
    }
    growth(out.path());
}

/// Prints a row: what, how long, what it is held against, and the limit.
fn print(what: &str, taken: f64, against: (&str, f64), limit: Option<f64>, size: u64) {
    let (name, other) = against;
    let verdict = match limit {
        None => String::new(),
        Some(limit) => {
            let is_kept = taken <= limit * other;
            format!(
                "{} | {}",
                if limit < 1.0 { format!("1/{:.1}", 1.0 / limit) } else { format!("{limit:.1}") },
                if is_kept { "kept" } else { "missed" }
            )
        }
    };
    let ratio = match taken < other {
        true => format!("1/{:.1}", other / taken),
        false => format!("{:.2}", taken / other),
    };
    println!(
        "| {what} | {taken:.3} s | {:.1} MB | {name} {other:.3} s | {ratio} | {verdict} |",
        size as f64 / 1e6
    );
}

/// The least time of several runs, and what the last one gave.
fn least<T>(mut run: impl FnMut(usize) -> T) -> (f64, T) {
    let mut least = Duration::MAX;
    let mut last = None;
    for round in 0..TIMES {
        let start = Instant::now();
        last = Some(run(round));
        least = least.min(start.elapsed());
    }
    (least.as_secs_f64(), last.expect("it ran"))
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).expect("an output").len()
}

fn bsdtar(tree: &Tree, spec: &Path, out: &Path, cores: Option<&str>, rest: &str) -> f64 {
    let program = std::env::var_os("BSDTAR").unwrap_or_else(|| "bsdtar".into());
    let mut script = OsString::from("set -o pipefail; \"$0\" ");
    script.push(rest);
    let start = Instant::now();
    let mut command = on(cores, Path::new("bash"));
    command.arg("-c").arg(script).arg(program).arg(spec).arg(out);
    command.current_dir(&tree.root).env("LC_ALL", "C.UTF-8");
    assert!(command.status().expect("bash starts").success(), "{rest}");
    start.elapsed().as_secs_f64()
}

fn on(cores: Option<&str>, program: &Path) -> Command {
    match cores {
        None => Command::new(program),
        Some(cores) => {
            let mut command = Command::new("taskset");
            command.args(["-c", cores]).arg(program);
            command
        }
    }
}

fn once(tree: &Tree, spec: &Path, out: &Path, codec: &str, cores: Option<&str>) {
    let mut command = on(cores, program::binary());
    command.arg("layer").arg("--mtree").arg(spec).arg("--out").arg(out).arg(codec);
    let done = command.current_dir(&tree.root).output().expect("it starts");
    assert!(done.status.success(), "{}", program::said(&done));
}

fn worker(tree: &Tree) -> Worker {
    let mut command = Command::new(program::binary());
    command.arg("--persistent_worker").current_dir(&tree.root);
    Worker::start(command, Protocol::Proto)
}

fn layer(spec: &Path, out: &Path, codec: &str) -> WorkRequest {
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    request(0, &["layer", "--mtree", &text(spec), "--out", &text(out), codec])
}

fn ask(worker: &mut Worker, asked: &WorkRequest) -> f64 {
    let start = Instant::now();
    let answer = worker.ask(asked);
    let taken = start.elapsed().as_secs_f64();
    assert_eq!((answer.exit_code, &answer.output[..]), (0, ""), "{answer}");
    taken
}

/// Processor time of this thread, in seconds.
fn processor_time() -> f64 {
    let time = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    let nanoseconds: f64 =
        time.split(' ').next().and_then(|text| text.parse().ok()).expect("a number");
    nanoseconds / 1e9
}

/// What cannot be avoided, on this thread: read the files, compress, take both sums, write. Processor time in
/// seconds.
fn floor(tree: &Tree, out: &Path, codec: &str) -> f64 {
    const FRAME: usize = 1 << 20;
    let start = processor_time();
    let (mut raw_sum, mut blob_sum) = (Sha256::new(), Sha256::new());
    let mut raw = Vec::with_capacity(2 * FRAME);
    let mut file = File::create(out).expect("an output");
    let mut gzip = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
    let mut zstd = zstd::bulk::Compressor::new(3).expect("zstd");
    let mut blob = vec![0; 0];
    let mut flush = |raw: &mut Vec<u8>| {
        raw_sum.update(&*raw);
        let written = if codec == "--compress=gzip" {
            blob.resize(gzip.gzip_compress_bound(raw.len()), 0);
            gzip.gzip_compress(raw, &mut blob).expect("it fits")
        } else {
            blob.resize(zstd::zstd_safe::compress_bound(raw.len()), 0);
            zstd.compress_to_buffer(raw, &mut blob[..]).expect("it fits")
        };
        blob_sum.update(&blob[..written]);
        file.write_all(&blob[..written]).expect("it is written");
        raw.clear();
    };
    for row in &tree.rows {
        raw.resize(raw.len() + 512, 0);
        if let Some((path, _)) = &row.source {
            let mut content = File::open(tree.root.join(path)).expect("a file");
            loop {
                let before = raw.len();
                let got = (&mut content).take(FRAME as u64).read_to_end(&mut raw).expect("read");
                debug_assert_eq!(raw.len(), before + got);
                if raw.len() >= FRAME {
                    flush(&mut raw);
                }
                if got < FRAME {
                    break;
                }
            }
        }
        raw.resize(raw.len().next_multiple_of(512), 0);
    }
    flush(&mut raw);
    processor_time() - start
}

fn whole_tree(tree: &Tree, out: &Path) {
    let spec = out.join("spec.mtree");
    fs::write(&spec, tree.spec(None)).expect("a spec");
    let theirs = out.join("theirs");
    println!("| what | taken | size | against | ratio | at most | |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | --- |");
    // The first run fills the kernel's cache of files.
    bsdtar(tree, &spec, &theirs, None, "-cf \"$2\" \"@$1\"");
    let gzip = bsdtar(tree, &spec, &theirs, None, "--gzip -cf \"$2\" \"@$1\"");
    let against = ("bsdtar --gzip", gzip);
    let gzip_size = size(&theirs);
    print("bsdtar --gzip", gzip, against, None, gzip_size);
    for rest in ["-cf - \"@$1\" | pigz >\"$2\"", "-cf - \"@$1\" | zstd -q -T0 >\"$2\""] {
        let (taken, _) = least(|_| bsdtar(tree, &spec, &theirs, None, rest));
        let name = rest.replace(" \"@$1\"", "").replace(" >\"$2\"", "").replace('|', "\\|");
        print(&format!("bsdtar {name}"), taken, against, None, size(&theirs));
    }
    for cores in [None, Some("0")] {
        let gzip = match cores {
            None => gzip,
            Some(_) => bsdtar(tree, &spec, &theirs, cores, "--gzip -cf \"$2\" \"@$1\""),
        };
        for (codec, limit) in [("--compress=gzip", 1.0 / 4.5), ("--compress=zstd", 1.0 / 10.0)] {
            let ours = out.join("once");
            let (taken, ()) = least(|_| once(tree, &spec, &ours, codec, cores));
            let what = match cores {
                None => format!("once {codec}"),
                Some(_) => format!("once {codec}, one core"),
            };
            let limit = cores.is_none().then_some(limit);
            print(&what, taken, ("bsdtar --gzip", gzip), limit, size(&ours));
            if cores.is_none() {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                let floor = floor(tree, &out.join("floor"), codec) / cores as f64;
                print(&what, taken, ("unavoidable / cores", floor), Some(1.1), size(&ours));
            }
        }
    }
    for codec in ["--compress=gzip", "--compress=zstd"] {
        warm(tree, out, &spec, codec, gzip);
    }
}

/// Asks for a layer once more. Bazel removes the outputs of an action before it runs.
fn ask_again(worker: &mut Worker, asked: &WorkRequest, out: &Path) -> f64 {
    fs::remove_file(out).expect("the layer before");
    ask(worker, asked)
}

/// The rows of a worker that has written the layer before, with all inputs listed.
fn warm(tree: &Tree, out: &Path, spec: &Path, codec: &str, gzip: f64) {
    let ours = out.join("layer");
    let mut worker = worker(tree);
    let asked = tree.listed(layer(spec, &ours, codec), None);
    let cold = ask(&mut worker, &asked);
    print(&format!("worker {codec}, cold"), cold, ("bsdtar --gzip", gzip), None, size(&ours));
    let tar = {
        let plain = out.join("plain");
        ask(&mut self::worker(tree), &layer(spec, &plain, "--compress=none"));
        fs::read(plain).expect("a tar")
    };
    let (sum, _) = least(|_| std::hint::black_box(Sha256::digest(&tar)));
    drop(tar);
    for (what, at, against, limit) in [
        ("the first file changed", 0.0, ("SHA-256 of the tar", sum), 1.5),
        ("a file in the last tenth changed", 0.95, ("bsdtar --gzip", gzip), 1.0 / 140.0),
    ] {
        let mut times = Vec::new();
        for round in 0..TIMES {
            let (number, path) = tree.change(at, round, out);
            let changed = Some((number, path.as_path()));
            fs::write(out.join("changed.mtree"), tree.spec(changed)).expect("a spec");
            let asked = layer(&out.join("changed.mtree"), &ours, codec);
            times.push(ask_again(&mut worker, &tree.listed(asked, changed), &ours));
            fs::write(out.join("changed.mtree"), tree.spec(None)).expect("a spec");
        }
        let taken = times.into_iter().fold(f64::MAX, f64::min);
        print(&format!("worker {codec}, {what}"), taken, against, Some(limit), size(&ours));
    }
    ask(&mut worker, &asked);
    let unchanged = (0..TIMES).map(|_| ask_again(&mut worker, &asked, &ours));
    let unchanged = unchanged.fold(f64::MAX, f64::min);
    let (spec_text, out_text) = (spec.to_str().expect("UTF-8"), out.join("resolved"));
    let out_text = out_text.to_str().expect("UTF-8");
    let resolve = request(0, &["resolve", "--mtree", spec_text, "--out", out_text]);
    let resolve = tree.listed(resolve, None);
    let resolved = (0..TIMES).map(|_| ask(&mut worker, &resolve)).fold(f64::MAX, f64::min);
    let (copied, ()) = least(|_| {
        let (mut from, mut to) =
            (File::open(&ours).expect("a layer"), File::create(out.join("copy")).expect("a copy"));
        let mut piece = vec![0; 1 << 20];
        loop {
            let got = from.read(&mut piece).expect("it is read");
            if got == 0 {
                break;
            }
            to.write_all(&piece[..got]).expect("it is written");
        }
    });
    let against = ("resolve warm + copy", resolved + copied);
    print(&format!("worker {codec}, unchanged"), unchanged, against, Some(2.0), size(&ours));
    let peak = worker.memory("VmHWM");
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let most = (64 << 20) + 4 * size(spec) + cores * (16 << 20);
    println!(
        "| worker {codec}, memory | {} MiB | | 64 MiB + 4 × spec + 16 MiB a thread | | {} MiB | {} |",
        peak >> 20,
        most >> 20,
        if peak <= most { "kept" } else { "missed" }
    );
}

/// How cost grows with the rows: contents of 1 KB, of which each is in many rows.
fn growth(out: &Path) {
    println!("\n## Growth: rows of 1 KB each, zstd\n");
    println!("| rows | once | worker, cold | worker, unchanged | each row, cold |");
    println!("| ---: | ---: | ---: | ---: | ---: |");
    let root = out.join("growth");
    fs::create_dir(&root).expect("a directory");
    for number in 0..1000_u32 {
        let content: Vec<u8> = (0..1024_u32).map(|at| ((at * number) >> 7) as u8).collect();
        fs::write(root.join(number.to_string()), content).expect("a file");
    }
    for rows in [4_000, 40_000, 400_000] {
        let rows = (0..rows).map(|number| Row {
            text: format!("./app/{}/{number} uid=0 gid=0 time=0 mode=0644 type=file ", number / 50),
            source: Some((PathBuf::from((number % 1000).to_string()), (number % 1000).to_string())),
            digest: String::new(),
        });
        let tree = Tree { root: root.clone(), rows: rows.collect(), size: 0 };
        let (spec, layer_out) = (out.join("spec.mtree"), out.join("layer"));
        fs::write(&spec, tree.spec(None)).expect("a spec");
        let codec = "--compress=zstd";
        let (cold_once, ()) = least(|_| once(&tree, &spec, &layer_out, codec, None));
        let mut worker = worker(&tree);
        let asked = layer(&spec, &layer_out, codec);
        let cold = ask(&mut worker, &asked);
        let unchanged = (0..TIMES).map(|_| ask(&mut worker, &asked)).fold(f64::MAX, f64::min);
        println!(
            "| {} | {cold_once:.3} s | {cold:.3} s | {unchanged:.3} s | {:.2} µs |",
            tree.rows.len(),
            cold * 1e6 / tree.rows.len() as f64
        );
    }
}

//! Layers that are larger than what memory is allowed to be, and specs of a million rows.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use sha2::{Digest, Sha256};
use worker_tests::client::{WorkRequest, WorkResponse, Worker};
use worker_tests::exec_root::ExecRoot;

use crate::layers::{assert_done, hex, json, layer};

/// The memory that a layer may take beside its spec and threads: the design's budget, in bytes.
const BASE: u64 = 64 << 20;
const A_THREAD: u64 = 16 << 20;

/// How long one of these layers may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

/// Sends a request and waits for its answer for longer than [`Worker::ask`].
fn ask(worker: &mut Worker, asked: WorkRequest) -> WorkResponse {
    worker.send(&asked);
    worker.answer_within(PATIENCE).expect("an answer")
}

#[test]
fn a_file_of_more_than_8_gib_is_written_with_its_size_in_a_pax_header_in_little_memory() {
    let exec_root = ExecRoot::new("");
    let length = (8 << 30) + 5_u64;
    let sparse = File::create(exec_root.at("sparse")).expect("a file");
    sparse.set_len(length).expect("it is sparse");
    exec_root.write("small", "behind");
    let keywords = "uid=0 gid=0 time=1672560000 mode=0644 type=file";
    exec_root.write(
        "spec.mtree",
        format!("./sparse {keywords} content=sparse\n./small {keywords} content=small\n"),
    );
    // A file that was changed just now is identified by its bytes, and later by its times.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let mut worker = exec_root.worker(&["--jobs=2"]);
    let flags = ["--compress=zstd", "--level=1", "--no-resolve", "--descriptor=descriptor.json"];
    let started = std::time::Instant::now();
    assert_done(&ask(&mut worker, layer(0, "layer.tar.zst", &flags)));
    println!("{:?}", started.elapsed());
    let peak = worker.memory("VmHWM");
    assert!(peak < BASE + 2 * A_THREAD, "{} MiB", peak >> 20);
    let mut zstd = Command::new("zstd")
        .args(["-dc", "layer.tar.zst"])
        .current_dir(exec_root.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("zstd starts");
    let mut tar = zstd.stdout.take().expect("it is a pipe");
    let (mut hash, mut total) = (Sha256::new(), 0_u64);
    let mut piece = vec![0; 1 << 20];
    let mut head = Vec::new();
    loop {
        let got = tar.read(&mut piece).expect("it is read");
        if got == 0 {
            break;
        }
        if head.len() < 1536 {
            head.extend_from_slice(&piece[..got.min(1536)]);
        }
        hash.update(&piece[..got]);
        total += got as u64;
    }
    assert!(zstd.wait().expect("it ends").success());
    let digest = format!("sha256:{}", hex(&hash.finalize()));
    assert_eq!(json(&exec_root.at("descriptor.json"))["diff_id"], digest);
    assert_eq!(total, 1536 + (length + 507) + 1024 + 1024);
    assert!(head[512..].starts_with(b"19 size=8589934597\n"), "{}", head[512..600].escape_ascii());
    // Warm, all of it is copied.
    let started = std::time::Instant::now();
    let flags = [&flags[..], &["--report=report.json"]].concat();
    assert_done(&ask(&mut worker, layer(0, "layer.tar.zst", &flags)));
    println!("warm {:?}", started.elapsed());
    assert_eq!(json(&exec_root.at("report.json"))["frames_made"], 0);
}

#[test]
fn a_million_rows_take_at_most_four_times_their_spec_and_64_mib_and_16_mib_a_thread() {
    let exec_root = ExecRoot::new("");
    for number in 0..1000 {
        exec_root.write(format!("in/{number:03}"), format!("content {number}"));
    }
    let mut spec = Vec::new();
    for number in 0..1_000_000 {
        let row = format!(
            "./app/{:04}/row-{number} uid=0 gid=0 time=1672560000 mode=0644 type=file content=in/{:03}\n",
            number % 5000,
            number % 1000
        );
        spec.extend_from_slice(row.as_bytes());
    }
    exec_root.write("spec.mtree", &spec);
    let most = BASE + 4 * spec.len() as u64 + 2 * A_THREAD;
    let mut worker = exec_root.worker(&["--jobs=2"]);
    let flags = ["--compress=zstd", "--level=1", "--no-resolve", "--report=report.json"];
    for what in ["cold", "warm", "warm again", "and again"] {
        let started = std::time::Instant::now();
        assert_done(&ask(&mut worker, layer(0, "layer", &flags)));
        let peak = worker.memory("VmHWM");
        println!("{what}: {:?}, {} MiB of {}", started.elapsed(), peak >> 20, most >> 20);
        assert!(peak <= most, "{what}: {} MiB, {} MiB are allowed", peak >> 20, most >> 20);
    }
    let report = json(&exec_root.at("report.json"));
    assert_eq!((&report["rows"], &report["frames_made"]), (&1_000_000.into(), &0.into()));
    // Between requests, most of what they took is given back. The table of frames stays, 64 MiB at the end of the heap for
    // the next request, and the gap below the table, which is somewhere else after each run: 55 to 150 MiB were seen.
    let (peak, rest) = (worker.memory("VmHWM"), worker.memory("VmRSS"));
    println!("{} MiB stay of {}", rest >> 20, peak >> 20);
    assert!(rest < peak / 2, "{} MiB stay of {}", rest >> 20, peak >> 20);
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("it is known");
    println!("{} MiB in children", usage.max_rss() >> 10);
}

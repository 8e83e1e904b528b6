//! The budget of docs/design.md: what a run takes, as a ratio to what a program takes that does only what
//! cannot be avoided (`floor`), both measured in turn on one tree.
//!
//!     cargo bench --bench budget              the whole table: minutes, and 4,000,000 small files
//!     cargo bench --bench budget -- warm cold  the rows that are named so
//!
//! Other work on the machine makes both slower, and not always alike: the minima are what to go by,
//! the medians tell how much was disturbed. Before each run its output is removed, as Bazel does.

mod table;
mod turns;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use turns::Turns;
use worker_tests::client::{Input, Protocol, WorkRequest, Worker, request};
use worker_tests::exec_root::{ExecRoot, resolve};
use worker_tests::forest::{self, Forest, LONG_TOP, TOP};
use worker_tests::program;

type Outcome = Result<(), Box<dyn Error>>;

const DIRECTORIES: usize = 8_000;
const FILES: usize = 5;
/// How often each is measured.
const ROUNDS: usize = 15;
/// How often that which takes half a second is, and that which takes seconds.
const FEW_ROUNDS: usize = 9;
const FEWEST_ROUNDS: usize = 3;
/// How many requests are in flight at once.
const IN_FLIGHT: usize = 200;
/// How many rows the usual way is timed on.
const SAMPLE: usize = 500;
/// Where a sandbox stands while it is measured.
const BOX: &str = "box";
/// What the program writes, and what the floor writes.
const OUTPUTS: [&str; 4] = ["out.mtree", "floor.mtree", "out.tar.gz", "out.tar.zst"];

fn main() -> Outcome {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((what, command)) if what == "peak" => peak(command),
        _ => {
            let named = arguments.iter().filter_map(|argument| argument.to_str());
            budget(&named.filter(|name| !name.starts_with('-')).collect::<Vec<_>>())
        }
    }
}

/// Measures the rows that are `named`, or all.
fn budget(named: &[&str]) -> Outcome {
    let is_asked = |name: &str| named.is_empty() || named.contains(&name);
    let exec_root = ExecRoot::new("");
    let forest = Planted::new(&exec_root, TOP, DIRECTORIES, FILES)?;
    let tree = format!("{} rows in {} directories", forest.rows(), forest.directories());
    let usual = usual_way(&exec_root, &forest)?;
    table::print_head(&tree);
    if is_asked("cold") {
        let usual = usual * forest.rows() as u32;
        cold("a cold process", &exec_root, &forest, ROUNDS, usual)?;
    }
    if is_asked("warm") {
        warm("a warm request, inputs listed", &exec_root, &forest, usual);
    }
    if is_asked("long") {
        let exec_root = ExecRoot::new("");
        let forest = Planted::new(&exec_root, LONG_TOP, DIRECTORIES, FILES)?;
        let what = "paths of 150 bytes, a cold process";
        cold(what, &exec_root, &forest, ROUNDS, usual * forest.rows() as u32)?;
        warm("paths of 150 bytes, a warm request", &exec_root, &forest, usual);
    }
    if is_asked("sandbox") {
        sandbox(&exec_root, &forest, usual)?;
    }
    if is_asked("flight") {
        in_flight(&exec_root, &forest, usual);
    }
    if is_asked("record") {
        recorded(&exec_root, &forest, usual)?;
    }
    if is_asked("record-layer") {
        recorded_layer()?;
    }
    if is_asked("memory") {
        memory(&exec_root)?;
    }
    for (name, files, rounds) in [("x10", FILES, FEW_ROUNDS), ("x100", 10 * FILES, FEWEST_ROUNDS)] {
        if is_asked(name) {
            let directories = 10 * DIRECTORIES;
            let larger = ExecRoot::new("");
            let forest = Planted::new(&larger, TOP, directories, files)?;
            let usual = usual * forest.rows() as u32;
            let what = format!("{} rows in {directories} directories, cold", forest.rows());
            cold(&what, &larger, &forest, rounds, usual)?;
            if name == "x10" {
                ten_times(&larger, &exec_root, usual);
            }
        }
    }
    drop(exec_root);
    if is_asked("huge") {
        huge_directory(usual)?;
    }
    if is_asked("chain") {
        chain(usual)?;
    }
    if is_asked("links") {
        many_links(usual)?;
    }
    println!(
        "\nThe usual way is one forked readlink a row: {SAMPLE} rows were timed, {:.2} ms each, and \
         the rest scaled.",
        usual.as_secs_f64() * 1e3
    );
    Ok(())
}

/// A forest in an exec root, with its spec and the lists that the floor goes by.
struct Planted(Forest);

impl std::ops::Deref for Planted {
    type Target = Forest;

    fn deref(&self) -> &Forest {
        &self.0
    }
}

impl Planted {
    fn new(
        exec_root: &ExecRoot,
        top: &'static str,
        directories: usize,
        files: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let forest = forest::plant_below(exec_root.path(), top, directories, files)?;
        exec_root.write("spec.mtree", forest.spec());
        write_lines(exec_root, "directories", forest.directory_paths());
        write_lines(exec_root, "rows", forest.sources());
        settle();
        Ok(Self(forest))
    }
}

fn write_lines(exec_root: &ExecRoot, file: &str, lines: impl Iterator<Item = String>) {
    exec_root.write(file, lines.map(|line| line + "\n").collect::<String>());
}

/// Waits until what was planted is on the disk, which would be written to meanwhile, and may be
/// remembered.
fn settle() {
    rustix::fs::sync();
    thread::sleep(Duration::from_millis(2_100));
}

/// One process a run. `floor` are the arguments of the floor.
fn processes(exec_root: &ExecRoot, rounds: usize, floor_arguments: &[&str]) -> Turns {
    let root = exec_root.path();
    let ours = ["resolve", "--mtree=spec.mtree", "--out=out.mtree"];
    let mut turns = Turns::default();
    for _ in 0..rounds {
        turns.take(
            || process(root, program::binary(), &ours),
            || process(root, floor(), floor_arguments),
        );
    }
    turns
}

/// What one process takes that runs in `root`.
fn process(root: &Path, program: &Path, arguments: &[&str]) -> Duration {
    remove_outputs(root);
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root);
    let started = Instant::now();
    let status = command.status().expect("it starts");
    let taken = started.elapsed();
    assert!(status.success(), "{command:?}");
    taken
}

fn cold(
    what: &str,
    exec_root: &ExecRoot,
    forest: &Forest,
    rounds: usize,
    usual: Duration,
) -> Outcome {
    let floor = ["cold", forest.top(), "spec.mtree", "floor.mtree"];
    let turns = processes(exec_root, rounds, &floor);
    table::print(what, &turns, Some(1.0), usual);
    Ok(())
}

/// Ten times the rows: the floor is the program with a tenth of them.
fn ten_times(larger: &ExecRoot, exec_root: &ExecRoot, usual: Duration) {
    let arguments = ["resolve", "--mtree=spec.mtree", "--out=out.mtree"];
    let mut turns = Turns::default();
    for _ in 0..ROUNDS {
        turns.take(
            || process(larger.path(), program::binary(), &arguments),
            || process(exec_root.path(), program::binary(), &arguments),
        );
    }
    table::print("10 × the rows, cold, floor: 1 ×", &turns, Some(11.0), usual);
}

fn warm(what: &str, exec_root: &ExecRoot, forest: &Forest, usual: Duration) {
    let asked = listing(resolve(1, "spec.mtree", "out.mtree"), forest).sent(Protocol::Proto);
    let mut worker = exec_root.worker(&[]);
    let mut floor = floor_worker(exec_root, &["warm", "directories", "spec.mtree", "floor.mtree"]);
    let root = exec_root.path();
    for _ in 0..2 {
        time(root, &mut worker, &asked);
        time(root, &mut floor, &asked);
    }
    let mut turns = Turns::default();
    for _ in 0..2 * ROUNDS {
        turns.take(|| time(root, &mut worker, &asked), || time(root, &mut floor, &asked));
    }
    let usual = usual * forest.rows() as u32;
    table::print(what, &turns, Some(1.5), usual);
}

fn sandbox(exec_root: &ExecRoot, forest: &Forest, usual: Duration) -> Outcome {
    let sandbox = exec_root.at(BOX);
    forest.stage(exec_root.path(), &sandbox)?;
    fs::copy(exec_root.at("spec.mtree"), sandbox.join("spec.mtree"))?;
    settle();
    let asked = listing(resolve(1, "spec.mtree", "out.mtree"), forest);
    let outside = asked.sent(Protocol::Proto);
    let inside = WorkRequest { sandbox_dir: BOX.to_owned(), ..asked }.sent(Protocol::Proto);
    let mut worker = exec_root.worker(&[]);
    let arguments = ["sandbox", "directories", "rows", BOX, "spec.mtree", "floor.mtree"];
    let mut floor = floor_worker(exec_root, &arguments);
    // The real tree is known; the sandbox is not.
    time(exec_root.path(), &mut worker, &outside);
    let take = |worker: &mut Worker, outputs: &Path| {
        forest.renew(&sandbox).expect("a sandbox as if it were new");
        rustix::fs::sync();
        time(outputs, worker, &inside)
    };
    let mut turns = Turns::default();
    for _ in 0..ROUNDS {
        // The floor writes beside the sandbox.
        turns.take(|| take(&mut worker, &sandbox), || take(&mut floor, exec_root.path()));
    }
    let usual = usual * forest.rows() as u32;
    table::print("a request in a fresh sandbox", &turns, Some(1.2), usual);
    Ok(())
}

/// What recording costs: the floor is the program that does not record.
fn recorded(exec_root: &ExecRoot, forest: &Forest, usual: Duration) -> Outcome {
    let root = exec_root.path();
    let record = "--record=captures";
    let resolve_once = ["resolve", "--mtree=spec.mtree", "--out=out.mtree"];
    let mut turns = Turns::default();
    for _ in 0..ROUNDS {
        turns.take(
            || process(root, program::binary(), &[&[record], &resolve_once[..]].concat()),
            || process(root, program::binary(), &resolve_once),
        );
    }
    let usual = usual * forest.rows() as u32;
    table::print("a recorded cold process, floor: not recorded", &turns, None, usual);

    let asked = listing(resolve(1, "spec.mtree", "out.mtree"), forest).sent(Protocol::Proto);
    let turns = recorded_in_turn(exec_root, record, &asked);
    table::print("a recorded warm request, floor: not recorded", &turns, Some(1.25), usual);
    fs::remove_dir_all(exec_root.at("captures"))?;
    Ok(())
}

/// What recording a layer costs: the floor is the program that does not record. Processor time is that of all threads,
/// which other work on the machine changes less than it changes the clock.
fn recorded_layer() -> Outcome {
    const FILES: u64 = 5_000;
    const BYTES: usize = 8_192;
    let exec_root = ExecRoot::new("");
    let mut spec = String::new();
    for number in 0..FILES {
        let source = format!("tree/{}/{number}", number / 20);
        // Half of each byte is random, so that it is compressed to about a half.
        let mut state = number;
        let content: Vec<u8> = (0..BYTES)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                b"0123456789abcdef"[(state >> 60) as usize]
            })
            .collect();
        exec_root.write(&source, content);
        spec += &format!("./{source} uid=0 gid=0 time=0 mode=0644 type=file content={source}\n");
    }
    exec_root.write("spec.mtree", spec);
    settle();
    let root = exec_root.path();
    let record = "--record=captures";
    for out in ["out.tar.gz", "out.tar.zst"] {
        let out_flag = format!("--out={out}");
        let layer = ["layer", "--mtree=spec.mtree", &out_flag];
        let (mut clock, mut processor) = (Turns::default(), Turns::default());
        let once = |arguments: &[&str]| {
            let before = processor_time();
            let taken = process(root, program::binary(), arguments);
            (taken, processor_time() - before)
        };
        for _ in 0..ROUNDS {
            let (mut recorded, mut plain) = (Duration::ZERO, Duration::ZERO);
            let recording = [&[record], &layer[..]].concat();
            clock.take(
                || {
                    let (clock, processor) = once(&recording);
                    recorded = processor;
                    clock
                },
                || {
                    let (clock, processor) = once(&layer);
                    plain = processor;
                    clock
                },
            );
            processor.take(|| recorded, || plain);
        }
        let what = format!(
            "a recorded layer of {FILES} files, {} MB, cold, {out}",
            FILES as usize * BYTES / 1_000_000
        );
        table::print(&what, &clock, Some(1.25), Duration::ZERO);
        table::print(&format!("{what}, processor time"), &processor, Some(1.25), Duration::ZERO);

        let asked = request(1, &["layer", "--mtree=spec.mtree", &out_flag]).sent(Protocol::Proto);
        let turns = recorded_in_turn(&exec_root, record, &asked);
        let what = format!("the same by a worker, nothing changed, {out}");
        table::print(&what, &turns, Some(1.25), Duration::ZERO);
        fs::remove_dir_all(exec_root.at("captures"))?;
    }
    Ok(())
}

/// Processor time of all processes that were waited for.
fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("Linux has it");
    let times = [usage.user_time(), usage.system_time()];
    times.map(|time| Duration::from_micros(time.num_microseconds() as u64)).iter().sum()
}

/// Many warm requests at once, each with an output of its own.
fn in_flight(exec_root: &ExecRoot, forest: &Forest, usual: Duration) {
    let out = |id: usize| format!("out_{id}.mtree");
    let asked: Vec<_> = (1..=IN_FLIGHT)
        .map(|id| listing(resolve(id as i32, "spec.mtree", &out(id)), forest))
        .map(|asked| asked.sent(Protocol::Proto))
        .collect();
    let mut worker = exec_root.worker(&[]);
    let mut floor = floor_worker(exec_root, &["warm", "directories", "spec.mtree", "floor.mtree"]);
    let root = exec_root.path();
    let remove = || (1..=IN_FLIGHT).for_each(|id| drop(fs::remove_file(exec_root.at(out(id)))));
    let at_once = |worker: &mut Worker| {
        remove();
        let started = Instant::now();
        thread::scope(|scope| {
            let mut input = worker.take_input();
            let asked = &asked;
            let sender = scope.spawn(move || {
                use std::io::Write;
                asked.iter().for_each(|asked| input.write_all(asked).expect("it reads"));
                input
            });
            for answer in worker.answers(IN_FLIGHT) {
                assert_eq!((answer.exit_code, &answer.output[..]), (0, ""));
            }
            worker.give_input(sender.join().expect("all was sent"));
        });
        started.elapsed()
    };
    let one_by_one = |floor: &mut Worker| asked.iter().map(|asked| time(root, floor, asked)).sum();
    time(root, &mut worker, &asked[0]);
    let mut turns = Turns::default();
    for _ in 0..FEWEST_ROUNDS {
        turns.take(|| at_once(&mut worker), || one_by_one(&mut floor));
    }
    remove();
    let usual = usual * (IN_FLIGHT * forest.rows()) as u32;
    table::print(&format!("{IN_FLIGHT} warm requests in flight"), &turns, None, usual);
}

/// A directory of a million names, of which three have rows.
fn huge_directory(usual: Duration) -> Outcome {
    const NAMES: usize = 1_000_000;
    let exec_root = ExecRoot::new("");
    let directory = exec_root.at(TOP);
    fs::create_dir_all(&directory)?;
    for number in 0..NAMES {
        fs::File::create(directory.join(format!("name_{number}")))?;
    }
    std::os::unix::fs::symlink("name_1", directory.join("link"))?;
    let names = ["name_1", "name_2", "link"];
    write_spec(&exec_root, names.iter().map(|name| (*name).to_owned()));
    let turns = processes(&exec_root, ROUNDS, &["links", "rows", "spec.mtree", "floor.mtree"]);
    table::print("3 of 1,000,000 names of a directory", &turns, None, usual * 3);
    Ok(())
}

/// A link to a link to … a file, each with a row.
fn chain(usual: Duration) -> Outcome {
    const LINKS: usize = 40;
    let exec_root = ExecRoot::new("");
    let directory = exec_root.at(TOP);
    fs::create_dir_all(&directory)?;
    fs::File::create(directory.join("link_0"))?;
    for number in 1..=LINKS {
        let target = format!("link_{}", number - 1);
        std::os::unix::fs::symlink(target, directory.join(format!("link_{number}")))?;
    }
    write_spec(&exec_root, (0..=LINKS).map(|number| format!("link_{number}")));
    let turns = processes(&exec_root, ROUNDS, &["links", "rows", "spec.mtree", "floor.mtree"]);
    table::print("a chain of 40 links", &turns, None, usual * (LINKS + 1) as u32);
    Ok(())
}

/// Many links in one directory, each to a file beside it.
fn many_links(usual: Duration) -> Outcome {
    const LINKS: usize = 50_000;
    let exec_root = ExecRoot::new("");
    let directory = exec_root.at(TOP);
    fs::create_dir_all(&directory)?;
    fs::File::create(directory.join("file"))?;
    for number in 0..LINKS {
        std::os::unix::fs::symlink("file", directory.join(format!("link_{number}")))?;
    }
    let names = (0..LINKS).map(|number| format!("link_{number}"));
    write_spec(&exec_root, names.chain(["file".to_owned()]));
    let turns = processes(&exec_root, ROUNDS, &["links", "rows", "spec.mtree", "floor.mtree"]);
    table::print("50,000 links in one directory", &turns, None, usual * (LINKS + 1) as u32);
    Ok(())
}

/// A spec of the files of one directory, and the list of their paths.
/// A request to a worker that records, and in turn to one that does not.
fn recorded_in_turn(exec_root: &ExecRoot, record: &str, asked: &[u8]) -> Turns {
    let (mut recording, mut other) = (exec_root.worker(&[record]), exec_root.worker(&[]));
    let mut turns = Turns::default();
    for round in 0..2 + ROUNDS {
        let take = |worker: &mut Worker| {
            let taken = time(exec_root.path(), worker, asked);
            // Captures are compressed behind the answer, and not at the next one's expense.
            thread::sleep(Duration::from_millis(300));
            taken
        };
        match round {
            0 | 1 => drop((take(&mut recording), take(&mut other))),
            _ => turns.take(|| take(&mut recording), || take(&mut other)),
        }
    }
    turns
}

fn write_spec(exec_root: &ExecRoot, names: impl Iterator<Item = String> + Clone) {
    let rows = names.clone().map(|name| {
        format!("./opt/{name} uid=0 gid=0 time=1672560000 mode=0755 type=file content={TOP}/{name}")
    });
    write_lines(exec_root, "spec.mtree", rows);
    write_lines(exec_root, "rows", names.map(|name| format!("{TOP}/{name}")));
    settle();
}

fn memory(exec_root: &ExecRoot) -> Outcome {
    let spec = exec_root.at("spec.mtree").metadata()?.len();
    let output = Command::new(std::env::current_exe()?)
        .arg("peak")
        .arg(program::binary())
        .args(["resolve", "--mtree=spec.mtree", "--out=out.mtree"])
        .current_dir(exec_root.path())
        .stderr(Stdio::inherit())
        .output()?;
    let peak: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    println!(
        "| memory of a cold process | {} kB | {} kB, the spec | {:.2} | 4.0 | | | 1 |",
        peak >> 10,
        spec >> 10,
        peak as f64 / spec as f64,
    );
    Ok(())
}

/// Runs a command, and prints the most memory that was resident at once, in bytes.
fn peak(command: &[OsString]) -> Outcome {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let status = Command::new(program).args(arguments).status()?;
    if !status.success() {
        return Err(format!("{program:?}: {status}").into());
    }
    println!("{}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() * 1024);
    Ok(())
}

/// What one row takes in the usual way: a forked `readlink`, from the shell.
fn usual_way(exec_root: &ExecRoot, forest: &Forest) -> Result<Duration, Box<dyn Error>> {
    let every = forest.rows() / SAMPLE;
    write_lines(exec_root, "sample", forest.sources().step_by(every).take(SAMPLE));
    // The last row is no link, nor is the status of the last readlink.
    let script = "while read -r row; do link=$(readlink \"$row\"); done < sample; true";
    let started = Instant::now();
    let status = Command::new("sh").args(["-c", script]).current_dir(exec_root.path()).status()?;
    let taken = started.elapsed();
    assert!(status.success(), "{status}");
    Ok(taken / SAMPLE as u32)
}

/// The request with every source listed as an input, as Bazel lists them.
fn listing(asked: WorkRequest, forest: &Forest) -> WorkRequest {
    let digest = [b'0'; 64];
    let input = |path| Input { path, digest: digest.to_vec(), ..Input::default() };
    WorkRequest { inputs: forest.sources().map(input).collect(), ..asked }
}

/// What a worker takes for one request, whose outputs are in `root`.
fn time(root: &Path, worker: &mut Worker, asked: &[u8]) -> Duration {
    remove_outputs(root);
    let started = Instant::now();
    worker.send_bytes(asked);
    let answer = worker.answer();
    let taken = started.elapsed();
    assert_eq!((answer.exit_code, &answer.output[..]), (0, ""));
    taken
}

/// Bazel removes the outputs of an action before it runs.
fn remove_outputs(root: &Path) {
    // The first run finds none.
    OUTPUTS.iter().for_each(|output| drop(fs::remove_file(root.join(output))));
}

fn floor() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_floor"))
}

fn floor_worker(exec_root: &ExecRoot, arguments: &[&str]) -> Worker {
    let mut command = Command::new(floor());
    command.args(arguments).current_dir(exec_root.path());
    Worker::start(command, Protocol::Proto)
}

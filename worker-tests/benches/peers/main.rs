//! Writers of layers beside each other, in one table: bsdtar with gzip, pigz and zstd, GNU tar, Python's tarfile as
//! rules_pkg packs, npm's tar-stream as rules_js packed and npm's tar, umoci of Debian, and this program, once and as
//! a worker. Then plots: growth with rows, and with cores.
//!
//!     cargo bench -p worker-tests --bench peers                  CPython, and the plots in docs/plots
//!     PEERS_TREE=DIRECTORY PEERS_OUT=… PEERS_PLOTS=… PEERS_TIMES=3 PEERS_ROWS=256000
//!
//! All run in turn, PEERS_TIMES times (2), and the least counts; for a plot, what takes more than 5 s runs once. The
//! peers keep nothing from one run to the next, so they are measured cold alone. On CPython it takes about 14 minutes.
//! It takes what worker-tests/run installs, and the npm registry.

mod measure;
mod plot;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use measure::{MEASURE, Usage, measured, run_measured};
use plot::{Line, Plot};
use worker_tests::client::{Protocol, WorkRequest, Worker, request};
use worker_tests::packed_tree::{Row, Tree, machine};
use worker_tests::{program, real_tree};

/// What the layer is written of.
const SCENARIOS: [&str; 3] = ["cold", "one edit", "nothing changed"];
/// Where in the rows the edited file is.
const EDIT_AT: f64 = 0.5;

/// A writer that runs once for each layer.
struct Peer {
    name: &'static str,
    /// For bash: $1 is the spec, $2 the output, $3 the rows of pack.py, $4 the directory of this bench, $5 npm's
    /// packages. It runs in the tree.
    script: &'static str,
}

const PEERS: [Peer; 8] = [
    Peer { name: "bsdtar --gzip", script: "bsdtar --gzip -cf \"$2\" \"@$1\"" },
    Peer { name: "bsdtar, pigz", script: "bsdtar -cf - \"@$1\" | pigz >\"$2\"" },
    Peer { name: "bsdtar, zstd -T0", script: "bsdtar -cf - \"@$1\" | zstd -q -T0 >\"$2\"" },
    Peer {
        name: "GNU tar --gzip",
        script: "tar --sort=name --owner=0 --group=0 --mtime=@1672560000 -czf \"$2\" .",
    },
    Peer { name: "Python tarfile", script: "python3 \"$4/pack.py\" \"$3\" \"$2\"" },
    Peer {
        name: "npm tar-stream",
        script: "NODE_PATH=\"$5\" node \"$4/tar-stream.js\" \"$3\" \"$2\"",
    },
    Peer { name: "npm tar", script: "NODE_PATH=\"$5\" node \"$4/node-tar.js\" . \"$2\"" },
    Peer {
        name: "umoci insert",
        script: "rm -rf \"$2.d\" && umoci init --layout \"$2.d\" && umoci new --image \"$2.d:a\" && \
                 umoci insert --image \"$2.d:a\" . /app >&2 && \
                 ln -f \"$(ls -S \"$2.d\"/blobs/sha256/* | head -1)\" \"$2\"",
    },
];

const CODECS: [(&str, &str); 2] = [("gzip", "--compress=gzip"), ("zstd", "--compress=zstd")];

fn main() {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == MEASURE) {
        return run_measured(arguments.skip(1));
    }
    // `cargo test --benches` runs this, too: it has nothing to say there.
    if !arguments.any(|argument| argument == "--bench") {
        return;
    }
    let out = std::env::var_os("PEERS_OUT").map_or_else(std::env::temp_dir, PathBuf::from);
    let out = tempfile::tempdir_in(out).expect("a directory");
    let tree = match std::env::var_os("PEERS_TREE") {
        Some(tree) => PathBuf::from(tree),
        None => real_tree::cpython().expect("a CPython"),
    };
    let tree = Tree::read(tree);
    println!("{}", machine());
    println!("{} rows, {:.0} MB\n", tree.rows.len(), tree.size as f64 / 1e6);
    table(&tree, out.path());
    let cores = plot_of_cores(&tree, out.path());
    let rows = plot_of_rows(out.path());
    let plots = std::env::var_os("PEERS_PLOTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plots"), PathBuf::from);
    fs::create_dir_all(&plots).expect("a directory");
    for (name, svg) in [("rows.svg", rows), ("cores.svg", cores)] {
        fs::write(plots.join(name), svg).expect("it is written");
        println!("wrote {}", plots.join(name).display());
    }
}

fn number(variable: &str, default: usize) -> usize {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}: a number")))
}

/// How often each is measured; the least counts.
fn times() -> usize {
    number("PEERS_TIMES", 2)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).expect("an output").len()
}

/// npm's packages, installed once.
fn packages() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let packages = directory.join("node_modules");
    if !packages.join("tar").exists() || !packages.join("tar-stream").exists() {
        fs::create_dir_all(&directory).expect("a directory");
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--loglevel=error", "--prefix"]).arg(&directory);
        npm.args(["tar@7", "tar-stream@3"]).stdout(std::process::Stdio::null());
        assert!(npm.status().expect("npm starts").success(), "npm: let its registry be reached");
    }
    packages
}

/// The rows as pack.py and tar-stream.js read them.
fn plain_rows(tree: &Tree, changed: Option<(usize, &Path)>) -> String {
    let mut rows = String::new();
    for (number, row) in tree.rows.iter().enumerate() {
        let mut words = row.text.split(' ').filter(|word| !word.is_empty());
        let path = words.next().expect("a path");
        let value = |name: &str| row.text.split(' ').find_map(|word| word.strip_prefix(name));
        let (kind, mode) = (value("type=").expect("a type"), value("mode=").expect("a mode"));
        let other = match (&row.source, changed) {
            (Some(_), Some((changed, source))) if changed == number => text(source).to_owned(),
            (Some((source, _)), _) => source.to_string_lossy().into_owned(),
            (None, _) => value("link=").unwrap_or_default().to_owned(),
        };
        rows += &format!("{kind}\t{mode}\t{path}\t{other}\n");
    }
    rows
}

/// A peer's command for the tree.
fn command(peer: &Peer, tree: &Tree, files: &Files, cores: Option<usize>) -> Command {
    let mut command = match cores {
        None => Command::new("bash"),
        Some(cores) => on(cores, "bash"),
    };
    command.args(["-c", &format!("set -o pipefail; {}", peer.script), "bash"]);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    command.args([&files.spec, &files.out, &files.rows, &here, &files.packages]);
    command.current_dir(&tree.root).env("LC_ALL", "C.UTF-8");
    command
}

fn on(cores: usize, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &format!("0-{}", cores - 1), program]);
    command
}

/// What a peer is given.
struct Files {
    spec: PathBuf,
    rows: PathBuf,
    out: PathBuf,
    packages: PathBuf,
}

fn once(tree: &Tree, spec: &Path, out: &Path, codec: &str, cores: Option<usize>) -> Command {
    let mut command = match cores {
        None => Command::new(program::binary()),
        Some(cores) => on(cores, text(program::binary())),
    };
    command.args(["layer", "--mtree", text(spec), "--out", text(out), codec]);
    command.current_dir(&tree.root);
    command
}

fn asked(spec: &Path, out: &Path, codec: &str) -> WorkRequest {
    request(0, &["layer", "--mtree", text(spec), "--out", text(out), codec])
}

/// Processor time of a process so far, in seconds.
fn processor_time(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
    // Behind the name, which is in brackets: user and system time in ticks, fields 14 and 15.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("ticks");
    (ticks(11) + ticks(12)) / 100.0
}

fn ask(worker: &mut Worker, asked: &WorkRequest) -> Usage {
    let (before, start) = (processor_time(worker.id()), std::time::Instant::now());
    let answer = worker.ask(asked);
    let wall = start.elapsed().as_secs_f64();
    assert_eq!((answer.exit_code, &answer.output[..]), (0, ""), "{answer}");
    Usage { wall, processor: processor_time(worker.id()) - before, memory: worker.memory("VmHWM") }
}

fn table(tree: &Tree, out: &Path) {
    println!(
        "| writer | cold | one edit | nothing changed | processor: cold | one edit | nothing changed | memory | size |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let packages = packages();
    let mut taken: Vec<(String, [Option<Usage>; 3], u64)> = Vec::new();
    let mut note = |name: String, scenario: usize, new: Usage, size: u64| {
        let at = taken.iter().position(|(known, ..)| *known == name).unwrap_or_else(|| {
            taken.push((name, [None; 3], size));
            taken.len() - 1
        });
        let old = &mut taken[at].1[scenario];
        *old = Some(old.map_or(new, |old| old.least(new)));
    };
    for round in 0..times() {
        let edited = tree.change(EDIT_AT, round, out);
        let edited = Some((edited.0, edited.1.as_path()));
        for (scenario, changed) in [None, edited, edited].into_iter().enumerate() {
            let files = Files {
                spec: out.join("spec.mtree"),
                rows: out.join("rows"),
                out: out.join("theirs"),
                packages: packages.clone(),
            };
            fs::write(&files.spec, tree.spec(changed)).expect("a spec");
            fs::write(&files.rows, plain_rows(tree, changed)).expect("rows");
            if (round, scenario) == (0, 0) {
                // This fills the kernel's cache of files.
                let status = once(tree, &files.spec, &files.out, "--compress=none", None).status();
                assert!(status.expect("it starts").success());
            }
            // A peer does the same again.
            for peer in PEERS.iter().filter(|_| scenario == 0) {
                let new = measured(&command(peer, tree, &files, None));
                note(peer.name.to_owned(), scenario, new, size(&files.out));
            }
            for (name, codec) in CODECS {
                let new = measured(&once(tree, &files.spec, &files.out, codec, None));
                note(format!("mtree-worker, once, {name}"), scenario, new, size(&files.out));
            }
        }
        for (name, codec) in CODECS {
            let mut command = Command::new(program::binary());
            command.arg("--persistent_worker").current_dir(&tree.root);
            let mut worker = Worker::start(command, Protocol::Proto);
            let (spec, ours) = (out.join("spec.mtree"), out.join("ours"));
            for (scenario, changed) in [None, edited, edited].into_iter().enumerate() {
                fs::write(&spec, tree.spec(changed)).expect("a spec");
                let new = ask(&mut worker, &tree.listed(asked(&spec, &ours, codec), changed));
                note(format!("mtree-worker, worker, {name}"), scenario, new, size(&ours));
            }
        }
    }
    for (name, scenarios, size) in taken {
        let taken: Vec<Usage> = scenarios.into_iter().flatten().collect();
        assert!([1, SCENARIOS.len()].contains(&taken.len()));
        let seconds = |get: fn(&Usage) -> f64| {
            let mut columns: Vec<_> = taken.iter().map(|t| format!("{:.2} s", get(t))).collect();
            columns.resize(SCENARIOS.len(), "as cold".to_owned());
            columns.join(" | ")
        };
        let memory = taken.iter().map(|taken| taken.memory).max().unwrap_or_default();
        println!(
            "| {name} | {} | {} | {} MiB | {:.1} MB |",
            seconds(|taken| taken.wall),
            seconds(|taken| taken.processor),
            memory >> 20,
            size as f64 / 1e6
        );
    }
}

/// The writers of the plots, each with what it takes of a tree: peers by their place in [`PEERS`].
const PLOTTED: [usize; 3] = [0, 1, 2];

fn lines() -> Vec<Line> {
    let peers = PLOTTED.iter().map(|&peer| PEERS[peer].name.to_owned());
    let ours = CODECS.iter().map(|(name, _)| format!("mtree-worker, {name}"));
    peers.chain(ours).map(|name| Line { name, points: Vec::new() }).collect()
}

/// From so many seconds on, what a plot shows is measured once.
const LONG: f64 = 5.0;

/// Has every writer of the plots write the tree, and adds a point to each line.
fn measure_lines(lines: &mut [Line], x: f64, tree: &Tree, out: &Path, cores: Option<usize>) {
    let files = Files {
        spec: out.join("spec.mtree"),
        rows: out.join("rows"),
        out: out.join("theirs"),
        packages: PathBuf::new(),
    };
    fs::write(&files.spec, tree.spec(None)).expect("a spec");
    let peers = PLOTTED.iter().map(|&peer| command(&PEERS[peer], tree, &files, cores));
    let ours = CODECS.iter().map(|(_, codec)| once(tree, &files.spec, &files.out, codec, cores));
    let commands: Vec<_> = peers.chain(ours).collect();
    let mut least = vec![f64::MAX; commands.len()];
    for round in 0..times() {
        for (command, least) in commands.iter().zip(&mut least) {
            if round == 0 || *least < LONG {
                *least = least.min(measured(command).wall);
            }
        }
    }
    for (line, wall) in lines.iter_mut().zip(least) {
        println!("| {} | {x} | {wall:.3} s |", line.name);
        line.points.push((x, wall));
    }
}

fn plot_of_cores(tree: &Tree, out: &Path) -> String {
    println!("\n| writer | cores | cold |\n| --- | ---: | ---: |");
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let mut lines = lines();
    for cores in (0..).map(|power| 1 << power).take_while(|&cores| cores < all).chain([all]) {
        measure_lines(&mut lines, cores as f64, tree, out, Some(cores));
    }
    let title =
        format!("A cold layer of {} rows, {:.0} MB", tree.rows.len(), tree.size as f64 / 1e6);
    Plot { title: &title, x: "cores", y: "wall clock, seconds", lines: &lines }.svg()
}

fn plot_of_rows(out: &Path) -> String {
    println!("\n| writer | rows | cold |\n| --- | ---: | ---: |");
    let root = out.join("growth");
    fs::create_dir(&root).expect("a directory");
    for number in 0..1_000_u32 {
        let content: Vec<u8> = (0..1_024_u32).map(|at| ((at * number) >> 7) as u8).collect();
        fs::write(root.join(number.to_string()), content).expect("a file");
    }
    let mut lines = lines();
    let most = number("PEERS_ROWS", 256_000);
    for rows in (0..).map(|power| 1_000 << (2 * power)).take_while(|&rows| rows <= most) {
        let rows = (0..rows).map(|number| Row {
            text: format!("./app/{}/{number} uid=0 gid=0 time=0 mode=0644 type=file ", number / 50),
            source: Some((PathBuf::from((number % 1000).to_string()), (number % 1000).to_string())),
            digest: String::new(),
        });
        let tree = Tree { root: root.clone(), rows: rows.collect(), size: 0 };
        let x = tree.rows.len() as f64;
        measure_lines(&mut lines, x, &tree, out, None);
    }
    let title = "A cold layer of rows of 1 KB each";
    Plot { title, x: "rows", y: "wall clock, seconds", lines: &lines }.svg()
}

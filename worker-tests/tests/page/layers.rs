//! The page of captures of layers: sizes, changes, pieces and duplicates are those of the layers on the disk.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use worker_tests::client::{Protocol, Worker, request};
use worker_tests::program;

use crate::browser::{Browser, DESK};

/// A name that would be an element, if it were not text.
pub const HOSTILE: &str = "<img src=x onerror=alert(1)></script>";
const LONG: &str = "app/a-directory/that-has/nothing-but/one-directory/and-a-name-that-is-long-enough-to-be-cut-off-in-any-picture-of-a-page/x.py";

/// Two builds of a layer by one worker, and another layer, recorded.
pub struct Layers {
    directory: TempDir,
    /// The first build, as it was written.
    first: Vec<u8>,
    /// The page of both builds.
    pub builds: PathBuf,
    /// The page of the second build and the other layer.
    pub image: PathBuf,
}

/// Bytes that no compression makes small.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as u8
    });
    next.take(length).collect()
}

impl Layers {
    /// Made once, for all tests.
    pub fn get() -> &'static Layers {
        static LAYERS: OnceLock<Layers> = OnceLock::new();
        LAYERS.get_or_init(Layers::new)
    }

    fn new() -> Layers {
        let directory = tempfile::Builder::new().prefix("page-").tempdir().expect("a directory");
        let at = |path: &str| directory.path().join(path);
        let write = |path: &str, bytes: &[u8]| {
            let path = at(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("it is ours");
            fs::write(path, bytes).expect("a file");
        };
        let mut paths = Vec::new();
        let mut add = |path: &str, bytes: &[u8]| {
            write(path, bytes);
            paths.push(path.to_owned());
        };
        add("app/site-packages/numpy/core.so", &noise(700_000, 1));
        add("app/site-packages/numpy-2.0.dist-info/RECORD", b"numpy");
        add("app/node_modules/@types/node/index.d.ts", &b"declare ".repeat(40_000));
        add(LONG, b"print()");
        add(&format!("app/{}", HOSTILE.replace('/', "_")), b"hostile");
        for number in 0..200 {
            add(
                &format!("app/src/{number:03}.py"),
                format!("number = {number}\n").repeat(20).as_bytes(),
            );
        }
        write("external/py/bin/python3.13", &noise(500_000, 2));
        let link = at("external/py/bin/python3");
        std::os::unix::fs::symlink("python3.13", link).expect("a symlink");
        paths.extend(["python3", "python3.13"].map(|name| format!("external/py/bin/{name}")));
        let spec = |paths: &[String]| {
            let line = |path: &String| {
                let path = path.replace(' ', "\\040").replace('=', "\\075");
                format!("./{path} uid=0 gid=0 mode=0644 time=0 type=file content={path}\n")
            };
            paths.iter().map(line).collect::<String>()
        };
        fs::write(at("spec.mtree"), spec(&paths)).expect("a spec");
        let mut command = Command::new(program::binary());
        command.args(["--record", "captures", "--persistent_worker"]).current_dir(directory.path());
        let mut worker = Worker::start(command, Protocol::Proto);
        let mut build = || {
            // Files that were written in the last 2 s are read each time.
            std::thread::sleep(Duration::from_millis(2500));
            let answer =
                worker.ask(&request(0, &["layer", "--mtree=spec.mtree", "--out=out/app.tar.gz"]));
            assert_eq!((answer.exit_code, answer.output.as_str()), (0, ""));
        };
        fs::create_dir(at("out")).expect("a directory");
        build();
        let first = fs::read(at("out/app.tar.gz")).expect("the layer");
        paths.retain(|path| path != "app/src/100.py");
        write("app/site-packages/torch/libtorch.so", &noise(3_000_000, 3));
        paths.push("app/site-packages/torch/libtorch.so".to_owned());
        write("app/src/007.py", b"changed");
        fs::write(at("spec.mtree"), spec(&paths)).expect("a spec");
        build();
        worker.end();
        // Of the other layer, one file is also in the first one; two are equal.
        write("other/copy", b"the same bytes, twice");
        write("other/again", b"the same bytes, twice");
        let other =
            ["app/site-packages/numpy/core.so", "other/again", "other/copy"].map(str::to_owned);
        fs::write(at("other.mtree"), spec(&other)).expect("a spec");
        let layers =
            Layers { first, builds: at("builds.html"), image: at("image.html"), directory };
        layers.run(&[
            "--record",
            "other",
            "layer",
            "--mtree=other.mtree",
            "--out=out/base.tar.zst",
            "--hardlinks=content",
        ]);
        let captures = layers.captures("captures");
        layers.run(&["report", &captures[0], &captures[1], "--html", "builds.html"]);
        layers.run(&["report", &captures[1], &layers.captures("other")[0], "--html", "image.html"]);
        layers
    }

    fn run(&self, arguments: &[&str]) {
        let done = program::run(self.directory.path(), arguments);
        assert!(done.status.success(), "{}", program::said(&done));
    }

    /// The captures in a directory, in the order of their time.
    fn captures(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).expect("it is there");
        let path = |entry: std::io::Result<fs::DirEntry>| entry.expect("it can be listed").path();
        let mut captures: Vec<_> =
            entries.map(|entry| path(entry).to_str().expect("UTF-8").to_owned()).collect();
        captures.sort();
        captures
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn second(&self) -> Vec<u8> {
        fs::read(self.path("out/app.tar.gz")).expect("the layer")
    }
}

/// The uncompressed size of a layer in gzip.
fn raw_size(layer: &[u8]) -> u64 {
    let mut reader = flate2::read::MultiGzDecoder::new(layer);
    let mut tar = Vec::new();
    reader.read_to_end(&mut tar).expect("it is gzip");
    tar.len() as u64
}

/// The value of an expression of a page's data.
fn number(browser: &mut Browser, expression: &str) -> u64 {
    browser.eval(expression).as_u64().unwrap_or_else(|| panic!("{expression} is no number"))
}

/// The texts of a column of a table, from 0.
fn column(browser: &mut Browser, table: &str, column: usize) -> Vec<String> {
    let script = format!(
        "[...document.querySelectorAll('#{table} tbody tr')].map((row) => row.cells[{column}].textContent).join('\\n')"
    );
    browser.text(&script).split('\n').map(str::to_owned).collect()
}

fn open(page: &Path) -> Browser {
    Browser::open(page, DESK)
}

#[test]
fn the_first_sentence_says_by_how_much_the_layer_grew_and_where() {
    let mut browser = open(&Layers::get().builds);
    let headline = browser.text("document.querySelector('#headline p').textContent");
    // A header and 3,000,000 bytes in blocks, less the file that was removed and what changed.
    assert_eq!(
        headline,
        "app.tar.gz grew by 3.0 MB uncompressed (173.3 %), 3.0 MB in app/site-packages/torch. Entries: 1 new, 1 removed, 1 changed."
    );
}

#[test]
fn sizes_and_digest_are_those_of_the_layer_on_the_disk() {
    let layers = Layers::get();
    let mut browser = open(&layers.builds);
    for (number_of, layer) in [(0, &layers.first), (1, &layers.second())] {
        let mut of =
            |field: &str| number(&mut browser, &format!("layers[{number_of}].contents.{field}"));
        assert_eq!((of("tar"), of("compressed")), (raw_size(layer), layer.len() as u64));
        // The entries share all frames, but for one that has only the end of the tar.
        let end = layer.len() as u64 - of("tree[0].compressed");
        assert!(end < 64, "{end}");
        assert_eq!(of("tree[0].tar") + 1024, of("tar"));
    }
    let digest: String =
        Sha256::digest(layers.second()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        browser.text("document.querySelector('.digest').textContent"),
        format!("digest sha256:{digest}")
    );
}

#[test]
fn the_sizes_of_a_directory_are_the_sum_of_what_is_in_it() {
    let mut browser = open(&Layers::get().builds);
    let wrong = browser.eval(
        "const problems = [];
        layers.forEach((layer) => childrenOf(layer.contents.tree).forEach((children, at) => {
            for (const of of ['tar', 'compressed', 'entries']) {
                const sum = children.reduce((all, child) => all + layer.contents.tree[child][of], 0);
                if (children.length && sum !== layer.contents.tree[at][of]) problems.push([at, of, sum]);
            }
        }));
        problems",
    );
    assert_eq!(wrong, serde_json::json!([]));
}

#[test]
fn changes_are_listed_by_directory_package_and_entry() {
    let mut browser = open(&Layers::get().builds);
    let directories = column(&mut browser, "changed-directories", 0);
    assert_eq!(directories, ["app/site-packages/torch", "app", "app/src"]);
    assert_eq!(column(&mut browser, "changed-packages", 0)[0], "torch");
    assert_eq!(column(&mut browser, "changed-packages", 4)[0], "+3.0 MB");
    let entries = column(&mut browser, "changed-entries", 0);
    let what = column(&mut browser, "changed-entries", 1);
    let entries: Vec<_> =
        entries.iter().zip(&what).map(|(path, what)| format!("{path}: {what}")).collect();
    assert_eq!(
        entries,
        [
            "app/site-packages/torch/libtorch.so: new",
            "app/src/100.py: removed",
            "app/src/007.py: other content",
        ]
    );
}

#[test]
fn packages_are_named() {
    let mut browser = open(&Layers::get().builds);
    let (names, kinds) = (column(&mut browser, "packages", 0), column(&mut browser, "packages", 1));
    let packages: Vec<_> =
        names.iter().zip(&kinds).map(|(name, kind)| format!("{name}: {kind}")).collect();
    assert_eq!(
        packages,
        [
            "torch: Python, in site-packages",
            "numpy: Python, in site-packages",
            "py: repository, external repository",
            "@types/node: npm, in node_modules",
            "in no package: ",
        ]
    );
}

#[test]
fn a_symlink_saves_the_content_of_the_file_in_the_layer() {
    let layers = Layers::get();
    // Its size is known from the layer, not from the disk.
    let mut browser = open(&layers.builds);
    assert_eq!(number(&mut browser, "layers[1].report.bytes_saved"), 500_000);
    assert_eq!(column(&mut browser, "savings", 0)[0], "external/py/bin/python3");
}

#[test]
fn the_pieces_that_were_made_are_counted_and_named() {
    let layers = Layers::get();
    let mut browser = open(&layers.builds);
    assert_eq!(number(&mut browser, "layers[0].contents.pieces.reused"), 0);
    let made = number(&mut browser, "layers[1].contents.pieces.made");
    let reused = number(&mut browser, "layers[1].contents.pieces.reused");
    // The new file is 3 pieces; each edit makes at most 3.
    assert!((4..=12).contains(&made) && reused > 3, "{made} made, {reused} reused");
    let reasons = column(&mut browser, "pieces", 0).join("\n");
    assert!(reasons.contains("copied from an earlier build"), "{reasons}");
    assert!(reasons.contains("made: an entry in it is new or changed"), "{reasons}");
    let bytes: u64 = number(
        &mut browser,
        "layers[1].contents.pieces.runs.reduce((all, run) => all + run.tar, 0)",
    );
    assert_eq!(bytes + 1024, raw_size(&layers.second()));
    browser.eval("document.getElementById('layer').value = '0'; document.getElementById('layer').dispatchEvent(new Event('change'))");
    let reasons = column(&mut browser, "pieces", 0);
    assert_eq!(reasons, ["made: this worker had not built this layer before"]);
    assert_eq!(browser.eval("document.getElementById('changes').hidden"), true);
}

#[test]
fn steps_have_their_times_for_both_builds() {
    let mut browser = open(&Layers::get().builds);
    let label = browser.text("document.getElementById('steps').getAttribute('aria-label')");
    for words in ["app.tar.gz #1: ", "app.tar.gz #2: ", "resolve: ", "write the layer: "] {
        assert!(label.contains(words), "{words}: {label}");
    }
}

#[test]
fn contents_in_two_layers_and_hard_links_are_found() {
    let mut browser = open(&Layers::get().image);
    // Two layers of one image are not two builds.
    assert_eq!(browser.eval("layers.every((layer) => layer.contents.before === null)"), true);
    let files = column(&mut browser, "duplicates", 0);
    let numpy = "app/site-packages/numpy/core.so in app.tar.gz, app/site-packages/numpy/core.so in base.tar.zst";
    assert_eq!(files, [numpy]);
    assert_eq!(number(&mut browser, "data.duplicates.wasted_across"), 700_000);
    assert_eq!(number(&mut browser, "layers[1].contents.hard_links_saved"), 21);
    let about = browser.text("document.getElementById('duplicates-part').textContent");
    assert!(about.contains("700.0 kB of this by having each content in one layer only"), "{about}");
}

#[test]
fn a_layer_that_failed_is_shown_with_its_error() {
    let layers = Layers::get();
    let spec = "./a uid=0 gid=0 mode=0644 time=0 type=file content=gone\n";
    fs::write(layers.path("failed.mtree"), spec).expect("a spec");
    let arguments = ["--record", "failed", "layer", "--mtree=failed.mtree", "--out=out/failed.tar"];
    assert!(!program::run(layers.directory.path(), &arguments).status.success());
    layers.run(&["report", &layers.captures("failed")[0], "--html", "failed.html"]);
    let mut browser = open(&layers.path("failed.html"));
    let table = browser.text("document.getElementById('layers').textContent");
    assert!(table.contains("failed.mtree:1: a: the source gone does not exist"), "{table}");
    assert_eq!(browser.eval("document.getElementById('layer-part').hidden"), true);
}

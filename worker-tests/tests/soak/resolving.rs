//! Requests to resolve: memory and descriptors stay flat.

use std::fs;
use std::os::unix::fs::symlink;

use worker_tests::chance::Chance;
use worker_tests::client::{Input, WorkRequest, cancel};
use worker_tests::exec_root::{ExecRoot, resolve, spec};

use crate::{FLAT, MEBIBYTE, descriptors};

const REQUESTS: usize = 20_000;
/// How many requests are under way at once.
const AT_ONCE: usize = 16;
/// Trees of directories, several times what the cache has room for.
const TREES: usize = 100;
const DIRECTORIES: usize = 40;
const FILES: usize = 20;
/// One request in so many comes after a tree has been removed and planted anew.
const REQUESTS_A_TREE: usize = 50;

/// `--cache-limit`.
const CACHE_LIMIT: u64 = MEBIBYTE;
/// What the program takes besides what it remembers: itself, its threads, and the requests under way.
const BESIDES: u64 = 32 * MEBIBYTE;

fn directory(tree: usize, directory: usize) -> String {
    format!("external/tree_{tree}/directory_{directory}")
}

/// Plants a tree in which chance says what is a link.
fn plant(exec_root: &ExecRoot, tree: usize, chance: &mut Chance) {
    for number in 0..DIRECTORIES {
        let directory = exec_root.at(directory(tree, number));
        fs::create_dir_all(&directory).unwrap();
        for file in 0..FILES {
            let path = directory.join(format!("file_{file}"));
            match chance.below(10) {
                0 if file > 0 => symlink("file_0", path).unwrap(),
                _ => drop(fs::File::create(path).unwrap()),
            }
        }
    }
}

fn sources(tree: usize) -> Vec<String> {
    let files =
        |number| (0..FILES).map(move |file| format!("{}/file_{file}", directory(tree, number)));
    (0..DIRECTORIES).flat_map(files).collect()
}

/// A request for one of the trees: with inputs and without, good and bad.
fn asked(id: usize, chance: &mut Chance) -> WorkRequest {
    let tree = chance.below(TREES);
    let spec = match chance.below(20) {
        0 => "gone.mtree".to_owned(),
        _ => format!("specs/{tree}.mtree"),
    };
    let mut asked = resolve(id as i32, &spec, &format!("out/{}.mtree", id % AT_ONCE));
    if chance.below(3) == 0 {
        let input = |path| Input { path, digest: vec![7; 32], ..Input::default() };
        asked.inputs = sources(tree).into_iter().map(input).collect();
    }
    asked
}

#[test]
fn twenty_thousand_requests_take_no_more_memory_and_descriptors_than_the_first_quarter() {
    let exec_root = ExecRoot::new("");
    let mut chance = Chance::new(4);
    for tree in 0..TREES {
        plant(&exec_root, tree, &mut chance);
        exec_root.write(format!("specs/{tree}.mtree"), spec(&sources(tree)));
    }
    fs::create_dir(exec_root.at("out")).unwrap();
    let flags = ["--jobs=4", &format!("--cache-limit={CACHE_LIMIT}")];
    let mut worker = exec_root.worker(&flags);
    let (mut most_warming, mut most_warm, mut most_descriptors) = (0, 0, 0);
    let mut warm_descriptors = 0;
    for batch in 0..REQUESTS / AT_ONCE {
        if batch * AT_ONCE / REQUESTS_A_TREE != (batch + 1) * AT_ONCE / REQUESTS_A_TREE {
            let tree = chance.below(TREES);
            fs::remove_dir_all(exec_root.at(format!("external/tree_{tree}"))).unwrap();
            plant(&exec_root, tree, &mut chance);
        }
        for id in batch * AT_ONCE + 1..=(batch + 1) * AT_ONCE {
            worker.send(&asked(id, &mut chance));
            if chance.below(20) == 0 {
                worker.send(&cancel(id as i32));
            }
        }
        worker.answers(AT_ONCE);
        let resident = worker.memory("VmRSS");
        if batch * AT_ONCE < REQUESTS / 4 {
            most_warming = resident.max(most_warming);
            warm_descriptors = descriptors(&worker).max(warm_descriptors);
        } else {
            most_warm = resident.max(most_warm);
            most_descriptors = descriptors(&worker).max(most_descriptors);
        }
        if batch % 125 == 0 {
            println!("{:>6} requests: {} kB resident", batch * AT_ONCE, resident >> 10);
        }
    }
    let [warming, warm] = [most_warming, most_warm].map(|bytes| bytes >> 10);
    println!("at most {warming} kB in the first quarter, {warm} kB later");
    assert!(most_warm <= most_warming + FLAT, "{warming} kB became {warm} kB");
    let limit = CACHE_LIMIT + BESIDES;
    assert!(most_warm <= limit, "{most_warm} bytes are more than {limit}");
    assert!(
        most_descriptors <= warm_descriptors,
        "{warm_descriptors} descriptors became {most_descriptors}"
    );
    let end = worker.end();
    assert_eq!((end.code(), end.answers.len()), (0, 0));
    let reused = |line: &&str| !line.contains(" directories_reused=0 ");
    let resolved: Vec<_> = end.log.lines().filter(|line| line.contains(" resolved ")).collect();
    let warm = resolved.iter().filter(|line| reused(line)).count();
    println!("{} requests resolved, {warm} with directories that were known", resolved.len());
    assert!(warm * 4 >= resolved.len(), "the cache is hardly used: {warm} of {}", resolved.len());
}

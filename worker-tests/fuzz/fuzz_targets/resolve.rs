//! Resolving: on a tree and a spec that the fuzzer draws, the program writes what the oracle writes,
//! whether or not the tree is treated as a sandbox.

#![no_main]

use std::{ffi::OsString, fs, path::Path};

use libfuzzer_sys::fuzz_target;
use mtree_worker::{
    error::Sentence,
    fs::Cache,
    request::{Context, Disk},
    worker,
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use worker_tests::{
    difference::difference,
    oracle::{self, Options},
    plant::describe,
    random::{
        spec::{Written, spec},
        tree::{Planted, tree},
    },
};

fuzz_target!(|bytes: &[u8]| {
    // Each has bytes of its own, so that the fuzzer can change one and keep the other.
    let (of_tree, of_spec) = bytes.split_at(bytes.len().min(32));
    let (Some(tree), Some(spec)) = (draw(tree(), of_tree), draw(spec(), of_spec)) else {
        return;
    };
    let planted = tree.plant();
    let written = spec.write(&planted);
    let expected =
        oracle::resolve(&written.spec, &[&written.also], &spec.options, &planted.exec_root);
    for is_sandbox in [false, true] {
        let wrong = match (&expected, ask(&planted, &written, &spec.options, is_sandbox)) {
            (Err(_), Err(_)) => continue,
            (Ok(expected), Ok(answer)) if expected.spec == answer => continue,
            (Ok(expected), Ok(answer)) => difference(&expected.spec, &answer).to_string(),
            (Ok(_), Err(said)) => said,
            (Err(wrong), Ok(_)) => format!("no {wrong:?}"),
        };
        fail(&wrong, &planted, &written, &spec.options);
    }
});

/// A plan that is drawn by chance, as `bytes` have it.
fn draw<S: Strategy>(plans: S, bytes: &[u8]) -> Option<S::Value> {
    // Not by proptest's way to draw from bytes alone: each choice there leaves half of them to the next.
    let mut seed = [0; 32];
    seed[..bytes.len().min(32)].copy_from_slice(&bytes[..bytes.len().min(32)]);
    let chance = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), chance);
    Some(plans.new_tree(&mut runner).ok()?.current())
}

/// What the program writes.
fn ask(
    planted: &Planted,
    written: &Written,
    options: &Options,
    is_sandbox: bool,
) -> Result<Vec<u8>, String> {
    // Beside the exec root, so that no spec is a part of it.
    let directory = planted.root.join("specs");
    fs::create_dir_all(&directory).expect("a directory is made");
    for (name, text) in [("spec.mtree", &written.spec), ("also.mtree", &written.also)] {
        fs::write(directory.join(name), text).expect("a spec can be written");
    }
    let mut arguments = vec!["resolve".into()];
    for (flag, name) in
        [("--mtree=", "spec.mtree"), ("--also=", "also.mtree"), ("--out=", "out.mtree")]
    {
        let mut argument = OsString::from(flag);
        argument.push(directory.join(name));
        arguments.push(argument);
    }
    arguments.extend(options.arguments());
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let context = Context { is_sandbox, ..Context::new(&planted.exec_root, &cache) };
    worker::run(&arguments, None, &mut Disk::new(context))
        .map_err(|error| Sentence(&error).to_string())?;
    Ok(fs::read(Path::new(&directory).join("out.mtree")).expect("there is an output"))
}

/// Fails with what makes a case.
fn fail(what: &str, planted: &Planted, written: &Written, options: &Options) -> ! {
    panic!(
        "{what}\n-- tree --\n{}-- args --\n--also=also.mtree\n{:?}\n-- spec.mtree --\n{}\n-- also.mtree --\n{}",
        describe(&planted.root),
        options.arguments(),
        String::from_utf8_lossy(&written.spec),
        String::from_utf8_lossy(&written.also),
    )
}

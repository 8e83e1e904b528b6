//! Random specs over random trees: the program against the oracle, staged against plain, warm
//! against cold, and the unpacked archives against each other.
//!
//! `PROPTEST_CASES` says how many trees each test draws. A failure prints the tree and the specs in
//! the case format, ready for `worker-tests/cases`.

mod answers;
mod over_base;

use std::{collections::BTreeMap, env, fmt, fs, sync::Mutex, thread, time::Duration};

use mtree_worker::{fs::Cache, request::Context};
use proptest::{
    collection::vec,
    prelude::Strategy,
    strategy::ValueTree,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};
use worker_tests::{
    plant::stage,
    random::{
        spec::{SpecPlan, packable_spec, spec},
        tree::{TreePlan, disturbance, sound_tree, tree},
    },
    unpack::{differences, pack_and_unpack},
};

use answers::{Answer, agree, as_case, ask_in_process, ask_oracle, ask_program};

#[test]
fn the_program_writes_what_the_oracle_writes_however_sources_are_staged() {
    let seen = Mutex::new(Seen::default());
    check(2000, (tree(), spec()), |(tree, spec)| {
        let planted = tree.plant();
        let written = spec.write(&planted);
        let expected = ask_oracle(&planted.exec_root, &written, &spec.options);
        let sandbox = stage(&planted.root, &planted.exec_root, &written.sources)
            .expect("the sources can be staged");
        let expected_staged = ask_oracle(&sandbox, &written, &spec.options);
        agree("the oracle, staged", &expected, &expected_staged)?;
        let plain = ask_program(&planted.exec_root, &written, &spec.options);
        agree("the program", &expected, &plain)?;
        let staged = ask_program(&sandbox, &written, &spec.options);
        agree("the program, staged", &expected, &staged)?;
        for (who, root) in
            [("a sandboxed request", &sandbox), ("one whose sandbox is none", &planted.exec_root)]
        {
            let cache = Cache::new(Cache::DEFAULT_LIMIT);
            let context = Context { is_sandbox: true, ..Context::new(root, &cache) };
            let (answer, _) = ask_in_process(&planted, &written, &spec.options, &context);
            agree(who, &expected, &answer)?;
        }
        seen.lock().expect("no holder panics").add(&expected, written.rows);
        Ok(())
    });
    println!("{}", seen.into_inner().expect("no holder panics"));
}

#[test]
fn the_archives_unpack_to_the_same_bytes_and_no_link_dangles() {
    let links = Mutex::new(0);
    check(400, (sound_tree(), packable_spec()), |(tree, spec)| {
        let planted = tree.plant();
        let written = spec.write_packable(&planted);
        let resolved = ask_program(&planted.exec_root, &written, &spec.options);
        let resolved = resolved.output.map_err(TestCaseError::fail)?;
        let text = String::from_utf8_lossy(&resolved).into_owned();
        *links.lock().expect("no holder panics") += text.matches("type=link").count();
        let [copies, packed_also, packed] = [&written.spec, &written.also, &resolved].map(|spec| {
            let file = tempfile::NamedTempFile::new_in(&planted.root).expect("a file is made");
            // libarchive recognizes the format by this line.
            fs::write(&file, [b"#mtree\n", spec.as_slice()].concat()).expect("it can be written");
            file
        });
        let unpacked = [("copies", &copies), ("links", &packed)].map(|(name, spec)| {
            let unpacked = planted.root.join("unpacked").join(name);
            fs::create_dir_all(&unpacked).expect("a directory is made");
            let specs = [packed_also.path(), spec.path()];
            pack_and_unpack(&planted.exec_root, &specs, &unpacked).map(|()| unpacked)
        });
        let [Ok(copies), Ok(links)] = &unpacked else {
            return Err(TestCaseError::fail(format!("{unpacked:?}")));
        };
        match differences(copies, links) {
            wrong if wrong.is_empty() => Ok(()),
            wrong => Err(TestCaseError::fail(format!("{}\n{text}", wrong.join("\n")))),
        }
    });
    let links = links.into_inner().expect("no holder panics");
    println!("{links} links unpacked");
    assert!(links > 0, "no tree had links");
}

#[test]
fn a_warm_resolve_writes_what_the_tree_says_now() {
    const TREES_AT_ONCE: u32 = 50;
    let plans = (tree(), spec(), spec(), vec(disturbance(), 2));
    let mut runner = TestRunner::new(Config::default());
    let cache = Cache::new(Cache::DEFAULT_LIMIT);
    let mut reused = 0;
    for _ in 0..cases(500).div_ceil(TREES_AT_ONCE) {
        let drawn: Vec<_> = (0..TREES_AT_ONCE)
            .map(|_| plans.new_tree(&mut runner).expect("a plan can be drawn").current())
            .map(|(tree, spec, other, changes)| (tree.plant(), spec, other, changes))
            .collect();
        // Directories younger than that are not cached.
        thread::sleep(Duration::from_millis(2100));
        for (planted, spec, other, changes) in &drawn {
            let ask = |who: &str, spec: &SpecPlan, cache: &Cache, is_sandbox: bool| {
                let written = spec.write(planted);
                let expected = ask_oracle(&planted.exec_root, &written, &spec.options);
                let context = Context { is_sandbox, ..Context::new(&planted.exec_root, cache) };
                let (answer, reused) = ask_in_process(planted, &written, &spec.options, &context);
                if let Err(wrong) = agree(who, &expected, &answer) {
                    panic!("{wrong}\n\n{}", as_case(planted, &written, &spec.options));
                }
                reused
            };
            ask("a cold process", spec, &Cache::new(Cache::DEFAULT_LIMIT), false);
            // In a sandbox that is kept, names are looked up first, then directories are read, then cached.
            let kept = Cache::new(Cache::DEFAULT_LIMIT);
            for (cache, is_sandbox) in [(&cache, false), (&kept, true)] {
                ask("the first of its tree", spec, cache, is_sandbox);
                ask("the second of its tree", spec, cache, is_sandbox);
                reused += ask("a warm process", spec, cache, is_sandbox);
                reused += ask("a warm process with another spec", other, cache, is_sandbox);
            }
            for change in changes {
                // An impossible change is skipped.
                let _ = planted.disturb(change);
                ask("a warm process after a change", spec, &cache, false);
                ask("a kept sandbox after a change", spec, &kept, true);
            }
        }
    }
    println!("{reused} directories reused");
    assert!(reused > 0, "no directory was cached");
}

/// Draws `default` times, or as `PROPTEST_CASES` says, and shows the smallest failure as a case.
fn check<S>(
    default: u32,
    plans: S,
    property: impl Fn((TreePlan, SpecPlan)) -> Result<(), TestCaseError>,
) where
    S: Strategy<Value = (TreePlan, SpecPlan)>,
{
    let mut runner = TestRunner::new(Config {
        cases: cases(default),
        failure_persistence: None,
        max_shrink_iters: 3000,
        ..Config::default()
    });
    match runner.run(&plans, property) {
        Ok(()) => {}
        Err(TestError::Fail(reason, (tree, spec))) => {
            let planted = tree.plant();
            let written = spec.write(&planted);
            panic!("{reason}\n\n{}", as_case(&planted, &written, &spec.options));
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

fn cases(default: u32) -> u32 {
    let asked = env::var("PROPTEST_CASES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(default)
}

/// How often each rule decided, over all trees.
#[derive(Default)]
struct Seen {
    rows: usize,
    errors: BTreeMap<String, usize>,
    rules: BTreeMap<&'static str, [usize; 2]>,
    trees: usize,
}

impl Seen {
    fn add(&mut self, answer: &Answer, rows: usize) {
        self.trees += 1;
        self.rows += rows;
        if let Err(said) = &answer.output {
            *self.errors.entry(said.clone()).or_default() += 1;
        }
        for (rule, times) in &answer.fired {
            let [trees, decisions] = self.rules.entry(rule).or_default();
            *trees += 1;
            *decisions += *times;
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        writeln!(out, "{} trees, {} rows", self.trees, self.rows)?;
        for (rule, [trees, decisions]) in &self.rules {
            writeln!(out, "  {rule}: {decisions} times in {trees} trees")?;
        }
        for (error, times) in &self.errors {
            writeln!(out, "  {error}: {times} trees")?;
        }
        Ok(())
    }
}

//! Random specs over random trees: the program against the oracle, staged against plain, warm
//! against cold, and the unpacked archives against each other.
//!
//! `PROPTEST_CASES` says how many trees each test draws. A failure prints the tree and the specs in
//! the case format, ready for `worker-tests/cases`.

use std::{
    collections::BTreeMap, env, ffi::OsString, fmt, fs, path::Path, sync::Mutex, thread,
    time::Duration,
};

use mtree_worker::{
    error::Sentence,
    fs::Cache,
    request::{Context, Disk},
    worker,
};
use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    sample::{Index, select},
    strategy::ValueTree,
    test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner},
};
use worker_tests::{
    case::Case,
    difference::difference,
    oracle::{self, Fired, Options, Wrong},
    plant::{describe, plant, stage},
    program,
    random::{
        spec::{SpecPlan, Written, packable_spec, packable_spec_with_names_first, spec},
        tree::{Planted, TreePlan, disturbance, sound_tree, tree},
    },
    unpack::{Unpacker, differences, pack, pack_and_unpack},
};

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
fn the_archives_unpack_to_the_same_bytes_and_no_link_leads_nowhere() {
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
            // By this line libarchive knows the format.
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
fn over_a_base_image_with_links_the_archives_unpack_to_the_same_bytes_with_any_unpacker() {
    let counts = Mutex::new([0; 2]);
    let specs = packable_spec_with_names_first();
    let plans = (sound_tree(), (specs, any::<Index>(), select(LINK_TARGETS), any::<bool>()));
    let mut runner = TestRunner::new(Config {
        cases: cases(150),
        failure_persistence: None,
        rng_seed: seed(),
        max_shrink_iters: 300,
        ..Config::default()
    });
    let result = runner.run(&plans, |(tree, (spec, directory, target, is_own))| {
        let planted = tree.plant();
        let mut written = spec.write_packable(&planted);
        let Some(link) = link_above(&written.spec, &directory, target) else {
            return Ok(());
        };
        let base = format!(
            "#mtree\n./{target}/ type=dir mode=0755 uid=0 gid=0 time=0\n\
             ./{target}/base type=file mode=0644 uid=0 gid=0 time=0\n"
        );
        let base = [base.as_bytes(), if is_own { b"" } else { &link }].concat();
        if is_own {
            written.spec = [b"#mtree\n", &link[..], &written.spec].concat();
        }
        written.also.extend(&base);
        let resolved = ask_program(&planted.exec_root, &written, &spec.options);
        let resolved = resolved.output.map_err(TestCaseError::fail)?;
        let text = String::from_utf8_lossy(&resolved).into_owned();
        let archives = [("also", &written.also), ("copies", &written.spec), ("links", &resolved)];
        let mut packed = Vec::new();
        for (name, spec) in archives {
            let file = planted.root.join(name).with_extension("mtree");
            let archive = planted.root.join(name).with_extension("tar");
            fs::write(&file, [b"#mtree\n", spec.as_slice()].concat()).expect("it can be written");
            pack(&planted.exec_root, &[&file], &archive).map_err(TestCaseError::fail)?;
            packed.push(archive);
        }
        for unpacker in Unpacker::ALL {
            let unpack = |name: &str, archive: &Path| {
                let into = planted.root.join(format!("{unpacker:?}-{name}"));
                fs::create_dir_all(&into).expect("a directory is made");
                unpacker.unpack(&packed[0], &into)?;
                unpacker.unpack(archive, &into).map(|()| into)
            };
            let Ok(copies) = unpack("copies", &packed[1]) else {
                // A file where a directory has to be: the layer was no good before.
                continue;
            };
            let links = unpack("links", &packed[2]);
            if links.as_ref().is_err_and(|said| said.contains("Cannot unlink: Is a directory")) {
                // GNU tar puts a file where a link will be, and takes a directory for it that was made with
                // the number of its inode.
                continue;
            }
            let links = links
                .map_err(|said| TestCaseError::fail(format!("{unpacker:?}: {said}\n{text}")))?;
            let wrong = differences(&copies, &links);
            if !wrong.is_empty() {
                let wrong = wrong.join("\n");
                let case = as_case(&planted, &written, &spec.options);
                return Err(TestCaseError::fail(format!("{unpacker:?}: {wrong}\n{text}\n{case}")));
            }
            counts.lock().expect("no holder panics")[0] += 1;
        }
        counts.lock().expect("no holder panics")[1] += text.matches("type=link").count();
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let [unpacked, links] = counts.into_inner().expect("no holder panics");
    println!("{unpacked} trees unpacked, {links} links");
    assert!(unpacked > 0 && links > 0, "nothing was compared");
}

/// The cases of rule 10 with rows below a link of a base image: chains of links, collapsed directories, targets below
/// the link.
const BELOW_LINKS: &[&str] = &[
    "row-below-a-link-of-another-layer",
    "below-link-chain",
    "below-link-collapse",
    "below-link-climbs-within-it",
    "below-link-target-from-outside",
];

#[test]
fn the_cases_of_rows_below_links_unpack_to_the_same_bytes_over_a_base_with_any_unpacker() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    for name in BELOW_LINKS {
        let file = cases.join(name).with_extension("txtar");
        let case = Case::read(&file).expect("the case is there");
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().canonicalize().expect("it is there");
        plant(&root, case.tree()).expect("the tree can be planted");
        let exec_root = root.join("execroot/_main");
        let mut specs = case.specs(&root);
        for (name, text) in &specs {
            fs::write(exec_root.join(name), text).expect("a spec can be written");
        }
        let flags = ["resolve", "--mtree=spec.mtree", "--out=out.mtree"].map(str::to_owned);
        let done = program::run(&exec_root, &[&flags[..], &case.arguments()].concat());
        assert!(done.status.success(), "{name}: {}", program::said(&done));
        specs.push(("out.mtree", fs::read(exec_root.join("out.mtree")).expect("an output")));
        for (name, text) in &specs {
            let (file, archive) = (exec_root.join(name), root.join(name).with_extension("tar"));
            fs::write(&file, [b"#mtree\n", text.as_slice()].concat()).expect("it can be written");
            pack(&exec_root, &[&file], &archive).expect("it is packed");
        }
        let mut unpacked = 0;
        for unpacker in Unpacker::ALL {
            let [copies, links] = ["spec", "out"].map(|layer| {
                let into = root.join(format!("{unpacker:?}-{layer}"));
                for target in ["usr/lib", "usr/z"] {
                    fs::create_dir_all(into.join(target)).expect("a directory is made");
                }
                for (name, _) in specs.iter().filter(|(name, _)| name.contains("base")) {
                    let base = root.join(name).with_extension("tar");
                    unpacker.unpack(&base, &into).expect("a base is unpacked");
                }
                let layer = root.join(layer).with_extension("tar");
                unpacker.unpack(&layer, &into).map(|()| into)
            });
            let Ok(copies) = copies else {
                // GNU tar holds links with `..` back to the end, so that rows below them have no place.
                continue;
            };
            unpacked += 1;
            let links = links.unwrap_or_else(|said| panic!("{name}, {unpacker:?}: {said}"));
            let wrong = differences(&copies, &links);
            assert!(wrong.is_empty(), "{name}, {unpacker:?}: {}", wrong.join("\n"));
        }
        assert!(unpacked >= 2, "{name}: only {unpacked} programs unpack it");
    }
}

/// Where the links of the base image lead.
const LINK_TARGETS: &[&str] = &["usr", "opt/py", "app", "app/v1", "layer", "other/place"];

/// A link row where one of the directories above a row of `spec` is; `None` if that would be a circle.
fn link_above(spec: &[u8], which: &Index, target: &str) -> Option<Vec<u8>> {
    let names =
        spec.split(|byte| *byte == b'\n').filter_map(|line| line.split(|b| *b == b' ').next());
    let names = names.map(|name| name.strip_prefix(b"./").unwrap_or(name));
    let directories: Vec<&[u8]> = names
        .filter(|name| !name.starts_with(b"/") && !name.starts_with(b"#"))
        .flat_map(|name| {
            let ends = name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            ends.map(|(end, _)| &name[..end])
        })
        // One with dots may be the archive's own directory, which cannot be a link.
        .filter(|path| path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b".")))
        .collect();
    if directories.is_empty() {
        return None;
    }
    let directory = *which.get(&directories);
    // Where the link itself has a second row, GNU tar unpacks what comes between the two through the link and
    // the rest beside it: no text is right for both.
    let is_a_row = |line: &[u8]| {
        let name = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let name = name.strip_prefix(b"./").unwrap_or(name);
        name.strip_suffix(b"/").unwrap_or(name) == directory
    };
    if spec.split(|byte| *byte == b'\n').any(is_a_row) {
        return None;
    }
    let is_at_or_below = |one: &[u8], other: &[u8]| {
        one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    };
    if is_at_or_below(directory, target.as_bytes()) || is_at_or_below(target.as_bytes(), directory)
    {
        return None;
    }
    let ups = "../".repeat(directory.iter().filter(|byte| **byte == b'/').count());
    let fields = format!(" type=link mode=0777 uid=0 gid=0 time=0 link={ups}{target}\n");
    Some([b"./", directory, fields.as_bytes()].concat())
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
        // Directories younger than that are not remembered.
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
            // A sandbox that is kept is looked up name by name, then read, then remembered.
            let kept = Cache::new(Cache::DEFAULT_LIMIT);
            for (cache, is_sandbox) in [(&cache, false), (&kept, true)] {
                ask("the first of its tree", spec, cache, is_sandbox);
                ask("the second of its tree", spec, cache, is_sandbox);
                reused += ask("a warm process", spec, cache, is_sandbox);
                reused += ask("a warm process with another spec", other, cache, is_sandbox);
            }
            for change in changes {
                // A change that is not possible is none.
                let _ = planted.disturb(change);
                ask("a warm process after a change", spec, &cache, false);
                ask("a kept sandbox after a change", spec, &kept, true);
            }
        }
    }
    println!("{reused} directories reused");
    assert!(reused > 0, "no directory was remembered");
}

/// An output, or what is said instead.
struct Answer {
    output: Result<Vec<u8>, String>,
    fired: Fired,
}

/// What the oracle answers for the sources below `directory`.
fn ask_oracle(directory: &Path, written: &Written, options: &Options) -> Answer {
    match oracle::resolve(&written.spec, &[&written.also], options, directory) {
        Ok(resolved) => Answer { output: Ok(resolved.spec), fired: resolved.fired },
        Err(wrong) => Answer { output: Err(kind(&wrong).to_owned()), fired: Fired::new() },
    }
}

fn kind(wrong: &Wrong) -> &'static str {
    match wrong {
        Wrong::Line { .. } => "bad line",
        Wrong::Circle { .. } => "circle",
        Wrong::NoTarget { .. } => "missing target",
    }
}

/// What the program answers, run in `directory`.
fn ask_program(directory: &Path, written: &Written, options: &Options) -> Answer {
    let mut arguments = put_specs(directory, written);
    arguments.extend(options.arguments());
    let done = program::run(directory, &arguments);
    let output = match done.status.success() {
        true => Ok(fs::read(directory.join("out.mtree")).expect("there is an output")),
        false => Err(program::said(&done)),
    };
    Answer { output, fired: Fired::new() }
}

/// What a process answers in `context`, and how many directories it knew.
fn ask_in_process(
    planted: &Planted,
    written: &Written,
    options: &Options,
    context: &Context<'_>,
) -> (Answer, usize) {
    // Beside the exec root, so that no spec is a change to it.
    let directory = planted.root.join("specs");
    fs::create_dir_all(&directory).expect("a directory is made");
    let mut arguments = put_specs(&directory, written);
    arguments.extend(options.arguments());
    let done = worker::run(&arguments, None, &mut Disk::new(*context));
    let reused = done.as_ref().map_or(0, |outcome| outcome.report.directories_reused);
    let output = match done {
        Ok(_) => Ok(fs::read(directory.join("out.mtree")).expect("there is an output")),
        Err(error) => Err(Sentence(&error).to_string()),
    };
    (Answer { output, fired: Fired::new() }, reused)
}

/// Writes the specs to `directory`, and gives the arguments that name them.
fn put_specs(directory: &Path, written: &Written) -> Vec<OsString> {
    for (name, text) in [("spec.mtree", &written.spec), ("also.mtree", &written.also)] {
        fs::write(directory.join(name), text).expect("a spec can be written");
    }
    let flag = |flag: &str, name: &str| {
        let mut argument = OsString::from(flag);
        argument.push(directory.join(name));
        argument
    };
    vec![
        "resolve".into(),
        flag("--mtree=", "spec.mtree"),
        flag("--also=", "also.mtree"),
        flag("--out=", "out.mtree"),
    ]
}

/// Fails unless both answers have the same bytes, or are both errors.
fn agree(who: &str, expected: &Answer, answer: &Answer) -> Result<(), TestCaseError> {
    match (&expected.output, &answer.output) {
        (Err(_), Err(_)) => Ok(()),
        (Ok(expected), Ok(answer)) if expected == answer => Ok(()),
        (Ok(expected), Ok(answer)) => {
            Err(TestCaseError::fail(format!("{who}: {}", difference(expected, answer))))
        }
        (Ok(_), Err(said)) => Err(TestCaseError::fail(format!("{who} fails: {said}"))),
        (Err(wrong), Ok(_)) => Err(TestCaseError::fail(format!("{who} finds no {wrong}"))),
    }
}

/// The seed of the trees: the same in each run, unless `PROPTEST_RNG_SEED` names another or is `random`.
fn seed() -> RngSeed {
    match env::var("PROPTEST_RNG_SEED") {
        Ok(seed) => seed.parse().unwrap_or(RngSeed::Random),
        Err(_) => RngSeed::Fixed(1),
    }
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
        rng_seed: seed(),
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

/// What failed, in the case format; its outputs are left to be derived by hand.
fn as_case(planted: &Planted, written: &Written, options: &Options) -> String {
    let arguments: String =
        options.arguments().iter().map(|argument| format!("{}\n", argument.display())).collect();
    format!(
        "As a case:\n-- tree --\n{}-- args --\n--also=also.mtree\n{arguments}-- spec.mtree --\n{}\n-- also.mtree --\n{}",
        describe(&planted.root),
        String::from_utf8_lossy(&written.spec),
        String::from_utf8_lossy(&written.also),
    )
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

//! Layers over a base image: its links, and the rows below them.

use std::{fs, path::Path, sync::Mutex};

use proptest::{
    prelude::any,
    sample::{Index, select},
    test_runner::{Config, TestCaseError, TestRunner},
};
use worker_tests::{
    case::Case,
    plant::plant,
    program,
    random::{spec::packable_spec_with_names_first, tree::sound_tree},
    unpack::{Unpacker, differences, pack},
};

use crate::{
    answers::{as_case, ask_program},
    cases,
};

#[test]
fn over_a_base_image_with_links_the_archives_unpack_to_the_same_bytes_with_any_unpacker() {
    let counts = Mutex::new([0; 2]);
    let specs = packable_spec_with_names_first();
    let plans = (sound_tree(), (specs, any::<Index>(), select(LINK_TARGETS), any::<bool>()));
    let mut runner = TestRunner::new(Config {
        cases: cases(150),
        failure_persistence: None,
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
                // A file where a directory has to be: the layer was already wrong.
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
                // GNU tar makes links with `..` last, so that rows below them cannot be unpacked.
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

/// A link row where one of the directories above a row of `spec` is; `None` if that would be a symlink loop.
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

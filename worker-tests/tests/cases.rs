//! Runs every case of `worker-tests/cases`, plain and staged as in a sandbox, a test for each: the
//! program, and the oracle too, so that both implementations of the rules pass the cases.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use libtest_mimic::{Arguments, Failed, Trial};
use worker_tests::{
    case::{Case, Want},
    difference::difference,
    oracle::{self, DirectoryLinks, MissingTarget, Mode, Options},
    plant::{plant, sources, stage, temporary_directory},
    program,
};

const EXEC_ROOT: &str = "execroot/_main";

fn main() -> ExitCode {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut trials = Vec::new();
    for file in case_files(&directory) {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let mut add = |way: &str, check, staging| {
            trials.push(trial(&name, way, &file, check, staging));
        };
        add("plain", check_program, Staging::None);
        add("oracle", check_oracle, Staging::None);
        if Case::read(&file).is_ok_and(|case| case.cwd().is_none()) {
            add("staged", check_program, Staging::Sandbox);
            add("oracle-staged", check_oracle, Staging::Sandbox);
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

type Check = fn(&Path, Staging) -> Result<(), Failed>;

fn trial(name: &str, way: &str, file: &Path, check: Check, staging: Staging) -> Trial {
    let file = file.to_owned();
    Trial::test(format!("{name}::{way}"), move || check(&file, staging))
}

fn case_files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .expect("the cases are there")
        .map(|entry| entry.expect("the cases can be listed").path())
        .filter(|path| path.extension() == Some(OsStr::new("txtar")))
        .collect();
    files.sort();
    files
}

/// How the sources reach the directory that the command runs in.
#[derive(PartialEq)]
enum Staging {
    None,
    /// One absolute link per source, as in a sandbox.
    Sandbox,
}

/// A case on the disk. Dropping it deletes the directory.
struct Planted {
    case: Case,
    root: PathBuf,
    cwd: PathBuf,
    _directory: tempfile::TempDir,
}

fn plant_case(file: &Path, staging: Staging) -> Result<Planted, Failed> {
    let case = Case::read(file)?;
    let directory = temporary_directory("case-")?;
    let root = directory.path().canonicalize()?;
    plant(&root, case.tree())?;
    let mut cwd = root.join(case.cwd().as_deref().unwrap_or(EXEC_ROOT));
    fs::create_dir_all(&cwd)?;
    let specs = case.specs(&root);
    if staging == Staging::Sandbox {
        let sources: Vec<_> = specs.iter().flat_map(|(_, text)| sources(text)).collect();
        cwd = stage(&root, &cwd, &sources)?;
    }
    for (name, text) in &specs {
        fs::write(cwd.join(name), text)?;
    }
    Ok(Planted { case, root, cwd, _directory: directory })
}

fn check_program(file: &Path, staging: Staging) -> Result<(), Failed> {
    let planted = plant_case(file, staging)?;
    let mut arguments =
        ["resolve", "--mtree", "spec.mtree", "--out", "out.mtree"].map(str::to_owned).to_vec();
    arguments.extend(planted.case.arguments());
    let done = program::run(&planted.cwd, &arguments);
    let said = program::said(&done);
    let out = planted.cwd.join("out.mtree");
    match planted.case.want(&planted.root) {
        Want::Failure(words) => {
            if done.status.success() {
                return Err("exited 0".into());
            }
            let missing: Vec<&String> = words.iter().filter(|word| !said.contains(*word)).collect();
            if !missing.is_empty() {
                return Err(format!("stderr does not name {missing:?}: {said}").into());
            }
            if out.exists() {
                return Err("left an output file".into());
            }
            Ok(())
        }
        Want::Spec(_) if !done.status.success() => {
            Err(format!("exited {}: {said}", done.status).into())
        }
        Want::Spec(want) => compare(&want, &fs::read(out)?),
    }
}

fn check_oracle(file: &Path, staging: Staging) -> Result<(), Failed> {
    let planted = plant_case(file, staging)?;
    let (options, also) = understand(&planted.case.arguments());
    let also =
        also.iter().map(|name| fs::read(planted.cwd.join(name))).collect::<Result<Vec<_>, _>>()?;
    let also: Vec<&[u8]> = also.iter().map(Vec::as_slice).collect();
    let spec = fs::read(planted.cwd.join("spec.mtree"))?;
    let resolved = oracle::resolve(&spec, &also, &options, &planted.cwd);
    match (planted.case.want(&planted.root), resolved) {
        (Want::Failure(_), Err(_)) => Ok(()),
        (Want::Failure(_), Ok(_)) => Err("the oracle finds nothing wrong".into()),
        (Want::Spec(_), Err(wrong)) => Err(format!("{wrong:?}").into()),
        (Want::Spec(want), Ok(resolved)) => compare(&want, &resolved.spec),
    }
}

/// The options of the oracle and the names of the also-specs that a case's arguments say.
fn understand(arguments: &[String]) -> (Options, Vec<String>) {
    let mut options = Options::default();
    let mut also = Vec::new();
    let mut words = arguments.iter().flat_map(|word| {
        let (flag, value) = word.split_once('=').filter(|_| word.starts_with("--")).unzip();
        [Some(flag.unwrap_or(word)), value].into_iter().flatten()
    });
    while let Some(flag) = words.next() {
        let mut value = || words.next().expect("the flag has a value").to_owned();
        let changes = &mut options.changes;
        match flag {
            "--also" => also.push(value()),
            "--missing-target" => {
                options.missing_target = match value().as_str() {
                    "keep" => MissingTarget::Keep,
                    "fail" => MissingTarget::Fail,
                    _ => MissingTarget::Inline,
                }
            }
            "--directory-links" => {
                options.directory_links = match value().as_str() {
                    "expand" => DirectoryLinks::Expand,
                    _ => DirectoryLinks::Collapse,
                }
            }
            "--link-is-source" => options.link_is_source = true,
            "--no-resolve" => options.no_resolve = true,
            "--strip-prefix" => changes.strip_prefix = Some(value().into_bytes()),
            "--package-dir" => changes.package_dir = Some(value().into_bytes()),
            "--mtime" => changes.mtime = Some(value()),
            "--owner" => changes.owner = Some(value()),
            "--ownername" => changes.ownername = Some(value()),
            "--group" => changes.group = Some(value()),
            "--groupname" => changes.groupname = Some(value()),
            "--include" => changes.choice.include.push(value()),
            "--exclude" => changes.choice.exclude.push(value()),
            "--include-source" => changes.choice.include_source.push(value()),
            "--exclude-source" => changes.choice.exclude_source.push(value()),
            "--sort" => changes.sort = true,
            "--mode" => {
                let value = value();
                let (pattern, mode) = value.rsplit_once('=').unzip();
                changes.modes.push(Mode {
                    pattern: pattern.map(str::to_owned),
                    mode: mode.unwrap_or(&value).to_owned(),
                });
            }
            other => panic!("no such flag: {other}"),
        }
    }
    (options, also)
}

fn compare(want: &[u8], got: &[u8]) -> Result<(), Failed> {
    if want == got {
        return Ok(());
    }
    Err(difference(want, got).into())
}

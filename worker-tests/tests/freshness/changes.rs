//! Changes to one package.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use worker_tests::chance::Chance;

/// Names that may be files or links, and what links there may hold. Few of them are loops, since a
/// request that fails tests little.
const NAMES: [(&str, &[&str]); 8] = [
    ("bin/python", &["python3", "python3.1", "extra", "nowhere", "../lib/v1/m.py"]),
    ("bin/python3", &["python3.1", "extra", "far"]),
    ("bin/extra", &["python3.1", "../hidden/far"]),
    ("bin/far", &["../hidden/far", "python3.1"]),
    ("hidden/far", &["../lib/v1/m.py", "../lib/current/n.py", "../bin/python3.1"]),
    ("lib/v1/o.py", &["m.py", "n.py", "../../bin/far"]),
    ("lib/v2/o.py", &["m.py", "../v1/m.py", "../current/m.py"]),
    ("lib/v2/m.py", &["n.py", "../../bin/python3.1"]),
];

/// Changes something below `package`, and returns a description.
pub fn within(package: &Path, chance: &mut Chance) -> String {
    match chance.below(8) {
        0 => change_a_name(package, chance),
        1 => {
            let directory = package.join(chance.pick(&["bin", "hidden", "lib"]));
            let before = modified(&directory);
            let done = change_a_name(package, chance);
            set_modified(&directory, before);
            format!("{done}, with the times of {} set back", directory.display())
        }
        2 => {
            let link = package.join("lib/current");
            let target = *chance.pick(&["v1", "v2", "../lib/v1", "nowhere"]);
            retarget(&link, target);
            format!("lib/current to {target}")
        }
        3 => swap_directory(package, chance),
        4 => {
            let (directory, link) = (package.join("lib/v2"), package.join("lib/.v2"));
            if directory.is_symlink() {
                fs::remove_file(&directory).unwrap();
                fs::rename(&link, &directory).unwrap();
                return "lib/v2 a directory again".to_owned();
            }
            fs::rename(&directory, &link).unwrap();
            symlink("v1", &directory).unwrap();
            "lib/v2 a link to v1".to_owned()
        }
        5 => {
            exchange(&package.join("lib/v1/m.py"), &package.join("lib/v1/n.py"));
            "lib/v1/m.py and n.py exchanged".to_owned()
        }
        6 => {
            let extra = package.join("bin/extra");
            if extra.symlink_metadata().is_ok() {
                fs::remove_file(extra).unwrap();
                return "bin/extra removed".to_owned();
            }
            File::create(extra).unwrap();
            "bin/extra added".to_owned()
        }
        _ => {
            // Back and forth: the same names, and other times.
            let (name, aside) = (package.join("bin/python3.1"), package.join("bin/aside"));
            fs::rename(&name, &aside).unwrap();
            fs::rename(&aside, &name).unwrap();
            "bin touched".to_owned()
        }
    }
}

/// Exchanges two names.
pub fn exchange(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
        .unwrap_or_else(|error| panic!("{}, {}: {error}", one.display(), other.display()));
}

fn change_a_name(package: &Path, chance: &mut Chance) -> String {
    let (name, targets) = *chance.pick(&NAMES);
    let path = package.join(name);
    let target = *chance.pick(targets);
    match (chance.below(3), path.symlink_metadata()) {
        (0, _) => {
            retarget(&path, target);
            format!("{name} to {target}, renamed into place")
        }
        (_, Ok(there)) if there.is_symlink() => {
            fs::remove_file(&path).unwrap();
            File::create(&path).unwrap();
            format!("{name} a file")
        }
        (_, Ok(_)) => {
            fs::remove_file(&path).unwrap();
            symlink(target, &path).unwrap();
            format!("{name} a link to {target}")
        }
        (_, Err(_)) => {
            symlink(target, &path).unwrap();
            format!("{name} added, a link to {target}")
        }
    }
}

/// Replaces whatever is at `path` by a link to `target`.
fn retarget(path: &Path, target: &str) {
    let aside = path.with_file_name("aside");
    symlink(target, &aside).unwrap();
    fs::rename(aside, path).unwrap();
}

/// Replaces `lib/v1` by another directory, with other names and the same time, and restores the times of
/// `lib`.
fn swap_directory(package: &Path, chance: &mut Chance) -> String {
    let (lib, v1) = (package.join("lib"), package.join("lib/v1"));
    let (new, old) = (package.join("lib/.new"), package.join("lib/.old"));
    let (lib_before, before) = (modified(&lib), modified(&v1));
    fs::create_dir(&new).unwrap();
    for name in ["m.py", "n.py", "o.py"] {
        match chance.below(3) {
            0 => symlink("../../bin/python3.1", new.join(name)).unwrap(),
            1 if name == "o.py" => symlink("n.py", new.join(name)).unwrap(),
            _ => drop(File::create(new.join(name)).unwrap()),
        }
    }
    set_modified(&new, before);
    fs::rename(&v1, &old).unwrap();
    fs::rename(&new, &v1).unwrap();
    fs::remove_dir_all(&old).unwrap();
    set_modified(&lib, lib_before);
    "lib/v1 swapped, with its times set back".to_owned()
}

fn modified(path: &Path) -> SystemTime {
    path.metadata().and_then(|there| there.modified()).unwrap()
}

fn set_modified(directory: &Path, time: SystemTime) {
    File::open(directory).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

//! Many small packages, each in two versions, staged as Bazel stages a repository: by one absolute
//! link.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use worker_tests::chance::Chance;
use worker_tests::exec_root::{ExecRoot, spec};
use worker_tests::plant::plant;

use crate::changes;

/// What a package has. `hidden` has no rows, and is reached only through links.
const PACKAGE: &str = "\
file bin/python3.1
link bin/python3 -> python3.1
link bin/python -> python3
link bin/far -> ../hidden/far
link hidden/far -> ../lib/v1/m.py
link lib/current -> v1
file lib/v1/m.py
file lib/v1/n.py
link lib/v1/o.py -> m.py
file lib/v2/m.py
file lib/v2/n.py
file lib/v2/o.py
";

/// The names that a package's rows have. Some are there only after a change.
const NAMES: [&str; 14] = [
    "bin/python3.1",
    "bin/python3",
    "bin/python",
    "bin/far",
    "bin/extra",
    "lib/current/m.py",
    "lib/current/n.py",
    "lib/current/o.py",
    "lib/v1/m.py",
    "lib/v1/n.py",
    "lib/v1/o.py",
    "lib/v2/m.py",
    "lib/v2/n.py",
    "lib/v2/o.py",
];

pub struct Packages {
    exec_root: ExecRoot,
    /// Which version the exec root's link leads to.
    versions: Vec<usize>,
}

impl Packages {
    /// Plants `count` packages, and the spec of all, `spec.mtree`.
    pub fn plant(count: usize) -> Packages {
        let exec_root = ExecRoot::below(super::on_disk(), "");
        let packages = Packages { exec_root, versions: vec![0; count] };
        fs::create_dir(packages.exec_root.at("external")).unwrap();
        for number in 0..count {
            for version in 0..2 {
                plant_package(&packages.at(number, version));
            }
            symlink(packages.at(number, 0), packages.link(number)).unwrap();
        }
        let sources = (0..count)
            .flat_map(|number| NAMES.map(|name| format!("external/package_{number}/{name}")));
        packages.exec_root.write("spec.mtree", spec(&sources.collect::<Vec<_>>()));
        packages
    }

    pub fn exec_root(&self) -> &ExecRoot {
        &self.exec_root
    }

    pub fn count(&self) -> usize {
        self.versions.len()
    }

    /// Changes something in one package, and returns a description.
    pub fn change(&mut self, number: usize, chance: &mut Chance) -> String {
        let version = self.versions[number];
        let package = self.at(number, version);
        match chance.below(12) {
            0 => {
                self.versions[number] = 1 - version;
                let aside = self.exec_root.at("external/aside");
                symlink(self.at(number, 1 - version), &aside).unwrap();
                fs::rename(aside, self.link(number)).unwrap();
                "repository link pointed elsewhere".to_owned()
            }
            1 => {
                changes::exchange(&package, &self.at(number, 1 - version));
                "package exchanged with its other version".to_owned()
            }
            2 => {
                let other = self.at(chance.below(self.count()), chance.below(2)).join("bin");
                if package.join("bin") != other {
                    changes::exchange(&package.join("bin"), &other);
                }
                format!("bin exchanged with {}", other.display())
            }
            3 => {
                // What comes next is likely to get the inodes that this gives back.
                fs::remove_dir_all(&package).unwrap();
                plant_package(&package);
                "package removed and planted again".to_owned()
            }
            _ => changes::within(&package, chance),
        }
    }

    /// Restores both versions of a package.
    pub fn replant(&self, number: usize) {
        for version in 0..2 {
            let package = self.at(number, version);
            fs::remove_dir_all(&package).unwrap();
            plant_package(&package);
        }
    }

    /// The real path of a version of a package.
    fn at(&self, number: usize, version: usize) -> PathBuf {
        self.exec_root.beside().join(format!("version_{version}/package_{number}"))
    }

    fn link(&self, number: usize) -> PathBuf {
        self.exec_root.at(format!("external/package_{number}"))
    }
}

fn plant_package(package: &Path) {
    plant(package, PACKAGE.as_bytes()).unwrap();
}

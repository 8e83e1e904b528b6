//! A file system whose directories do not tell what their names are: ext4 without `filetype`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use worker_tests::exec_root::{ExecRoot, file_row, link_row, resolve};
use worker_tests::program::said;

/// The file system, mounted. It goes when this goes.
struct Untyped(PathBuf);

impl Untyped {
    fn mount(exec_root: &ExecRoot, name: &str) -> Untyped {
        let (image, path) = (exec_root.beside().join("image"), exec_root.at(name));
        let file = fs::File::create(&image).unwrap();
        file.set_len(8 << 20).unwrap();
        fs::create_dir(&path).unwrap();
        run(Command::new("/sbin/mkfs.ext4").args(["-q", "-F", "-O", "^filetype"]).arg(&image));
        run(Command::new("mount").args(["-o", "loop"]).args([&image, &path]));
        Untyped(path)
    }
}

impl Drop for Untyped {
    fn drop(&mut self) {
        run(Command::new("umount").arg(&self.0));
    }
}

fn run(command: &mut Command) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", said(&done));
}

#[test]
fn links_are_found_where_directories_do_not_tell_what_their_names_are() {
    let exec_root = ExecRoot::new("");
    let mounted = Untyped::mount(&exec_root, "external");
    let at = |path: &str| mounted.0.join(path);
    fs::create_dir(at("lib")).unwrap();
    fs::write(at("lib/real"), "x").unwrap();
    symlink("real", at("lib/name")).unwrap();
    symlink("lib", at("lib64")).unwrap();
    // Both: a target kept in the inode, and one that has a block of its own.
    let long = format!("{}real", "./".repeat(40));
    symlink(&long, at("lib/long")).unwrap();
    assert!(tells_no_types(&at("lib")), "the file system tells types all the same");

    let row = |directory: &str, name: &str| {
        file_row(&format!("{directory}/{name}"), &format!("external/{directory}/{name}"))
    };
    let spec: String = ["lib", "lib64"]
        .iter()
        .flat_map(|directory| ["real", "name", "long"].map(|name| row(directory, name)))
        .collect();
    exec_root.write("spec.mtree", spec);
    let want = row("lib", "real")
        + &link_row("lib/name", "real")
        + &link_row("lib/long", &long)
        + &link_row("lib64", "lib");
    let mut worker = exec_root.worker(&[]);
    for id in 1..=2 {
        let answer = worker.ask(&resolve(id, "spec.mtree", "out.mtree"));
        assert_eq!((answer.exit_code, &answer.output[..]), (0, ""));
        assert_eq!(exec_root.read("out.mtree"), want);
    }
}

/// Whether the system tells no types of the names in a directory.
fn tells_no_types(directory: &Path) -> bool {
    let directory = fs::File::open(directory).unwrap();
    let entries = rustix::fs::Dir::read_from(&directory).unwrap();
    let types: Vec<_> = entries.map(|entry| entry.unwrap().file_type()).collect();
    types.len() > 3 && types.iter().all(|kind| *kind == rustix::fs::FileType::Unknown)
}

//! The layer, unpacked: it runs, and it is no larger than necessary.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::{Workspace, must, unpack};

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn the_unpacked_layer_runs() {
    let workspace = Workspace::example();
    let bazel = workspace.bazel("root");
    bazel.build(&["//app:layer", "//app:copied_layer"]).succeeded();
    let image = workspace.beside("image");
    unpack(&bazel.output("app/layer.tar"), &image);

    let links = all_below(&image).into_iter().filter(|path| path.is_symlink());
    let dangling: Vec<_> = links.filter(|link| !link.exists()).collect();
    assert!(dangling.is_empty(), "{dangling:?} dangle");
    same_bytes_as_the_copies(&workspace, &bazel.output("app/copied_layer.tar"), &image);

    add_libraries(&image);
    let runfiles = "/srv/app/server.runfiles";
    let mut chroot = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        chroot.arg("--map-root-user");
    }
    let said = must(
        chroot
            .args(["--mount", "chroot"])
            .arg(&image)
            .arg(format!("{runfiles}/example/app/venv/bin/python"))
            .arg(format!("{runfiles}/example/app/main.py"))
            .env_clear()
            // Some interpreters were built with an absolute path to their library.
            .env("LD_LIBRARY_PATH", format!("{runfiles}/python/lib"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default()),
    );
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    println!("in a chroot: {said}");
    assert!(said.contains("\"greeting\": \"HELLO, LAYER!\""), "{said}");
    assert!(said.contains("\"modules\": \"encodings.idna\""), "{said}");
    assert!(said.contains(&format!("\"prefix\": \"{runfiles}/example/app/venv\"")), "{said}");

    let modules = image.join("srv/app/server.runfiles/example/node");
    let said = must(
        Command::new("node")
            .args(["-p", "require('right')('npm')"])
            .current_dir(modules)
            .env_remove("NODE_PATH"),
    );
    assert_eq!(String::from_utf8_lossy(&said.stdout), "<npm>\n");
}

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn the_layer_is_no_larger_than_the_tree_with_its_links() {
    let workspace = Workspace::example();
    workspace.write(
        "tree/BUILD.bazel",
        "load(\"@mtree_worker//bazel:defs.bzl\", \"mtree_spec\", \"resolve_symlinks\")\n\
         load(\"//rules:tar.bzl\", \"tar\")\n\
         mtree_spec(name = \"spec\", srcs = [\"@python//:tree\"])\n\
         resolve_symlinks(name = \"links\", srcs = [\"@python//:tree\"], mtree = \":spec\")\n\
         tar(name = \"layer\", srcs = [\"@python//:tree\"], mtree = \":links\")\n\
         tar(name = \"copied\", srcs = [\"@python//:tree\"], mtree = \":spec\")\n",
    );
    let bazel = workspace.bazel("root");
    bazel.build(&["//tree:layer", "//tree:copied"]).succeeded();
    let tree = workspace.beside("tree.tar");
    must(
        Command::new("bsdtar")
            .args(["--create", "--format=pax", "--exclude=BUILD.bazel", "--exclude=WORKSPACE"])
            .args(["--exclude=version.bzl", "--file"])
            .arg(&tree)
            .arg("-C")
            .arg(bazel.output_base().join("external/python"))
            .arg("."),
    );
    let size = |path: &Path| fs::metadata(path).expect("the archive is there").len();
    let [layer, copied, tree] =
        [bazel.output("tree/layer.tar"), bazel.output("tree/copied.tar"), tree]
            .map(|path| size(&path));
    let rows = fs::read(bazel.output("tree/links.mtree")).expect("the spec is there");
    let rows = rows.iter().filter(|&&byte| byte == b'\n').count() as u64;
    println!("tree with its links {tree}, layer {layer}, with copies {copied} bytes; {rows} rows");
    // A tar header is one block. An extended header, for a long name, is two more.
    assert!(layer <= tree + rows * 3 * 512, "{layer} > {tree} and headers");
    assert!(layer < copied);
}

/// Every file and link below a directory.
fn all_below(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory can be read") {
            let entry = entry.expect("a directory can be read");
            match entry.file_type().expect("an entry has a type") {
                kind if kind.is_dir() => directories.push(entry.path()),
                _ => all.push(entry.path()),
            }
        }
    }
    all
}

/// Panics unless every path has the same bytes in the layer without links and in the layer with links.
fn same_bytes_as_the_copies(workspace: &Workspace, copies: &Path, image: &Path) {
    let plain = workspace.beside("plain");
    unpack(copies, &plain);
    let files = all_below(&plain);
    for file in &files {
        let path = file.strip_prefix(&plain).expect("a file is below its directory");
        let link = image.join(path);
        let [one, other] = [file, &link].map(|file| {
            fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        });
        assert!(one == other, "{} differs", path.display());
    }
    let blocks = |directory: &Path| -> u64 {
        all_below(directory)
            .iter()
            .map(|path| path.symlink_metadata().expect("a file is there").blocks())
            .sum()
    };
    println!(
        "{} files; on the disk {} blocks, with links {}",
        files.len(),
        blocks(&plain),
        blocks(image)
    );
}

/// Adds the shared libraries of a base image: the C library and the others that the interpreter needs.
fn add_libraries(image: &Path) {
    let python = image.join("srv/app/server.runfiles/python");
    let modules = all_below(&python.join("lib"));
    let modules = modules.iter().filter(|path| path.to_string_lossy().contains(".so"));
    for program in modules.chain([&python.join("bin/python3")]) {
        let needed = Command::new("ldd").arg(program).output().expect("ldd starts");
        for word in String::from_utf8_lossy(&needed.stdout).split_whitespace() {
            if word.starts_with('/') && !word.contains("libpython") {
                let place = image.join(&word[1..]);
                fs::create_dir_all(place.parent().expect("a file is in a directory"))
                    .and_then(|()| fs::copy(word, &place))
                    .expect("a library can be copied");
            }
        }
    }
}

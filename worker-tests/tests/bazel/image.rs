//! Images: the layers of the example in an OCI image layout, unpacked by umoci and run; and what an edit takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::workspace::{Workspace, must, read, unpack};

/// Unpacks the image of a layout as a container runtime does, and returns its root.
fn unpack_image(workspace: &Workspace, layout: &Path, name: &str) -> PathBuf {
    // umoci writes to the layout that it reads.
    let copy = workspace.beside(&format!("{name}.layout"));
    must(Command::new("cp").args(["-rL", "--no-preserve=mode"]).arg(layout).arg(&copy));
    let bundle = workspace.beside(name);
    let mut umoci = Command::new("umoci");
    umoci.arg("unpack");
    if !rustix::process::geteuid().is_root() {
        umoci.arg("--rootless");
    }
    must(umoci.arg("--image").arg(format!("{}:latest", copy.display())).arg(&bundle));
    bundle.join("rootfs")
}

/// The configuration of the image in a layout.
fn configuration(layout: &Path) -> serde_json::Value {
    let json = |path: PathBuf| -> serde_json::Value {
        serde_json::from_str(&read(&path)).expect("a layout has JSON")
    };
    let blob = |descriptor: &serde_json::Value| {
        let digest = descriptor["digest"].as_str().expect("a descriptor has a digest");
        json(layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:")))
    };
    let index = json(layout.join("index.json"));
    blob(&blob(&index["manifests"][0])["config"])
}

fn strings(value: &serde_json::Value) -> Vec<String> {
    let values = value.as_array().expect("a list");
    values.iter().map(|value| value.as_str().expect("a text").to_owned()).collect()
}

#[test]
#[ignore = "needs Bazel and umoci: worker-tests/bazel"]
fn the_program_runs_in_an_image_that_umoci_unpacks() {
    let workspace = Workspace::example();
    let bazel = workspace.bazel("root");
    bazel.build(&["//app:image", "//app:layer"]).succeeded();
    let layout = bazel.output("app/image");
    must(Command::new("skopeo").arg("inspect").arg(format!("oci:{}:latest", layout.display())));
    let image = unpack_image(&workspace, &layout, "image");
    let config = &configuration(&layout)["config"];
    let mut chroot = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        chroot.arg("--map-root-user");
    }
    let said = must(
        chroot
            .args(["--mount", "chroot"])
            .arg(&image)
            .args(strings(&config["Entrypoint"]))
            .args(strings(&config["Cmd"]))
            .env_clear()
            .envs(strings(&config["Env"]).iter().filter_map(|variable| variable.split_once('=')))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default()),
    );
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    println!("in an image from umoci: {said}");
    assert!(said.contains("\"greeting\": \"HELLO, LAYER!\""), "{said}");
    let prefix = "/srv/app/server.runfiles/example/app/venv";
    assert!(said.contains(&format!("\"prefix\": \"{prefix}\"")), "{said}");

    // Every link of the one layer that bsdtar makes of the resolved spec is in the image, with its text.
    let one = workspace.beside("one");
    unpack(&bazel.output("app/layer.tar"), &one);
    let differences = Command::new("diff")
        .args(["--recursive", "--no-dereference"])
        .args([one.join("srv"), image.join("srv")])
        .output()
        .expect("diff starts");
    let differences = String::from_utf8_lossy(&differences.stdout).into_owned();
    assert!(differences.is_empty(), "{differences}");
}

const BASED: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "oci_layout", "tar")

tar(name = "below", srcs = ["a"], compress = "gzip")
tar(name = "above", srcs = ["b"], compress = "zstd")

oci_layout(
    name = "base",
    cmd = ["sh"],
    env = {"A": "1", "B": "1"},
    labels = {"of": "base"},
    layers = [":below"],
)

oci_layout(
    name = "image",
    architecture = "arm64",
    author = "me",
    base = ":base",
    created = "2024-01-01T00:00:00Z",
    entrypoint = ["/b"],
    env = {"B": "2"},
    labels = {"and": "image"},
    layers = [":above"],
    os = "linux",
    tag = "v1",
    user = "1000:1000",
    variant = "v8",
    workdir = "/srv",
)

oci_layout(name = "on_files", base = "//layout:files", layers = [":above"])
"#;

#[test]
#[ignore = "needs Bazel and skopeo: worker-tests/bazel"]
fn an_image_is_added_to_a_base_that_a_rule_made_or_that_is_in_the_sources() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", BASED);
    workspace.write("layout/BUILD.bazel", "filegroup(name = \"files\", srcs = glob([\"layout/**\"]), visibility = [\"//visibility:public\"])\n");
    workspace.write("a", "a");
    workspace.write("b", "b");
    let bazel = workspace.bazel("root");
    bazel.build(&["//:base"]).succeeded();
    must(
        Command::new("cp")
            .args(["-rL", "--no-preserve=mode"])
            .arg(bazel.output("base"))
            .arg(workspace.path("layout/layout")),
    );
    bazel.build(&["//:image", "//:on_files"]).succeeded();
    let config = configuration(&bazel.output("image"));
    println!("{config}");
    for (field, value) in [
        ("architecture", "arm64"),
        ("author", "me"),
        ("created", "2024-01-01T00:00:00Z"),
        ("variant", "v8"),
    ] {
        assert_eq!(config[field], value, "{field}");
    }
    let run = serde_json::json!({
        "Entrypoint": ["/b"],
        "Env": ["A=1", "B=2"],
        "Labels": {"of": "base", "and": "image"},
        "User": "1000:1000",
        "WorkingDir": "/srv",
    });
    assert_eq!(config["config"], run);
    for name in ["image", "on_files"] {
        let layout = bazel.output(name);
        let config = configuration(&layout);
        assert_eq!(config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(2), "{config}");
        // Another implementation reads every blob, and compares digests.
        let copy = workspace.beside(&format!("{name}.copy"));
        let tag = if name == "image" { "v1" } else { "latest" };
        must(
            Command::new("skopeo")
                .args(["--insecure-policy", "--override-arch=arm64", "copy", "--quiet"])
                .arg(format!("oci:{}:{tag}", layout.display()))
                .arg(format!("oci:{}:copy", copy.display())),
        );
    }
}

/// An image for the platform `device`, or for the host's.
const FOR_A_PLATFORM: &str = r#"
load("@mtree_worker//bazel:defs.bzl", "oci_layout", "tar")

platform(
    name = "device",
    constraint_values = ["@platforms//cpu:arm64", "@platforms//os:linux"],
)

tar(name = "layer", srcs = ["a"])

oci_layout(name = "image", layers = [":layer"])

oci_layout(name = "named", architecture = "arm", layers = [":layer"], variant = "v7")

oci_layout(name = "above", base = "//host:files", layers = [":layer"])
"#;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn an_image_is_for_the_target_platform_unless_it_says_otherwise_or_has_a_base() {
    let workspace = Workspace::with_worker("");
    workspace.write("BUILD.bazel", FOR_A_PLATFORM);
    workspace.write("host/BUILD.bazel", "filegroup(name = \"files\", srcs = glob([\"layout/**\"]), visibility = [\"//visibility:public\"])\n");
    workspace.write("a", "a");
    let bazel = workspace.bazel("root");
    let host = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    bazel.build(&["//:image"]).succeeded();
    assert_eq!(configuration(&bazel.output("image"))["architecture"], host);

    // It becomes a base of an image for the other platform.
    must(
        Command::new("cp")
            .args(["-rL", "--no-preserve=mode"])
            .arg(bazel.output("image"))
            .arg(workspace.path("host/layout")),
    );
    bazel.build(&["//:image", "//:named", "//:above", "--platforms=//:device"]).succeeded();
    for (image, architecture) in [("image", "arm64"), ("named", "arm"), ("above", host)] {
        let found = &configuration(&bazel.output(image))["architecture"];
        println!("{image}: {found}");
        assert_eq!(found, architecture, "{image}");
    }
}

/// How many edits are made of each. The fastest counts: the others include delays of a busy machine.
const EDITS: usize = 3;

#[test]
#[ignore = "needs Bazel: worker-tests/bazel"]
fn an_edit_to_its_image_beside_an_edit_to_the_archive_of_bsdtar() {
    let workspace = Workspace::example();
    let bazel = workspace.bazel("root");
    bazel.build(&["//app:image", "//app:compressed_layer"]).succeeded();
    let main = workspace.read("app/main.py");
    let mut edits = 0;
    let mut fastest = |target: &str| {
        let mut best = f64::INFINITY;
        for _ in 0..EDITS {
            edits += 1;
            workspace.write("app/main.py", &format!("{main}\n# {edits}\n"));
            let start = Instant::now();
            let said = bazel.build(&[target]).succeeded();
            best = best.min(start.elapsed().as_secs_f64());
            println!("{target}: {}", said.processes());
        }
        best
    };
    let [image, bsdtar] = ["//app:image", "//app:compressed_layer"].map(&mut fastest);
    println!(
        "edit, build, image: {image:.2} s; with bsdtar --gzip, without an image: {bsdtar:.2} s"
    );
    assert!(image < bsdtar);

    // One layer is made again, and the image.
    workspace.write("app/main.py", &format!("{main}\n# last\n"));
    let layers = ["app/image", "app/layers_app.descriptor.json"];
    let ran = bazel.executed(&["//app:image"]);
    let ran: Vec<_> = ran.iter().filter(|output| !output.is_empty()).collect();
    assert_eq!(ran, layers);
    assert!(fs::metadata(bazel.output("app/image/index.json")).is_ok());
}

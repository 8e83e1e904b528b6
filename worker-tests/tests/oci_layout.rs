//! `mtree-worker oci-layout`: what it writes, and bases that are wrong or hostile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use worker_tests::program::binary;

/// A directory with one layer.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(TempDir::new().expect("a directory can be made"));
        fs::write(room.path("a"), "a").expect("a file can be written");
        fs::write(room.path("spec"), "./a uid=0 gid=0 mode=0644 time=1 type=file content=a\n")
            .expect("a file can be written");
        let flags = ["layer", "--mtree=spec", "--out=a.tar.gz", "--descriptor=a.json"];
        assert!(room.run(&flags).status.success());
        room
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(binary())
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .expect("the program starts")
    }

    /// Writes a layout with the layer.
    fn layout(&self, out: &str, more: &[&str]) -> Result<(), String> {
        let out = format!("--out={out}");
        let flags = ["oci-layout", "--layer=a.tar.gz", "--descriptor=a.json", &out];
        let done = self.run(&[&flags[..], more].concat());
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        match done.status.success() {
            true => {
                assert_eq!(said, "");
                Ok(())
            }
            false => Err(said),
        }
    }

    /// Changes a JSON file, and the names of the blobs and descriptors above it.
    fn change_manifest(&self, base: &str, change: impl Fn(&mut Value)) {
        let index_path = self.path(base).join("index.json");
        let mut index = json_of(&index_path);
        let path = blob(&self.path(base), &index["manifests"][0]);
        let mut manifest = json_of(&path);
        change(&mut manifest);
        let text = manifest.to_string();
        fs::remove_file(path).expect("there is a manifest");
        self.put_blob(base, &text, &mut index["manifests"][0]);
        write(&index_path, &index.to_string());
    }

    fn change_config(&self, base: &str, change: impl Fn(&mut Value)) {
        let layout = self.path(base);
        self.change_manifest(base, |manifest| {
            let mut config = json_of(&blob(&layout, &manifest["config"]));
            change(&mut config);
            self.put_blob(base, &config.to_string(), &mut manifest["config"]);
        });
    }

    fn put_blob(&self, base: &str, text: &str, descriptor: &mut Value) {
        let digest = Sha256::digest(text.as_bytes());
        let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        write(&self.path(base).join("blobs/sha256").join(&digest), text);
        descriptor["digest"] = format!("sha256:{digest}").into();
        descriptor["size"] = text.len().into();
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file can be written");
}

fn json_of(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("it is JSON")
}

fn blob(layout: &Path, descriptor: &Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().expect("a digest").trim_start_matches("sha256:");
    layout.join("blobs/sha256").join(digest)
}

#[test]
fn a_layout_is_the_same_each_time_and_has_the_blob_under_its_digest() {
    let room = Room::new();
    room.layout("one", &["--tag=v1"]).unwrap();
    room.layout("other", &["--tag=v1"]).unwrap();
    assert_eq!(json_of(&room.path("one/index.json")), json_of(&room.path("other/index.json")));
    assert_eq!(json_of(&room.path("one/oci-layout")), json!({"imageLayoutVersion": "1.0.0"}));
    let index = json_of(&room.path("one/index.json"));
    let manifest = &index["manifests"][0];
    assert_eq!(manifest["annotations"]["org.opencontainers.image.ref.name"], "v1");
    let manifest = json_of(&blob(&room.path("one"), manifest));
    let descriptor = json_of(&room.path("a.json"));
    assert_eq!(manifest["layers"][0]["digest"], descriptor["digest"]);
    assert_eq!(
        fs::read(blob(&room.path("one"), &manifest["layers"][0])).unwrap(),
        fs::read(room.path("a.tar.gz")).unwrap()
    );
    let config = json_of(&blob(&room.path("one"), &manifest["config"]));
    assert_eq!(config["rootfs"]["diff_ids"][0], descriptor["diff_id"]);
    // The same blob twice, and a layout that is there already.
    room.layout("twice", &["--layer=a.tar.gz", "--descriptor=a.json"]).unwrap();
    assert_eq!(
        room.layout("one", &[]).unwrap_err(),
        "mtree-worker: one: --out is not empty; give a new directory\n"
    );
}

#[test]
fn layers_and_descriptors_must_fit() {
    let room = Room::new();
    let error = room.layout("x", &["--layer=a.tar.gz"]).unwrap_err();
    assert!(error.contains("each --layer takes a --descriptor: there are 2 and 1"), "{error}");
    let mut descriptor = json_of(&room.path("a.json"));
    for (field, value, words) in [
        ("size", json!(1), "a.tar.gz: not the size or digest that its descriptor says"),
        (
            "digest",
            json!("sha256:../../../../etc/passwd"),
            "a.json: not the JSON that an image has here: \
            \"sha256:../../../../etc/passwd\" is not a SHA-256 digest",
        ),
        ("digest", json!("sha512:00"), "is not a SHA-256 digest"),
        (
            "mediaType",
            json!("text/plain"),
            "a.json: \"text/plain\" is not the type of an OCI layer",
        ),
    ] {
        let right = descriptor[field].take();
        descriptor[field] = value;
        write(&room.path("a.json"), &descriptor.to_string());
        let error = room.layout("x", &[]).unwrap_err();
        assert!(error.contains(words), "{error}");
        assert!(!room.path("x").exists(), "{field}: something is written");
        descriptor[field] = right;
    }
    write(&room.path("a.json"), &descriptor.to_string());
    write(&room.path("c.json"), r#"{"rootfs": {}}"#);
    let error = room.layout("x", &["--config=c.json"]).unwrap_err();
    assert!(error.contains("c.json: \"rootfs\" cannot be given"), "{error}");
    write(&room.path("c.json"), r#"{"author": "me", "config": {"Cmd": ["sh"]}}"#);
    room.layout("x", &["--config=c.json"]).unwrap();
}

#[test]
fn a_base_that_is_no_layout_or_is_hostile_is_one_error() {
    let room = Room::new();
    let base = |name: &str| {
        room.layout(name, &[]).unwrap();
        room.path(name)
    };
    let refused = |name: &str, words: &str| {
        let error = room.layout("out", &[&format!("--base={name}")]).unwrap_err();
        assert!(error.contains(words), "{name}: {words:?} is not in {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!room.path("out").exists(), "{name}: something is written");
        println!("{error}");
    };
    refused("none", "none: not an OCI image layout, since it has no file oci-layout");
    refused("a", "a: not an OCI image layout");

    let path = base("version");
    write(&path.join("oci-layout"), r#"{"imageLayoutVersion": "2.0.0"}"#);
    refused("version", "version/oci-layout: not version 1 of the OCI image layout");

    let path = base("images");
    let mut index = json_of(&path.join("index.json"));
    let manifest = index["manifests"][0].clone();
    index["manifests"] = json!([manifest, manifest]);
    write(&path.join("index.json"), &index.to_string());
    refused("images", "index.json: 2 images in a base, which must have one");
    index["manifests"] = json!({});
    write(&path.join("index.json"), &index.to_string());
    refused("images", "index.json: no list \"manifests\"");
    write(&path.join("index.json"), "[");
    refused("images", "index.json: not the JSON that an image has here");
    write(&path.join("index.json"), &"[".repeat(1 << 20));
    refused("images", "index.json: not the JSON that an image has here");
    write(&path.join("index.json"), &" ".repeat((4 << 20) + 1));
    refused("images", "index.json: longer than 4194304 bytes");

    base("climbing");
    room.change_manifest("climbing", |manifest| {
        manifest["layers"][0]["digest"] = "sha256:../../../a".into();
    });
    refused("climbing", "\"sha256:../../../a\" is not a SHA-256 digest");

    let path = base("changed");
    let manifest = json_of(&path.join("index.json"))["manifests"][0].clone();
    let at = blob(&path, &manifest);
    let text = fs::read_to_string(&at).unwrap().replace("amd64", "arm64") + " ";
    write(&at, &text);
    refused("changed", "not the size or digest that its descriptor says");

    let path = base("short");
    let manifest = json_of(&blob(&path, &json_of(&path.join("index.json"))["manifests"][0]));
    write(&blob(&path, &manifest["layers"][0]), "short");
    refused("short", "not the size or digest that its descriptor says");
    fs::remove_file(blob(&path, &manifest["layers"][0])).unwrap();
    refused("short", "cannot be read: No such file or directory");

    base("docker");
    room.change_manifest("docker", |manifest| {
        manifest["layers"][0]["mediaType"] =
            "application/vnd.docker.image.rootfs.diff.tar.gzip".into();
    });
    refused(
        "docker",
        "is not the type of an OCI layer; convert the image with skopeo copy --format=oci",
    );

    base("config");
    room.change_config("config", |config| config["rootfs"]["diff_ids"] = json!([]));
    refused("config", "0 diff IDs for 1 layers; the image is damaged");

    base("good");
    room.layout("out", &["--base=good"]).unwrap();
}

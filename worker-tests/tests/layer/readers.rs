//! Readers: the programs that containers and languages read layers with read each form, and unpack the same tree.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use worker_tests::exec_root::ExecRoot;

use crate::layers::{Form, bytes, content, file, json, once, sha256};

/// A tree with what layers have: rows of several frames, long and odd names, links of both kinds, modes.
fn tree() -> ExecRoot {
    let exec_root = ExecRoot::new("file same text\nfile same2 text\nfile empty\n");
    let mut spec = String::from("#mtree\n");
    for number in 0..400_u32 {
        let length = if number == 77 { 3 << 20 } else { number as usize * 31 };
        exec_root.write(format!("in/{number}"), content(number, length));
        spec += &file(&format!("app/{}/{number}", number % 9), &format!("in/{number}"));
    }
    let keywords = "uid=0 gid=0 time=1672560000.0";
    spec += &format!("./bin type=dir mode=0755 {keywords}\n");
    spec += &format!("./bin/run type=file mode=0755 {keywords} content=same\n");
    spec += &format!("./bin/again type=file mode=0755 {keywords} content=same2\n");
    spec += &format!("./bin/link type=link mode=0777 {keywords} link=run\n");
    spec += &format!("./empty type=file mode=0600 {keywords} content=empty\n");
    spec += &format!("./t type=dir mode=01777 {keywords}\n");
    spec += &format!(
        "./caf\\303\\251/{}/f type=file mode=0644 {keywords} content=same\n",
        "d".repeat(120)
    );
    spec += &format!("./{}/g type=file mode=0644 {keywords} content=same\n", "e/".repeat(130));
    exec_root.write("spec.mtree", spec);
    exec_root
}

/// What is at a path: kind and mode, and the bytes or the text of the link.
type Unpacked = BTreeMap<PathBuf, (u32, i64, Vec<u8>)>;

/// What was unpacked. Times of directories that no row names are those of unpacking: no directory's counts.
fn unpacked(directory: &Path) -> Unpacked {
    let (mut found, mut left) = (Unpacked::new(), vec![PathBuf::new()]);
    while let Some(below) = left.pop() {
        for entry in fs::read_dir(directory.join(&below)).expect("a directory") {
            let entry = entry.expect("an entry");
            let (path, metadata) = (entry.path(), entry.metadata().expect("it is there"));
            let below = below.join(entry.file_name());
            let (time, what) = if metadata.is_dir() {
                left.push(below.clone());
                (0, Vec::new())
            } else if metadata.is_symlink() {
                let target = fs::read_link(&path).expect("a symlink");
                (0, target.into_os_string().into_encoded_bytes())
            } else {
                (metadata.mtime(), fs::read(&path).expect("a file"))
            };
            found.insert(below, (metadata.mode(), time, what));
        }
    }
    found
}

fn must(command: &mut Command) -> Vec<u8> {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{command:?}: {said}");
    done.stdout
}

/// The layers of one tree in all forms, as files.
struct Layers {
    exec_root: ExecRoot,
    tar: Vec<u8>,
    want: Unpacked,
}

const HARD_LINKS: &str = "--hardlinks=content";

fn name(form: Form) -> &'static str {
    match form {
        Form::None => "layer.tar",
        Form::Gzip => "layer.tar.gz",
        Form::SingleMember => "single.tar.gz",
        Form::Zstd => "layer.tar.zst",
    }
}

impl Layers {
    fn new() -> Layers {
        let exec_root = tree();
        for form in Form::ALL {
            let descriptor = format!("--descriptor={}.json", name(form));
            let flags = [form.flags(), &[HARD_LINKS, &descriptor]].concat();
            exec_root.write(name(form), once(&exec_root, &flags));
        }
        let tar = bytes(&exec_root, name(Form::None));
        let mut layers = Layers { exec_root, tar, want: Unpacked::new() };
        let into = layers.directory("bsdtar");
        must(Command::new("bsdtar").arg("-xpf").arg(layers.at(Form::None)).arg("-C").arg(&into));
        layers.want = unpacked(&into);
        assert_eq!(
            layers.want.values().filter(|(mode, ..)| mode & 0o170_000 == 0o120_000).count(),
            1
        );
        assert!(layers.want.len() > 400);
        layers
    }

    fn at(&self, form: Form) -> PathBuf {
        self.exec_root.at(name(form))
    }

    /// A new directory.
    fn directory(&self, what: &str) -> PathBuf {
        let path = self.exec_root.at("unpacked").join(what);
        fs::create_dir_all(&path).expect("a directory");
        path
    }

    fn assert_same(&self, who: &str, into: &Path) {
        let found = unpacked(into);
        for (path, entry) in &self.want {
            let there = found.get(path).unwrap_or_else(|| panic!("{who}: no {}", path.display()));
            assert!(there == entry, "{who}: {}: {:o} for {:o}", path.display(), there.0, entry.0);
        }
        let more: Vec<_> = found.keys().filter(|path| !self.want.contains_key(*path)).collect();
        assert!(more.is_empty(), "{who}: {more:?}");
        let hard_linked = into.join("bin/again");
        assert_eq!(fs::metadata(hard_linked).expect("a file").nlink(), 2, "{who}");
    }

    /// An OCI layout with an image of the layer, made from its descriptor.
    fn layout(&self, form: Form) -> PathBuf {
        let layout = self.directory(&format!("layout-{form:?}"));
        let blobs = layout.join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("a directory");
        let store = |bytes: &[u8], media_type: &str| {
            let digest = sha256(bytes);
            fs::write(blobs.join(&digest), bytes).expect("a blob");
            json!({
                "mediaType": media_type,
                "digest": format!("sha256:{digest}"),
                "size": bytes.len(),
            })
        };
        let mut layer = json(&self.exec_root.at(format!("{}.json", name(form))));
        let diff_id = layer["diff_id"].take();
        layer.as_object_mut().expect("an object").remove("diff_id");
        let digest =
            layer["digest"].as_str().expect("a text").trim_start_matches("sha256:").to_owned();
        fs::copy(self.at(form), blobs.join(digest)).expect("a blob");
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        });
        let config =
            store(config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer],
        });
        let mut manifest = store(manifest.to_string().as_bytes(), media_type);
        manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "image"});
        let index = json!({"schemaVersion": 2, "manifests": [manifest]}).to_string();
        fs::write(layout.join("index.json"), index).expect("an index");
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#)
            .expect("a layout");
        layout
    }
}

#[test]
fn gnu_tar_and_bsdtar_unpack_each_form_alike() {
    let layers = Layers::new();
    for form in Form::ALL {
        for program in ["tar", "bsdtar"] {
            let into = layers.directory(&format!("{program}-{form:?}"));
            // The locale decides what bsdtar takes for a name.
            let mut command = Command::new(program);
            command.arg("-xpf").arg(layers.at(form)).arg("-C").arg(&into);
            must(command.env("LC_ALL", "C.UTF-8"));
            layers.assert_same(program, &into);
        }
    }
}

#[test]
fn busybox_tar_unpacks_gzip_of_both_kinds_and_plain_tar_alike() {
    let layers = Layers::new();
    for form in [Form::None, Form::Gzip, Form::SingleMember] {
        let into = layers.directory(&format!("busybox-{form:?}"));
        let flags = if form == Form::None { "-xpf" } else { "-xpzf" };
        must(
            Command::new("busybox").args(["tar", flags]).arg(layers.at(form)).arg("-C").arg(&into),
        );
        layers.assert_same("busybox", &into);
    }
}

#[test]
fn the_programs_gzip_pigz_busybox_and_zstd_test_and_read_each_form() {
    let layers = Layers::new();
    for (form, programs) in [
        (Form::Gzip, &[&["gzip"][..], &["pigz"], &["busybox", "gzip"]][..]),
        (Form::SingleMember, &[&["gzip"], &["pigz"], &["busybox", "gzip"]]),
        (Form::Zstd, &[&["zstd"]]),
    ] {
        for program in programs {
            let run = |flag| {
                must(Command::new(program[0]).args(&program[1..]).arg(flag).arg(layers.at(form)))
            };
            run("-t");
            assert!(run("-dc") == layers.tar, "{program:?} {form:?}");
        }
    }
}

#[test]
fn python_reads_each_form_and_its_zlib_object_the_single_member() {
    let layers = Layers::new();
    let python = |script: &str, form| {
        must(Command::new("python3").args(["-c", script]).arg(layers.at(form)))
    };
    let gzip = "import gzip, sys; sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())";
    let zlib = "import zlib, sys; d = zlib.decompressobj(31)\n\
                sys.stdout.buffer.write(d.decompress(open(sys.argv[1], 'rb').read()))\n\
                assert d.eof and not d.unused_data";
    for form in [Form::Gzip, Form::SingleMember] {
        assert!(python(gzip, form) == layers.tar, "{form:?}");
    }
    assert!(python(zlib, Form::SingleMember) == layers.tar);
    for form in [Form::None, Form::Gzip, Form::SingleMember] {
        let into = layers.directory(&format!("tarfile-{form:?}"));
        let script = "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])";
        let mut command = Command::new("python3");
        must(command.args(["-c", script]).arg(layers.at(form)).arg(&into));
        layers.assert_same("tarfile", &into);
    }
}

#[test]
fn node_reads_gzip_of_both_kinds() {
    let layers = Layers::new();
    let whole = "process.stdout.write(require('zlib').gunzipSync(require('fs').readFileSync(process.argv[1])))";
    let stream = "require('fs').createReadStream(process.argv[1]).pipe(require('zlib').createGunzip())\
                  .pipe(process.stdout)";
    for form in [Form::Gzip, Form::SingleMember] {
        for script in [whole, stream] {
            let tar = must(Command::new("node").args(["-e", script]).arg(layers.at(form)));
            assert!(tar == layers.tar, "{form:?}");
        }
    }
}

#[test]
fn skopeo_copies_each_form_and_finds_the_digests_correct() {
    let layers = Layers::new();
    for form in Form::ALL {
        let layout = layers.layout(form);
        let to = layers.directory(&format!("skopeo-{form:?}"));
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", "copy"]).arg(format!("oci:{}:image", layout.display()));
        must(command.arg(format!("dir:{}", to.display())));
        // Decompressed, it has the digest of the tar.
        let to = layers.directory(&format!("skopeo-decompressed-{form:?}"));
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", "copy", "--dest-decompress"]);
        command.arg(format!("oci:{}:image", layout.display()));
        must(command.arg(format!("dir:{}", to.display())));
        let blob = fs::read(to.join(sha256(&layers.tar)));
        assert!(blob.expect("the blob has the digest of the tar") == layers.tar, "{form:?}");
    }
}

#[test]
fn umoci_unpacks_gzip_of_both_kinds_alike() {
    let layers = Layers::new();
    for form in [Form::Gzip, Form::SingleMember] {
        let layout = layers.layout(form);
        let bundle = layers.directory(&format!("umoci-{form:?}")).join("bundle");
        let mut command = Command::new("umoci");
        command.args(["unpack", "--image", &format!("{}:image", layout.display())]);
        must(command.arg(&bundle));
        layers.assert_same("umoci", &bundle.join("rootfs"));
    }
}

#[test]
fn podman_pulls_each_form_and_unpacks_it_alike() {
    let layers = Layers::new();
    for form in Form::ALL {
        // podman refuses long paths, and capital letters in the name of an image.
        let name = format!("layer-{}-{form:?}", std::process::id()).to_lowercase();
        let builder = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir_in("/tmp");
        let store = builder.expect("a directory");
        let store = store.path();
        let image = store.join("image");
        must(Command::new("cp").arg("-r").arg(layers.layout(form)).arg(&image));
        let podman = || {
            let mut command = Command::new("podman");
            command.arg("--root").arg(store.join("root")).arg("--runroot").arg(store.join("run"));
            command.args(["--storage-driver=vfs", "--cgroup-manager=cgroupfs"]);
            command.args(["--events-backend=none"]);
            command
        };
        let pulled =
            must(podman().args(["pull", "--quiet", &format!("oci:{}:image", image.display())]));
        let image = String::from_utf8_lossy(&pulled).trim().to_owned();
        let mounted = must(podman().args(["image", "mount", &image]));
        let mounted = PathBuf::from(String::from_utf8_lossy(&mounted).trim());
        layers.assert_same("podman", &mounted);
        must(podman().args(["image", "unmount", &image]));
        // vfs keeps whole copies, and its directories may be locked.
        must(podman().args(["rmi", "--force", &image]));
    }
}

#[test]
fn bazel_s_own_tree_of_links_is_read_like_its_copies() {
    // A reader that follows links sees the same bytes under every path, with links and without.
    let exec_root = ExecRoot::new("file lib/real text\nfile lib/other/x text\n");
    symlink("real", exec_root.at("lib/name")).expect("a symlink");
    symlink("other", exec_root.at("lib/linked")).expect("a symlink");
    let rows =
        ["real", "name", "other/x", "linked/x"].map(|path| file(path, &format!("lib/{path}")));
    exec_root.write("spec.mtree", rows.concat());
    let mut both = Vec::new();
    for (name, flags) in
        [("links", &["--compress=zstd"][..]), ("copies", &["--compress=zstd", "--no-resolve"])]
    {
        exec_root.write(format!("{name}.tar.zst"), once(&exec_root, flags));
        let into = exec_root.at(name);
        fs::create_dir(&into).expect("a directory");
        let archive = exec_root.at(format!("{name}.tar.zst"));
        must(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(&into));
        both.push(into);
    }
    let differences = worker_tests::unpack::differences(&both[1], &both[0]);
    assert_eq!(differences, [""; 0]);
    assert!(both[0].join("linked").is_symlink() && both[0].join("name").is_symlink());
}

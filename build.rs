//! Generates Rust code from `proto/` without protoc: protox reads the files, prost-build writes the code.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use prost_types::field_descriptor_proto::Type;

const PROTOCOL: &str = "proto/worker_protocol.proto";
const CAPTURE: &str = "proto/capture.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rustc-env=MTREE_WORKER_COMMIT={}", commit());
    println!("cargo:rerun-if-changed={PROTOCOL}");
    println!("cargo:rerun-if-changed={CAPTURE}");
    let mut files = protox::compile([PROTOCOL, CAPTURE], ["proto"])?;
    // The name of a file may have any bytes, while a Rust String is UTF-8. Protobuf encodes strings and bytes
    // alike, so Bazel's strings are received as bytes.
    for file in &mut files.file {
        for message in &mut file.message_type {
            if message.name() != "WorkRequest" {
                continue;
            }
            for field in &mut message.field {
                if field.r#type() == Type::String {
                    field.set_type(Type::Bytes);
                }
            }
        }
    }
    prost_build::Config::new()
        // The handler of the request shares specs and requests; they are not copied.
        .bytes([".mtree_worker.capture.RecordedFile.text", ".mtree_worker.capture.Capture.request"])
        .extern_path(".blaze.worker.Input", "crate::server::inputs::InputRanges")
        .compile_fds(files)?;
    Ok(())
}

/// The commit that is built, for `--version`. `MTREE_WORKER_COMMIT` names it; a crate holds it in
/// a file; else git is asked.
fn commit() -> String {
    const VARIABLE: &str = "MTREE_WORKER_COMMIT";
    const CRATE: &str = ".cargo_vcs_info.json";

    println!("cargo:rerun-if-env-changed={VARIABLE}");
    if let Ok(commit) = std::env::var(VARIABLE) {
        return commit;
    }
    if let Ok(info) = fs::read_to_string(CRATE) {
        println!("cargo:rerun-if-changed={CRATE}");
        let commit = info.split_once("\"sha1\"").and_then(|(_, rest)| rest.split('"').nth(1));
        return commit.unwrap_or("unknown").to_owned();
    }
    // In a build for tests, every commit would compile the crate again.
    let out = std::env::var("OUT_DIR").unwrap_or_default();
    if Path::new(&out).ancestors().nth(3).is_none_or(|profile| !profile.ends_with("release")) {
        return "unknown: this is not a release build".to_owned();
    }
    // Not the commit of another repository that this directory lies in.
    if !Path::new(".git").exists() {
        return "unknown: the sources are in no git repository".to_owned();
    }
    // The log of HEAD changes with every commit and every checkout.
    if let Some(log) =
        git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists())
    {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".to_owned())
}

/// The first line that git prints, if it succeeds.
fn git(arguments: &[&str]) -> Option<String> {
    let done = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    (done.status.success()).then(|| text.trim_end().to_owned())
}

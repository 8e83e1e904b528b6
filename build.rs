//! Generates Rust code from `proto/` without protoc: protox reads the files, prost-build writes the code.

use std::error::Error;

use prost_types::field_descriptor_proto::Type;

const PROTOCOL: &str = "proto/worker_protocol.proto";
const CAPTURE: &str = "proto/capture.proto";

fn main() -> Result<(), Box<dyn Error>> {
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

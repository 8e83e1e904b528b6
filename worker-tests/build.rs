//! Generates the second implementation of the worker protocol and of captures, without protoc.

fn main() {
    let files = ["../proto/worker_protocol.proto", "../proto/capture.proto"];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    protobuf_codegen::Codegen::new()
        .pure()
        .include("../proto")
        .inputs(files)
        .cargo_out_dir("protocol")
        .run_from_script();
}

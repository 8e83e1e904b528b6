//! Generates the second implementation of the worker protocol, without protoc.

fn main() {
    let protocol = "../proto/worker_protocol.proto";
    println!("cargo:rerun-if-changed={protocol}");
    protobuf_codegen::Codegen::new()
        .pure()
        .include("../proto")
        .input(protocol)
        .cargo_out_dir("protocol")
        .run_from_script();
}

"""Repository rules that hold an mtree-worker and its toolchain."""

_BUILD = """\
load("{rule}", "mtree_worker_toolchain")

package(default_visibility = ["//visibility:public"])

mtree_worker_toolchain(
    name = "worker",
    binary = {binary},
)

toolchain(
    name = "toolchain",
    exec_compatible_with = {exec_compatible_with},
    toolchain = ":worker",
    toolchain_type = "{type}",
)
"""

# The time limit of cargo, in seconds. On a slow machine it may have to download and build every crate.
_CARGO_TIMEOUT = 3600

_EXEC_COMPATIBLE_WITH = attr.label_list(
    doc = """Constraints that the execution platform must satisfy. They matter only if several toolchains are
registered, since the action always runs on the machine of Bazel itself.""",
)

def _from_anywhere(label):
    """Formats a label so that every repository resolves it alike."""
    label = str(label)
    return label if label.startswith("@") else "@" + label

def _write_toolchain(rctx, binary, exec_compatible_with = []):
    rctx.file("BUILD.bazel", _BUILD.format(
        binary = repr(binary),
        exec_compatible_with = repr([_from_anywhere(label) for label in exec_compatible_with]),
        rule = _from_anywhere(Label("//bazel/toolchain:toolchain.bzl")),
        type = _from_anywhere(Label("//bazel/toolchain:type")),
    ), executable = False)

def _workspace_root(rctx):
    # Bazel 6 and later have `workspace_root`. Before, every workspace has a WORKSPACE file.
    root = getattr(rctx, "workspace_root", None)
    return root if root else rctx.path(Label("@//:WORKSPACE")).dirname

def _local_impl(rctx):
    path = rctx.attr.path
    path = rctx.path(path if path.startswith("/") else "%s/%s" % (_workspace_root(rctx), path))
    if not path.exists:
        fail("mtree_worker_local %s: no such file: %s; build it with `cargo build --release`" % (rctx.name, path))
    rctx.symlink(path, "mtree-worker")
    _write_toolchain(rctx, "mtree-worker", rctx.attr.exec_compatible_with)

LOCAL_ATTRS = {
    "exec_compatible_with": _EXEC_COMPATIBLE_WITH,
    "path": attr.string(
        doc = "The path of the program: absolute, or relative to the workspace.",
        mandatory = True,
    ),
}

mtree_worker_local = repository_rule(
    implementation = _local_impl,
    doc = "Provides an mtree-worker that is already on the machine.",
    attrs = LOCAL_ATTRS,
)

def _cargo_impl(rctx):
    cargo = rctx.which("cargo")
    if not cargo:
        fail("mtree_worker_cargo %s: cargo is not on PATH; install Rust, or use mtree_worker_release" % rctx.name)
    sources = rctx.path(Label("//:Cargo.toml")).dirname

    # The sources of the program: Bazel runs this rule again if one changes. Bazel 7 and earlier watch a file whose
    # path is asked for; 8 and later need a call.
    listing = rctx.execute(["find", "build.rs", "proto", "src", "-type", "f"], working_directory = str(sources))
    if listing.return_code:
        fail("mtree_worker_cargo %s: cannot list the sources: %s" % (rctx.name, listing.stderr))
    for file in ["Cargo.lock", "Cargo.toml"] + sorted(listing.stdout.splitlines()):
        path = rctx.path(Label("//:" + file))
        if hasattr(rctx, "watch"):
            rctx.watch(path)

    rctx.report_progress("Building mtree-worker with cargo")
    target = str(rctx.path("target"))
    build = rctx.execute(
        [cargo, "build", "--locked", "--release", "--package", "mtree-worker", "--bin", "mtree-worker"],
        environment = {"CARGO_TARGET_DIR": target},
        timeout = _CARGO_TIMEOUT,
        working_directory = str(sources),
    )
    if build.return_code:
        fail("mtree_worker_cargo %s: cargo build failed:\n%s" % (rctx.name, build.stderr))

    # Keep one file of gigabytes.
    moved = rctx.execute(["cp", target + "/release/mtree-worker", str(rctx.path("mtree-worker"))])
    if moved.return_code:
        fail("mtree_worker_cargo %s: %s" % (rctx.name, moved.stderr))
    rctx.delete("target")
    _write_toolchain(rctx, "mtree-worker")

mtree_worker_cargo = repository_rule(
    implementation = _cargo_impl,
    doc = """Builds mtree-worker from the sources of this repository, with the cargo on PATH. Crates have the versions
of Cargo.lock. cargo takes them from its cache (CARGO_HOME) or downloads them.""",
    environ = [
        "CARGO_BUILD_JOBS",
        "CARGO_HOME",
        "CARGO_NET_OFFLINE",
        "PATH",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
    ],
)

def _release_impl(rctx):
    # By position (url, output, sha256, type, strip_prefix): older versions call the last one `stripPrefix`.
    rctx.download_and_extract(rctx.attr.urls, "", rctx.attr.sha256, "", rctx.attr.strip_prefix)
    if not rctx.path(rctx.attr.binary).exists:
        fail("mtree_worker_release %s: no %s in the archive; set `binary` to the path of the program" % (rctx.name, rctx.attr.binary))
    _write_toolchain(rctx, rctx.attr.binary, rctx.attr.exec_compatible_with)

RELEASE_ATTRS = {
    "binary": attr.string(
        default = "mtree-worker",
        doc = "The path of the program in the archive, without `strip_prefix`.",
    ),
    "exec_compatible_with": _EXEC_COMPATIBLE_WITH,
    "sha256": attr.string(
        doc = "The SHA-256 of the archive, in hexadecimal.",
        mandatory = True,
    ),
    "strip_prefix": attr.string(
        doc = "The directory to remove from the head of every path in the archive.",
    ),
    "urls": attr.string_list(
        doc = "URLs of the archive, tried in order.",
        mandatory = True,
    ),
}

mtree_worker_release = repository_rule(
    implementation = _release_impl,
    doc = "Provides an mtree-worker from an archive that is downloaded.",
    attrs = RELEASE_ATTRS,
)

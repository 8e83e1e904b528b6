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

# How long cargo may take, in seconds: it may have to download and build every crate, on a slow machine.
_CARGO_TIMEOUT = 3600

_EXEC_COMPATIBLE_WITH = attr.label_list(
    doc = """Constraints on the machine that the program is for. They matter only where several toolchains are
registered: the action always runs on the machine that Bazel runs on.""",
)

def _from_anywhere(label):
    """A label as it is written in another repository."""
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
    # Bazel 6 and later say where it is; before, there is always a WORKSPACE file to go by.
    root = getattr(rctx, "workspace_root", None)
    return root if root else rctx.path(Label("@//:WORKSPACE")).dirname

def _local_impl(rctx):
    path = rctx.attr.path
    path = rctx.path(path if path.startswith("/") else "%s/%s" % (_workspace_root(rctx), path))
    if not path.exists:
        fail("mtree_worker_local %s: there is no %s; build it with `cargo build --release`" % (rctx.name, path))
    rctx.symlink(path, "mtree-worker")
    _write_toolchain(rctx, "mtree-worker", rctx.attr.exec_compatible_with)

LOCAL_ATTRS = {
    "exec_compatible_with": _EXEC_COMPATIBLE_WITH,
    "path": attr.string(
        doc = "The program: an absolute path, or one in the workspace.",
        mandatory = True,
    ),
}

mtree_worker_local = repository_rule(
    implementation = _local_impl,
    doc = "Provides an mtree-worker that is on the machine already.",
    attrs = LOCAL_ATTRS,
)

def _cargo_impl(rctx):
    cargo = rctx.which("cargo")
    if not cargo:
        fail("mtree_worker_cargo %s: there is no cargo on PATH; install Rust, or use mtree_worker_release" % rctx.name)
    sources = rctx.path(Label("//:Cargo.toml")).dirname

    # What the program is made of. Asking for the path of a file makes Bazel build anew when it changes.
    listing = rctx.execute(["find", "build.rs", "proto", "src", "-type", "f"], working_directory = str(sources))
    if listing.return_code:
        fail("mtree_worker_cargo %s: cannot list the sources: %s" % (rctx.name, listing.stderr))
    for file in ["Cargo.lock", "Cargo.toml"] + sorted(listing.stdout.splitlines()):
        rctx.path(Label("//:" + file))

    rctx.report_progress("Building mtree-worker with cargo")
    target = str(rctx.path("target"))
    build = rctx.execute(
        [cargo, "build", "--locked", "--release", "--package", "mtree-worker", "--bin", "mtree-worker"],
        environment = {"CARGO_TARGET_DIR": target},
        timeout = _CARGO_TIMEOUT,
        working_directory = str(sources),
    )
    if build.return_code:
        fail("mtree_worker_cargo %s: cargo build has failed:\n%s" % (rctx.name, build.stderr))

    # Of gigabytes, one file is wanted.
    moved = rctx.execute(["cp", target + "/release/mtree-worker", str(rctx.path("mtree-worker"))])
    if moved.return_code:
        fail("mtree_worker_cargo %s: %s" % (rctx.name, moved.stderr))
    rctx.delete("target")
    _write_toolchain(rctx, "mtree-worker")

mtree_worker_cargo = repository_rule(
    implementation = _cargo_impl,
    doc = """Builds mtree-worker from this repository's sources, with the machine's cargo. Crates come from
where cargo has them or gets them (CARGO_HOME), in the versions of Cargo.lock.""",
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
    # By position: url, output, sha256, type, and what is `stripPrefix` or `strip_prefix`, by version.
    rctx.download_and_extract(rctx.attr.urls, "", rctx.attr.sha256, "", rctx.attr.strip_prefix)
    if not rctx.path(rctx.attr.binary).exists:
        fail("mtree_worker_release %s: the archive holds no %s; say where the program is with `binary`" % (rctx.name, rctx.attr.binary))
    _write_toolchain(rctx, rctx.attr.binary, rctx.attr.exec_compatible_with)

RELEASE_ATTRS = {
    "binary": attr.string(
        default = "mtree-worker",
        doc = "Where in the archive the program is.",
    ),
    "exec_compatible_with": _EXEC_COMPATIBLE_WITH,
    "sha256": attr.string(
        doc = "The SHA-256 of the archive, in hexadecimal.",
        mandatory = True,
    ),
    "strip_prefix": attr.string(
        doc = "A directory of the archive to take away from the head of its paths.",
    ),
    "urls": attr.string_list(
        doc = "Where the archive is; tried in order.",
        mandatory = True,
    ),
}

mtree_worker_release = repository_rule(
    implementation = _release_impl,
    doc = "Provides an mtree-worker from an archive.",
    attrs = RELEASE_ATTRS,
)

"""Repository rules that hold a program and the target which provides it to a toolchain.

They run only if an action needs the program: the repository of `hub.bzl` points to them.
"""

load("//bazel/private:labels.bzl", "canonical")

_BUILD = """\
load("{rule}", "mtree_worker_toolchain")

package(default_visibility = ["//visibility:public"])

mtree_worker_toolchain(
    name = "worker",
    binary = "{binary}",
)
"""

# The time limit of cargo, in seconds. On a slow machine it may have to download and build every crate.
_CARGO_TIMEOUT = 3600

def _provide(rctx, binary):
    rctx.file("BUILD.bazel", _BUILD.format(
        binary = binary,
        rule = canonical(Label("//bazel/toolchain:toolchain.bzl")),
    ), executable = False)

def _workspace_root(rctx):
    # Bazel 6 and later have `workspace_root`. Before, every workspace has a WORKSPACE file.
    root = getattr(rctx, "workspace_root", None)
    return root if root else rctx.path(Label("@//:WORKSPACE")).dirname

def _watch(rctx, path):
    # Bazel 7 and earlier watch a file whose path is looked up by label; 8 and later need a call, which 7.1 has.
    if hasattr(rctx, "watch"):
        rctx.watch(path)

def _local_impl(rctx):
    path = rctx.attr.path
    path = rctx.path(path if path.startswith("/") else "%s/%s" % (_workspace_root(rctx), path))
    _watch(rctx, path)
    if not path.exists:
        fail("mtree_worker_local %s: no such file: %s; build it with `cargo build --release`" % (rctx.attr.hub, path))
    rctx.symlink(path, "mtree-worker")
    _provide(rctx, "mtree-worker")

_HUB = attr.string(doc = "The name of the hub, for errors.", mandatory = True)

local_program = repository_rule(
    implementation = _local_impl,
    doc = "Holds a program that is already on the machine.",
    attrs = {
        "hub": _HUB,
        "path": attr.string(doc = "The path: absolute, or relative to the workspace.", mandatory = True),
    },
)

def _cargo_impl(rctx):
    hub = rctx.attr.hub
    cargo = rctx.which("cargo")
    if not cargo:
        fail("mtree_worker_cargo %s: cargo is not on PATH; install Rust, or use mtree_worker_release" % hub)
    sources = rctx.path(Label("//:Cargo.toml")).dirname

    # The sources of the program: Bazel runs this rule again if one changes, or if there is a new one, as far as
    # this Bazel can tell.
    listing = rctx.execute(["find", "build.rs", "proto", "src", "-type", "f"], working_directory = str(sources))
    if listing.return_code:
        fail("mtree_worker_cargo %s: cannot list the sources: %s" % (hub, listing.stderr))
    for file in ["Cargo.lock", "Cargo.toml"] + sorted(listing.stdout.splitlines()):
        _watch(rctx, rctx.path(Label("//:" + file)))
    if hasattr(rctx, "watch_tree"):
        for directory in ["proto", "src"]:
            rctx.watch_tree(sources.get_child(directory))

    rctx.report_progress("Building mtree-worker with cargo")
    target = str(rctx.path("target"))
    build = rctx.execute(
        [cargo, "build", "--locked", "--release", "--package", "mtree-worker", "--bin", "mtree-worker"],
        environment = {"CARGO_TARGET_DIR": target},
        timeout = _CARGO_TIMEOUT,
        working_directory = str(sources),
    )
    if build.return_code:
        fail("mtree_worker_cargo %s: cargo build failed:\n%s" % (hub, build.stderr))

    # Keep one file of gigabytes.
    copied = rctx.execute(["cp", target + "/release/mtree-worker", str(rctx.path("mtree-worker"))])
    if copied.return_code:
        fail("mtree_worker_cargo %s: %s" % (hub, copied.stderr))
    rctx.delete("target")
    _provide(rctx, "mtree-worker")

cargo_program = repository_rule(
    implementation = _cargo_impl,
    doc = "Holds a program that cargo builds from the sources of this repository.",
    attrs = {
        "hub": _HUB,
        "version": attr.string(
            doc = "The version of the sources. A new one builds the program again, also where Bazel does not watch them.",
            mandatory = True,
        ),
    },
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
    rctx.download_and_extract(rctx.attr.urls, sha256 = rctx.attr.sha256)

    # An archive of release/build has one directory, mtree-worker-VERSION-TRIPLE.
    found = []
    for prefix in [""] + [entry.basename + "/" for entry in rctx.path(".").readdir()]:
        program = prefix + "mtree-worker"
        if rctx.path(program).exists and not rctx.path(program + "/mtree-worker").exists:
            found.append(program)
    if len(found) != 1:
        fail("mtree_worker_release %s: the archive %s must hold one file mtree-worker, at its top or in a directory at its top, and holds %d" %
             (rctx.attr.hub, rctx.attr.urls[0], len(found)))
    _provide(rctx, found[0])

    # Since Bazel 8.3: the archive has a checksum, so the repository may be shared between workspaces.
    return rctx.repo_metadata(reproducible = True) if hasattr(rctx, "repo_metadata") else None

release_program = repository_rule(
    implementation = _release_impl,
    doc = "Holds a program from an archive that is downloaded.",
    attrs = {
        "hub": _HUB,
        "sha256": attr.string(doc = "The SHA-256 of the archive.", mandatory = True),
        "urls": attr.string_list(doc = "URLs of the archive, tried in order.", mandatory = True),
    },
)

def _missing_impl(rctx):
    fail(rctx.attr.message)

missing_program = repository_rule(
    implementation = _missing_impl,
    doc = "Fails if an action needs the program: there is none for this host.",
    attrs = {
        "message": attr.string(doc = "What is missing, and what to do.", mandatory = True),
    },
)

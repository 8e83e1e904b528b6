"""The machine's CPython as an external repository, with the symlinks that its authors made."""

_BUILD = """\
package(default_visibility = ["//visibility:public"])

exports_files(["bin/python3"])

filegroup(
    name = "tree",
    srcs = glob(["**"], exclude = ["BUILD.bazel", "WORKSPACE", "version.bzl"]),
)
"""

# What of an installation is the toolchain, less its tests, caches and static libraries. The prefix may be /usr,
# which holds much else.
_COPY = """
set -e
prefix=$1 version=$2
copy() { mkdir -p "$(dirname "$1")"; if [ -e "$prefix/$1" ]; then cp -a "$prefix/$1" "$1"; fi; }
for program in python python3 "python$version" idle idle3 "idle$version" pydoc pydoc3 "pydoc$version"; do
    copy "bin/$program"
done
copy "lib/python$version"
for library in "$prefix"/lib/libpython*.so*; do
    [ ! -e "$library" ] || copy "lib/$(basename "$library")"
done
rm -rf "lib/python$version"/test "lib/python$version"/*/test "lib/python$version"/*/tests
rm -rf "lib/python$version"/config-* "lib/python$version"/site-packages "lib/python$version"/dist-packages
find . -name __pycache__ -prune -exec rm -rf '{}' +
find . -name '*.a' -delete
[ -e bin/python ] || ln -s python3 bin/python
"""

# Packages of five modules each, to make the tree as large as a toolchain with everything installed.
_PAD = """
import os, sys
version, folders = sys.argv[1], int(sys.argv[2])
root = "lib/python%s/site-packages/padding" % version
for i in range(folders):
    package = "%s/p%02d/q%d" % (root, i // 100, i % 100)
    os.makedirs(package)
    for j in range(4):
        with open("%s/m%d.py" % (package, j), "w") as module:
            module.write("VALUE = (%d, %d)\\n" % (i, j))
    os.symlink("m0.py", package + "/latest.py")
"""

def _run(rctx, command):
    result = rctx.execute(command, timeout = 300)
    if result.return_code:
        fail("cpython %s: %s" % (rctx.name, result.stderr))
    return result.stdout.strip()

def _cpython_impl(rctx):
    python = rctx.which("python3")
    if not python:
        fail("cpython %s: there is no python3 on PATH" % rctx.name)
    about = "import sys; print('%s %d.%d' % (sys.base_prefix, *sys.version_info[:2]))"
    prefix, version = _run(rctx, [python, "-c", about]).rsplit(" ", 1)
    _run(rctx, ["sh", "-c", _COPY, "sh", prefix, version])
    if rctx.attr.padding:
        _run(rctx, [python, "-c", _PAD, version, str(rctx.attr.padding)])
    _run(rctx, ["sh", "-e", str(rctx.path(rctx.attr.recipe))])
    rctx.file("version.bzl", "\"\"\"Which Python this is.\"\"\"\n\nVERSION = \"%s\"\n" % version, executable = False)
    rctx.file("BUILD.bazel", _BUILD, executable = False)

cpython = repository_rule(
    implementation = _cpython_impl,
    doc = "Copies the tree of the python3 on PATH.",
    attrs = {
        "padding": attr.int(doc = "How many packages, of five files each, to add to the tree."),
        "recipe": attr.label(
            allow_single_file = True,
            doc = "A script of sh that is run in the tree. When it changes, the tree is fetched anew.",
            mandatory = True,
        ),
    },
    environ = ["PATH"],
)

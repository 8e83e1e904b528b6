"""The CPython of the machine as an external repository, with its symlinks, and the libraries that it is linked with."""

_BUILD = """\
package(default_visibility = ["//visibility:public"])

exports_files(["bin/python3"])

filegroup(
    name = "tree",
    srcs = glob(["**"], exclude = ["BUILD.bazel", "WORKSPACE", "version.bzl"]),
)
"""

# Copies the toolchain from an installation, without tests, caches and static libraries. It copies listed paths only,
# since the prefix may be /usr.
_COPY = """
set -e
prefix=$1 version=$2 here=$PWD
cd "$prefix"
for name in python idle pydoc; do
    ls -d "bin/$name" "bin/${name}3" "bin/$name$version" 2>/dev/null || :
done > "$here/list"
ls -d "lib/python$version" lib/libpython*.so* >> "$here/list" 2>/dev/null || :
tar -cf - --exclude=test --exclude=tests --exclude=__pycache__ --exclude='*.a' --exclude='config-*' \\
    --exclude=site-packages --exclude=dist-packages -T "$here/list" | tar -xf - -C "$here"
cd "$here"
rm list
[ -e bin/python ] || ln -s python3 bin/python
"""

# Adds packages of five modules each, so that the tree is as large as a toolchain with many packages.
_PAD = """
import os, sys
version, directories = sys.argv[1], int(sys.argv[2])
root = "lib/python%s/site-packages/padding" % version
for i in range(directories):
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
        fail("cpython %s: python3 is not on PATH" % rctx.name)
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
            doc = "A script that sh runs in the tree. If it changes, the tree is fetched again.",
            mandatory = True,
        ),
    },
    environ = ["PATH"],
)

# Copies the shared libraries that an interpreter and its modules need, each to its path.
_LIBRARIES = """
set -e
python=$(dirname "$1")/..
find "$python/bin" "$python/lib" -type f \\( -name 'python3*' -o -name '*.so*' \\) -exec ldd {} + 2>/dev/null |
    grep -o '/[^ :)]*' | grep -v libpython | sort -u > list
while read -r library; do
    case $library in
        "$python"/* | *:) ;;
        *) [ ! -f "$library" ] || { mkdir -p ".$(dirname "$library")"; cp -L "$library" ".$library"; } ;;
    esac
done < list
rm list
"""

def _libraries_impl(rctx):
    _run(rctx, ["sh", "-c", _LIBRARIES, "sh", str(rctx.path(rctx.attr.python))])
    rctx.file("BUILD.bazel", """\
filegroup(
    name = "all",
    srcs = glob(["**"], exclude = ["BUILD.bazel", "WORKSPACE"]),
    visibility = ["//visibility:public"],
)
""", executable = False)

libraries = repository_rule(
    implementation = _libraries_impl,
    doc = "Copies the shared libraries of the machine that an interpreter needs.",
    attrs = {
        "python": attr.label(
            allow_single_file = True,
            doc = "The interpreter.",
            mandatory = True,
        ),
    },
)

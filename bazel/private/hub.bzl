"""The hub: a repository with the `toolchain` to register, and nothing else.

Bazel loads it in every build that resolves a toolchain. The program is in a repository behind it, which Bazel fetches
if an action needs the program: only then is something downloaded or built.
"""

load("//bazel/private:labels.bzl", "canonical")
load("//bazel/private:programs.bzl", "cargo_program", "local_program", "missing_program", "release_program")
load("//bazel/private:releases.bzl", "RELEASES", "VERSION")

# The hosts that a release can have a program for.
PLATFORMS = ["linux_aarch64", "linux_x86_64", "macos_aarch64", "macos_x86_64"]

# The program for every host.
_ANY = "any"

# The action runs on the host, also where the execution platform of the build is another one. So the toolchain fits
# every execution platform, and its program is the one for the host.
_BUILD = """\
package(default_visibility = ["//visibility:public"])

toolchain(
    name = "toolchain",
    toolchain = "@{program}//:worker",
    toolchain_type = "{type}",
)
"""

_ARCHITECTURES = {
    "aarch64": "aarch64",
    "amd64": "x86_64",
    "arm64": "aarch64",
    "x86_64": "x86_64",
}

def _host(rctx):
    """Names the host as PLATFORMS does, or as the operating system does if it is none of them."""
    system = rctx.os.name.lower()
    if system.startswith("mac os"):
        system = "macos"

    # Bazel 7 and later have `arch`; 4.2.3 does not.
    architecture = getattr(rctx.os, "arch", "")
    if not architecture:
        architecture = rctx.execute(["uname", "-m"]).stdout.strip()
    return "%s_%s" % (system, _ARCHITECTURES.get(architecture, architecture))

def _hub_impl(rctx):
    programs = rctx.attr.programs
    program = programs.get(_ANY) or programs.get(_host(rctx)) or rctx.attr.otherwise
    rctx.file("BUILD.bazel", _BUILD.format(
        program = program,
        type = canonical(Label("//bazel/toolchain:type")),
    ), executable = False)

_hub = repository_rule(
    implementation = _hub_impl,
    doc = "Holds the toolchain to register.",
    attrs = {
        "otherwise": attr.string(doc = "The repository for other hosts."),
        "programs": attr.string_dict(
            doc = "Platform of the host, or `any` -> the repository of its program.",
            mandatory = True,
        ),
    },
)

def mtree_worker_local(name, path):
    """Provides a program that is already on the machine.

    Args:
        name: the name of the hub.
        path: the path of the program: absolute, or relative to the workspace.
    """
    program = name + "_local"
    local_program(name = program, hub = name, path = path)
    _hub(name = name, programs = {_ANY: program})

def mtree_worker_cargo(name):
    """Builds the program from the sources of this repository, with the cargo on PATH.

    Crates have the versions of Cargo.lock. cargo takes them from its cache (`CARGO_HOME`) or downloads them.

    Args:
        name: the name of the hub.
    """
    program = name + "_cargo"
    cargo_program(name = program, hub = name, version = VERSION)
    _hub(name = name, programs = {_ANY: program})

def mtree_worker_release(name, urls = {}, sha256 = {}):
    """Downloads a released program.

    The platforms are `linux_aarch64`, `linux_x86_64`, `macos_aarch64` and `macos_x86_64`. Only the archive for the
    host is downloaded.

    Args:
        name: the name of the hub.
        urls: platform of the host to the URLs of its archive, tried in order. Default: the releases of this version,
            from the list that the version holds.
        sha256: platform of the host to the SHA-256 of its archive, in hexadecimal. The same platforms as `urls`.
    """
    releases = {}
    for platform in urls:
        if platform not in PLATFORMS:
            fail("mtree_worker_release %s: unknown platform \"%s\" in urls; it is one of %s" % (name, platform, ", ".join(PLATFORMS)))
        if not urls[platform]:
            fail("mtree_worker_release %s: urls of %s is empty; add a URL, or remove the platform" % (name, platform))
        if len(sha256.get(platform, "")) != 64:
            fail("mtree_worker_release %s: sha256 must have 64 hexadecimal digits for %s, as in the file .sha256 beside the archive" % (name, platform))
        releases[platform] = struct(sha256 = sha256[platform], urls = urls[platform])
    for platform in sha256:
        if platform not in urls:
            fail("mtree_worker_release %s: sha256 has the platform %s, which urls has not; add its URLs" % (name, platform))
    from_list = not releases
    if from_list:
        releases = {platform: struct(sha256 = sum, urls = places) for platform, (sum, places) in RELEASES.items()}

    programs = {}
    for platform, release in releases.items():
        programs[platform] = "%s_%s" % (name, platform)
        release_program(name = programs[platform], hub = name, sha256 = release.sha256, urls = release.urls)
    otherwise = name + "_missing"
    missing_program(
        name = otherwise,
        message = "mtree_worker_release %s: there is no program for this host in %s: %s; use mtree_worker_cargo or mtree_worker_local" % (
            name,
            "the releases of version " + VERSION if from_list else "urls",
            "it has " + ", ".join(sorted(programs)) if programs else "it is empty",
        ),
    )
    _hub(name = name, otherwise = otherwise, programs = programs)

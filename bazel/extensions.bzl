"""The module extension, for MODULE.bazel files.

This module registers a toolchain itself, whose program is a release. A tag with the same name, in the root module,
takes its place:

```starlark
mtree_worker = use_extension("@mtree_worker//bazel:extensions.bzl", "mtree_worker")
mtree_worker.cargo()
```
"""

load("//bazel/private:hub.bzl", "mtree_worker_cargo", "mtree_worker_local", "mtree_worker_release")

_NAME = {
    "name": attr.string(
        default = "mtree_worker_bin",
        doc = """The repository's name. The default is the name that this module registers the toolchain of; for
another name, add `use_repo` and `register_toolchains`.""",
    ),
}

def _cargo(tag):
    mtree_worker_cargo(name = tag.name)

def _local(tag):
    mtree_worker_local(name = tag.name, path = tag.path)

def _release(tag):
    mtree_worker_release(name = tag.name, sha256 = tag.sha256, urls = tag.urls)

def _mtree_worker_impl(module_ctx):
    # Modules are in breadth-first order from the root. The first module that uses a name defines it.
    made = {}
    for module in module_ctx.modules:
        for make, tags in [
            (_cargo, module.tags.cargo),
            (_local, module.tags.local),
            (_release, module.tags.release),
        ]:
            for tag in tags:
                if made.get(tag.name) == module.name:
                    fail("mtree_worker: the module \"%s\" defines %s twice; remove one tag, or give it another name" % (module.name, tag.name))
                if tag.name not in made:
                    made[tag.name] = module.name
                    make(tag)

    # Which repositories there are depends on the tags alone, so the lockfile need not hold them. Bazel 7.1 introduced
    # the parameter together with `watch`; Starlark cannot list parameters.
    if hasattr(module_ctx, "watch"):
        return module_ctx.extension_metadata(reproducible = True)
    return None

mtree_worker = module_extension(
    implementation = _mtree_worker_impl,
    doc = "Creates repositories that hold an mtree-worker and its toolchain.",
    tag_classes = {
        "cargo": tag_class(
            attrs = _NAME,
            doc = "Builds the program from the sources of this module, with the cargo on PATH.",
        ),
        "local": tag_class(
            attrs = dict(_NAME, path = attr.string(
                doc = "The path of the program: absolute, or relative to the workspace.",
                mandatory = True,
            )),
            doc = "Uses a program that is already on the machine.",
        ),
        "release": tag_class(
            attrs = dict(
                _NAME,
                sha256 = attr.string_dict(
                    doc = "Platform of the host to the SHA-256 of its archive. The same platforms as `urls`.",
                ),
                urls = attr.string_list_dict(
                    doc = """Platform of the host (`linux_aarch64`, `linux_x86_64`, `macos_aarch64`, `macos_x86_64`)
to the URLs of its archive. Default: the releases of this version.""",
                ),
            ),
            doc = "Downloads a released program.",
        ),
    },
)

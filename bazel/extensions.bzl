"""Three ways to provide the program, for MODULE.bazel files. Each creates a repository with a toolchain to register.

```starlark
mtree_worker = use_extension("@mtree_worker//bazel:extensions.bzl", "mtree_worker")
mtree_worker.cargo(name = "mtree_worker_bin")
use_repo(mtree_worker, "mtree_worker_bin")

register_toolchains("@mtree_worker_bin//:toolchain")
```
"""

load(
    "//bazel/private:repositories.bzl",
    "LOCAL_ATTRS",
    "RELEASE_ATTRS",
    "mtree_worker_cargo",
    "mtree_worker_local",
    "mtree_worker_release",
)

_NAME = {
    "name": attr.string(doc = "The repository's name, for `use_repo`.", mandatory = True),
}

def _cargo(tag):
    mtree_worker_cargo(name = tag.name)

def _local(tag):
    mtree_worker_local(
        name = tag.name,
        exec_compatible_with = tag.exec_compatible_with,
        path = tag.path,
    )

def _release(tag):
    mtree_worker_release(
        name = tag.name,
        binary = tag.binary,
        exec_compatible_with = tag.exec_compatible_with,
        sha256 = tag.sha256,
        strip_prefix = tag.strip_prefix,
        urls = tag.urls,
    )

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
                    fail("mtree_worker: the module \"%s\" defines %s twice" % (module.name, tag.name))
                if tag.name not in made:
                    made[tag.name] = module.name
                    make(tag)

mtree_worker = module_extension(
    implementation = _mtree_worker_impl,
    doc = "Creates repositories that hold an mtree-worker and its toolchain.",
    tag_classes = {
        "cargo": tag_class(
            attrs = _NAME,
            doc = "Builds the program from the sources of this module, with the cargo on PATH.",
        ),
        "local": tag_class(
            attrs = dict(_NAME, **LOCAL_ATTRS),
            doc = "Uses a program that is already on the machine.",
        ),
        "release": tag_class(
            attrs = dict(_NAME, **RELEASE_ATTRS),
            doc = "Downloads an archive that holds the program.",
        ),
    },
)

"""Three ways to provide the program, for WORKSPACE files. Each creates a repository with a toolchain to register.

```starlark
load("@mtree_worker//bazel:repositories.bzl", "mtree_worker_cargo")

mtree_worker_cargo(name = "mtree_worker_bin")

register_toolchains("@mtree_worker_bin//:toolchain")
```
"""

load(
    "//bazel/private:hub.bzl",
    _mtree_worker_cargo = "mtree_worker_cargo",
    _mtree_worker_local = "mtree_worker_local",
    _mtree_worker_release = "mtree_worker_release",
)

mtree_worker_cargo = _mtree_worker_cargo
mtree_worker_local = _mtree_worker_local
mtree_worker_release = _mtree_worker_release

"""Rules for image layers that store symlinks as symlinks.

`mtree_spec` and `mtree_mutate` replace tar.bzl's rules of the same names: to migrate, change the `load` line.
`resolve_symlinks` only resolves symlinks, in a spec that another rule wrote.

```starlark
load("@mtree_worker//bazel:defs.bzl", "mtree_mutate", "mtree_spec")

mtree_spec(
    name = "spec",
    srcs = [":app"],
)

mtree_mutate(
    name = "layer_spec",
    srcs = [":app"],
    mtree = ":spec",
    preserve_symlinks = True,
)
```
"""

load("//bazel/private:mtree_mutate.bzl", _mtree_mutate = "mtree_mutate")
load("//bazel/private:mtree_spec.bzl", _mtree_spec = "mtree_spec")
load("//bazel/private:resolve_symlinks.bzl", _resolve_symlinks = "resolve_symlinks")

mtree_spec = _mtree_spec
mtree_mutate = _mtree_mutate
resolve_symlinks = _resolve_symlinks

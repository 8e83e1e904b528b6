"""Rules for image layers that store symlinks as symlinks.

`mtree_spec`, `mtree_mutate`, `mutate` and `tar` replace tar.bzl's rules of the same names: to migrate, change the
`load` line. `layers` writes an image's files to several layers, `py_layers` and `js_layers` those of a program.
`oci_layout` makes an image of layers. `resolve_symlinks` only resolves symlinks, in a spec that another rule wrote.

```starlark
load("@mtree_worker//bazel:defs.bzl", "layers", "oci_layout")

layers(
    name = "layers",
    srcs = [":app"],
    groups = {"interpreter": ["source:external/*python_3*/**"]},
)

oci_layout(
    name = "image",
    entrypoint = ["/app/app"],
    layers = [":layers"],
)
```
"""

load("//bazel/private:layers.bzl", _js_layers = "js_layers", _layers = "layers", _py_layers = "py_layers")
load("//bazel/private:mtree_mutate.bzl", _mtree_mutate = "mtree_mutate")
load("//bazel/private:mtree_spec.bzl", _mtree_spec = "mtree_spec")
load("//bazel/private:oci_layout.bzl", _oci_layout = "oci_layout")
load("//bazel/private:resolve_symlinks.bzl", _resolve_symlinks = "resolve_symlinks")
load("//bazel/private:spec_of.bzl", _mutate = "mutate")
load("//bazel/private:tar.bzl", _tar = "tar")

mtree_spec = _mtree_spec
mtree_mutate = _mtree_mutate
resolve_symlinks = _resolve_symlinks
mutate = _mutate
tar = _tar
layers = _layers
py_layers = _py_layers
js_layers = _js_layers
oci_layout = _oci_layout

"""The toolchain type."""

_HELP = """No program of mtree-worker is registered. MODULE.bazel: bazel_dep(name = "mtree_worker") registers one; is \
another toolchain of this type masked by --extra_toolchains? WORKSPACE: call mtree_worker_release, mtree_worker_cargo \
or mtree_worker_local of @mtree_worker//bazel:repositories.bzl, and register_toolchains("@NAME//:toolchain")."""

def toolchain_type_with_help(name):
    """Declares a toolchain type whose absence is explained, where Bazel can do that.

    Args:
        name: the name of the type.
    """

    # Bazel 8.1 and later have `no_match_error`. A BUILD file cannot read the version of Bazel, but a macro can
    # check which attributes a target has.
    probe = "attributes_of_" + name
    native.toolchain_type(name = probe, visibility = ["//visibility:private"])
    if "no_match_error" in native.existing_rule(probe):
        native.toolchain_type(name = name, no_match_error = _HELP)
    else:
        native.toolchain_type(name = name)

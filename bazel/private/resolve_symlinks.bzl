"""The rule that resolves symlinks and changes nothing else."""

load("//bazel/toolchain:toolchain.bzl", "TOOLCHAIN_TYPE")
load(":action.bzl", "RESOLVE_ATTRS", "resolve_action")

def _resolve_symlinks_impl(ctx):
    return resolve_action(ctx, {})

resolve_symlinks = rule(
    implementation = _resolve_symlinks_impl,
    doc = "Resolves the symlinks of a spec: files that are symlinks to other files of the spec become links.",
    attrs = RESOLVE_ATTRS,
    toolchains = [TOOLCHAIN_TYPE],
)

"""The rule that looks for symlinks and changes nothing else."""

load("//bazel/toolchain:toolchain.bzl", "TOOLCHAIN_TYPE")
load(":action.bzl", "RESOLVE_ATTRS", "resolve_action")

def _resolve_symlinks_impl(ctx):
    return resolve_action(ctx, {})

resolve_symlinks = rule(
    implementation = _resolve_symlinks_impl,
    doc = "Writes a spec with those of its files as links that are symlinks to others of them.",
    attrs = RESOLVE_ATTRS,
    toolchains = [TOOLCHAIN_TYPE],
)

"""The toolchain: which mtree-worker the rules run."""

# A string, because rules, actions and the BUILD files of other repositories all accept one.
TOOLCHAIN_TYPE = str(Label("//bazel/toolchain:type"))

def _mtree_worker_toolchain_impl(ctx):
    return [platform_common.ToolchainInfo(
        mtree_worker = struct(binary = ctx.executable.binary),
    )]

mtree_worker_toolchain = rule(
    implementation = _mtree_worker_toolchain_impl,
    doc = "Provides an mtree-worker to a `toolchain` target of the type `//bazel/toolchain:type`.",
    attrs = {
        "binary": attr.label(
            allow_files = True,
            cfg = "exec",
            doc = "The program, for the machine of Bazel itself.",
            executable = True,
            mandatory = True,
        ),
    },
)

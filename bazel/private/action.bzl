"""The action that changes and resolves a spec, and the attributes of all rules that run it."""

load("//bazel/toolchain:toolchain.bzl", "TOOLCHAIN_TYPE")

# What Bazel may do with the action. It is never run on a remote machine, where inputs are copies of
# what their links lead to; yet its output may come from a cache, since it names no machine.
_REQUIREMENTS = {
    "no-remote-exec": "1",
    "requires-worker-protocol": "proto",
    "supports-multiplex-sandboxing": "1",
    "supports-multiplex-workers": "1",
    "supports-worker-cancellation": "1",
    "supports-workers": "1",
}

# Bazel 6 and later want to know what an action's tool is for; to Bazel 4 and 5 it is an unknown
# parameter. What a function takes cannot be asked, so another thing that came with 6 is.
_TOOL_OF = {"toolchain": TOOLCHAIN_TYPE} if hasattr(native, "package_relative_label") else {}

# What `--action_env=NAME=VALUE` may say to the worker. Not all of the environment: PATH differs from machine to
# machine, and an action that had it would not be found in a shared cache.
_VARIABLES = ["MTREE_WORKER_LOG", "MTREE_WORKER_RECORD"]

RESOLVE_ATTRS = {
    "also": attr.label_list(
        allow_files = True,
        doc = """Specs of other layers of the image. Links may lead to their rows.""",
    ),
    "directory_links": attr.string(
        default = "collapse",
        values = ["collapse", "expand"],
        doc = """What becomes of a directory that is one symlink in the tree: `collapse` makes it one link,
`expand` leaves it a directory, with a link for each of its files.""",
    ),
    "missing_target": attr.string(
        default = "inline",
        values = ["inline", "keep", "fail"],
        doc = """What becomes of a symlink whose target is not in the archive: `inline` puts the bytes in,
`keep` writes the link as its author wrote it if it is relative, `fail` is an error.""",
    ),
    "mtree": attr.label(
        allow_single_file = True,
        mandatory = True,
        doc = "The spec to read, such as an `mtree_spec`.",
    ),
    "out": attr.output(doc = "The spec to write. If absent, `[name].mtree`."),
    "report": attr.output(doc = """A file to write numbers to, as JSON: rows, links, bytes saved. Also the output
group `report`. Without, none is written."""),
    "srcs": attr.label_list(
        allow_files = True,
        doc = """The files that rows of the spec take their bytes from (`content=`), and those of `also`: the
action looks at them to see which are symlinks. The same list as `srcs` of `mtree_spec` and `tar`; runfiles belong
to it. A row whose file is missing here stays as it is, and a warning counts such rows.""",
    ),
}

def _inputs(ctx):
    """The files of `srcs` with their runfiles, as `mtree_spec` knows them."""
    direct = []
    transitive = []
    for src in ctx.attr.srcs:
        info = src[DefaultInfo]
        transitive.append(info.files)
        runfiles = info.default_runfiles
        if not runfiles:
            continue
        transitive.append(runfiles.files)
        for link in runfiles.symlinks.to_list() + runfiles.root_symlinks.to_list():
            direct.append(link.target_file)
        repo_mapping = getattr(info.files_to_run, "repo_mapping_manifest", None)
        if repo_mapping:
            direct.append(repo_mapping)
    return depset(direct, transitive = transitive)

def _environment(ctx):
    asked = getattr(ctx.configuration, "default_shell_env", {})
    return {name: asked[name] for name in _VARIABLES if name in asked}

def resolve_action(ctx, flags, resolve = True):
    """Registers the action.

    Args:
        ctx: of a rule with RESOLVE_ATTRS and the toolchain.
        flags: a dictionary of changes to make to rows: flag to value. Empty values are left out.
        resolve: whether symlinks are looked for.

    Returns:
        the rule's providers.
    """
    out = ctx.outputs.out or ctx.actions.declare_file(ctx.attr.name + ".mtree")
    outputs = [out]

    args = ctx.actions.args()
    args.set_param_file_format("multiline")
    args.use_param_file("@%s", use_always = True)
    args.add("resolve")
    args.add("--mtree", ctx.file.mtree)
    args.add("--out", out)
    for flag, value in flags.items():
        if value:
            args.add("--%s=%s" % (flag, value))

    inputs = [depset([ctx.file.mtree])]
    if resolve:
        args.add_all(ctx.files.also, before_each = "--also")
        args.add("--missing-target", ctx.attr.missing_target)
        args.add("--directory-links", ctx.attr.directory_links)
        inputs += [depset(ctx.files.also), _inputs(ctx)]
    else:
        args.add("--no-resolve")
    if ctx.outputs.report:
        args.add("--report", ctx.outputs.report)
        outputs.append(ctx.outputs.report)

    ctx.actions.run(
        executable = ctx.toolchains[TOOLCHAIN_TYPE].mtree_worker.binary,
        arguments = [args],
        inputs = depset(transitive = inputs),
        outputs = outputs,
        env = _environment(ctx),
        mnemonic = "MtreeMutate",
        progress_message = "Looking for symlinks in the layer of %s" % ctx.label,
        execution_requirements = _REQUIREMENTS,
        **_TOOL_OF
    )

    providers = [DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out]))]
    if ctx.outputs.report:
        providers.append(OutputGroupInfo(report = depset([ctx.outputs.report])))
    return providers

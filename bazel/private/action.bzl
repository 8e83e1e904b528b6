"""Actions of the program: how one is run, which changes and resolves a spec, and the attributes that rules share."""

load("//bazel/toolchain:toolchain.bzl", "TOOLCHAIN_TYPE")

# `supports-path-mapping` must not be here: Bazel maps the paths of inputs and of arguments, but not those in the text
# of a spec.
_WORKER = {
    "requires-worker-protocol": "proto",
    "supports-multiplex-sandboxing": "1",
    "supports-multiplex-workers": "1",
    "supports-worker-cancellation": "1",
    "supports-workers": "1",
}

# An action that looks for symlinks never runs remotely: there, each input is a copy of the file that a symlink points
# to. But its output may be cached, since it does not depend on the machine.
_LOCAL = {"no-remote-exec": "1"}

# Bazel 6 and later have a parameter for the toolchain of an action; to Bazel 4 and 5 it is unknown. Starlark cannot
# list the parameters of a function, so this looks for a function that Bazel 6 introduced.
_TOOL_OF = {"toolchain": TOOLCHAIN_TYPE} if hasattr(native, "package_relative_label") else {}

# The variables of `--action_env=NAME=VALUE` that reach the worker. Others do not: PATH differs between machines,
# and would make a shared cache miss.
_VARIABLES = ["MTREE_WORKER_LOG", "MTREE_WORKER_RECORD"]

# How symlinks are resolved.
SYMLINK_ATTRS = {
    "also": attr.label_list(
        allow_files = True,
        doc = """Specs of other layers of the image. Links may point to their rows.""",
    ),
    "directory_links": attr.string(
        default = "collapse",
        values = ["collapse", "expand"],
        doc = """How to write a directory that is one symlink in the tree: `collapse` writes one link,
`expand` writes a directory with a link for each of its files.""",
    ),
    "link_is_source": attr.bool(doc = """Whether `link=` of a row holds the path of the symlink itself, as in the
specs of rules_py, instead of the text of the link."""),
    "missing_target": attr.string(
        default = "inline",
        values = ["inline", "keep", "fail"],
        doc = """How to write a symlink whose target is not in the archive: `inline` writes a file with the
bytes of the target, `keep` writes the link with its own text if that is relative, `fail` fails the build.""",
    ),
}

# What is read.
SPEC_ATTRS = {
    "mtree": attr.label(
        allow_single_file = True,
        mandatory = True,
        doc = "The spec to read, such as an `mtree_spec`.",
    ),
    "srcs": attr.label_list(
        allow_files = True,
        doc = """The sources (`content=`) of the rows of `mtree` and `also`, with their runfiles: the action finds
out which of them are symlinks. Usually the same list as `srcs` of `mtree_spec` and `tar`. A row whose source is not
listed stays unchanged; a warning counts such rows.""",
    ),
}

RESOLVE_ATTRS = dict(
    SYMLINK_ATTRS,
    out = attr.output(doc = "The spec to write. Default: `[name].mtree`."),
    report = attr.output(doc = """A JSON file to write: the numbers of rows and links, the bytes saved. It is also
the output group `report`. Default: none."""),
    **SPEC_ATTRS
)

def source_files(ctx):
    """Returns the files of `srcs` and their runfiles: those that `mtree_spec` lists.

    Args:
        ctx: the context of a rule with SPEC_ATTRS.

    Returns:
        a depset.
    """
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
    environment = getattr(ctx.configuration, "default_shell_env", {})
    return {name: environment[name] for name in _VARIABLES if name in environment}

def command_line(ctx, command):
    """Begins the arguments of an action.

    Args:
        ctx: the context of a rule.
        command: the command of the program.

    Returns:
        an `Args` that becomes a flag file, which workers need.
    """
    args = ctx.actions.args()
    args.set_param_file_format("multiline")
    args.use_param_file("@%s", use_always = True)
    args.add(command)
    return args

def add_symlink_flags(ctx, args):
    """Adds the flags of SYMLINK_ATTRS.

    Args:
        ctx: the context of a rule with SYMLINK_ATTRS.
        args: the arguments.
    """
    args.add_all(ctx.files.also, format_each = "--also=%s")
    args.add("--missing-target", ctx.attr.missing_target)
    args.add("--directory-links", ctx.attr.directory_links)
    if ctx.attr.link_is_source:
        args.add("--link-is-source")

def run_program(ctx, sees_symlinks, **kwargs):
    """Runs the program, as a worker where Bazel can.

    Args:
        ctx: the context of a rule with the toolchain.
        sees_symlinks: whether the output depends on which inputs are symlinks. If so, the action runs locally.
        **kwargs: other parameters of `ctx.actions.run`.
    """
    ctx.actions.run(
        executable = ctx.toolchains[TOOLCHAIN_TYPE].mtree_worker.binary,
        env = _environment(ctx),
        execution_requirements = dict(_WORKER, **_LOCAL) if sees_symlinks else _WORKER,
        **dict(kwargs, **_TOOL_OF)
    )

def run_once(ctx, **kwargs):
    """Runs the program as a process of its own.

    Args:
        ctx: the context of a rule with the toolchain.
        **kwargs: other parameters of `ctx.actions.run`.
    """
    ctx.actions.run(
        executable = ctx.toolchains[TOOLCHAIN_TYPE].mtree_worker.binary,
        env = _environment(ctx),
        **dict(kwargs, **_TOOL_OF)
    )

def resolve_action(ctx, flags, resolve = True):
    """Registers the action.

    Args:
        ctx: the context of a rule with RESOLVE_ATTRS and the toolchain.
        flags: the flags that change rows: a dictionary of flag to value, to a list of values (the flag is
            repeated), or to True. Flags with empty values are omitted.
        resolve: whether to resolve symlinks.

    Returns:
        the rule's providers.
    """
    out = ctx.outputs.out or ctx.actions.declare_file(ctx.attr.name + ".mtree")
    outputs = [out]

    args = command_line(ctx, "resolve")

    # Flag and path are one word. A line of its own that begins with `@`, such as `@scope/layer.spec`, would be taken
    # for the name of a file with more arguments.
    args.add(ctx.file.mtree, format = "--mtree=%s")
    args.add(out, format = "--out=%s")
    for flag, value in flags.items():
        if value == True:
            args.add("--" + flag)
        elif value:
            for each in value if type(value) == "list" else [value]:
                args.add("--%s=%s" % (flag, each))

    inputs = [depset([ctx.file.mtree])]
    if resolve:
        add_symlink_flags(ctx, args)
        inputs += [depset(ctx.files.also), source_files(ctx)]
    else:
        args.add("--no-resolve")
    if ctx.outputs.report:
        args.add(ctx.outputs.report, format = "--report=%s")
        outputs.append(ctx.outputs.report)

    run_program(
        ctx,
        sees_symlinks = resolve,
        arguments = [args],
        inputs = depset(transitive = inputs),
        outputs = outputs,
        mnemonic = "MtreeMutate",
        progress_message = "Looking for symlinks in the layer of %s" % ctx.label,
    )

    providers = [DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out]))]
    if ctx.outputs.report:
        providers.append(OutputGroupInfo(report = depset([ctx.outputs.report])))
    return providers

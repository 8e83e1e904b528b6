"""The spec of an archive: a label, a list of rows, or a list of files, with changes."""

load(":mtree_mutate.bzl", "mtree_mutate")
load(":mtree_spec.bzl", "mtree_spec")

# Attributes of every rule that the targets of one macro share.
_COMMON = [
    "compatible_with",
    "exec_compatible_with",
    "exec_properties",
    "features",
    "restricted_to",
    "tags",
    "target_compatible_with",
    "testonly",
    "visibility",
]

def mutate(**kwargs):
    """Changes of the rows of `tar(mutate = …)` and `layers(mutate = …)`.

    Args:
        **kwargs: the attributes of `mtree_mutate`, without `name` and `mtree`.

    Returns:
        a value for the attribute `mutate`.
    """
    return struct(mtree_mutate = kwargs)

def _mtree_rows_impl(ctx):
    rows = [
        ctx.expand_make_variables("mtree", ctx.expand_location(row, ctx.attr.srcs), {})
        for row in ctx.attr.rows
    ]

    # A row without a time gets 0, as from bsdtar if there is no file of that name where it runs.
    ctx.actions.write(ctx.outputs.out, "\n".join(["#mtree", "/set time=0"] + rows + [""]))
    return [DefaultInfo(files = depset([ctx.outputs.out]))]

_mtree_rows = rule(
    implementation = _mtree_rows_impl,
    doc = "Writes rows to a spec.",
    attrs = {
        "out": attr.output(doc = "The spec to write.", mandatory = True),
        "rows": attr.string_list(doc = "The rows."),
        "srcs": attr.label_list(allow_files = True, doc = "Targets of `$(location)`."),
    },
)

def spec_of(rule, name, mtree, mutate, include_runfiles, stamp, kwargs):
    """Declares the targets that make the spec of an archive.

    Args:
        rule: the name of the rule, for messages.
        name: the name of the archive's target.
        mtree: a label, a list of rows, or `auto`.
        mutate: what `mutate` returned, or None.
        include_runfiles: whether to list runfiles.
        stamp: whether to stamp rows.
        kwargs: attributes of the archive's target.

    Returns:
        the label of the spec.
    """
    if mtree != "auto":
        if mutate:
            fail("%s %s: mutate needs mtree = \"auto\"; pass an mtree_mutate target as mtree instead" % (rule, name))
        if include_runfiles != None:
            fail("%s %s: include_runfiles needs mtree = \"auto\"; set it in the mtree_spec" % (rule, name))
    if stamp:
        fail("%s %s: stamp is not supported; write the rows in a stamped genrule, and pass it as mtree" % (rule, name))
    common = {attribute: kwargs[attribute] for attribute in _COMMON if attribute in kwargs}
    target = name + "_mtree"
    if type(mtree) == "list":
        _mtree_rows(
            name = target,
            srcs = kwargs.get("srcs"),
            out = target + ".txt",
            rows = mtree,
            **common
        )
        return target
    if mtree != "auto":
        return mtree
    mtree_spec(
        name = target,
        srcs = kwargs.get("srcs"),
        out = target + ".txt",
        include_runfiles = include_runfiles if include_runfiles != None else True,
        **common
    )
    if not mutate:
        return target
    changes = getattr(mutate, "mtree_mutate", None)
    if changes == None:
        fail("%s %s: mutate is not what mutate(…) returns; load mutate from the file that %s is from" % (rule, name, rule))
    changes = dict(common, **changes)
    if changes.get("preserve_symlinks") and not changes.get("srcs"):
        changes["srcs"] = kwargs.get("srcs")
    mtree_mutate(
        name = name + "__mutated",
        mtree = target,
        **changes
    )
    return name + "__mutated"

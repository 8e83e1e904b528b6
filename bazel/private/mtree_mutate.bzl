"""The rule that changes rows of a spec, and looks for symlinks if it is to."""

load("//bazel/toolchain:toolchain.bzl", "TOOLCHAIN_TYPE")
load(":action.bzl", "RESOLVE_ATTRS", "resolve_action")

# What tar.bzl's rule has and this one has not, and what to do.
_NOT_HERE = {
    "awk_script": "no awk runs here: change the spec in a genrule of your own, before or after this rule",
    "excludes": "leave what is not to be in the layer out of the srcs of mtree_spec",
    "includes": "no awk runs here: change the spec in a genrule of your own, before or after this rule",
    "script_args": "no awk runs here: change the spec in a genrule of your own, before or after this rule",
}

def _mtree_mutate_impl(ctx):
    attr = ctx.attr
    return resolve_action(ctx, {
        "group": attr.group,
        "groupname": attr.groupname,
        "mtime": attr.mtime,
        "owner": attr.owner,
        "ownername": attr.ownername,
        "package-dir": attr.package_dir.lstrip("/"),
        "strip-prefix": attr.strip_prefix,
    }, resolve = attr.preserve_symlinks)

_mtree_mutate = rule(
    implementation = _mtree_mutate_impl,
    doc = "Changes rows of a spec, and looks for symlinks if it is to.",
    attrs = dict(
        RESOLVE_ATTRS,
        group = attr.string(doc = "The gid of every row."),
        groupname = attr.string(doc = "The gname of every row that has one."),
        mtime = attr.string(doc = "The time of every row, in seconds since 1970."),
        owner = attr.string(doc = "The uid of every row."),
        ownername = attr.string(doc = "The uname of every row that has one."),
        package_dir = attr.string(doc = "The directory that every row moves below."),
        preserve_symlinks = attr.bool(doc = "Whether files that are symlinks become links."),
        strip_prefix = attr.string(doc = "The directory to take away from the head of every path; rows elsewhere go."),
    ),
    toolchains = [TOOLCHAIN_TYPE],
)

def _string(value):
    return str(value) if type(value) == "int" else value

def mtree_mutate(
        name,
        mtree,
        srcs = None,
        preserve_symlinks = False,
        strip_prefix = None,
        package_dir = None,
        mtime = None,
        owner = None,
        ownername = None,
        group = None,
        groupname = None,
        also = None,
        missing_target = None,
        directory_links = None,
        report = None,
        **kwargs):
    """Changes a spec: paths, owners, times; and its files into links where they are symlinks.

    Takes the place of tar.bzl's `mtree_mutate`. Rows are changed first, so links are made from final paths.

    Args:
        name: name of the target; the spec is `[name].mtree`.
        mtree: the spec to change, typically an `mtree_spec`.
        srcs: the files that the spec's rows take their bytes from, as in `mtree_spec` and `tar`; a list or
            one label. Needed by `preserve_symlinks` alone. A row whose file is missing here stays as it is.
        preserve_symlinks: whether files that are symlinks become links. A file becomes one only if what it
            points to is in the archive too.
        strip_prefix: the directory to take away from the head of every path. Rows that are not below it go.
        package_dir: the directory that every row moves below.
        mtime: the time of every row, in seconds since 1970, a number or a string.
        owner: the uid of every row.
        ownername: the uname of every row that has one.
        group: the gid of every row.
        groupname: the gname of every row that has one.
        also: specs of other layers of the image, to whose rows links may lead. Their files belong in `srcs`.
        missing_target: what becomes of a symlink whose target is not in the archive: `inline` (default)
            puts the bytes in, `keep` writes the link as its author did if it is relative, `fail` is an error.
        directory_links: what becomes of a directory that is one symlink: `collapse` (default) makes it one link,
            `expand` leaves it a directory, with a link for each of its files.
        report: the name of a file to write numbers to, as JSON.
        **kwargs: what every rule takes, such as `visibility` and `tags`.
    """
    for attribute, advice in _NOT_HERE.items():
        if kwargs.pop(attribute, None):
            fail("mtree_mutate %s: %s is not supported; %s" % (name, attribute, advice))
    if preserve_symlinks and not srcs:
        fail("mtree_mutate %s: preserve_symlinks needs srcs, the files that may be symlinks" % name)
    _mtree_mutate(
        name = name,
        srcs = [srcs] if type(srcs) in ["string", "Label"] else srcs,
        out = name + ".mtree",
        also = also,
        directory_links = directory_links,
        group = _string(group),
        groupname = groupname,
        missing_target = missing_target,
        mtime = _string(mtime),
        mtree = mtree,
        owner = _string(owner),
        ownername = ownername,
        package_dir = package_dir,
        preserve_symlinks = preserve_symlinks,
        report = report,
        strip_prefix = strip_prefix,
        **kwargs
    )

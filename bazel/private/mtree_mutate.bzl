"""The rule that changes rows of a spec and, if asked to, resolves symlinks."""

load("//bazel/toolchain:toolchain.bzl", "TOOLCHAIN_TYPE")
load(":action.bzl", "RESOLVE_ATTRS", "resolve_action")

# Attributes of tar.bzl's rule that this rule does not have, and what to do instead.
_NOT_HERE = {
    "awk_script": "this rule does not run awk: change the spec in a genrule before or after this rule",
    "excludes": "use exclude, or leave such files out of the srcs of mtree_spec",
    "includes": "this rule does not run awk: change the spec in a genrule before or after this rule",
    "script_args": "this rule does not run awk: change the spec in a genrule before or after this rule",
}

def _mtree_mutate_impl(ctx):
    attr = ctx.attr
    return resolve_action(ctx, {
        "exclude": attr.exclude,
        "exclude-source": attr.exclude_source,
        "group": attr.group,
        "groupname": attr.groupname,
        "include": attr.include,
        "include-source": attr.include_source,
        "mode": attr.mode,
        "mtime": attr.mtime,
        "owner": attr.owner,
        "ownername": attr.ownername,
        "package-dir": attr.package_dir.lstrip("/"),
        "sort": attr.sort,
        "strip-prefix": attr.strip_prefix,
    }, resolve = attr.preserve_symlinks)

_mtree_mutate = rule(
    implementation = _mtree_mutate_impl,
    doc = "Changes rows of a spec and, if asked to, resolves symlinks.",
    attrs = dict(
        RESOLVE_ATTRS,
        exclude = attr.string_list(doc = "Patterns of archive paths. Rows that match one are removed."),
        exclude_source = attr.string_list(doc = "Patterns of sources. Rows whose source matches one are removed."),
        group = attr.string(doc = "The new gid of every row that has one."),
        groupname = attr.string(doc = "The new gname of every row that has one."),
        include = attr.string_list(doc = "Patterns of archive paths. Rows that match none are removed."),
        include_source = attr.string_list(doc = "Patterns of sources. Rows that match none of these, nor of include, are removed."),
        mode = attr.string_list(doc = "New modes: `MODE` for every row, `PATTERN=MODE` for rows that match."),
        mtime = attr.string(doc = "The new time of every row that has one, in seconds since 1970."),
        owner = attr.string(doc = "The new uid of every row that has one."),
        ownername = attr.string(doc = "The new uname of every row that has one."),
        package_dir = attr.string(doc = "The directory below which to put every row."),
        preserve_symlinks = attr.bool(doc = "Whether files that are symlinks become links."),
        sort = attr.bool(doc = "Whether to sort the rows by archive path."),
        strip_prefix = attr.string(doc = """The directory to remove from the head of every path. Rows that are not
below it are removed."""),
    ),
    toolchains = [TOOLCHAIN_TYPE],
)

def _string(value):
    return str(value) if type(value) == "int" else value

def _strings(value):
    return [value] if type(value) == "string" else value

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
        mode = None,
        include = None,
        exclude = None,
        include_source = None,
        exclude_source = None,
        sort = False,
        also = None,
        missing_target = None,
        directory_links = None,
        link_is_source = False,
        report = None,
        **kwargs):
    """Changes rows of a spec, and with `preserve_symlinks` writes files that are symlinks as links.

    Replaces tar.bzl's `mtree_mutate`. Rows are changed before symlinks are resolved, so links are computed from
    the final paths.

    Args:
        name: name of the target. The output is `[name].mtree`.
        mtree: the spec to change, typically an `mtree_spec`.
        srcs: the sources of the rows, as in `mtree_spec` and `tar`: a list or one label. Only `preserve_symlinks`
            needs it. A row whose source is not listed stays unchanged.
        preserve_symlinks: whether files that are symlinks become links. A file becomes a link only if its target
            is in the archive too.
        strip_prefix: the directory to remove from the head of every path. Rows that are not below it are removed.
        package_dir: the directory below which to put every row.
        mtime: the new time of every row that has one, in seconds since 1970: a number or a string.
        owner: the new uid of every row that has one.
        ownername: the new uname of every row that has one.
        group: the new gid of every row that has one.
        groupname: the new gname of every row that has one.
        mode: new modes of rows that have one, in octal: `MODE` for every such row, `PATTERN=MODE` for those whose
            archive path matches; a list or one string. In a pattern, `*` matches within one component of a path,
            `**` any number of them.
        include: patterns of archive paths, a list or one string. Rows that match none are removed.
        exclude: patterns of archive paths, a list or one string. Rows that match one are removed.
        include_source: like `include`, for the path of the source (`content=`). A row stays if either matches.
        exclude_source: like `exclude`, for the path of the source (`content=`).
        sort: whether to sort the rows by archive path.
        also: specs of other layers of the image. Links may point to their rows. List their sources in `srcs`.
        missing_target: how to write a symlink whose target is not in the archive: `inline` (default) writes a file
            with the bytes of the target, `keep` writes the link with its own text if that is relative, `fail`
            fails the build.
        directory_links: how to write a directory that is one symlink: `collapse` (default) writes one link,
            `expand` writes a directory with a link for each of its files.
        link_is_source: whether `link=` of a row holds the path of the symlink itself, as in the specs of rules_py.
        report: the name of a JSON file to write: the numbers of rows and links, the bytes saved.
        **kwargs: attributes of every rule, such as `visibility` and `tags`.
    """
    for attribute, advice in _NOT_HERE.items():
        if kwargs.pop(attribute, None):
            fail("mtree_mutate %s: %s is not supported; %s" % (name, attribute, advice))
    if preserve_symlinks and not srcs:
        fail("mtree_mutate %s: preserve_symlinks needs srcs, the files that may be symlinks" % name)
    if link_is_source and not preserve_symlinks:
        fail("mtree_mutate %s: link_is_source needs preserve_symlinks = True" % name)
    _mtree_mutate(
        name = name,
        srcs = [srcs] if type(srcs) in ["string", "Label"] else srcs,
        out = name + ".mtree",
        also = also,
        directory_links = directory_links,
        exclude = _strings(exclude),
        exclude_source = _strings(exclude_source),
        group = _string(group),
        groupname = groupname,
        include = _strings(include),
        include_source = _strings(include_source),
        link_is_source = link_is_source,
        missing_target = missing_target,
        mode = _strings(mode),
        mtime = _string(mtime),
        mtree = mtree,
        owner = _string(owner),
        ownername = ownername,
        package_dir = package_dir,
        preserve_symlinks = preserve_symlinks,
        report = report,
        sort = sort,
        strip_prefix = strip_prefix,
        **kwargs
    )

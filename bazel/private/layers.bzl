"""The rule that writes several layers of one image, and macros for usual programs."""

load("//bazel/toolchain:toolchain.bzl", "TOOLCHAIN_TYPE")
load(":action.bzl", "source_files")
load(":layer.bzl", "LAYER_ATTRS", "codec_of", "layer_action", "layer_providers")
load(":spec_of.bzl", "spec_of")

# The group of rows that no other group has. It comes last.
_REST = "app"

_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+"

def _check_groups(ctx):
    for group in ctx.attr.groups:
        if group == _REST:
            fail("%s: no group can be called \"%s\": it has the rows that no other group has; rename it" % (ctx.label, _REST))
        if not group or group.strip(_NAME):
            fail(("%s: a group cannot be called \"%s\", since its layer is named after it; use letters, digits and " +
                  "._-+") % (ctx.label, group))

def _layers_impl(ctx):
    codec = codec_of(ctx)
    _check_groups(ctx)
    name = ctx.label.name
    groups = ctx.actions.declare_file(name + ".groups.json")
    ctx.actions.write(groups, json.encode([
        struct(name = group, patterns = patterns)
        for group, patterns in ctx.attr.groups.items()
    ]))
    files = source_files(ctx)
    layers = []
    reports = []
    for group in ctx.attr.groups.keys() + [_REST]:
        stem = "%s_%s" % (name, group)
        report = ctx.actions.declare_file(stem + ".report.json") if ctx.attr.report else None
        if report:
            reports.append(report)
        layers.append(layer_action(
            ctx,
            codec,
            ctx.actions.declare_file(stem + codec.extension),
            stem,
            files,
            group = struct(name = group, file = groups),
            report = report,
            unused_inputs = True,
        ))
    return layer_providers(layers, reports)

_layers = rule(
    implementation = _layers_impl,
    doc = "Writes the files of a spec to several layers.",
    attrs = dict(
        LAYER_ATTRS,
        groups = attr.string_list_dict(doc = "The patterns of each group, in order."),
        report = attr.bool(doc = "Whether to write a report for each layer, for the output group `report`."),
    ),
    toolchains = [TOOLCHAIN_TYPE],
)

def layers(
        name,
        srcs,
        groups = {},
        mtree = "auto",
        mutate = None,
        include_runfiles = None,
        compress = "gzip",
        duplicates = "symlinks",
        **kwargs):
    """Writes the files of an image to several layers, so that an edit changes only one of them.

    The whole spec is resolved once for each layer, so links lead from one layer to another. Each file is in one layer:
    that of the first group that has it, else in the last layer, `app`.

    Args:
        name: name of the target. The outputs are `[name]_[group].tar.gz` (`.tar.zst` or `.tar` with another
            `compress`) for each group in order, then `[name]_app.tar.gz`. They are a value for `oci_image(tars = …)`.
        srcs: the files, directories and targets of the image, with their runfiles.
        groups: a dictionary of the name of a group to a list of patterns. A pattern is a glob of paths in the image,
            or of sources if it begins with `source:`. `*` matches within one component of a path, `**` any number of
            them. A pattern that matches a directory matches everything below it.
        mtree: the spec: a label, a list of rows, or `auto`, which lists `srcs`.
        mutate: changes of the rows, for `mtree = "auto"`: `mutate(…)`.
        include_runfiles: whether `mtree = "auto"` lists the runfiles of executables. Default: True.
        compress: `gzip` (default), `zstd`, or empty for no compression.
        duplicates: `symlinks` (default), `hardlinks` or `keep`, as in `tar`.
        **kwargs: other attributes: `level`, `single_member`, `order`, `also`, `missing_target`, `directory_links`,
            `link_is_source`, `report = True`, and attributes of every rule.
    """
    kwargs["srcs"] = srcs
    _layers(
        name = name,
        compress = compress,
        duplicates = duplicates,
        groups = groups,
        mtree = spec_of("layers", name, mtree, mutate, include_runfiles, 0, kwargs),
        **kwargs
    )

# The repositories of interpreters are called `python_3_11_x86_64-unknown-linux-gnu`, in modules
# `rules_python++python+python_3_11_x86_64-unknown-linux-gnu`. Those of packages are called `rules_python++pip+pip_311_numpy`.
_INTERPRETERS = [root + "*python_[23]_*[-_]{unknown,apple,pc}[-_]*/**" for root in [
    "**/*.runfiles/",
    "source:external/",
    "source:../",
]]

def py_layers(name, binary, interpreter = _INTERPRETERS, packages = ["**/site-packages/**"], groups = {}, **kwargs):
    """Writes the layers of a Python program: its interpreter, its packages, and the rest.

    The layouts of rules_python and of rules_py are known.

    Args:
        name: name of the target. The outputs are `[name]_[group].tar.gz` (`.tar.zst` or `.tar` with another
            `compress`) for each of `groups`, then for the groups `interpreter`, `packages` and `app`.
        binary: the `py_binary` or `py_venv_binary`.
        interpreter: patterns of the interpreter.
        packages: patterns of packages.
        groups: other groups, which come first.
        **kwargs: other attributes of `layers`.
    """
    layers(
        name = name,
        srcs = [binary],
        groups = dict(groups, interpreter = interpreter, packages = packages),
        **kwargs
    )

def js_layers(name, binary, groups = {}, **kwargs):
    """Writes the layers of a Node.js program, those of rules_js's `js_image_layer`.

    The layout of rules_js and of pnpm is known: packages are in a store, and `node_modules` are links into it.

    Args:
        name: name of the target. The outputs are `[name]_[group].tar.gz` (`.tar.zst` or `.tar` with another
            `compress`) for each of `groups`, then for the groups `node`, `package_store_3p`, `package_store_1p`,
            `node_modules` and `app`.
        binary: the `js_binary`.
        groups: other groups, which come first.
        **kwargs: other attributes of `layers`.
    """
    stores = ["**/node_modules/.aspect_rules_js/", "**/node_modules/.pnpm/"]

    # Packages of the workspace have the version 0.0.0.
    released = "*@{[1-9]*,0.[1-9]*,0.0.[1-9]*}/**"
    layers(
        name = name,
        srcs = [binary],
        groups = dict(
            groups,
            node = ["**/bin/nodejs/**", "source:external/*nodejs_*/**"],
            package_store_3p = [store + released for store in stores],
            package_store_1p = [store + "**" for store in stores],
            node_modules = ["**/node_modules/**"],
        ),
        **kwargs
    )

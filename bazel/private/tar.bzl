"""The rule that writes an archive, with the name and the attributes of tar.bzl's."""

load("//bazel/toolchain:toolchain.bzl", "TOOLCHAIN_TYPE")
load(":action.bzl", "source_files")
load(":flag.bzl", "FlagInfo")
load(":layer.bzl", "LAYER_ATTRS", "codec_of", "layer_action", "layer_providers", "list_inputs")
load(":spec_of.bzl", "spec_of")

# Attributes of tar.bzl's rule that this rule does not have, and what to do instead.
_NOT_HERE = {
    "args": "this rule does not run bsdtar: remove rows with mutate = mutate(exclude = …), or write the spec in a genrule",
    "compressor": "compress = \"gzip\" and \"zstd\" use all cores; remove compressor and set compress",
    "compressor_args": "set level or single_member instead",
}

# A string: Bazel 4 takes no Label in a select.
_OPT = str(Label("//bazel/private:opt"))

def _tar_impl(ctx):
    codec = codec_of(ctx)
    if ctx.attr.mode != "create":
        fail("%s: mode = \"%s\" is not supported; use \"create\", and append in a genrule" % (ctx.label, ctx.attr.mode))
    name = ctx.label.name
    files = source_files(ctx)
    unused = ctx.attr.compute_unused_inputs == 1 or (
        ctx.attr.compute_unused_inputs == -1 and ctx.attr._compute_unused_inputs_flag[FlagInfo].value
    )
    report = ctx.outputs.report
    layer = layer_action(
        ctx,
        codec,
        ctx.outputs.out or ctx.actions.declare_file(name + codec.extension),
        name,
        files,
        report = report,
        unused_inputs = unused,
        inputs_list = list_inputs(ctx, files) if unused else None,
    )
    return layer_providers([layer], [report] if report else [])

_tar = rule(
    implementation = _tar_impl,
    doc = "Writes the archive of a spec.",
    attrs = dict(
        LAYER_ATTRS,
        compute_unused_inputs = attr.int(
            default = -1,
            doc = """Whether Bazel learns which inputs the archive does not hold, so that a change of them does not run
the action again: 1, 0, or -1 for what the flag `@mtree_worker//bazel:tar_compute_unused_inputs` says.""",
            values = [-1, 0, 1],
        ),
        mode = attr.string(default = "create", doc = "`create`."),
        out = attr.output(doc = "The archive. Default: `[name].tar`, `[name].tar.gz` or `[name].tar.zst`."),
        report = attr.output(doc = """A JSON file to write: the numbers of rows, links and frames, and the bytes. It is
also the output group `report`. Default: none."""),
        _compute_unused_inputs_flag = attr.label(default = "//bazel:tar_compute_unused_inputs"),
    ),
    toolchains = [TOOLCHAIN_TYPE],
)

def tar(name, mtree = "auto", mutate = None, include_runfiles = None, stamp = 0, duplicates = "keep", **kwargs):
    """Writes an archive.

    Replaces tar.bzl's `tar`. Uncompressed, the archive has the same bytes.

    Args:
        name: name of the target. The output is `[name].tar`, `[name].tar.gz` or `[name].tar.zst`.
        mtree: the spec: a label, a list of rows, or `auto`, which lists `srcs`. In rows, `$(location)` and "Make"
            variables are expanded.
        mutate: changes of the rows, for `mtree = "auto"`: `mutate(…)`.
        include_runfiles: whether `mtree = "auto"` lists the runfiles of executables. Default: True.
        stamp: must be 0: stamping is not supported.
        duplicates: what to write for files that are symlinks or equal: `keep` (default) writes files, `symlinks`
            resolves symlinks as `mtree_mutate` does with `preserve_symlinks`, `hardlinks` writes equal files once.
        **kwargs: other attributes: `srcs`, `out`, `mode`, `compress` (`gzip` or `zstd`; default: `gzip` with
            `--compilation_mode=opt`, else none), `compute_unused_inputs`, `level`, `single_member`, `order`, `also`,
            `missing_target`, `directory_links`, `link_is_source`, `report`, and attributes of every rule.
    """
    for attribute, advice in _NOT_HERE.items():
        if kwargs.pop(attribute, None):
            fail("tar %s: %s is not supported; %s" % (name, attribute, advice))
    compress = kwargs.pop("compress", select({
        "//conditions:default": None,
        _OPT: "gzip",
    }))
    _tar(
        name = name,
        compress = compress,
        duplicates = duplicates,
        mtree = spec_of("tar", name, mtree, mutate, include_runfiles, stamp, kwargs),
        **kwargs
    )

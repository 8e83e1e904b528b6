"""The action that writes a layer, and the attributes that its rules share."""

load(
    ":action.bzl",
    "SPEC_ATTRS",
    "SYMLINK_ATTRS",
    "add_symlink_flags",
    "command_line",
    "run_program",
)

LayersInfo = provider(
    doc = "Layers of an image.",
    fields = {
        "layers": """A list of structs, the lowest layer first: `blob`, the layer, and `descriptor`, a JSON file with
its media type, digest, size and diff ID.""",
    },
)

# The file name extension and the highest level of each codec.
_CODECS = {
    "": struct(extension = ".tar", flag = "none", levels = 0),
    "gzip": struct(extension = ".tar.gz", flag = "gzip", levels = 12),
    "zstd": struct(extension = ".tar.zst", flag = "zstd", levels = 19),
}

LAYER_ATTRS = dict(
    SYMLINK_ATTRS,
    compress = attr.string(doc = "The compression: none if it is empty, `gzip` or `zstd`."),
    duplicates = attr.string(
        values = ["keep", "symlinks", "hardlinks"],
        doc = """What to write for files that are symlinks or equal: `keep` writes them as files. `symlinks` writes a
symlink wherever there is one and its target is in the archive, too. `hardlinks` writes files of equal bytes, mode,
owner and time once, and hard links to them. Only with `symlinks`, the action does not run remotely.""",
    ),
    level = attr.int(doc = "The level of the compression: 1 to 12 for gzip (6), 1 to 19 for zstd (3)."),
    order = attr.string(
        default = "spec",
        values = ["spec", "stable-first"],
        doc = """The order of the rows in the layer: that of the spec, or first the rows whose source is in an external
repository, so that an edit changes only the end of the layer.""",
    ),
    single_member = attr.bool(doc = "Whether to write gzip as one member, for readers that stop at the end of the first."),
    **SPEC_ATTRS
)

# Attributes that need `duplicates = "symlinks"`, with their defaults.
_OF_SYMLINKS = {
    "also": [],
    "directory_links": "collapse",
    "link_is_source": False,
    "missing_target": "inline",
}

def _refuse(ctx, sentence):
    fail("%s: %s" % (ctx.label, sentence))

def codec_of(ctx):
    """Checks the attributes of a layer.

    Args:
        ctx: the context of a rule with LAYER_ATTRS.

    Returns:
        the codec, with the file name extension of its layers.
    """
    attr = ctx.attr
    codec = _CODECS.get(attr.compress)
    if not codec:
        _refuse(ctx, ("compress = \"%s\" is not supported; use \"gzip\" or \"zstd\", or no compression, and compress " +
                      "the archive in a genrule") % attr.compress)
    if attr.level and not codec.levels:
        _refuse(ctx, "level needs compress = \"gzip\" or \"zstd\", set in the same target")
    if attr.level < 0 or attr.level > codec.levels:
        _refuse(ctx, "%s has no level %d; give one from 1 to %d" % (attr.compress, attr.level, codec.levels))
    if attr.single_member and attr.compress != "gzip":
        _refuse(ctx, "single_member needs compress = \"gzip\", set in the same target")
    if attr.duplicates != "symlinks":
        for name, default in _OF_SYMLINKS.items():
            if getattr(attr, name) != default:
                _refuse(ctx, "%s needs duplicates = \"symlinks\"" % name)
    return codec

def layer_action(ctx, codec, out, name, files, group = None, report = None, unused_inputs = False, inputs_list = None):
    """Registers the action that writes one layer.

    Args:
        ctx: the context of a rule with LAYER_ATTRS and the toolchain.
        codec: what `codec_of` returns.
        out: the layer.
        name: the head of the names of other outputs.
        files: what `source_files` returns.
        group: which rows to write: a struct of the name of a group, and the file of groups. None: all rows.
        report: the report to write, or None.
        unused_inputs: whether Bazel learns which inputs the layer does not read.
        inputs_list: a file that lists the inputs, or None. Without it, only sources in the spec are listed as unused.

    Returns:
        a struct of the layer and its descriptor.
    """
    attr = ctx.attr
    descriptor = ctx.actions.declare_file(name + ".descriptor.json")
    outputs = [out, descriptor]
    inputs = [ctx.file.mtree]

    # Flag and path are one word: a line that begins with `@` would be read as the name of a flag file.
    args = command_line(ctx, "layer")
    args.add(ctx.file.mtree, format = "--mtree=%s")
    args.add(out, format = "--out=%s")
    args.add(descriptor, format = "--descriptor=%s")
    args.add(codec.flag, format = "--compress=%s")
    args.add(attr.order, format = "--order=%s")
    if attr.level:
        args.add(attr.level, format = "--level=%s")
    if attr.single_member:
        args.add("--single-member")
    if attr.duplicates == "symlinks":
        add_symlink_flags(ctx, args)
        inputs += ctx.files.also
    else:
        args.add("--no-resolve")
    if attr.duplicates == "hardlinks":
        args.add("--hardlinks=content")
    if group:
        args.add(group.name, format = "--only=%s")
        args.add(group.file, format = "--groups=%s")
        inputs.append(group.file)
    if report:
        args.add(report, format = "--report=%s")
        outputs.append(report)
    unused = None
    if unused_inputs:
        unused = ctx.actions.declare_file(name + ".unused_inputs")
        args.add(unused, format = "--unused-inputs=%s")
        outputs.append(unused)
        if inputs_list:
            args.add(inputs_list, format = "--inputs=%s")
            inputs.append(inputs_list)

    run_program(
        ctx,
        sees_symlinks = attr.duplicates == "symlinks",
        arguments = [args],
        inputs = depset(inputs, transitive = [files]),
        outputs = outputs,
        mnemonic = "MtreeLayer",
        progress_message = "Writing layer %s" % out.short_path,
        unused_inputs_list = unused,
    )
    return struct(blob = out, descriptor = descriptor)

def layer_providers(layers, reports):
    """Returns the providers of a rule that writes layers.

    Args:
        layers: what `layer_action` returned, the lowest layer first.
        reports: the reports that were written.

    Returns:
        a list of providers.
    """
    blobs = [layer.blob for layer in layers]
    return [
        DefaultInfo(files = depset(blobs)),
        LayersInfo(layers = layers),
        OutputGroupInfo(
            descriptor = depset([layer.descriptor for layer in layers]),
            report = depset(reports),
        ),
    ]

def list_inputs(ctx, files):
    """Writes the paths of inputs to a file, one per line.

    Args:
        ctx: the context of a rule.
        files: a depset.

    Returns:
        the file.
    """
    out = ctx.actions.declare_file(ctx.label.name + ".inputs")
    lines = ctx.actions.args()
    lines.set_param_file_format("multiline")
    lines.add_all(files, expand_directories = False)
    ctx.actions.write(out, lines)
    return out

"""The machine's bsdtar, which makes a layer of a spec."""

def _tar_impl(ctx):
    out = ctx.actions.declare_file(ctx.attr.name + ".tar")
    runfiles = [src[DefaultInfo].default_runfiles.files for src in ctx.attr.srcs if src[DefaultInfo].default_runfiles]
    ctx.actions.run_shell(
        outputs = [out],
        inputs = depset([ctx.file.mtree] + ctx.files.srcs, transitive = runfiles),
        arguments = [out.path, ctx.file.mtree.path],
        command = "exec bsdtar --create --format=pax --file \"$1\" \"@$2\"",
        mnemonic = "Tar",
        use_default_shell_env = True,
    )
    return [DefaultInfo(files = depset([out]))]

tar = rule(
    implementation = _tar_impl,
    doc = "A layer: the files of a spec.",
    attrs = {
        "mtree": attr.label(allow_single_file = True, doc = "The spec.", mandatory = True),
        "srcs": attr.label_list(allow_files = True, doc = "The files that the spec's rows take their bytes from."),
    },
)

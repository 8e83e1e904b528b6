"""Creates a layer from a spec, with the bsdtar of the machine, for comparison."""

def _tar_impl(ctx):
    out = ctx.actions.declare_file(ctx.attr.name + (".tar.gz" if ctx.attr.compress else ".tar"))
    inputs = [depset([ctx.file.mtree] + ctx.files.srcs)]
    for src in ctx.attr.srcs:
        runfiles = src[DefaultInfo].default_runfiles
        if runfiles:
            links = runfiles.symlinks.to_list() + runfiles.root_symlinks.to_list()
            inputs += [runfiles.files, depset([link.target_file for link in links])]

    # Names in the archive are UTF-8 in every locale.
    command = "exec env LC_ALL=C.UTF-8 bsdtar --create --format=pax %s --file \"$1\" \"@$2\""
    ctx.actions.run_shell(
        outputs = [out],
        inputs = depset(transitive = inputs),
        arguments = [out.path, ctx.file.mtree.path],
        command = command % ("--gzip --options='gzip:!timestamp'" if ctx.attr.compress else ""),
        mnemonic = "Tar",
        use_default_shell_env = True,
    )
    return [DefaultInfo(files = depset([out]))]

tar = rule(
    implementation = _tar_impl,
    doc = "Creates a layer from the files of a spec.",
    attrs = {
        "compress": attr.bool(doc = "Whether to compress it with gzip."),
        "mtree": attr.label(allow_single_file = True, doc = "The spec.", mandatory = True),
        "srcs": attr.label_list(allow_files = True, doc = "The sources of the rows."),
    },
)

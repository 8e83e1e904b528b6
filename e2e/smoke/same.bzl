"""Compares two files in an action, so that a build is the test."""

def _same_impl(ctx):
    out = ctx.actions.declare_file(ctx.attr.name + ".txt")
    ctx.actions.run_shell(
        outputs = [out],
        inputs = [ctx.file.expected, ctx.file.found],
        arguments = [ctx.file.expected.path, ctx.file.found.path, out.path],
        command = "diff -u \"$1\" \"$2\" && cp \"$2\" \"$3\"",
        mnemonic = "Same",
    )
    return [DefaultInfo(files = depset([out]))]

same = rule(
    implementation = _same_impl,
    doc = "Fails unless two files are the same.",
    attrs = {
        "expected": attr.label(allow_single_file = True, doc = "The file that is expected.", mandatory = True),
        "found": attr.label(allow_single_file = True, doc = "The file to compare with it.", mandatory = True),
    },
)

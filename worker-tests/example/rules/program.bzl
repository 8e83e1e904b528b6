"""A Python program with its runfiles."""

_LAUNCHER = """\
#!/bin/sh
root=$0.runfiles
exec "$root/{python}" "$root/{main}" "$@"
"""

def _runfiles_path(ctx, file):
    return file.short_path[3:] if file.short_path.startswith("../") else ctx.workspace_name + "/" + file.short_path

def _program_impl(ctx):
    launcher = ctx.actions.declare_file(ctx.attr.name)
    ctx.actions.write(launcher, _LAUNCHER.format(
        main = _runfiles_path(ctx, ctx.file.main),
        python = _runfiles_path(ctx, ctx.file.python),
    ), is_executable = True)
    files = [ctx.file.main, ctx.file.python] + ctx.files.data
    return [DefaultInfo(
        executable = launcher,
        runfiles = ctx.runfiles(files),
    )]

program = rule(
    implementation = _program_impl,
    doc = "A launcher for a Python file.",
    attrs = {
        "data": attr.label_list(allow_files = True, doc = "Other files that the program needs."),
        "main": attr.label(allow_single_file = True, doc = "The file to run.", mandatory = True),
        "python": attr.label(allow_single_file = True, doc = "The interpreter.", mandatory = True),
    },
    executable = True,
)

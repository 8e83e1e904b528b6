"""A virtual environment of symlinks into the toolchain and into wheels, as in current Python rules."""

load(":link.bzl", "link_directory", "link_file")

def _wheel_impl(ctx):
    tree = ctx.actions.declare_directory(ctx.attr.name)
    args = ctx.actions.args()
    args.add(tree.path)
    args.add_all(ctx.files.srcs)
    ctx.actions.run_shell(
        outputs = [tree],
        inputs = ctx.files.srcs,
        arguments = [args],
        command = "out=$1; shift; cp \"$@\" \"$out\"",
    )
    return [DefaultInfo(files = depset([tree]))]

wheel = rule(
    implementation = _wheel_impl,
    doc = "An unpacked wheel: a directory that an action creates.",
    attrs = {"srcs": attr.label_list(allow_files = True, doc = "The modules.")},
)

def _venv_impl(ctx):
    config = ctx.actions.declare_file(ctx.attr.name + "/pyvenv.cfg")
    ctx.actions.write(config, "home = %s\ninclude-system-site-packages = false\n" % ctx.attr.home)
    python3 = link_file(ctx, ctx.attr.name + "/bin/python3", ctx.file.python)
    files = [config, python3, link_file(ctx, ctx.attr.name + "/bin/python", python3)]
    for package in ctx.files.packages:
        path = "%s/lib/python%s/site-packages/%s" % (ctx.attr.name, ctx.attr.version, package.basename)
        files.append(link_directory(ctx, path, package))
    return [DefaultInfo(files = depset(files))]

venv = rule(
    implementation = _venv_impl,
    doc = "A virtual environment whose files are symlinks.",
    attrs = {
        "home": attr.string(doc = "Where the interpreter will be in the image.", mandatory = True),
        "packages": attr.label_list(doc = "Wheels."),
        "python": attr.label(allow_single_file = True, doc = "The interpreter.", mandatory = True),
        "version": attr.string(doc = "Which Python it is, such as 3.13.", mandatory = True),
    },
)

def _venv_python_impl(ctx):
    python = [file for file in ctx.files.venv if file.path.endswith("/bin/python")]
    return [DefaultInfo(files = depset(python))]

venv_python = rule(
    implementation = _venv_python_impl,
    doc = "The interpreter of a virtual environment.",
    attrs = {"venv": attr.label(doc = "The virtual environment.", mandatory = True)},
)
